import { coded } from '../../base/codes.js';
import type { JsonObject, JsonValue } from '../../base/json.js';
import { isObject } from '../../base/json.js';
import type { CodedLog } from '../../base/log.js';
import { reasonOf, shorten } from '../../base/text.js';
import type { Call } from '../../mi/calls/call.js';
import { Eventual } from '../../mi/calls/eventual.js';
import {
  type Command,
  foreignCommand,
  isForeignName,
  isParameterName,
  type Level,
  type ParameterType,
  type Recipe,
  type Result,
} from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { type CallParameters, counted } from '../../mi/commands/parameters.js';
import { isSecretName } from '../../mi/commands/secrets.js';
import { codes, invalidParams, MiAnswer, MiError, RefusedCall } from '../../mi/errors.js';
import type { Cursor } from '../../mi/results/cursor.js';
import { JsonStream, JsonText } from '../../mi/results/result.js';
import { jsonChecker } from '../../native/addon.js';
import { type KnownCommand, knownCommand, type LevelRule, onlyReads } from './levels.js';
import { membersOf, nodesOf, valueIn } from './tree.js';
import { notJson } from './upstream/envelope.js';
import {
  type Upstream,
  type UpstreamCall,
  UpstreamFailure,
  type UpstreamOwner,
  type UpstreamResult,
} from './upstream/transport.js';

/** Bytes of a result that is parsed, which is done at once: a longer one would keep all others waiting. */
const longestParsed = 4 << 20;

/** Bounds of what a node tells of itself, which is kept: a broken one may tell anything. */
const most = { commands: 4096, name: 128, help: 4096, module: 64, recipes: 64, parameters: 64, version: 256 } as const;

/** Calls about commands that are under way at once. */
const lanes = 4;

/** Milliseconds between two discoveries that calls of unknown commands cause. */
const leastPause = 5000;

/** The help of OpenSIPS for a command that has none. */
const noHelp = 'not available for this command';

/** The parameter of commands of usrloc that comes first: the table of contacts. */
const tableName = 'table_name';

/** Parameters that are lists in every command that has them; all others are taken as texts. */
const listParameters: ReadonlySet<string> = new Set(['statistics', 'DID']);

/** The surroundings of a node. */
export interface NodeSurroundings {
  readonly log: CodedLog;
  readonly rules: readonly LevelRule[];
  /** Milliseconds that a call may take. */
  readonly timeout: number;
  /** As {@link timeout}, for commands that answer with much, or later. */
  readonly longTimeout: number;
  /** Numbers of commands, each used once. */
  nextNumber(): number;
  /** The node of a name. @throws MiError when there is none */
  node(name: string): OpensipsNode;
  /** The node whose contacts a table of usrloc mirrors, and their table there; undefined for a table of the node that bare names mean. */
  originOf(table: string): { readonly node: OpensipsNode; readonly table: string } | undefined;
  /** Told when commands came or went. */
  changed(node: OpensipsNode): void;
  /** Told of every call, and of its failure. */
  called(node: OpensipsNode, milliseconds: number, failure: unknown): void;
}

/** A command as OpenSIPS describes it. */
interface Description {
  readonly recipes: readonly (readonly string[])[];
  readonly help: string | undefined;
  readonly module: string | undefined;
}

