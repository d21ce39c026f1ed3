/** What mi-httpd needs of a logger; a pino logger fits. */
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

const pinoLevels: readonly (readonly [number, string])[] = [
  [-2, 'fatal'],
  [-1, 'error'],
  [1, 'warn'],
  [3, 'info'],
];

/**
 * OpenSIPS' `log_level` and the logger's own level kept together. OpenSIPS counts -3 alert, -2 critical,
 * -1 error, 1 warning, 2 notice, 3 info, 4 debug, with no range check.
 */
export class LogLevel {
  #level: number;

  constructor(
    readonly log: Log,
    level: number,
  ) {
    this.#level = level;
  }

  get value(): number {
    return this.#level;
  }

  set value(level: number) {
    this.#level = level;
    this.apply();
  }

  /** Hands the level to the logger. Not done before the first of the two: start-up is always logged. */
  apply(): void {
    try {
      if (this.log.level !== undefined) this.log.level = pinoLevel(this.#level);
    } catch {
      // A logger that takes no level keeps the one it has: what is logged stops no service.
    }
  }
}

/** The pino level that writes what OpenSIPS would write at `level`. */
export function pinoLevel(level: number): string {
  return pinoLevels.find(([highest]) => level <= highest)?.[1] ?? 'debug';
}
