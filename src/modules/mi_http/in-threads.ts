// Calls that a thread with listeners runs by itself: those of commands that need nothing of what home alone has.
import { networkOf } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { SharedCount } from '../../base/shared-count.js';
import type { SharedTableMemory } from '../../base/shared-table.js';
import { refusalBody } from '../../gateway/jsonrpc-refusal.js';
import type { Caller } from '../../http/exchange.js';
import { namesLines, type RequestHead } from '../../http/request/head.js';
import type { RootHere } from '../../http/threads/face.js';
import { isWatched } from '../../mi/calls/channels.js';
import { RateLimit } from '../../mi/calls/guard.js';
import { Runner } from '../../mi/calls/run.js';
import { Command, type Level, type ParameterAbout, type Recipe } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { ManagementInterface, type SharedCounts } from '../../mi/management-interface.js';
import { Outcome } from '../../native/layout.js';
import { RequestScanner } from '../../native/scanner.js';
import { cacheHere } from '../cache/here.js';
import { coreHere } from '../core/anywhere.js';
import type { CommandHere, CommandsHere, CommonFacts, ThreadContext } from '../here.js';
import { statisticsHere } from '../statistics/get.js';
import { usrlocHere } from '../usrloc/here.js';
import { CallReader } from './call-reader.js';
import { JsonRpc } from './jsonrpc.js';
import { mediaTypes } from './media-types.js';

/** Bytes of the longest request that a thread looks at: most are short, and scanned twice. */
const longestBody = 4096;

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
  settings: Omit<CallsInThread, 'counts' | 'commands' | 'facts' | 'protection' | 'thread'>,
): CallsInThread | undefined {
  const { protection, commands } = mi;
  const isSeen = protection?.audit?.hasSink === true || mi.around !== undefined || isWatched() || commands.isOpen;
  if (isSeen || !mi.isShared) return undefined;
  return {
    ...settings,
    thread,
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

function sentRate(limit: RateLimit | undefined): SentRate | undefined {
  return limit && { rate: limit.rate, memory: limit.memory };
}

function receivedRate(sent: SentRate | undefined): RateLimit | undefined {
  return sent && new RateLimit(sent.rate, undefined, sent.memory);
}

function sentCommand({ module, command }: CommandEntry): SentCommand {
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

/** Makes the root whose calls a thread runs by itself. */
export function rootInThread(given: unknown, log: CodedLog): RootHere {
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
  const here = new Map<number, CommandHere>();
  for (const sent of commands) {
    const made = sent.where === 'anywhere' ? own.get(`${sent.module}:${sent.name}`) : undefined;
    if (sent.where === 'anywhere' && made === undefined)
      throw coded('ERR_STATE', new TypeError(`nothing runs command ${sent.module}:${sent.name} in a thread`));
    const { number, fullName } = mi.commands.add(sent.module, made?.command ?? listedCommand(sent));
    if (made !== undefined) here.set(number, made);
    if (sent.changes) changing.add(fullName);
  }
  if (protection !== undefined) {
    const { allowCommands, denyCommands } = protection;
    const addressRate = receivedRate(protection.addressRate);
    const userRate = receivedRate(protection.userRate);
    mi.protect({ allowCommands, denyCommands, addressRate, userRate, networkOf });
  }
  mi.seal();
  const batches = mi.statistics.add('mi', 'batches', 'counter');
  const pending = new SharedCount(more.pending, more.thread);
  const runner = new Runner(mi, { maxPending, pending, timeout });
  const jsonRpc = new JsonRpc(mi, runner, { ...replies, batches, tracer: undefined });
  const scanner = new RequestScanner(mi.commands.lastingMethods(), replies.maxValues);
  const reader = new CallReader(mi);
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
        if (outcome !== Outcome.call && outcome !== Outcome.notification) return false;
        const entry = mi.commands.entries[scanner.command];
        const made = here.get(scanner.command);
        if (entry === undefined || made === undefined || !isLet(entry, caller)) return false;
        if (made.takes === undefined) return true;
        const { paramsStart, paramsEnd } = scanner;
        return made.takes(paramsEnd === 0 ? undefined : reader.given(body, paramsStart, paramsEnd));
      },
    },
  };

  /** Home tells who is denied, and audits it. */
  function isLet(entry: CommandEntry, caller: Caller | undefined): boolean {
    return mi.denial(entry, { remoteAddress: '', origin: '', caller, listener: '' }) === undefined;
  }
}

/** What is not of a browser, and asks for nothing but JSON. */
function mayTake(head: RequestHead): boolean {
  return (
    mediaTypes.has(head.mediaType) &&
    !head.hasOrigin &&
    !head.isChunked &&
    head.contentLength <= longestBody &&
    head.contentEncoding === '' &&
    !namesLines(head.accept)
  );
}