/** One OpenSIPS, and the commands that it has. */
export class OpensipsNode {
  readonly #around: NodeSurroundings;
  readonly #byText = new Map<string, CommandEntry[]>();
  readonly #descriptions = new Map<string, Description>();
  #entries: readonly CommandEntry[] = [];
  #names: readonly string[] | undefined;
  #version = '';
  #upSince = '';
  #firstProcess = '';
  #starts = 0;
  #discovery: Promise<void> | undefined;
  #discoveredAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(
    readonly upstream: Upstream,
    around: NodeSurroundings,
  ) {
    this.#around = around;
  }

  get name(): string {
    return this.upstream.name;
  }

  /** True once it has told its commands. */
  get isKnown(): boolean {
    return this.#names !== undefined;
  }

  /** As `version` gives it: `OpenSIPS (3.4.9 (x86_64/linux))`; '' before it was asked. */
  get version(): string {
    return this.#version;
  }

  /** True if it is 2.x, whose values are lines. */
  get hasLines(): boolean {
    return this.#version.includes('(2.');
  }

  /** When it was started, as it told last; '' when it did not. */
  get upSince(): string {
    return this.#upSince;
  }

  /** Counts the starts that it was found at; 0 before it told of one. */
  get starts(): number {
    return this.#starts;
  }

  /** The commands that callers are shown. */
  get entries(): readonly CommandEntry[] {
    return this.#entries;
  }

  /**
   * The commands that a text finds: by the name that `which` lists, or as 4.0 does it, by the name without its module where one
   * module alone has it, or by the name of 3.x.
   */
  find(text: string): readonly CommandEntry[] {
    return this.#byText.get(text) ?? [];
  }

  /** The name by which this node knows a command that has another name in other versions; undefined: it has none. */
  nameOf(text: string): string | undefined {
    const [entry] = this.find(text);
    return entry?.command.name;
  }

  /** Asks when it was started, and for its commands where it was started anew. */
  async watch(): Promise<void> {
    const { isKnown } = this;
    const since = this.#upSince;
    await this.#askUptime();
    const isOther = !isKnown || since !== this.#upSince;
    if (isOther) await this.discover();
    // Behind what callers wait for. It may have been started twice within a second.
    const { starts } = this;
    await this.#askFirstProcess();
    if (!isOther && starts !== this.starts) await this.discover();
  }

  /** Asks for the commands. Calls while it is asked join that question. */
  discover(): Promise<void> {
    this.#discovery ??= this.#discover().finally(() => {
      this.#discovery = undefined;
    });
    return this.#discovery;
  }

  /** Runs any command, and gives its result parsed. @throws MiError */
  async ask(method: string, params?: CallParameters, options: Partial<UpstreamCall> = {}): Promise<JsonValue> {
    const known = knownCommand(method);
    const result = await this.upstream.call({
      method,
      params,
      isReadOnly: known?.isReadOnly ?? false,
      isLarge: known?.isLarge ?? true,
      isAsynchronous: known?.isAsynchronous ?? false,
      timeout: this.#around.timeout,
      ...options,
    });
    return parsed(await textOf(result, method));
  }

  /** Runs any command, and gives its result piece by piece, as JSON. @throws MiError, also when the result has no sound end */
  async *stream(method: string, params: CallParameters, options: Partial<UpstreamCall>): AsyncGenerator<Uint8Array> {
    const known = knownCommand(method);
    const result = await this.upstream.call({
      method,
      params,
      isReadOnly: known?.isReadOnly ?? false,
      isLarge: known?.isLarge ?? true,
      isAsynchronous: known?.isAsynchronous ?? false,
      timeout: this.#around.longTimeout,
      ...options,
    });
    if (typeof result === 'string') yield Buffer.from(result);
    else yield* piecesOf(result);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.upstream.close();
  }

  async #askUptime(): Promise<void> {
    const uptime = await this.ask('uptime', undefined, { isReadOnly: true, isLarge: false });
    const told = isObject(uptime) ? (uptime['Up since'] ?? uptime['Up Since']) : undefined;
    const since = typeof told === 'string' ? shorten(told, most.version) : '';
    if (since === this.#upSince) return;
    this.#upSince = since;
    this.#firstProcess = '';
    this.#starts += 1;
  }

  async #askFirstProcess(): Promise<void> {
    const processes = await this.ask('ps', undefined, { isReadOnly: true, isLarge: false }).catch((error: unknown) => {
      // One that has gone meanwhile does not answer, and one that has no such command does.
      if (!this.upstream.health().isUp) throw error;
      return undefined;
    });
    const first = processes === undefined ? '' : firstProcess(processes);
    // One without an answer is no sign of another start.
    if (first === '') return;
    if (this.#firstProcess !== '' && first !== this.#firstProcess) this.#starts += 1;
    this.#firstProcess = first;
  }

  async #discover(): Promise<void> {
    this.#discoveredAt = performance.now();
    const version = await this.ask('version', undefined, { isReadOnly: true, isLarge: false });
    const server = isObject(version) ? version.Server : version;
    if (this.#upSince === '') await this.#askUptime().catch(() => {});
    const listed = await this.ask('which', undefined, { isReadOnly: true, isLarge: true });
    const names = namesOf(listed);
    if (names.length === 0) throw coded('ERR_NODE', new Error(`which of ${this.name} lists no commands`));
    const fitting = [...new Set(names)].filter((name) => isForeignName(name) && name.length <= most.name);
    if (fitting.length > most.commands) {
      throw coded(
        'ERR_NODE',
        new Error(`which of ${this.name} lists ${fitting.length} commands, and ${most.commands} are the most`),
      );
    }
    const told = shorten(String(server), most.version, '…');
    const isOther = told !== this.#version || fitting.join() !== this.#names?.join();
    this.#version = told;
    this.#names = fitting;
    if (!isOther) return;
    this.#descriptions.clear();
    this.#offer();
    // 2.x tells nothing of single commands.
    if (!this.hasLines) await this.#describe(fitting);
    if (!this.#isClosed) this.#offer();
  }

  /** Asks about each command. Answers that a node does not give are left out. */
  async #describe(names: readonly string[]): Promise<void> {
    const left = [...names].reverse();
    const lane = async (): Promise<void> => {
      for (let name = left.pop(); name !== undefined && !this.#isClosed; name = left.pop()) {
        const options = { isReadOnly: true, isLarge: false };
        const recipes = await this.ask('which', [name], options).catch(() => []);
        const help = await this.ask('help', [name], options).catch(() => undefined);
        const text = isObject(help) ? help.Help : undefined;
        const module = isObject(help) ? help['Exported by'] : undefined;
        this.#descriptions.set(name, {
          recipes: Array.isArray(recipes) ? recipes.filter(isNames).slice(0, most.recipes) : [],
          help: typeof text === 'string' && text !== '' && text !== noHelp ? shorten(text, most.help, '…') : undefined,
          module: typeof module === 'string' ? shorten(module, most.module, '…') : undefined,
        });
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  /** Makes the commands that are offered from their names and descriptions. */
  #offer(): void {
    const before = new Map(this.#entries.map(({ command, number }) => [command.name, number]));
    this.#entries = (this.#names ?? []).map((name) => this.#entryOf(name, before.get(name)));
    this.#byText.clear();
    for (const entry of this.#entries) this.#byText.set(entry.command.name, [entry]);
    this.#addNames((name) => [name.slice(name.indexOf(':') + 1)]);
    this.#addNames((name) => otherNames(name));
    this.#around.changed(this);
  }

  /** Adds names that find nothing yet; those that fit several commands find them all. */
  #addNames(namesOf: (name: string) => readonly string[]): void {
    const added = new Map<string, CommandEntry[]>();
    for (const entry of this.#entries) {
      for (const text of namesOf(entry.command.name)) {
        if (this.#byText.has(text)) continue;
        const found = added.get(text);
        if (found === undefined) added.set(text, [entry]);
        else found.push(entry);
      }
    }
    for (const [text, entries] of added) this.#byText.set(text, entries);
  }

  #entryOf(name: string, given: number | undefined): CommandEntry {
    const known = knownCommand(name);
    const number = given ?? this.#around.nextNumber();
    const description = this.#descriptions.get(name);
    const [prefix = ''] = name.includes(':') ? name.split(':', 1) : [];
    const exportedBy = description?.module ?? known?.module ?? prefix;
    const rule = this.#around.rules.find(({ fits }) => [name, ...otherNames(name)].some((one) => fits.test(one)));
    const isReadOnly = known?.isReadOnly ?? rule?.isReading ?? false;
    const level = rule?.level ?? known?.level ?? 'admin';
    const reading = known?.reading;
    const recipes = recipesOf(description?.recipes ?? []);
    const common = {
      name,
      known,
      recipes,
      isDestructive: rule?.isDestructive ?? known?.isDestructive ?? false,
      help: description?.help ?? `A command of OpenSIPS${exportedBy === '' ? '' : ` (${exportedBy})`}.`,
    };
    const entryOf = (command: Command, route?: CommandEntry['route']): CommandEntry => ({
      number,
      command,
      module: this.name,
      fullName: `node:${this.name}/${name}`,
      route,
      exportedBy,
    });
    const plain = entryOf(this.#commandOf({ ...common, level, isReadOnly }));
    const lowest = reading === undefined ? level : (rule?.level ?? 'read');
    const reader =
      reading === undefined ? plain : entryOf(this.#commandOf({ ...common, level: lowest, isReadOnly: true }));
    const takesNode = recipes.some((recipe) => Object.hasOwn(recipe, 'node'));
    const listed = reading === undefined ? plain.command : this.#commandOf({ ...common, level: lowest, isReadOnly });
    return entryOf(listed, (params, count) => {
      if (!takesNode && isObject(params) && Object.hasOwn(params, 'node')) return this.#onOther(name, params);
      const origin = known?.module === 'usrloc' ? this.#onOrigin(name, params) : undefined;
      if (origin !== undefined) return origin;
      const entry = reading !== undefined && onlyReads(reading, params, count) ? reader : plain;
      return { entry, given: params, count };
    });
  }

  /** The call with a member `node`, which names another node, and is not passed on. */
  #onOther(name: string, given: JsonObject): ReturnType<NonNullable<CommandEntry['route']>> {
    const { node: wanted, ...rest } = given;
    if (typeof wanted !== 'string') throw invalidParams("Bad type for parameter 'node'");
    return routedTo(this.#around.node(wanted), name, rest);
  }

  /** The call about a table that mirrors the contacts of another node; undefined: it is about one of this node. */
  #onOrigin(name: string, given: CallParameters): ReturnType<NonNullable<CommandEntry['route']>> | undefined {
    const [first, ...others] = Array.isArray(given) ? given : [isObject(given) ? given[tableName] : undefined];
    const origin = typeof first === 'string' ? this.#around.originOf(first) : undefined;
    if (origin === undefined || origin.node === this) return undefined;
    const params = Array.isArray(given) ? [origin.table, ...others] : { ...given, [tableName]: origin.table };
    return routedTo(origin.node, name, params);
  }

  /** The error for a command that it does not have, or has not told of yet. */
  missing(name: string): MiError {
    if (this.isKnown)
      return new MiAnswer(codes.methodNotFound, undefined, `node ${this.name} has no command "${name}"`);
    const reason = this.upstream.health().transports.find(({ reason: why }) => why !== '')?.reason;
    const why = reason === undefined ? '' : `: ${reason}`;
    return new UpstreamFailure(
      'down',
      `node ${this.name} has not answered yet, so that its commands are not known${why}`,
      false,
    );
  }

  #commandOf({ name, known, recipes, help, level, isReadOnly, isDestructive }: Offer): Command {
    const isAsynchronous = known?.isAsynchronous ?? false;
    // A command that is not known may give much, and the datagram would give nothing then.
    const isLarge = known?.isLarge ?? true;
    const kind: CallKind = {
      node: this,
      method: name,
      isReadOnly,
      isLarge,
      isAsynchronous,
      timeout: isLarge || isAsynchronous ? this.#around.longTimeout : this.#around.timeout,
    };
    const secrets = recipes.flatMap((recipe) => Object.keys(recipe)).filter(isSecretName);
    return foreignCommand({
      name,
      aliases: otherNames(name),
      help,
      recipes,
      level,
      readOnly: isReadOnly,
      destructive: isDestructive && !isReadOnly,
      secrets: [...new Set(secrets)],
      withoutContext: true,
      run: ({ given }, call) => {
        const running = new RunningCall(kind, given, call);
        running.begin();
        return running;
      },
    });
  }

  /** Told of the end of each call. */
  called(milliseconds: number, failure: unknown): void {
    this.#around.called(this, milliseconds, failure);
    if (failure instanceof MiError && failure.code === codes.methodNotFound) this.#discoverSoon();
  }

  /** It has lost a command that it had: it was started anew, with other modules. */
  #discoverSoon(): void {
    if (this.#isClosed || performance.now() - this.#discoveredAt < leastPause) return;
    this.#upSince = '';
    this.discover().catch((error: unknown) => {
      this.#around.log.warn(
        { code: 'opensips-commands-unknown', node: this.name },
        `commands of node ${this.name} are not known anew: ${reasonOf(error)}`,
      );
    });
  }
}

