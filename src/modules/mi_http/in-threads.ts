// Calls that a thread with listeners runs by itself: those of commands that need nothing of what home alone has.
import { isDeepStrictEqual } from 'node:util';
import { networkOf } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { SharedCount } from '../../base/shared-count.js';
import type { SharedTableMemory } from '../../base/shared-table.js';
import { refusalBody } from '../../gateway/jsonrpc-refusal.js';
import type { Caller } from '../../http/exchange.js';
import type { RequestHead } from '../../http/request/head.js';
import type { RootHere } from '../../http/threads/face.js';
import { Audit } from '../../mi/calls/audit.js';
import { isWatched } from '../../mi/calls/channels.js';
import { RateLimit } from '../../mi/calls/guard.js';
import { Runner } from '../../mi/calls/run.js';
import { Command, type Level, type ParameterAbout, type Recipe } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { ManagementInterface, type SharedCounts } from '../../mi/management-interface.js';
import type { Statistics } from '../../mi/statistics.js';
import type { PerThreadModule } from '../../module.js';
import { ElementField, Outcome } from '../../native/layout.js';
import { BatchReading, elementSize, RequestScanner } from '../../native/scanner.js';
import { cacheHere } from '../cache/here.js';
import { coreHere } from '../core/anywhere.js';
import type { CommandHere, CommandsHere, CommonFacts, OwnCommands, ThreadContext } from '../here.js';
import { statisticsHere } from '../statistics/get.js';
import { usrlocHere } from '../usrloc/here.js';
import { CallReader } from './call-reader.js';
import { JsonRpc } from './jsonrpc.js';
import { mediaTypes } from './media-types.js';

/** Bytes of the longest request that a thread looks at: longer ones are read in several turns, and scanned twice. */
const longestBody = 32_768;

/** Elements of a batch that are looked at together. */
const scannedAtOnce = 64;

/** The modules with commands that run anywhere. */
const commandsHere: Readonly<Record<string, CommandsHere>> = {
  core: coreHere,
  statistics: statisticsHere,
  usrloc: usrlocHere,
  cache: cacheHere,
};

/** A command, as a thread is told of it. */
interface SentCommand {
  readonly module: string;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly help: string;
  readonly level: Level;
  readonly readOnly: boolean;
  readonly namedOnly: boolean;
  readonly recipes: readonly Recipe[];
  readonly optional: Recipe;
  readonly parameters: Readonly<Record<string, ParameterAbout>>;
  readonly where: Command['where'];
  /** True where what is told of it may be another thing each time. */
  readonly changes: boolean;
}

/** What a thread makes the root of its calls of. */
interface CallsInThread {
  readonly root: string;
  readonly counts: SharedCounts;
  readonly commands: readonly SentCommand[];
  readonly facts: Pick<CommonFacts, 'name' | 'version'> & { readonly startedAt: number; readonly upTime: number };
  readonly protection: Protection | undefined;
  /** What modules give, by their names. */
  readonly modules: Readonly<Record<string, unknown>>;
  /** Modules of the user's own that are loaded in each thread. */
  readonly perThread: readonly PerThreadModule[];
  /** Names of headers that are kept for each call. */
  readonly headers: readonly string[];
  readonly maxPending: number;
  /** Of the calls that are pending in all threads. */
  readonly pending: SharedArrayBuffer;
  readonly thread: number;
  readonly timeout: number;
  readonly replies: {
    readonly windowSize: number;
    readonly chunkSize: number;
    readonly pretty: boolean;
    readonly maxBatch: number;
    readonly maxValues: number;
  };
}

interface Protection {
  readonly allowCommands: string | undefined;
  readonly denyCommands: string | undefined;
  readonly addressRate: SentRate | undefined;
  readonly userRate: SentRate | undefined;
}

interface SentRate {
  readonly rate: number;
  readonly memory: SharedTableMemory;
}

/**
 * The calls of a root, as a thread is told of them.
 *
 * @returns undefined where home has to see every call: it is audited, watched, or run within what the program has around it
 */
export function callsInThread(
  mi: ManagementInterface,
  facts: CommonFacts,
  thread: number,
  settings: Omit<CallsInThread, 'counts' | 'commands' | 'facts' | 'protection' | 'thread' | 'headers'>,
): CallsInThread | undefined {
  const { protection, commands } = mi;
  const isSeen = protection?.audit?.hasSink === true || mi.around !== undefined || isWatched() || commands.isOpen;
  if (isSeen || !mi.isShared) return undefined;
  return {
    ...settings,
    thread,
    headers: mi.headers,
    counts: mi.sharedWith(thread),
    commands: commands.entries.map(sentCommand),
    facts: { name: facts.name, version: facts.version, startedAt: facts.startedAt(), upTime: facts.upTime() },
    protection: protection && {
      allowCommands: protection.allowCommands,
      denyCommands: protection.denyCommands,
      addressRate: sentRate(protection.addressRate),
      userRate: sentRate(protection.userRate),
    },
  };
}

