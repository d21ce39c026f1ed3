import { FileWatch } from '../../base/file-watch.js';
import type { CodedLog } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import type { CertificateFiles, Engine, EngineHandlers, LoadedCertificate, SecureApp } from '../engine/engine.js';
import { type Certificate, daysLeft, readCertificate, type TlsSetting } from './certificate.js';
import { readCiphers } from './ciphers.js';
import { type ReadTrust, readClientTrust } from './client-trust.js';
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
  readonly #log: CodedLog;
  #certificate: Certificate;
  /** Undefined where clients are not asked for certificates. */
  #trust: ReadTrust | undefined;

  /** @throws Error in one line that says what is wrong with certificate, key or ciphers */
  constructor(engine: Engine, setting: TlsSetting, handlers: EngineHandlers, log: CodedLog) {
    this.#engine = engine;
    this.#setting = setting;
    const { suites, ...others } = readCiphers(setting.ciphers);
    this.#ciphers = { ...others, suites: suites.filter(({ name }) => engine.tls.hasSuite(name)) };
    this.#log = log;
    if (setting.clients !== undefined && !engine.asksForCertificates) {
      throw new Error(
        `client_ca asks clients for certificates, which the engine ${engine.name} cannot: let Node.js serve this listener, ` +
          'add ;engine=node, or modparam("httpd", "engine", "node") for all',
      );
    }
    this.#trust = this.#readTrust();
    const { certificate, loaded } = this.#read();
    this.app = engine.openSecure(handlers, loaded, this.#trust?.trust);
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

  /**
   * Reads again whose certificates of clients are taken, and goes by that.
   *
   * @returns false when nothing in the files has changed
   * @throws Error in one line that says what is wrong with them; then what was trusted is
   */
  reloadTrust(): boolean {
    const read = this.#readTrust(this.#trust?.digest);
    if (read === undefined) return false;
    this.app.trust(read.trust);
    this.#trust = read;
    return true;
  }

  #readTrust(known?: string): ReadTrust | undefined {
    const { clients } = this.#setting;
    if (clients === undefined) return undefined;
    const read = readClientTrust(clients);
    if (read.digest === known) return undefined;
    for (const { code, text } of read.warnings) this.#log.warn({ code, client_ca: clients.caFile }, text);
    return read;
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
        for (const { code, text } of certificate.warnings)
          this.#log.warn({ code, certificate: this.#setting.certFile }, text);
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

/** A listener that may have a certificate. */
interface Holder {
  readonly options: { readonly tls?: TlsSetting };
  /** As it is called: `127.0.0.1:8443`. */
  readonly bound: string;
  readonly secure: CertifiedListener | undefined;
}

/** The outcome of reading the certificate of one listener again, and the files by which those of clients are judged. */
export interface Reload {
  /** The listener: `127.0.0.1:8443`. */
  readonly listener: string;
  readonly certificate: string;
  /** Kept: some files are bad, so what was read of them before goes on. */
  readonly outcome: 'reloaded' | 'unchanged' | 'kept';
  /** The problem of the files, when it was kept. */
  readonly problem: string | undefined;
  /** When the certificate that is served expires, milliseconds since 1970. */
  readonly expiresAt: number;
}

type Outcome = Pick<Reload, 'outcome' | 'problem'>;

/** The certificates of a listening server. They are read again when told to, and when their files change. */
export class Certificates {
  readonly #held: readonly { listener: string; setting: TlsSetting; secure: CertifiedListener }[];
  readonly #log: CodedLog;
  readonly #watch: FileWatch | undefined;
  readonly #trustChanged: () => void;
  #isClosed = false;

  /** @param trustChanged told when clients are judged by other files from now on */
  constructor(holders: readonly Holder[], log: CodedLog, trustChanged: () => void = () => {}) {
    this.#trustChanged = trustChanged;
    this.#held = holders.flatMap(({ options: { tls }, bound, secure }) =>
      tls === undefined || secure === undefined ? [] : [{ listener: bound, setting: tls, secure }],
    );
    this.#log = log;
    const files = this.#held.flatMap(({ setting }) => filesOf(setting));
    if (files.length === 0) return;
    this.#watch = new FileWatch(
      [...new Set(files)],
      () => void this.reload(),
      (folder, error) => {
        const remedy = 'send SIGHUP or call httpd:reload_tls after a change';
        log.warn(
          { code: 'certificates-not-watched', folder, err: error },
          `changes of certificates in ${folder} are not noticed; ${remedy}`,
        );
      },
    );
  }

  /** True when there are any. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Whole days until the first of them expires, negative once it has; 0 when there are none. */
  get daysLeft(): number {
    return this.isEmpty ? 0 : daysLeft(Math.min(...this.#held.map(({ secure }) => secure.expiresAt)));
  }

  /**
   * Reads all of them again, and logs what came of it. Open connections go on with the certificate they began with; those of
   * clients with certificates end where those are judged by other files now.
   */
  reload(): readonly Reload[] {
    if (this.#isClosed) return [];
    return this.#held.map(({ listener, setting, secure }) => {
      const both = [this.#reload(listener, setting, secure), this.#reloadTrust(listener, setting, secure)];
      const problems = both.flatMap(({ problem }) => problem ?? []);
      const outcome = outcomes.find((one) => both.some((each) => each.outcome === one)) ?? 'unchanged';
      return {
        listener,
        certificate: setting.certFile,
        outcome,
        problem: problems.length === 0 ? undefined : problems.join('; '),
        expiresAt: secure.expiresAt,
      };
    });
  }

  /** Stops watching; nothing is read again. */
  close(): void {
    this.#isClosed = true;
    this.#watch?.close();
  }

  #reload(listener: string, { certFile }: TlsSetting, secure: CertifiedListener): Outcome {
    const fields = { listener, certificate: certFile };
    try {
      if (!secure.reload()) {
        this.#log.debug({ code: 'certificate-unchanged', ...fields }, `certificate ${certFile} has not changed`);
        return { outcome: 'unchanged', problem: undefined };
      }
      const until = new Date(secure.expiresAt).toISOString();
      this.#log.info(
        { code: 'certificate-renewed', ...fields, expires: until },
        `new connections to ${listener} get the new certificate ${certFile}, valid until ${until}`,
      );
      return { outcome: 'reloaded', problem: undefined };
    } catch (error) {
      const problem = reasonOf(error);
      this.#log.error({ code: 'certificate-kept', ...fields }, `${listener} keeps its former certificate: ${problem}`);
      return { outcome: 'kept', problem };
    }
  }

  #reloadTrust(listener: string, { clients }: TlsSetting, secure: CertifiedListener): Outcome {
    if (clients === undefined) return { outcome: 'unchanged', problem: undefined };
    const fields = { listener, client_ca: clients.caFile };
    try {
      if (!secure.reloadTrust()) {
        this.#log.debug({ code: 'client-ca-unchanged', ...fields }, `client_ca ${clients.caFile} has not changed`);
        return { outcome: 'unchanged', problem: undefined };
      }
      this.#log.info(
        { code: 'client-ca-renewed', ...fields },
        `clients of ${listener} are judged by the new client_ca and client_crl, and connect anew`,
      );
      this.#trustChanged();
      return { outcome: 'reloaded', problem: undefined };
    } catch (error) {
      const problem = reasonOf(error);
      this.#log.error(
        { code: 'client-ca-kept', ...fields },
        `${listener} keeps its former client_ca and client_crl: ${problem}`,
      );
      return { outcome: 'kept', problem };
    }
  }
}

/** The outcome of two is the one that stands first. */
const outcomes = ['kept', 'reloaded', 'unchanged'] as const;

function filesOf({ certFile, keyFile, passphraseFile, clients }: TlsSetting): readonly string[] {
  const files = [certFile, keyFile, passphraseFile, clients?.caFile, clients?.crlFile];
  return files.filter((file) => file !== undefined);
}
