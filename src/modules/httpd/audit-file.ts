import { closeSync, constants, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { coded } from '../../base/codes.js';
import { realPath, tryFolder } from '../../base/files.js';
import type { CodedLog } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import type { ParameterValues } from '../../config/parameter.js';
import type { ListenerOptions } from '../../http/listen/listener.js';
import { settingName } from '../../http/listen/setting.js';
import type { AuditSink } from '../../mi/calls/audit.js';
import type { AuditDestination } from './audit-destination.js';
import type { parameters } from './parameters.js';

/** Milliseconds that the last lines get to be written when the server stops. */
const lastLines = 1000;

/** The file of the audit log. Written off the main thread, so that a slow disk keeps no call waiting. */
export class AuditFile implements AuditSink {
  readonly #file: string;
  readonly #log: CodedLog;
  readonly #dropped: () => void;
  #destination: AuditDestination | undefined;
  #isFailing = false;
  readonly #waiting = new WaitingLines();

  /** @param dropped told of every line that is lost */
  constructor(file: string, log: CodedLog, dropped: () => void) {
    this.#file = file;
    this.#log = log;
    this.#dropped = dropped;
  }

  /**
   * Finds out whether it can be opened. Nothing is written, and nothing stays.
   * @throws Error naming the file and why it cannot be written
   */
  check(): void {
    this.#attempt(() => {
      const status = statSync(this.#file, { throwIfNoEntry: false });
      // Opening a pipe would wait for its reader, and nothing would be served meanwhile.
      if (status?.isFIFO()) throw coded('ERR_AUDIT_FILE', new Error('it is a pipe, not a file'));
      if (status !== undefined) closeSync(openSync(this.#file, constants.O_WRONLY | constants.O_APPEND));
      else tryFolder(dirname(resolve(this.#file)));
    });
  }

  /** @throws Error naming the file and why it cannot be written */
  async open(): Promise<void> {
    this.check();
    this.#attempt(() => closeSync(openSync(this.#file, 'a', 0o600)));
    // Loaded late: a program that brings a logger of its own and has no audit log needs nothing of pino.
    const { openDestination } = await import('./audit-destination.js');
    const destination = openDestination(this.#file);
    destination.on('drop', () => {
      this.#waiting.dropNewest();
      this.#drop('the disk is too slow, or full');
    });
    destination.on('error', (error: Error) => this.#tell(`cannot be written: ${error.message}`));
    destination.on('write', (bytes: number) => {
      this.#isFailing = false;
      this.#waiting.wrote(bytes);
    });
    this.#destination = destination;
  }

  write(line: string): void {
    try {
      if (this.#destination === undefined) throw coded('ERR_AUDIT_FILE', new Error('it is closed'));
      this.#waiting.add(Buffer.byteLength(line));
      this.#destination.write(line);
    } catch (error) {
      this.#drop(reasonOf(error));
    }
  }

  /** Opens the file by its name again, after others have renamed it. */
  reopen(): void {
    const destination = this.#destination;
    // Another reopening already waits for the open under way; it serves this one too.
    if (destination !== undefined && destination.listenerCount('ready') === 0) destination.reopen();
  }

  /** Writes what waits, as far as that takes no longer than a second. Lines that are lost are counted and told. */
  async close(): Promise<void> {
    await this.#end();
    const lost = this.#waiting.count;
    if (lost === 0) return;
    for (let line = 0; line < lost; line++) this.#dropped();
    this.#waiting.clear();
    const reason = 'the disk is too slow, or full';
    this.#log.error(
      { code: 'audit-lines-lost', file: this.#file, lost },
      `audit_file ${this.#file}: lines lost at the end: ${lost} (${reason})`,
    );
  }

  #end(): Promise<void> {
    const destination = this.#destination;
    this.#destination = undefined;
    if (destination === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        destination.destroy();
        resolve();
      }, lastLines);
      destination.on('close', () => {
        clearTimeout(timer);
        resolve();
      });
      destination.end();
    });
  }

  #attempt(attempt: () => void): void {
    try {
      attempt();
    } catch (error) {
      throw coded('ERR_AUDIT_FILE', new Error(`audit_file ${this.#file} cannot be written: ${reasonOf(error)}`));
    }
  }

  #drop(reason: string): void {
    this.#dropped();
    this.#tell(`loses lines: ${reason}`);
  }

  /** Once, until a line was written again. */
  #tell(what: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#log.error({ code: 'audit-file-failed', file: this.#file }, `audit_file ${this.#file} ${what}`);
  }
}

/** Lines on their way to a file, by their lengths: it tells bytes that were written, and nobody else counts lines. */
class WaitingLines {
  #lengths: number[] = [];
  #first = 0;
  /** Bytes of the first line that are written already. */
  #begun = 0;

  /** Lines of which not all is written. */
  get count(): number {
    return this.#lengths.length - this.#first;
  }

  add(length: number): void {
    this.#lengths.push(length);
  }

  dropNewest(): void {
    this.#lengths.pop();
  }

  clear(): void {
    this.#lengths = [];
    this.#first = 0;
    this.#begun = 0;
  }

  wrote(bytes: number): void {
    this.#begun += bytes;
    for (;;) {
      const length = this.#lengths[this.#first];
      if (length === undefined || this.#begun < length) break;
      this.#begun -= length;
      this.#first += 1;
    }
    if (this.count === 0) this.clear();
    if (this.#first < 4096) return;
    this.#lengths.splice(0, this.#first);
    this.#first = 0;
  }
}

/**
 * Refuses to write the audit log into a file that is there for something else, by whatever path.
 * @throws Error naming both
 */
export function refuseSharedFile(
  values: ParameterValues<typeof parameters>,
  listeners: readonly ListenerOptions[],
  configFiles: readonly string[],
): void {
  const { audit_file: audit } = values;
  if (audit === undefined) return;
  const identity = identityOf(audit);
  const other = knownFiles(values, listeners, configFiles).find(([, file]) => {
    return file !== undefined && identityOf(file) === identity;
  });
  if (other === undefined) return;
  const [what, file] = other;
  throw coded(
    'ERR_AUDIT_FILE',
    new Error(`audit_file ${audit} and ${what} ${file} are one file: give the audit log a file of its own`),
  );
}

/** Every file that the server reads, or makes, by the name of what sets it. */
function knownFiles(
  values: ParameterValues<typeof parameters>,
  listeners: readonly ListenerOptions[],
  configFiles: readonly string[],
): readonly (readonly [what: string, file: string | undefined])[] {
  return [
    ...configFiles.map((file) => ['the configuration', file] as const),
    ['auth_password_file', values.auth_password_file],
    ['auth_file', values.auth_file],
    ['auth_tokens', values.auth_tokens],
    ['client_users', values.client_users],
    ['tls_cert_file', values.tls_cert_file],
    ['tls_key_file', values.tls_key_file],
    ['tls_key_passphrase_file', values.tls_key_passphrase_file],
    ...listeners.flatMap(({ setting, tls }) => {
      const name = settingName(setting);
      return [
        [`the certificate of listener ${name},`, tls?.certFile],
        [`the key of listener ${name},`, tls?.keyFile],
        [`the passphrase of listener ${name},`, tls?.passphraseFile],
        [`the client_ca of listener ${name},`, tls?.clients?.caFile],
        [`the client_crl of listener ${name},`, tls?.clients?.crlFile],
        ['listener', setting.kind === 'unix' ? setting.path : undefined],
      ] as const;
    }),
  ];
}

/** Equal for all paths of one file, also by links of either kind. */
function identityOf(file: string): string {
  try {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  } catch {
    return realPath(file);
  }
}
