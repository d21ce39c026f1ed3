import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../base/log.js';
import { type Engine, type ServingApp, serveRequests, type UwsApp, type UwsHandlers } from '../engine/app.js';
import { closeApps, onLaterTurn } from '../engine/closing.js';
import { type Certificate, readCertificate } from './certificate.js';
import { readCiphers } from './ciphers.js';
import type { TlsSetting } from './suites.js';
import { type CipherList, engineList } from './suites.js';

/** An app that serves with one certificate, and how many connections it has. */
interface Serving {
  readonly serving: ServingApp;
  readonly certificate: Certificate;
  connections: number;
  /** Once it is replaced: sets {@link isClosed}. */
  handover: NodeJS.Timeout | undefined;
  /** Replaced so long ago that no connection is on its way to it any more. */
  isClosed: boolean;
}

/** Milliseconds in which a connection that was accepted reaches the app that it was meant for. */
const handover = 1000;

/** How often the files are read anew when they change while they are read. */
const attempts = 3;

/**
 * The apps of one listener with TLS. An app of the engine keeps the certificate that it was made with. So one app has
 * the listen socket, for as long as the listener is open, and gives every connection that arrives to another one, which
 * is replaced when the certificate is: no connection is lost, and those that are open go on as they began. The engine
 * gives the memory of a replaced app (some 20 KB) back to nobody, so that an unchanged certificate makes no new app.
 */
export class SecureApps {
  /** The app to listen with. It has no certificate and serves nothing itself. */
  readonly acceptor: UwsApp;
  readonly #engine: Engine;
  readonly #setting: TlsSetting;
  readonly #ciphers: CipherList;
  readonly #handlers: UwsHandlers;
  readonly #log: Log;
  #current: Serving;
  /** Replaced, but with open connections. */
  readonly #former = new Set<Serving>();

  /** @throws Error in one line that says what is wrong with certificate, key or ciphers */
  constructor(engine: Engine, setting: TlsSetting, handlers: UwsHandlers, log: Log) {
    this.#engine = engine;
    this.#setting = setting;
    this.#ciphers = readCiphers(setting.ciphers);
    this.#handlers = handlers;
    this.#log = log;
    this.#current = this.#serve();
    this.acceptor = engine.uws.SSLApp({});
    // An embedder may bring any engine.
    if (typeof this.acceptor.addChildAppDescriptor !== 'function') {
      throw new Error('this HTTP engine cannot change certificates; bring uWebSockets.js 20.51 or later');
    }
    this.acceptor.addChildAppDescriptor(this.#current.serving.app.getDescriptor());
  }

  /** Milliseconds since 1970 at which the certificate that is served expires. */
  get expiresAt(): number {
    return this.#current.certificate.expiresAt;
  }

  /**
   * Reads the files again, and serves new connections with what is in them.
   *
   * @returns false when nothing in them has changed
   * @throws Error in one line that says what is wrong with them; then the former certificate goes on
   */
  reload(): boolean {
    const next = this.#serve(this.#current.certificate.digest);
    if (next === undefined) return false;
    const former = this.#current;
    // In this order: the engine counts on round through a list, and must never find it shorter than its count.
    this.acceptor.removeChildAppDescriptor(former.serving.app.getDescriptor());
    this.acceptor.addChildAppDescriptor(next.serving.app.getDescriptor());
    this.#current = next;
    this.#former.add(former);
    former.handover = setTimeout(() => {
      former.isClosed = true;
      this.#forgetIdle(former);
    }, handover).unref();
    return true;
  }

  /** Closes every connection, with whatever certificate it began. */
  close(): Promise<void> {
    for (const { handover } of this.#former) clearTimeout(handover);
    const all = [this.#current, ...this.#former].map(({ serving }) => serving);
    this.#former.clear();
    return closeApps([...all, { app: this.acceptor, forget: () => {} }]);
  }

  #forgetIdle(former: Serving): void {
    if (former.isClosed && former.connections === 0 && this.#former.delete(former)) void closeApps([former.serving]);
  }

  #serve(): Serving;
  #serve(known: string): Serving | undefined;
  #serve(known?: string): Serving | undefined {
    for (let attempt = 1; ; attempt++) {
      const certificate = readCertificate(this.#setting, this.#ciphers);
      if (certificate.digest === known) return undefined;
      const app = this.#engineApp(certificate);
      // The engine reads the files itself, so that they might have changed in between.
      if (app !== undefined && this.#isStill(certificate)) return this.#served(app, certificate);
      app?.close();
      if (attempt < attempts) continue;
      const reason = app === undefined ? refusal(certificate) : 'they change all the time';
      throw new Error(`certificate ${this.#setting.certFile} and key ${this.#setting.keyFile}: ${reason}`);
    }
  }

  #isStill({ digest }: Certificate): boolean {
    try {
      return readCertificate(this.#setting, this.#ciphers).digest === digest;
    } catch {
      return false;
    }
  }

  #served(app: UwsApp, certificate: Certificate): Serving {
    const connection: UwsHandlers['connection'] = (response, delta) => {
      served.connections += delta;
      this.#handlers.connection(response, delta);
      if (delta < 0 && served.isClosed) {
        // In this turn the engine is about to close the connection.
        const forget = (): void => this.#forgetIdle(served);
        onLaterTurn(forget, forget);
      }
    };
    const serving = serveRequests(app, { ...this.#handlers, connection });
    const served: Serving = { serving, certificate, connections: 0, handover: undefined, isClosed: false };
    const { certFile } = this.#setting;
    for (const warning of certificate.warnings) this.#log.warn({ certificate: certFile }, warning);
    return served;
  }

  #engineApp({ passphrase, mended }: Certificate): UwsApp | undefined {
    return mended === undefined
      ? this.#appOf(this.#setting.certFile, passphrase)
      : withFile(mended, (certFile) => this.#appOf(certFile, passphrase));
  }

  #appOf(certFile: string, passphrase: string | undefined): UwsApp | undefined {
    try {
      return this.#engine.uws.SSLApp({
        cert_file_name: certFile,
        key_file_name: this.#setting.keyFile,
        ssl_ciphers: engineList(this.#ciphers),
        ...(passphrase === undefined ? {} : { passphrase }),
      });
    } catch {
      return undefined;
    }
  }
}

/** Puts certificates, which are no secret, into a file for as long as `use` takes: the engine reads files only. */
function withFile<Result>(text: string, use: (file: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-'));
  try {
    const file = join(folder, 'chain.pem');
    writeFileSync(file, text);
    return use(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What Node.js reads and the engine does not; it does not say why. */
function refusal({ passphrase }: Certificate): string {
  const remedy =
    passphrase === undefined ? '' : ': encrypt the key with openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256';
  return `the engine does not take them${remedy}`;
}