/** A call that changed something in a thread is kept with those of home. */
export function takeAudited(mi: ManagementInterface, told: unknown): void {
  mi.audit?.tell(told as Parameters<Audit['tell']>[0], false);
}

function sentRate(limit: RateLimit | undefined): SentRate | undefined {
  return limit && { rate: limit.rate, memory: limit.memory };
}

function receivedRate(sent: SentRate | undefined): RateLimit | undefined {
  return sent && new RateLimit(sent.rate, undefined, sent.memory);
}

function sentCommand({ module, command }: Pick<CommandEntry, 'module' | 'command'>): SentCommand {
  const { name, aliases, help, level, readOnly, namedOnly, recipes, optional, abouts, where } = command;
  return {
    module,
    where,
    name,
    aliases,
    help,
    level,
    readOnly,
    namedOnly,
    recipes: recipes.map(({ names, types }) => Object.fromEntries(names.map((one, at) => [one, types[at] ?? 'json']))),
    optional: Object.fromEntries(optional),
    parameters: Object.fromEntries([...abouts].map(([one, about]) => [one, lasting(about)])),
    changes: [...abouts.values()].some(
      (about) => typeof about.choices === 'function' || typeof about.suggest === 'function',
    ),
  };
}

/** What is told of a parameter, but for what functions give. */
function lasting({ choices, suggest, ...about }: ParameterAbout): ParameterAbout {
  return {
    ...about,
    ...(typeof choices === 'function' || choices === undefined ? {} : { choices }),
    ...(typeof suggest === 'function' || suggest === undefined ? {} : { suggest }),
  };
}

/** A command that home runs: here it is listed alone. */
function listedCommand(sent: SentCommand): Command {
  const { name, aliases, help, level, readOnly, namedOnly, recipes, optional, parameters } = sent;
  const run = (): never => {
    throw coded('ERR_STATE', new TypeError(`command ${name} runs at home`));
  };
  return new Command({ name, aliases, help, level, readOnly, namedOnly, recipes, optional, parameters, run });
}

