import { randomBytes } from 'node:crypto';
import { coded } from '../../base/codes.js';
import { isObject, type JsonValue, stringify } from '../../base/json.js';
import type { CodedLog } from '../../base/log.js';
import { LineRate } from '../../base/log.js';
import { Slice } from '../../base/slice.js';
import { shorten } from '../../base/text.js';
import type { Call, Client } from '../../mi/calls/call.js';
import { Guard } from '../../mi/calls/guard.js';
import { foreignCommand, isForeignName, isLevel, type Level } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { type CallParameters, counted } from '../../mi/commands/parameters.js';
import { isSecretName } from '../../mi/commands/secrets.js';
import { codes, invalidParams, MiAnswer, RefusedCall } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { JsonText } from '../../mi/results/result.js';
import { type Splice, SplicedJson } from '../../mi/results/spliced-json.js';
import type { Statistic } from '../../mi/statistics.js';
import { DumpsAnswer, type NodeDump, type Pull } from './dumps.js';
import { moduleName } from './member.js';
import { type Answer, type Presence, questionTo, readAnswer, readPresence, type ToldError } from './messages.js';
import { type Selection, selecting, unseen } from './selection.js';
import type { Transport } from './transport.js';

/** Holds callers to their levels where the server holds nobody. */
const openGuard = new Guard({ networkOf: () => undefined });

/** Settings of the side that asks. */
export interface FleetSettings {
  readonly fleet: string;
  readonly name: string;
  readonly mi: ManagementInterface;
  readonly log: CodedLog;
  /** Milliseconds that members have to answer, unless a call says otherwise. */
  readonly timeout: number;
  /** Milliseconds within which turns of a rolling call begin. */
  readonly rollingTime: number;
  /** Milliseconds that a member counts as being there, and is remembered then. */
  readonly alive: number;
  readonly remembered: number;
  readonly mostMembers: number;
  readonly mostCalls: number;
  /** Bytes of answers that all calls hold together, and of one dump. */
  readonly mostBytes: number;
  readonly longestDump: number;
  /** Members of a list that have told nothing lately, and why. */
  readonly silent: () => readonly { readonly name: string; readonly reason: string }[];
  /** How a long result is fetched. */
  readonly pull: (presence: Presence | undefined, name: string, token: string) => Pull;
  readonly counts: { readonly calls: Statistic; readonly missing: Statistic; readonly malformed: Statistic };
}

/** A member that was heard of. */
interface Known {
  presence: Presence;
  at: number;
  /** The one that had the name before. */
  before: string | undefined;
  /** Until when two servers count as having the name. */
  rivalUntil: number;
}

/** A member as callers are told of it. */
export interface ToldMember {
  readonly name: string;
  readonly state: 'here' | 'away' | 'twice';
  /** Why it is not here. */
  readonly reason?: string;
  /** Seconds since it was heard. */
  readonly heard?: number;
  readonly ready?: boolean;
  readonly unready?: readonly string[];
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly digest?: string;
  readonly url?: string;
  readonly opensips?: Presence['opensips'];
}

/** What a caller asks for. */
export interface FleetCall {
  readonly command: string;
  readonly params: CallParameters;
  readonly selection: Selection;
  /** Milliseconds; undefined: as configured. */
  readonly timeout: number | undefined;
  /** So many at a time; undefined: all at once. */
  readonly rolling: number | undefined;
  readonly isDryRun: boolean;
}

/** What came of one member. */
type Outcome = Answer['outcome'] | { readonly kind: 'missing'; readonly reason: string; readonly isUnknown: boolean };

/** A command that is to be asked for. */
interface Wanted {
  readonly fullName: string;
  readonly level: Level;
  /** Undefined: this server does not know. */
  readonly readOnly: boolean | undefined;
}

/** What came of all members. */
interface Gathered {
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly notAsked: readonly string[];
  /** Why they were not asked. */
  readonly stopped: string | undefined;
  /** True if the command changes nothing, by what this server or a member says of it. */
  readonly readOnly: boolean;
}