/** The call on another node, which may have the command by another name. @throws MiError when it has none */
function routedTo(
  node: OpensipsNode,
  name: string,
  params: JsonObject | readonly JsonValue[],
): ReturnType<NonNullable<CommandEntry['route']>> {
  const [entry] = [name, ...otherNames(name)].flatMap((one) => node.find(one));
  if (entry === undefined) throw node.missing(name);
  const { given, count } = counted(params);
  return entry.route?.(given, count) ?? { entry, given, count };
}

/** All that calls of a command have in common. */
interface CallKind extends Omit<UpstreamCall, 'params'> {
  readonly node: OpensipsNode;
}

/** A call of a client, and its result. */
class RunningCall extends Eventual<Result> implements UpstreamCall, UpstreamOwner {
  readonly method: string;
  readonly isReadOnly: boolean;
  readonly isLarge: boolean;
  readonly isAsynchronous: boolean;
  readonly timeout: number;
  readonly #node: OpensipsNode;
  readonly #call: Call;
  readonly #started = performance.now();

  constructor(
    { node, method, isReadOnly, isLarge, isAsynchronous = false, timeout }: CallKind,
    readonly params: CallParameters,
    call: Call,
  ) {
    super();
    this.method = method;
    this.isReadOnly = isReadOnly;
    this.isLarge = isLarge;
    this.isAsynchronous = isAsynchronous;
    this.timeout = timeout;
    this.#node = node;
    this.#call = call;
  }

