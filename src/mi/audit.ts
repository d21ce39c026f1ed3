import { Call } from './call.js';
import type { CommandEntry } from './command-table.js';
import { codes, MiError } from './errors.js';
import { type JsonObject, type JsonValue, printJson } from './json.js';
import type { CallParameters } from './select.js';

/** Where the lines of the audit log go. */
export interface AuditSink {
  /** Takes one line with its end. It may not wait, and it may not fail. */
  write(line: string): void;
}

/** How a call ended: `ok`, the code of its error, or `given_up` when nobody waited for its end any more. */
export type AuditOutcome = 'ok' | 'given_up' | number;

const hidden = '(secret)';

/** Bounds of what a line repeats of the parameters. */
const longestText = 256;
const mostItems = 32;
const deepest = 4;
const longestParameters = 4096;

/** Writes who ran which command from where, with what outcome: one JSON line for each call. */
export class Audit {
  readonly #sink: AuditSink;

  constructor(sink: AuditSink) {
    this.#sink = sink;
  }

  /** A call that begins now; its line is written when it is known how it ended. */
  begin(entry: CommandEntry, given: CallParameters, call: Call): AuditedCall {
    return new AuditedCall(this.#sink, entry, given, call);
  }
}

/** A call whose end is awaited. */
export class AuditedCall {
  readonly #sink: AuditSink;
  readonly #entry: CommandEntry;
  readonly #given: CallParameters;
  readonly #call: Call;
  /** Taken down at once: when the client has left, nobody knows where it was. */
  readonly #from: string;
  readonly #started = performance.now();

  /** For {@link Audit.begin}. */
  constructor(sink: AuditSink, entry: CommandEntry, given: CallParameters, call: Call) {
    this.#sink = sink;
    this.#entry = entry;
    this.#given = given;
    this.#call = call;
    this.#from = Call.clientOf(call)?.origin ?? 'local';
  }

  end(outcome: AuditOutcome): void {
    const client = Call.clientOf(this.#call);
    const line = printJson({
      time: new Date().toISOString(),
      who: client?.caller?.name ?? '-',
      level: client?.caller?.grant ?? 'admin',
      from: this.#from,
      listener: client?.listener ?? '-',
      command: this.#entry.fullName,
      params: this.#given === undefined ? undefined : printable(this.#entry, this.#given),
      outcome,
      ms: Math.round((performance.now() - this.#started) * 1000) / 1000,
    });
    this.#sink.write(`${line}\n`);
  }
}

/** The outcome that an error of a handler is. */
export function outcomeOf(error: unknown): number {
  return error instanceof MiError ? error.code : codes.serverError;
}

function printable(entry: CommandEntry, given: NonNullable<CallParameters>): JsonValue {
  const parameters = redact(entry, given);
  const text = printJson(parameters) ?? '';
  return text.length > longestParameters ? `(${text.length} characters)` : parameters;
}

/** Parameters without secrets, and cut to what a line may hold. */
function redact({ command }: CommandEntry, given: NonNullable<CallParameters>): JsonValue {
  const { secrets, recipes } = command;
  if (isObject(given)) {
    // A name that no recipe has may be a slip, and its value the secret.
    const isOpen = (name: string): boolean =>
      secrets.length === 0 || (!secrets.includes(name) && recipes.some(({ names }) => names.includes(name)));
    return shortObject(given, (name, value) => (isOpen(name) ? shorten(value, 1) : hidden));
  }
  const fitting = recipes.filter(({ names }) => names.length === given.length);
  const isOpen = (index: number): boolean =>
    secrets.length === 0 || (fitting.length > 0 && fitting.every(({ names }) => !secrets.includes(names[index] ?? '')));
  const items = given.slice(0, mostItems).map((value, index) => (isOpen(index) ? shorten(value, 1) : hidden));
  return given.length > mostItems ? [...items, `(${given.length - mostItems} more)`] : items;
}

function shorten(value: JsonValue, depth: number): JsonValue {
  if (typeof value === 'string') {
    return value.length > longestText ? `${value.slice(0, longestText)}(${value.length - longestText} more)` : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= deepest) return '(nested)';
  if (isObject(value)) return shortObject(value, (_name, one) => shorten(one, depth + 1));
  const items = value.slice(0, mostItems).map((item) => shorten(item, depth + 1));
  return value.length > mostItems ? [...items, `(${value.length - mostItems} more)`] : items;
}

function shortObject(value: JsonObject, shown: (name: string, value: JsonValue) => JsonValue): JsonValue {
  const members = Object.entries(value).slice(0, mostItems);
  const more = Object.keys(value).length - members.length;
  const short = members.map(([name, member]) => [name.slice(0, longestText), shown(name, member ?? null)] as const);
  return Object.fromEntries(more > 0 ? [...short, ['...', `(${more} more)`] as const] : short);
}

function isObject(value: JsonValue | CallParameters): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