/** The members of a fleet, and the calls to them. */
export class Fleet {
  readonly #settings: FleetSettings;
  readonly #known = new Map<string, Known>();
  readonly #lines = new LineRate();
  #transport: Transport | undefined;
  #problem: string | undefined = 'it has not begun';
  #running = 0;
  /** Bytes of answers that all calls hold. */
  readonly #held = { bytes: 0 };

  constructor(settings: FleetSettings) {
    this.#settings = settings;
  }

  /** The way to the members, from now on. */
  use(transport: Transport): void {
    this.#transport = transport;
  }

  /** Why no member can be asked; undefined: they can. */
  set problem(problem: string | undefined) {
    this.#problem = problem;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Bytes of answers that calls hold. */
  get held(): number {
    return this.#held.bytes;
  }

  /** @returns the name of the member that tells of itself */
  heard(bytes: Uint8Array, name?: string): string | undefined {
    const presence = readPresence(bytes);
    const { counts, mostMembers, log, alive } = this.#settings;
    if (presence === undefined || (name !== undefined && presence.name !== name)) {
      counts.malformed.add(1);
      return undefined;
    }
    const now = performance.now();
    const known = this.#known.get(presence.name);
    if (known === undefined) {
      if (presence.leaving) return presence.name;
      this.#forgetOld(now);
      if (this.#known.size >= mostMembers) {
        if (this.#lines.isDue('full'))
          log.warn(
            { code: 'fleet-full', members: mostMembers },
            `member ${presence.name} and others are passed over: there are ${mostMembers} already, which is max_members`,
          );
        return undefined;
      }
      this.#known.set(presence.name, { presence, at: now, before: undefined, rivalUntil: 0 });
      return presence.name;
    }
    if (presence.instance === known.presence.instance) {
      if (presence.number <= known.presence.number) return presence.name;
    } else if (presence.leaving) {
      return presence.name;
    } else {
      // One that was started anew is not heard again as it was before.
      if (presence.instance === known.before) {
        known.rivalUntil = now + alive;
        if (this.#lines.isDue(`twice ${presence.name}`))
          log.warn(
            { code: 'fleet-name-twice', member: presence.name },
            `two servers of fleet ${this.#settings.fleet} are named ${presence.name}, so that none of them is asked; give one another name`,
          );
      }
      known.before = known.presence.instance;
    }
    if (presence.leaving) this.#known.delete(presence.name);
    known.presence = presence;
    known.at = now;
    return presence.name;
  }

  /** Members by their names. @throws RefusedCall where nothing is known of them */
  async members(selection: Selection): Promise<readonly ToldMember[]> {
    this.#check();
    return await this.#meant(this.#all(), selection);
  }

  /** Those of some members that are meant, in slices of the loop. */
  async #meant(all: readonly ToldMember[], selection: Selection): Promise<readonly ToldMember[]> {
    const isMeant = selecting(selection);
    const found: ToldMember[] = [];
    const slice = new Slice();
    for (const member of all) {
      if (isMeant(member.name, this.#known.get(member.name)?.presence)) found.push(member);
      if (slice.isOverAfterStep()) await slice.rest();
    }
    return found;
  }

  /**
   * Asks members, and tells what came of it.
   *
   * @throws RefusedCall where the broker is away; MiError for a command that the caller may not run, or where nobody is meant
   */
  async call(asked: FleetCall, call: Call): Promise<JsonText | SplicedJson | DumpsAnswer> {
    this.#check();
    const started = performance.now();
    const wanted = this.#wanted(asked.command, asked.params, call.client);
    const turns = async () => turnsOf(await this.#names(asked.selection), asked.rolling);
    if (asked.isDryRun) return this.#dryRun(asked, wanted, await turns());
    const held = new Held(this.#held);
    try {
      const gathered = await this.#within(async () => {
        const all = await turns();
        return this.#gather(this.#check(), asked, wanted, all, call, held);
      });
      return this.#tell(gathered, performance.now() - started, held);
    } catch (error) {
      held.release();
      throw error;
    }
  }

  /** Statistics of all members: counters summed, the others by node. */
  async statistics(items: readonly string[], selection: Selection, call: Call) {
    this.#check();
    const started = performance.now();
    const held = new Held(this.#held);
    try {
      return await this.#within(async () => {
        const names = await this.#names(selection);
        const transport = this.#check();
        const ask = (command: string, params: CallParameters): Promise<Gathered> => {
          const asked = { command, params, selection, timeout: undefined, rolling: undefined, isDryRun: false };
          return this.#gather(transport, asked, this.#wanted(command, params, call.client), [names], call, held);
        };
        return await this.#sum(items, ask, started);
      });
    } finally {
      held.release();
    }
  }

  async #sum(
    items: readonly string[],
    ask: (command: string, params: CallParameters) => Promise<Gathered>,
    started: number,
  ) {
    const isAll = items.length === 1 && items[0] === 'all';
    const [values, kinds] = await Promise.all([
      ask('statistics:get', [items]),
      ask('statistics:list', isAll ? undefined : [items]),
    ]);
    const slice = new Slice();
    const counters = new Map<string, number>();
    const gauges = new Map<string, Map<string, JsonValue>>();
    for (const [node, outcome] of [...values.outcomes].sort(byName)) {
      const told = objectOf(outcome);
      const kindOf = objectOf(kinds.outcomes.get(node));
      for (const [name, value] of Object.entries(told)) {
        // A list by bare names tells the kinds by these.
        const kind = kindOf[name] ?? kindOf[name.slice(name.indexOf(':') + 1)];
        if (kind === 'incremental' && typeof value === 'number') counters.set(name, (counters.get(name) ?? 0) + value);
        else gauges.set(name, (gauges.get(name) ?? new Map<string, JsonValue>()).set(node, value ?? null));
      }
      if (slice.isOver) await slice.rest();
    }
    const errors = [...values.outcomes].flatMap(([node, outcome]) =>
      outcome.kind === 'error' ? [[node, outcome.error] as const] : [],
    );
    const { missing, why } = missingOf(values);
    const sums = Object.fromEntries([...counters].sort(byName));
    const byNode: [string, Record<string, JsonValue>][] = [];
    for (const [name, of] of [...gauges].sort(byName)) {
      byNode.push([name, Object.fromEntries(of)]);
      if (slice.isOver) await slice.rest();
    }
    const answered = [...values.outcomes].flatMap(([node, { kind }]) => (kind === 'result' ? [node] : [])).sort();
    return {
      nodes: answered,
      counters: sums,
      gauges: Object.fromEntries(byNode),
      errors: Object.fromEntries(errors),
      missing,
      why,
      ms: rounded(performance.now() - started),
    };
  }

  /** Tells which parameters of an inner call are written to no log. */
  secretsOf(command: unknown, params: unknown): boolean {
    if (params === undefined || params === null) return false;
    if (typeof command !== 'string') return true;
    try {
      const { command: found } = this.#settings.mi.commands.find(command, () => []);
      if (!found.isForeign) return found.secrets.length > 0;
      return typeof params !== 'object' || Object.keys(params).some(isSecretName);
    } catch {
      // What a member alone knows may have secrets.
      return true;
    }
  }

  #check(): Transport {
    if (this.#problem !== undefined || this.#transport === undefined)
      throw new RefusedCall(503, `the fleet cannot be asked: ${this.#problem ?? 'this server only answers'}`, 2);
    return this.#transport;
  }

  async #within<T>(work: () => Promise<T>): Promise<T> {
    const { mostCalls, counts } = this.#settings;
    if (this.#running >= mostCalls)
      throw new RefusedCall(
        503,
        `${mostCalls} calls of the fleet are under way, which is the limit max_calls; try again`,
        1,
      );
    this.#running += 1;
    counts.calls.add(1);
    try {
      return await work();
    } finally {
      this.#running -= 1;
    }
  }

  #forgetOld(now: number): void {
    for (const [name, { at }] of this.#known) {
      if (now - at > this.#settings.remembered) this.#known.delete(name);
    }
  }

  #all(): readonly ToldMember[] {
    const { alive, silent } = this.#settings;
    const now = performance.now();
    this.#forgetOld(now);
    const quiet = new Map(silent().map(({ name, reason }) => [name, reason]));
    const told = [...this.#known].map(([name, { presence, at, rivalUntil }]): ToldMember => {
      const { ready, unready, version, tags, digest, url, opensips } = presence;
      const heard = Math.round((now - at) / 100) / 10;
      const isAway = now - at > alive;
      const reason = isAway ? (quiet.get(name) ?? `not heard for ${Math.round(heard)} s`) : undefined;
      quiet.delete(name);
      const isTwice = !isAway && now < rivalUntil;
      return {
        name,
        state: isTwice ? 'twice' : isAway ? 'away' : 'here',
        ...(isTwice ? { reason: twice } : reason === undefined ? {} : { reason }),
        heard,
        ready,
        unready,
        version,
        tags,
        digest,
        ...(url === undefined ? {} : { url }),
        opensips,
      };
    });
    const others = [...quiet].map(([name, reason]): ToldMember => ({ name, state: 'away', reason }));
    return [...told, ...others].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** @throws MiError 404 where nobody is meant */
  async #names(selection: Selection): Promise<readonly string[]> {
    const all = this.#all();
    const found = (await this.#meant(all, selection)).map(({ name }) => name);
    const isByName = selection.group === undefined && selection.version === undefined;
    const others = isByName ? unseen(selection, new Set(all.map(({ name }) => name))) : [];
    const names = [...found, ...others];
    if (names.length > 0) return names;
    throw new MiAnswer(
      404,
      'No Member Found',
      `${all.length} members are known, and none is meant by nodes, group and version`,
    );
  }

  /** @throws MiError -32003 where the caller may not run it here; -32602 for what is no name of a command */
  #wanted(command: string, params: CallParameters, client: Client | undefined): Wanted {
    const { mi } = this.#settings;
    const grant = client?.caller?.grant ?? 'admin';
    const level: Level = isLevel(grant) ? grant : 'read';
    const { given, count } = counted(params);
    let entry: CommandEntry | undefined;
    try {
      const found = mi.commands.find(command, () => []);
      entry = found.route?.(given, count).entry ?? found;
    } catch {
      // Members may have what this server does not have.
    }
    if (entry?.module === moduleName || command.startsWith(`${moduleName}:`))
      throw new MiAnswer(codes.permissionDenied, undefined, 'commands of the fleet are not called through the fleet');
    const denial = (mi.guard ?? openGuard).denial(entry ?? unknownEntry(command), client);
    if (denial !== undefined) throw denial;
    if (entry === undefined) return { fullName: command, level, readOnly: undefined };
    const { fullName } = entry;
    return { fullName, level: entry.command.level, readOnly: entry.command.readOnly };
  }