  begin(): void {
    const pending = this.#node.upstream.begin(this, this);
    if (pending !== undefined) this.#call.onLeave = () => pending.giveUp();
  }

  answered(result: UpstreamResult): void {
    this.#call.onLeave = undefined;
    // Texts of 2.x are printed here.
    const fault = typeof result === 'string' && !this.#node.hasLines ? jsonFault(result) : '';
    if (fault !== '') {
      this.failed(new UpstreamFailure('broken', fault, !this.isReadOnly));
      return;
    }
    this.#node.called(performance.now() - this.#started, undefined);
    this.fulfill(typeof result === 'string' ? new JsonText(result) : new JsonStream(result));
  }

  failed(error: MiError): void {
    this.#call.onLeave = undefined;
    this.#node.called(performance.now() - this.#started, error);
    const isBusy = error instanceof UpstreamFailure && error.kind === 'busy';
    this.fail(isBusy ? new RefusedCall(503, String(error.data), 1) : error);
  }
}

/** The parts of a command. */
interface Offer {
  readonly name: string;
  readonly known: KnownCommand | undefined;
  readonly recipes: readonly Recipe[];
  readonly help: string;
  readonly level: Level;
  readonly isReadOnly: boolean;
  readonly isDestructive: boolean;
}

/** The names of a command in other versions. */
function otherNames(name: string): readonly string[] {
  const known = knownCommand(name);
  return known === undefined ? [] : [known.flat, known.full].filter((one) => one !== name);
}

