import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import { Last } from '../../base/last.js';
import { shorten as beginning } from '../../base/text.js';
import type { Command } from '../commands/command.js';
import type { CommandEntry } from '../commands/command-table.js';
import type { CallParameters } from '../commands/parameters.js';
import { hidden, openParameters } from '../commands/secrets.js';
import { codes } from '../errors.js';
import { printJson } from '../results/json.js';
import { type Call, clientOf } from './call.js';

/** Where the lines of the audit log go. */
export interface AuditSink {
  /** Takes one line with its end. It may not wait, and it may not fail. */
  write(line: string): void;
}

/** How a call ended: `ok`, the code of its error, or `given_up` when nobody waited for its end any more. */
export type AuditOutcome = 'ok' | 'given_up' | number;

/** Bounds of what a line repeats of the parameters. */
interface Bounds {
  /** Characters of a text. */
  readonly text: number;
  /** Items of a list and members of an object. */
  readonly items: number;
  readonly depth: number;
  /** Members that objects within lists are reduced to; undefined: all of them. */
  readonly targets: readonly string[] | undefined;
}

/** Characters of all parameters together. */
const longestParameters = 4096;

/** The first bounds that keep to {@link longestParameters} count; the last always do. */
function boundsOf({ targets }: Command): readonly Bounds[] {
  const about = targets.length === 0 ? undefined : targets;
  return [
    { text: 256, items: 32, depth: 4, targets: undefined },
    { text: 64, items: 32, depth: 4, targets: about },
    { text: 64, items: 8, depth: 3, targets: about },
    { text: 32, items: 3, depth: 3, targets: about },
  ];
}

/** A call of those that changed something last, or were denied. */
export interface KeptCall {
  /** One more than that of the one before. */
  readonly number: number;
  readonly who: string;
  readonly command: string;
  readonly outcome: AuditOutcome;
  /** Its line, without the end. */
  readonly line: string;
}

/** A login of a browser, or the end of its session, which is no call of a command. */
export interface AuditedLogin {
  /** `-` where it is not known: a name that was mistyped may be a password. */
  readonly who: string;
  readonly level: string;
  readonly from: string;
  readonly listener: string;
  readonly command: 'httpd:login' | 'httpd:logout' | 'httpd:session_end';
  readonly params: JsonObject;
  /** `ok`, or the status of the reply. */
  readonly outcome: AuditOutcome;
  readonly ms: number;
}

/** UTF-16 units of the lines that are kept. */
const mostText = 1_048_576;

/**
 * Tells who ran which command from where, with what outcome: one JSON line for each call to a sink, if there is one; the last ones
 * that may have changed something, and those that were denied, are kept in memory.
 */
export class Audit {
  readonly #changes = new Last<KeptCall>(1000, mostText, ({ line }) => line.length);
  /** Apart, so that none who is denied drives out what others have changed. */
  readonly #denials = new Last<KeptCall>(200, mostText / 4, ({ line }) => line.length);
  /** Apart for the same reason: strangers may fail to log in, and a user may log in again and again. */
  readonly #logins = new Last<KeptCall>(200, mostText / 4, ({ line }) => line.length);
  readonly #failedLogins = new Last<KeptCall>(100, mostText / 4, ({ line }) => line.length);
  #count = 0;
  readonly #sink: AuditSink | undefined;
  readonly #elsewhere: ((call: Omit<KeptCall, 'number'>) => void) | undefined;

  /** @param elsewhere is told of calls that changed something, in a thread that keeps none itself */
  constructor(sink: AuditSink | undefined, elsewhere?: (call: Omit<KeptCall, 'number'>) => void) {
    this.#sink = sink;
    this.#elsewhere = elsewhere;
  }

  /** True if each call is written somewhere. */
  get hasSink(): boolean {
    return this.#sink !== undefined;
  }

