import type { Log } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import { daysLeft } from './certificate.js';
import type { CertifiedListener } from './certified-listener.js';
import { FileWatch } from './file-watch.js';
import type { TlsSetting } from './suites.js';

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
  readonly #log: Log;
  readonly #watch: FileWatch | undefined;
  #isClosed = false;

  constructor(holders: readonly Holder[], log: Log) {
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
        log.warn({ folder, err: error }, `changes of certificates in ${folder} are not noticed; ${remedy}`);
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
        this.#log.debug(fields, `certificate ${certFile} has not changed`);
        return { outcome: 'unchanged', problem: undefined };
      }
      const until = new Date(secure.expiresAt).toISOString();
      this.#log.info(
        { ...fields, expires: until },
        `new connections to ${listener} get the new certificate ${certFile}, valid until ${until}`,
      );
      return { outcome: 'reloaded', problem: undefined };
    } catch (error) {
      const problem = reasonOf(error);
      this.#log.error(fields, `${listener} keeps its former certificate: ${problem}`);
      return { outcome: 'kept', problem };
    }
  }
}

function filesOf({ certFile, keyFile, passphraseFile }: TlsSetting): readonly string[] {
  return passphraseFile === undefined ? [certFile, keyFile] : [certFile, keyFile, passphraseFile];
}
