import { type FSWatcher, lstatSync, readlinkSync, watch } from 'node:fs';
import { basename, join, parse, resolve, sep } from 'node:path';
import type { CodedLog } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import type { CertificateFiles, Engine, EngineHandlers, LoadedCertificate, SecureApp } from '../engine/engine.js';
import { type Certificate, daysLeft, readCertificate, type TlsSetting } from './certificate.js';
import { readCiphers } from './ciphers.js';
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

  /** @throws Error in one line that says what is wrong with certificate, key or ciphers */
  constructor(engine: Engine, setting: TlsSetting, handlers: EngineHandlers, log: CodedLog) {
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

/** The outcome of reading the certificate of one listener again. */
export interface Reload {
  /** The listener: `127.0.0.1:8443`. */
  readonly listener: string;
  readonly certificate: string;
  /** Kept: the files are bad, so the former certificate goes on. */
  readonly outcome: 'reloaded' | 'unchanged' | 'kept';
  /** The problem of the files, when it was kept. */
  readonly problem: string | undefined;
  /** When the certificate that is served expires, milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The certificates of a listening server. They are read again when told to, and when their files change. */
export class Certificates {
  readonly #held: readonly { listener: string; setting: TlsSetting; secure: CertifiedListener }[];
  readonly #log: CodedLog;
  readonly #watch: FileWatch | undefined;
  #isClosed = false;

  constructor(holders: readonly Holder[], log: CodedLog) {
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

  /** Reads all of them again, and logs what came of it. Open connections go on with the certificate they began with. */
  reload(): readonly Reload[] {
    if (this.#isClosed) return [];
    return this.#held.map(({ listener, setting, secure }) => {
      const reload = { listener, certificate: setting.certFile, ...this.#reload(listener, setting, secure) };
      return { ...reload, expiresAt: secure.expiresAt };
    });
  }

  /** Stops watching; nothing is read again. */
  close(): void {
    this.#isClosed = true;
    this.#watch?.close();
  }

  #reload(listener: string, { certFile }: TlsSetting, secure: CertifiedListener): Pick<Reload, 'outcome' | 'problem'> {
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
}

function filesOf({ certFile, keyFile, passphraseFile }: TlsSetting): readonly string[] {
  return passphraseFile === undefined ? [certFile, keyFile] : [certFile, keyFile, passphraseFile];
}

/** Milliseconds without a change after which files count as written. */
const quiet = 300;

/** Milliseconds after the first change after which they are looked at however much still changes. */
const longest = 3000;

/** Most symbolic links on the way to a file. */
const mostLinks = 40;

/**
 * Tells when one of some files may have become another one: written, renamed, or reached by a symbolic link that now
 * leads elsewhere, at any level of its path. It watches the folders on the way, and only what in them leads to the files.
 */
export class FileWatch {
  readonly #files: readonly string[];
  readonly #changed: () => void;
  readonly #failed: (folder: string, error: Error) => void;
  #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #first = 0;

  /**
   * @param changed called once the changes have settled
   * @param failed called when a folder cannot be watched; only those that hold a file itself are told of
   */
  constructor(files: readonly string[], changed: () => void, failed: (folder: string, error: Error) => void) {
    this.#files = files.map((file) => resolve(file));
    this.#changed = changed;
    this.#failed = failed;
    this.#watch();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #watch(): void {
    const names = new Map<string, Set<string>>();
    const essential = new Set<string>();
    for (const file of this.#files) {
      const steps = stepsTo(file);
      for (const { folder, name } of steps) {
        const known = names.get(folder) ?? new Set([basename(folder)]);
        names.set(folder, known.add(name));
      }
      const last = steps.at(-1);
      if (last !== undefined) essential.add(last.folder);
    }
    for (const [folder, wanted] of names) {
      try {
        const watcher = watch(folder, (_event, name) => {
          if (name === null || wanted.has(name)) this.#noteChange();
        });
        watcher.on('error', () => this.#noteChange());
        this.#watchers.push(watcher.unref());
      } catch (error) {
        if (essential.has(folder)) this.#failed(folder, error as Error);
      }
    }
  }

  #noteChange(): void {
    const now = performance.now();
    if (this.#timer === undefined) this.#first = now;
    clearTimeout(this.#timer);
    const wait = Math.max(0, Math.min(quiet, this.#first + longest - now));
    this.#timer = setTimeout(() => this.#settled(), wait).unref();
  }

  #settled(): void {
    this.#timer = undefined;
    // Before the files are read, so that what changes afterwards is told; and anew, for the way may be another one.
    this.close();
    this.#watch();
    this.#changed();
  }
}

/** One name on the way to a file, and the folder it is looked up in. */
interface Step {
  readonly folder: string;
  readonly name: string;
}

/** Every name that is looked up on the way to a file, in order; they end where something is missing. */
function stepsTo(file: string): readonly Step[] {
  const { root } = parse(file);
  const steps: Step[] = [];
  let folder = root;
  let ahead = file.slice(root.length).split(sep);
  let links = 0;
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    steps.push({ folder, name });
    const path = join(folder, name);
    let isLink: boolean;
    try {
      isLink = lstatSync(path).isSymbolicLink();
      if (isLink && ++links <= mostLinks) {
        const target = resolve(folder, readlinkSync(path));
        const from = parse(target).root;
        ahead = [...target.slice(from.length).split(sep), ...ahead];
        folder = from;
        continue;
      }
    } catch {
      break;
    }
    if (isLink) break;
    folder = path;
  }
  return steps;
}
