import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pino } from 'pino';
import type { Log } from '../../log.js';
import type { AuditSink } from '../../mi/audit.js';

/** Bytes of lines that may wait to be written; more are dropped, and counted. */
const longestQueue = 8388608;

/** Milliseconds that the last lines get to be written when the server stops. */
const lastLines = 1000;

/** The file of the audit log. Written off the main thread, so that a slow disk keeps no call waiting. */
export class AuditFile implements AuditSink {
  readonly #file: string;
  readonly #log: Log;
  readonly #dropped: () => void;
  #destination: ReturnType<typeof pino.destination> | undefined;
  #isFailing = false;

  /** @param dropped told of every line that is lost */
  constructor(file: string, log: Log, dropped: () => void) {
    this.#file = file;
    this.#log = log;
    this.#dropped = dropped;
  }

  /**
   * Finds out whether it can be opened. Nothing is made, and nothing is written.
   * @throws Error naming the file and why it cannot be written
   */
  check(): void {
    this.#attempt(() => {
      const status = statSync(this.#file, { throwIfNoEntry: false });
      // Opening a pipe would wait for its reader, and nothing would be served meanwhile.
      if (status?.isFIFO()) throw new Error('it is a pipe, not a file');
      if (status !== undefined) closeSync(openSync(this.#file, constants.O_WRONLY | constants.O_APPEND));
      else accessSync(dirname(resolve(this.#file)), constants.W_OK | constants.X_OK);
    });
  }

  /** @throws Error naming the file and why it cannot be written */
  open(): void {
    this.check();
    this.#attempt(() => closeSync(openSync(this.#file, 'a', 0o600)));
    const options = { dest: this.#file, append: true, sync: false, mode: 0o600, maxLength: longestQueue };
    const destination = pino.destination(options);
    destination.on('drop', () => this.#drop('the disk is too slow, or full'));
    destination.on('error', (error: Error) => this.#tell(`cannot be written: ${error.message}`));
    destination.on('write', () => {
      this.#isFailing = false;
    });
    this.#destination = destination;
  }

  write(line: string): void {
    try {
      if (this.#destination === undefined) throw new Error('it is closed');
      this.#destination.write(line);
    } catch (error) {
      this.#drop(error instanceof Error ? error.message : String(error));
    }
  }

  /** Opens the file by its name again, after others have renamed it. */
  reopen(): void {
    this.#destination?.reopen();
  }

  /** Writes what waits, as far as that takes no longer than a second. */
  close(): Promise<void> {
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
      throw new Error(`audit_file ${this.#file} cannot be written: ${error instanceof Error ? error.message : error}`);
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
    this.#log.error({ file: this.#file }, `audit_file ${this.#file} ${what}`);
  }
}
