import type { LogCode } from './codes.js';

/** The methods that mi-httpd calls on a logger; a pino logger fits. Its own lines have a `code` among their fields. */
export interface Log {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
  /** Name of the lowest level that is written; assigned by the MI command `log_level`. */
  level?: string;
  /** Lines that could not be written, of which a record on a terminal has several; told as the statistic `core:log_dropped`. */
  readonly dropped?: number;
}

/** The fields of a line of mi-httpd's own. The code is the first of them, so that it stands in front of all that varies. */
export interface Fields {
  readonly code: LogCode;
  readonly [name: string]: unknown;
}

/** A {@link Log} as this package writes to it: a line without a code does not compile. It is no {@link Log} to the compiler. */
export type CodedLog = Readonly<Record<'debug' | 'info' | 'warn' | 'error', (fields: Fields, message: string) => void>>;

/** What should be known although nothing is wrong. The start logs it as a warning, and `mi-httpd -c` prints the text. */
export interface Notice {
  readonly code: LogCode;
  readonly text: string;
}

/** The log of an embedded server that was given none: warnings and errors become process warnings. */
export const quietLog: Log = {
  debug: () => {},
  info: () => {},
  warn: warnProcess,
  error: warnProcess,
};

/** A log that writes to another one, with more fields in each line. */
export function childOf(log: Log, more: object): Log {
  const write =
    (method: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void =>
      log[method]({ ...more, ...fields }, message);
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

function warnProcess(fields: object, message: string): void {
  const { code, err } = fields as { code?: LogCode; err?: unknown };
  const text = err instanceof Error ? `${message}: ${err.stack ?? err.message}` : message;
  process.emitWarning(text, code === undefined ? { type: 'mi-httpd' } : { type: 'mi-httpd', code });
}

/** Milliseconds between two lines of one kind that clients can cause. */
const lineInterval = 60_000;

/** Keeps clients from filling the log with lines that each of their requests could cause. */
export class LineRate {
  /** By kind; kinds are few. */
  readonly #last = new Map<string, number>();

  /** True once a minute for each kind: then a line is to be written. */
  isDue(kind: string): boolean {
    const now = performance.now();
    if (now - (this.#last.get(kind) ?? -Infinity) < lineInterval) return false;
    this.#last.set(kind, now);
    return true;
  }
}