  #dryRun(
    { command }: FleetCall,
    { fullName, level, readOnly }: Wanted,
    turns: readonly (readonly string[])[],
  ): JsonText {
    const asked = turns.flat();
    const states = new Map(this.#all().map(({ name, state, reason }) => [name, { state, reason }]));
    const away = asked.filter((name) => states.get(name)?.state !== 'here');
    const why = Object.fromEntries(away.map((name) => [name, { reason: states.get(name)?.reason ?? notSeen }]));
    const about = { command: fullName, level, known: readOnly !== undefined, changes: readOnly !== true };
    return new JsonText(stringify({ dry_run: true, ...about, given: command, asked, turns, missing: away, why }));
  }

  async #gather(
    transport: Transport,
    asked: FleetCall,
    wanted: Wanted,
    turns: readonly (readonly string[])[],
    call: Call,
    held: Held,
  ): Promise<Gathered> {
    const { rollingTime, counts } = this.#settings;
    const outcomes = new Map<string, Outcome>();
    const notAsked: string[] = [];
    let { readOnly } = wanted;
    let stopped: string | undefined;
    const started = performance.now();
    for (const [index, turn] of turns.entries()) {
      if (index > 0 && stopped === undefined && performance.now() - started > rollingTime)
        stopped = `the time of a call by turns is over, ${rollingTime / 1000} s`;
      if (stopped !== undefined) {
        notAsked.push(...turn);
        continue;
      }
      const told = await this.#turn(transport, asked, wanted, turn, call, held, outcomes);
      readOnly ??= told;
      const failed = turn.filter((name) => ['error', 'missing'].includes(outcomes.get(name)?.kind ?? 'missing'));
      if (asked.rolling !== undefined && failed.length > 0)
        stopped = `${failed.join(', ')} failed, so that the rest is left as it is`;
    }
    for (const { kind } of outcomes.values()) if (kind === 'missing') counts.missing.add(1);
    return { outcomes, notAsked, stopped: notAsked.length === 0 ? undefined : stopped, readOnly: readOnly === true };
  }

  /** Asks some members at once. @returns whether one of them says that the command changes nothing */
  #turn(
    transport: Transport,
    { command, params, timeout = this.#settings.timeout }: FleetCall,
    { level }: Wanted,
    names: readonly string[],
    call: Call,
    held: Held,
    outcomes: Map<string, Outcome>,
  ): Promise<boolean | undefined> {
    const { fleet, name: at, mostBytes, counts } = this.#settings;
    const { signal } = call;
    const user = shorten((call.client?.caller?.name ?? '-').replace(/\p{Cc}/gu, ' '), 64) || '-';
    const now = performance.now();
    const questions = new Map<string, Uint8Array>();
    const id = randomBytes(15).toString('base64url');
    const questionOf = questionTo(id, { kind: 'call', fleet, user, at, level, command, params, timeout });
    for (const name of names) {
      if (now < (this.#known.get(name)?.rivalUntil ?? 0)) {
        outcomes.set(name, { kind: 'missing', reason: twice, isUnknown: false });
        continue;
      }
      questions.set(name, questionOf(questions.size));
    }
    return new Promise((resolve, reject) => {
      let isReadOnly: boolean | undefined;
      let left = questions.size;
      const settle = (name: string, outcome: Outcome): void => {
        outcomes.set(name, outcome);
        left -= 1;
        if (left === 0) end(() => resolve(isReadOnly));
      };
      const end = (then: () => void): void => {
        signal.removeEventListener('abort', aborted);
        then();
      };
      const aborted = (): void => {
        cancel();
        end(() => reject(signal.reason));
      };
      const answered = (name: string, bytes: Uint8Array): void => {
        if (this.#held.bytes + bytes.length > mostBytes) {
          settle(name, { kind: 'error', error: tooMuch(mostBytes) });
          return;
        }
        const answer = readAnswer(bytes);
        if (answer === undefined || answer.node !== name) {
          counts.malformed.add(1);
          const reason = answer === undefined ? 'its answer is malformed' : `it answers as ${answer.node}`;
          settle(name, { kind: 'missing', reason, isUnknown: true });
          return;
        }
        held.add(bytes.length);
        isReadOnly ??= answer.readOnly;
        settle(name, answer.outcome);
      };
      const missing = (name: string, reason: string, isUnknown: boolean): void =>
        settle(name, { kind: 'missing', reason, isUnknown });
      let cancel = (): void => {};
      if (left === 0) {
        resolve(undefined);
        return;
      }
      signal.addEventListener('abort', aborted);
      const asked = { answered, missing };
      cancel = transport.gather({ subject: { kind: 'call', level }, questions, timeout, asked });
      if (signal.aborted) aborted();
    });
  }

  /** The answer, whose results are the texts that members have printed. */
  #tell(gathered: Gathered, milliseconds: number, held: Held): JsonText | SplicedJson | DumpsAnswer {
    const { outcomes, notAsked, stopped } = gathered;
    const pieces: Splice[] = [];
    const dumps: NodeDump[] = [];
    let text = '{"nodes":{';
    let separator = '';
    for (const [name, outcome] of [...outcomes].sort(byName)) {
      if (outcome.kind === 'result') {
        pieces.push(`${text}${separator}"${name}":{"result":`, outcome.bytes);
        text = '}';
        separator = ',';
      } else if (outcome.kind === 'error') {
        text += `${separator}"${name}":{"error":${stringify(outcome.error)}}`;
        separator = ',';
      } else if (outcome.kind === 'dump')
        dumps.push({ name, pull: this.#settings.pull(this.#known.get(name)?.presence, name, outcome.token) });
    }
    const { missing, why } = missingOf(gathered);
    const rest = {
      missing,
      ...(missing.length === 0 ? {} : { why }),
      ...(notAsked.length === 0 ? {} : { not_asked: notAsked, stopped }),
      ms: rounded(milliseconds),
    };
    pieces.push(`${text}},${stringify(rest).slice(1, -1)}`);
    const released = (): void => held.release();
    if (dumps.length > 0) return new DumpsAnswer(pieces, dumps, this.#settings.longestDump, released);
    pieces.push('}');
    const answer = new SplicedJson(pieces, released);
    return answer.length > longestText ? answer : new JsonText(answer.text());
  }
}

/** Bytes of an answer that is printed at once, into the window of its reply. */
const longestText = 32_768;

/** Bytes of answers that a call holds, until its own answer is sent or given up. */
class Held {
  readonly #all: { bytes: number };
  #bytes = 0;

  constructor(all: { bytes: number }) {
    this.#all = all;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#all.bytes += bytes;
  }

  release(): void {
    this.#all.bytes -= this.#bytes;
    this.#bytes = 0;
  }
}

const notSeen = 'no member of this name has been seen';
const twice = 'two servers have this name: give one of them another';

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}

function tooMuch(most: number): ToldError {
  const data = `the answers that wait have ${most} bytes, which is max_answers; ask fewer members at once`;
  return { code: codes.serverError, message: 'Server error', data };
}

/** Names in turns. */
function turnsOf(names: readonly string[], rolling: number | undefined): readonly (readonly string[])[] {
  if (rolling === undefined) return [names];
  const turns: (readonly string[])[] = [];
  for (let start = 0; start < names.length; start += rolling) turns.push(names.slice(start, start + rolling));
  return turns;
}

/** Who is missing, and why. What is not known to have changed nothing is said to be unknown. */
function missingOf({ outcomes, readOnly }: Gathered) {
  const missing: string[] = [];
  const why: Record<string, { readonly reason: string; readonly outcome?: 'unknown' | 'not run' }> =
    Object.create(null);
  for (const [name, outcome] of [...outcomes].sort(byName)) {
    if (outcome.kind !== 'missing') continue;
    const { reason, isUnknown } = outcome;
    missing.push(name);
    why[name] = readOnly ? { reason } : { reason, outcome: isUnknown ? 'unknown' : 'not run' };
  }
  return { missing, why };
}

/** The members of a result; none of any other. */
function objectOf(outcome: Outcome | undefined): Readonly<Record<string, JsonValue | undefined>> {
  const value: JsonValue = outcome?.kind === 'result' ? JSON.parse(Buffer.from(outcome.bytes).toString('utf8')) : null;
  return isObject(value) ? value : {};
}

/** Stands for a command that members alone have, where it is judged whether the caller may run it. */
function unknownEntry(fullName: string): CommandEntry {
  const name = fullName.slice(fullName.lastIndexOf('/') + 1);
  if (!isForeignName(name) || fullName.length > 256)
    throw invalidParams(`"${shorten(fullName, 64, '…')}" is no name of a command`);
  const run = () => Promise.reject(coded('ERR_STATE', new Error('members alone have this command')));
  const command = foreignCommand({ name, help: 'Of members alone.', level: 'read', run });
  return { number: Number.MAX_SAFE_INTEGER, command, module: '', fullName };
}
