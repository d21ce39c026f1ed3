/** The methods that mi-httpd calls on a logger; a pino logger fits. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Name of the lowest level that is written; assigned by the MI command `log_level`. */
  level?: string;
  /** Lines that could not be written, of which a record on a terminal has several; told as the statistic `core:log_dropped`. */
  readonly dropped?: number;
}

/** The log of an embedded server that was given none: warnings and errors become process warnings. */
export const quietLog: Log = {
  debug: () => {},
  info: () => {},
  warn: warnProcess,
  error: warnProcess,
};

function warnProcess(fields: object, message: string): void {
  const { err } = fields as { err?: unknown };
  process.emitWarning(err instanceof Error ? `${message}: ${err.stack ?? err.message}` : message, 'mi-httpd');
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