/** Modules of the user's own in a thread. */
interface OwnModules {
  load(given: readonly PerThreadModule[], statistics: Statistics): Promise<readonly OwnCommands[]>;
  start(): Promise<void>;
  reload(): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * Makes the root whose calls a thread runs by itself.
 *
 * @param tellHome sends the calls that changed something, as {@link takeAudited} takes them
 * @param ownModules loads modules of the user's own, where there are some
 * @throws Error in one line when one cannot be loaded
 */
export async function rootInThread(
  given: unknown,
  log: CodedLog,
  tellHome: (told: unknown) => void,
  ownModules?: OwnModules,
): Promise<RootHere> {
  const { root, counts, commands, facts, protection, modules, maxPending, timeout, replies, ...more } =
    given as CallsInThread;
  const mi = new ManagementInterface(log, counts);
  const since = performance.now() - facts.upTime * 1000;
  const common: CommonFacts = {
    ...facts,
    startedAt: () => facts.startedAt,
    upTime: () => Math.floor((performance.now() - since) / 1000),
  };
  const changing = new Set<string>();
  const isToldAtHome = (text: string): boolean =>
    mi.commands.entries.some((entry) => changing.has(entry.fullName) && mi.commands.finds(text, entry));
  const own = new Map<string, CommandHere>();
  const context: ThreadContext = { mi, log, facts: common, isToldAtHome, given: modules };
  for (const [module, make] of Object.entries(commandsHere)) {
    for (const made of make(context)) own.set(`${module}:${made.command.name}`, made);
  }
  const loaded = (await ownModules?.load(more.perThread, mi.statistics)) ?? [];
  const theirs = theirCommands(loaded, commands, more.thread);
  const here = new Map<number, CommandHere>();
  for (const sent of commands) {
    const name = `${sent.module}:${sent.name}`;
    const made = sent.where === 'anywhere' ? own.get(name) : theirs.get(name);
    if (sent.where === 'anywhere' && made === undefined)
      throw coded('ERR_STATE', new TypeError(`nothing runs command ${name} in a thread`));
    const { number, fullName } = mi.commands.add(sent.module, made?.command ?? listedCommand(sent));
    if (made !== undefined) here.set(number, made);
    if (sent.changes) changing.add(fullName);
  }
  if (protection !== undefined) {
    const { allowCommands, denyCommands } = protection;
    const addressRate = receivedRate(protection.addressRate);
    const userRate = receivedRate(protection.userRate);
    const audit = new Audit(undefined, tellHome);
    mi.protect({ allowCommands, denyCommands, audit, addressRate, userRate, networkOf });
  }
  mi.seal();
  const batches = mi.statistics.add('mi', 'batches', 'counter');
  const pending = new SharedCount(more.pending, more.thread);
  const runner = new Runner(mi, { maxPending, pending, timeout });
  const jsonRpc = new JsonRpc(mi, runner, { ...replies, batches, tracer: undefined });
  const scanner = new RequestScanner(mi.commands.lastingMethods(), replies.maxValues);
  const reader = new CallReader(mi);
  const elements = new Int32Array(scannedAtOnce * elementSize);
  await ownModules?.start();
  const paths: ReadonlySet<string> = new Set([`/${root}`, `/${root}/`]);
  return {
    declaration: {
      module: 'mi_http',
      root,
      contentType: 'application/json',
      methods: ['POST'],
      body: 'raw',
      borrowBody: true,
      ignoresQuery: true,
      headers: [...more.headers, ...[...theirs.values()].flatMap(({ command }) => command.headers)],
      timeout,
      keepsTime: true,
      refuse: (status, reason) => refusalBody(status, reason, `/${root}`),
      onRequest: (exchange) => jsonRpc.handle(exchange),
    },
    calls: {
      mayTake: (path, head) => paths.has(path) && mayTake(head),
      takes: (body, caller) => {
        const outcome = scanner.scan(body);
        scanner.release(scanner.idSlot);
        if (outcome === Outcome.batch)
          return takesBatch(body instanceof Uint8Array ? body : new Uint8Array(body), caller);
        if (outcome !== Outcome.call && outcome !== Outcome.notification) return false;
        const { command, paramsStart, paramsEnd } = scanner;
        return takesCall(body, command, paramsStart, paramsEnd, caller, false);
      },
    },
    giveUp: (reason) => {
      mi.stop(reason);
      runner.stop();
    },
    reload: async () => (await ownModules?.reload()) ?? true,
    stop: async () => ownModules?.stop(),
  };

  function takesCall(
    body: ArrayBuffer | Uint8Array,
    command: number,
    paramsStart: number,
    paramsEnd: number,
    caller: Caller | undefined,
    mayBeLater: boolean,
  ): boolean {
    const entry = mi.commands.entries[command];
    const made = here.get(command);
    if (entry === undefined || made === undefined || !isLet(entry, caller)) return false;
    if (made.takes === undefined) return true;
    return !(mayBeLater && made.isOfTurn === true) && made.takes(reader.given(body, paramsStart, paramsEnd));
  }

  /** A batch is served here where all of its calls are; home has the others, and tells what is wrong with a batch. */
  function takesBatch(body: Uint8Array, caller: Caller | undefined): boolean {
    const reading = new BatchReading();
    if (scanner.readBatch(body, replies.maxBatch, reading, body.length) !== Outcome.batch) return false;
    let at = reading.start;
    for (let left = reading.elements; left > 0; left -= scannedAtOnce) {
      const count = Math.min(left, scannedAtOnce);
      at = scanner.scanElements(body, at, count, elements);
      for (let first = 0; first < count * elementSize; first += elementSize) {
        const field = (one: number): number => elements[first + one] ?? 0;
        const outcome = field(ElementField.outcome);
        if (outcome !== Outcome.call && outcome !== Outcome.notification) return false;
        const [start, end] = [field(ElementField.paramsStart), field(ElementField.paramsEnd)];
        if (!takesCall(body, field(ElementField.command), start, end, caller, true)) return false;
      }
    }
    return true;
  }

  /** Home tells who is denied, and audits it. */
  function isLet(entry: CommandEntry, caller: Caller | undefined): boolean {
    return mi.denial(entry, { remoteAddress: '', origin: '', caller, listener: '' }) === undefined;
  }
}

/**
 * The commands of the user's own modules that this thread runs, by their full names: home alone has the others.
 *
 * @throws Error in one line for one that is not there at home, or is another one there
 */
function theirCommands(
  loaded: readonly OwnCommands[],
  atHome: readonly SentCommand[],
  thread: number,
): ReadonlyMap<string, CommandHere> {
  const all = new Map<string, CommandHere>();
  for (const { module, commands } of loaded) {
    for (const command of commands) {
      const fullName = `${module}:${command.name}`;
      const sent = atHome.find((one) => one.module === module && one.name === command.name);
      const refuse = (what: string): Error =>
        coded('ERR_MODULE', new Error(`command ${fullName} ${what}; declare it in both alike`));
      if (all.has(fullName)) throw refuse(`is there twice in thread ${thread}`);
      if (sent === undefined) throw refuse(`is there in thread ${thread}, and not in thread 0`);
      if (!isDeepStrictEqual(declared(sent), declared(sentCommand({ module, command }))))
        throw refuse(`is another one in thread ${thread} than in thread 0`);
      all.set(fullName, { command });
    }
  }
  return all;
}

/** What has to be the same in all threads: all that callers see. */
function declared({ where: _, ...sent }: SentCommand): Omit<SentCommand, 'where'> {
  return sent;
}

/** What is not of a browser, and asks for nothing but JSON. */
function mayTake(head: RequestHead): boolean {
  return (
    mediaTypes.has(head.mediaType) &&
    !head.hasOrigin &&
    !head.isChunked &&
    head.contentLength <= longestBody &&
    head.contentEncoding === ''
  );
}