/** An array of texts; of 2.x, nodes without names. */
function namesOf(listed: JsonValue): readonly string[] {
  return nodesOf(isObject(listed) ? listed[''] : listed)
    .map(valueIn)
    .filter((one) => one !== undefined);
}

/** The number of the process that starts all others; '' where it is not told. */
function firstProcess(told: JsonValue): string {
  const listed = isObject(told) ? nodesOf(told.Processes ?? told.Process) : [];
  const first = listed.map(membersOf).find(({ ID: id }) => Number(id) === 0);
  return first === undefined ? '' : String(first.PID);
}

function isNames(value: JsonValue): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= most.parameters &&
    value.every((name) => typeof name === 'string' && name.length <= most.name)
  );
}

/** Recipes, none where they are not known, with the types that forms and descriptions show; OpenSIPS does not tell any. Texts fit all but lists. */
function recipesOf(recipes: readonly (readonly string[])[]): readonly Recipe[] {
  const fitting = recipes.filter((names) => names.every(isParameterName) && new Set(names).size === names.length);
  return fitting.map((names) =>
    Object.fromEntries(
      names.map((name): [string, ParameterType] => [name, listParameters.has(name) ? 'string[]' : 'string']),
    ),
  );
}

/** @throws Error when it is longer than is parsed, or broken */
async function textOf(result: UpstreamResult, method: string): Promise<string> {
  if (typeof result === 'string') return result;
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of piecesOf(result)) {
    size += piece.length;
    if (size > longestParsed) {
      const fault = `the result of ${method} is longer than ${longestParsed} bytes, the most that is parsed`;
      throw coded('ERR_NODE', new RangeError(`${fault}: ask for less, or read it piece by piece by opensips.stream`));
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** The pieces of a result; one that is not read to its end is released. */
async function* piecesOf(cursor: Cursor): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(65536);
      const written = await cursor.fill(buffer);
      if (written === 0) return;
      yield buffer.subarray(0, written);
    }
  } finally {
    cursor.release();
  }
}

/** Why a text is no JSON, or none that every client decodes; '' if it is. In a batch it would be read as replies to other calls. */
function jsonFault(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return notJson;
  }
  // The grammar has halves of pairs, as escapes.
  if (!text.includes(escapeStart)) return '';
  const fault = jsonChecker().push(Buffer.from(text));
  return fault.startsWith(halfPair) ? `${notJson}: ${fault} of it` : '';
}

/** How escapes of surrogates begin, and the fault of half a pair begins, as the checker tells it. */
const escapeStart = '\\u';
const halfPair = 'half of';

function parsed(text: string): JsonValue {
  return JSON.parse(text);
}
