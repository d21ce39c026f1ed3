import type { Log } from '../../base/log.js';
import type { CertificateFiles, Engine, EngineHandlers, LoadedCertificate, SecureApp } from '../engine/engine.js';
import { type Certificate, readCertificate } from './certificate.js';
import { readCiphers } from './ciphers.js';
import type { TlsSetting } from './suites.js';
import { type CipherList, engineList } from './suites.js';

/** How often the files are read anew when they change while they are read. */
const attempts = 3;

/** A certificate as it was read, and as the engine has it. */
interface Read {
  readonly certificate: Certificate;
  readonly loaded: LoadedCertificate;
}

/** The app of a listener with TLS, and its certificate, which can be read again. */
export class CertifiedListener {
  readonly app: SecureApp;
  readonly #engine: Engine;
  readonly #setting: TlsSetting;
  readonly #ciphers: CipherList;
  readonly #log: Log;
  #certificate: Certificate;

  /** @throws Error in one line that says what is wrong with certificate, key or ciphers */
  constructor(engine: Engine, setting: TlsSetting, handlers: EngineHandlers, log: Log) {
    this.#engine = engine;
    this.#setting = setting;
    this.#ciphers = readCiphers(setting.ciphers);
    this.#log = log;
    const { certificate, loaded } = this.#read();
    this.app = engine.openSecure(handlers, loaded);
    this.#certificate = certificate;
  }

  /** Milliseconds since 1970 at which the certificate that is served expires. */
  get expiresAt(): number {
    return this.#certificate.expiresAt;
  }

  /**
   * Reads the files again, and serves new connections with what is in them.
   *
   * @returns false when nothing in them has changed
   * @throws Error in one line that says what is wrong with them; then the former certificate goes on
   */
  reload(): boolean {
    const read = this.#read(this.#certificate.digest);
    if (read === undefined) return false;
    this.app.replace(read.loaded);
    this.#certificate = read.certificate;
    return true;
  }

  #read(): Read;
  #read(known: string): Read | undefined;
  #read(known?: string): Read | undefined {
    for (let attempt = 1; ; attempt++) {
      const certificate = readCertificate(this.#setting, this.#ciphers);
      if (certificate.digest === known) return undefined;
      const loaded = this.#engine.loadCertificate(this.#filesOf(certificate));
      // The engine reads the files itself, so that they might have changed in between.
      if (loaded !== undefined && this.#isStill(certificate)) {
        for (const warning of certificate.warnings) this.#log.warn({ certificate: this.#setting.certFile }, warning);
        return { certificate, loaded };
      }
      loaded?.drop();
      if (attempt < attempts) continue;
      const reason = loaded === undefined ? refusal(certificate) : 'they change all the time';
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

  #filesOf({ passphrase, mended }: Certificate): CertificateFiles {
    const { certFile, keyFile } = this.#setting;
    return { certFile, chain: mended, keyFile, passphrase, ciphers: engineList(this.#ciphers) };
  }
}

/** The reason for files that Node.js reads and the engine does not; the engine gives none. */
function refusal({ passphrase }: Certificate): string {
  const remedy =
    passphrase === undefined ? '' : ': encrypt the key with openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256';
  return `the engine does not take them${remedy}`;
}
