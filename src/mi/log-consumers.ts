import { inspect } from 'node:util';
import { coded } from '../base/codes.js';
import { stringify } from '../base/json.js';
import { Last } from '../base/last.js';
import type { Log } from '../base/log.js';
import { shorten } from '../base/text.js';

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
  /** True once the server listens: start-up is always logged. */
  #isApplied = false;

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

  /** True if a line of a level is written by what has no level of its own. */
  takes(level: number): boolean {
    return !this.#isApplied || level <= this.#level;
  }

  /** From now on the level holds for what {@link takes} asks for, too. */
  hold(): void {
    this.#isApplied = true;
  }

  /** Hands the level to the logger. Not done before the first of the two: start-up is always logged. */
  apply(): void {
    try {
      if (this.log.level !== undefined) this.log.level = pinoLevel(this.#level);
    } catch {
      // A logger that rejects the level keeps its own: logging never stops the service.
    }
  }
}

/** The pino level that writes what OpenSIPS would write at `level`. */
function pinoLevel(level: number): string {
  return pinoLevels.find(([highest]) => level <= highest)?.[1] ?? 'debug';
}

/** Names of the consumers of log lines that OpenSIPS has. */
const consumerNames = ['stderror', 'syslog', 'event'] as const;

type ConsumerName = (typeof consumerNames)[number];

/** A receiver of log lines. */
export class LogConsumer {
  /** The highest level that it gets, beside `log_level`; 0: no limit of its own. */
  levelFilter = 0;

  constructor(
    readonly name: ConsumerName,
    public isMuted: boolean,
  ) {}

  takes(level: number): boolean {
    return !this.isMuted && (this.levelFilter === 0 || level <= this.levelFilter);
  }
}

/** A log line as the consumer `event` gets it. */
interface LogLine {
  /** OpenSIPS' level: -1 error, 1 warning, 3 info, 4 debug. */
  readonly level: number;
  readonly levelName: string;
  readonly message: string;
}

/** A line that was logged. */
export interface KeptLine {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly level: number;
  readonly levelName: string;
  readonly code: string | undefined;
  readonly message: string;
  /** Its other fields as JSON, shortened; '' without any. */
  readonly fields: string;
}

/** UTF-16 units of the lines that are kept, of one message, and of its fields. */
const mostText = 1_048_576;
const longestMessage = 2000;
const longestFields = 1000;

const levels = {
  debug: [4, 'DBG'],
  info: [3, 'INFO'],
  warn: [1, 'WARNING'],
  error: [-1, 'ERROR'],
} as const;

type Method = keyof typeof levels;

/**
 * The consumers of what a server logs: `stderror` is the logger that the server was given, `event` the subscribers of
 * `E_CORE_LOG`, and `syslog` the log of the system, where the command was told to write to it: else it is always mute.
 */
export class LogConsumers {
  readonly stderror = new LogConsumer('stderror', false);
  readonly syslog: LogConsumer;
  readonly event = new LogConsumer('event', true);
  /** The lines of the level of the log that were logged last, whoever takes them. */
  readonly recent = new Last<KeptLine>(1000, mostText, ({ message, fields }) => message.length + fields.length);
  /** The log that modules write to. */
  readonly log: Log;
  readonly #target: Log;
  readonly #system: Log | undefined;
  #level: LogLevel | undefined;
  #tell: ((line: LogLine) => void) | undefined;
  #isTelling = false;
  #failed = 0;

  /** @param system the log of the system, or its journal */
  constructor(target: Log, system?: Log) {
    this.#target = target;
    this.#system = system;
    this.syslog = new LogConsumer('syslog', system === undefined);
    const write = (method: Method) => (fields: object, message: string) => this.#write(method, fields, message);
    this.log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }

  /** True if there is a log of the system that lines can be written to. */
  get hasSystem(): boolean {
    return this.#system !== undefined;
  }

  /** Lines that could not be written: what the loggers count themselves, and those with which they failed. */
  get dropped(): number {
    return this.#failed + droppedBy(this.#target) + (this.#system === undefined ? 0 : droppedBy(this.#system));
  }

  /** Connects the consumer `event`. */
  connect(level: LogLevel, tell: (line: LogLine) => void): void {
    this.#level = level;
    this.#tell = tell;
  }

  find(name: string): LogConsumer | undefined {
    return [this.stderror, this.syslog, this.event].find((one) => one.name === name);
  }

  #write(method: Method, fields: object, message: string): void {
    const [level, levelName] = levels[method];
    if (level <= (this.#level?.value ?? 3)) this.recent.add(keptLine(level, levelName, fields, message));
    if (this.stderror.takes(level)) this.#hand(this.#target, method, fields, message);
    if (this.#system !== undefined && this.syslog.takes(level) && this.#level?.takes(level) !== false)
      this.#hand(this.#system, method, fields, message);
    if (!this.event.takes(level) || level > (this.#level?.value ?? 3)) return;
    // Lines that a consumer logs itself are not passed on: the loop would never end.
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      this.#tell?.({ level, levelName, message });
    } finally {
      this.#isTelling = false;
    }
  }

  /** A logger that fails, at once or later, loses its line, and stops no service. */
  #hand(log: Log, method: Method, fields: object, message: string): void {
    const lost = (): void => {
      this.#failed += 1;
    };
    try {
      const done: unknown = log[method](withError(fields), message);
      if (done instanceof Promise) done.catch(lost);
    } catch {
      lost();
    }
  }
}

function droppedBy(log: Log): number {
  try {
    const { dropped } = log;
    return Number.isSafeInteger(dropped) ? Number(dropped) : 0;
  } catch {
    return 0;
  }
}

function keptLine(level: number, levelName: string, fields: object, message: string): KeptLine {
  const at = Date.now();
  try {
    const { code, err, ...rest } = withError(fields) as { code?: unknown; err?: unknown };
    const all = err instanceof Error ? { ...rest, error: err.message } : rest;
    const text = Object.keys(all).length === 0 ? '' : shorten(stringify(all), longestFields, '…');
    const told = typeof code === 'string' ? code : undefined;
    return { at, level, levelName, code: told, message: shorten(message, longestMessage, '…'), fields: text };
  } catch {
    // What an embedder logs may be anything.
    return { at, level, levelName, code: undefined, message: 'a line that cannot be printed', fields: '' };
  }
}

/** Anything can be thrown, but loggers tell the text of errors alone. */
function withError(fields: object): object {
  if (!('err' in fields) || isReadable(fields.err)) return fields;
  return { ...fields, err: coded('ERR_THROWN', new Error(`thrown was no Error but ${described(fields.err)}`)) };
}

/** True for an error that a logger can print: a getter or a proxy may throw. */
function isReadable(err: unknown): boolean {
  try {
    if (!(err instanceof Error)) return false;
    const { name, message, stack } = err;
    return [name, message, stack ?? ''].every((text) => typeof text === 'string');
  } catch {
    return false;
  }
}

function described(thrown: unknown): string {
  try {
    return inspect(thrown, { depth: 1, maxStringLength: 1000 });
  } catch {
    return 'what cannot be shown';
  }
}