  /** A call that begins now; its line is written when it is known how it ended. Undefined for one that nobody has to know of. */
  begin(entry: CommandEntry, given: CallParameters, call: Call): AuditedCall | undefined {
    if (this.#sink === undefined && entry.command.readOnly) return undefined;
    return new AuditedCall(this, entry, given, call);
  }

  /** Tells of a call that was not let. */
  denied(entry: CommandEntry, given: CallParameters, call: Call, code: number): void {
    new AuditedCall(this, entry, given, call).end(code);
  }

  /** The number of the call that was kept last. */
  get count(): number {
    return this.#count;
  }

  /** Oldest first. */
  get recent(): readonly KeptCall[] {
    const all = [this.#changes, this.#denials, this.#logins, this.#failedLogins].flatMap((one) => one.all);
    return all.sort((one, other) => one.number - other.number);
  }

  /** Tells of a login of a browser, or of the end of what it began. */
  tellLogin({ who, level, from, listener, command, params, outcome, ms }: AuditedLogin): void {
    this.#count += 1;
    const time = new Date().toISOString();
    const line = printJson({ time, who, level, from, listener, command, params, outcome, ms }) ?? '';
    const kept = { number: this.#count, who, command, outcome, line };
    if (outcome === 'ok') this.#logins.add(kept);
    else this.#failedLogins.add(kept);
    this.#sink?.write(`${line}\n`);
  }

  /** For {@link AuditedCall}. */
  tell(call: Omit<KeptCall, 'number'>, isReadOnly: boolean): void {
    if (this.#elsewhere !== undefined) {
      this.#elsewhere(call);
      return;
    }
    this.#count += 1;
    const kept = { ...call, number: this.#count };
    if (call.outcome === codes.permissionDenied) this.#denials.add(kept);
    else if (!isReadOnly) this.#changes.add(kept);
    this.#sink?.write(`${call.line}\n`);
  }
}

/** A call whose end is awaited. */
export class AuditedCall {
  readonly #audit: Audit;
  readonly #entry: CommandEntry;
  readonly #given: CallParameters;
  readonly #call: Call;
  /** Taken down at once: when the client has left, nobody knows where it was. */
  readonly #from: string;
  readonly #started = performance.now();

  /** For {@link Audit.begin}. */
  constructor(audit: Audit, entry: CommandEntry, given: CallParameters, call: Call) {
    this.#audit = audit;
    this.#entry = entry;
    this.#given = given;
    this.#call = call;
    this.#from = clientOf(call)?.origin ?? 'local';
  }

  end(outcome: AuditOutcome): void {
    const client = clientOf(this.#call);
    const who = client?.caller?.name ?? '-';
    const { command, fullName } = this.#entry;
    const line = printJson({
      time: new Date().toISOString(),
      who,
      certificate: client?.caller?.certificate,
      level: client?.caller?.grant ?? 'admin',
      from: this.#from,
      listener: client?.listener ?? '-',
      command: fullName,
      trace_id: this.#call.trace?.traceId,
      params: this.#given === undefined ? undefined : printable(this.#entry, this.#given),
      outcome,
      ms: Math.round((performance.now() - this.#started) * 1000) / 1000,
    });
    this.#audit.tell({ who, command: fullName, outcome, line: line ?? '' }, command.readOnly);
  }
}

function printable({ command }: CommandEntry, given: NonNullable<CallParameters>): JsonValue {
  let parameters: JsonValue = null;
  for (const bounds of boundsOf(command)) {
    parameters = redact(command, given, bounds);
    if ((printJson(parameters) ?? '').length <= longestParameters) break;
  }
  return parameters;
}

/** Parameters without secrets, and cut to what a line may hold. */
function redact(command: Command, given: NonNullable<CallParameters>, bounds: Bounds): JsonValue {
  const isOpen = openParameters(command, given);
  if (isObject(given)) {
    return shortObject(given, bounds, (name, value) => (isOpen(name) ? shorten(value, bounds, 1) : hidden));
  }
  return shortList(given, bounds, (value, index) => (isOpen(index) ? shorten(value, bounds, 1) : hidden));
}

function shorten(value: JsonValue, bounds: Bounds, depth: number): JsonValue {
  if (typeof value === 'string') return shortText(value, bounds.text);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= bounds.depth) return '(nested)';
  if (isObject(value)) return shortObject(value, bounds, (_name, one) => shorten(one, bounds, depth + 1));
  return shortList(value, bounds, (item) => shorten(targetsOf(item, bounds), bounds, depth + 1));
}

/** An object of a list without the members that do not tell what it is about. */
function targetsOf(item: JsonValue, { targets }: Bounds): JsonValue {
  if (targets === undefined || !isObject(item)) return item;
  const kept = targets.filter((name) => Object.hasOwn(item, name)).map((name) => [name, item[name] ?? null] as const);
  return kept.length === 0 ? item : Object.fromEntries(kept);
}

function shortText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const start = beginning(text, limit);
  return `${start}(${text.length - start.length} more)`;
}

function shortList(
  list: readonly JsonValue[],
  { items: most }: Bounds,
  shown: (item: JsonValue, index: number) => JsonValue,
): JsonValue {
  const items = list.slice(0, most).map(shown);
  return list.length > most ? [...items, `(${list.length - most} more)`] : items;
}

function shortObject(
  value: JsonObject,
  { items, text }: Bounds,
  shown: (name: string, value: JsonValue) => JsonValue,
): JsonValue {
  const members = Object.entries(value).slice(0, items);
  const more = Object.keys(value).length - members.length;
  const short = members.map(([name, member]) => [shortText(name, text), shown(name, member ?? null)] as const);
  return Object.fromEntries(more > 0 ? [...short, ['...', `(${more} more)`] as const] : short);
}
