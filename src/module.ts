import { coded } from './base/codes.js';
import { aFunction, anObject, aText, checkMembers, listOf, type Members, required, type Wanted } from './base/given.js';
import type { CodedLog, Log, Notice } from './base/log.js';
import { reasonOf } from './base/text.js';
import {
  checkDeclarations,
  type ParameterDeclarations,
  type ParameterInput,
  type ParameterValues,
} from './config/parameter.js';
import type { OwnLogin } from './gateway/own-login.js';
import type { InheritedSocket } from './http/listen/inherited.js';
import type { RootDeclaration } from './http/roots.js';
import type { HttpServer } from './http/server.js';
import type { CacheSystems } from './mi/cache-systems.js';
import type { Runner } from './mi/calls/run.js';
import { type Command, isCommand, type Level } from './mi/commands/command.js';
import type { Events } from './mi/events/events.js';
import type { EventStreams } from './mi/events/streams.js';
import type { LogConsumers, LogLevel } from './mi/log-consumers.js';
import type { ManagementInterface } from './mi/management-interface.js';
import type { Statistics } from './mi/statistics.js';
import type { StatusReports } from './mi/status-reports.js';

/** Facts about the server that modules report or depend on. */
export interface ServerFacts {
  /** Name and version of this software, `mi-httpd` and `0.1.0`. */
  readonly name: string;
  readonly version: string;
  /** When the server was created, milliseconds since 1970 by the clock of the machine as it is set now. */
  readonly startedAt: () => number;
  /** Whole seconds since then, by a clock that nobody sets. */
  upTime(): number;
  /** Private memory in bytes (`-M`), from which buffers get their default size. */
  readonly privateMemory: number;
  /** Shared memory in bytes (`-m`): the most that the contacts of usrloc take unless its `max_bytes` says less. */
  readonly sharedMemory: number;
  /** Effect of the MI command `kill`; undefined: the command is refused. */
  readonly kill: (() => void) | undefined;
  /** The lowest level of callers that may read the arguments and the directory of the process; undefined: none may. */
  readonly tellProcess: Level | undefined;
  /** Files that the configuration was read from. */
  readonly configFiles: readonly string[];
  /** The name of an engine, or uWebSockets.js as the embedder loaded it. */
  readonly engine: object | string | undefined;
  /** Listen sockets that the service manager has opened for this process. */
  readonly sockets: readonly InheritedSocket[];
  /** A login of the program's own. */
  readonly authenticate: OwnLogin | undefined;
  /** False: requests come without a socket. */
  readonly opensSockets: boolean;
  /** Threads that have the listeners. */
  readonly threads: number;
  /** Modules that are loaded in these, too. */
  readonly perThread: readonly PerThreadModule[];
  /** An app of uWebSockets.js that serves in place of listeners. */
  readonly app: object | undefined;
}

/** Where modules register root paths. */
export interface Roots {
  /**
   * Registers a root path; see {@link RootDeclaration}.
   * @throws Error when the root is not one segment, is taken (naming both modules), or the server has started
   */
  registerRoot(declaration: RootDeclaration): void;
}

/** A module of the user's own that each thread with listeners loads by itself, as it is told of it. */
export interface PerThreadModule {
  readonly name: string;
  readonly url: string;
  readonly parameters: object;
}

/**
 * The argument of `load`: registries to add to, and nothing that could close the server. In a thread that has listeners there are
 * parameters, the log and statistics; to ask for the rest is an error there.
 */
export interface ModuleContext<Parameters> {
  readonly parameters: Parameters;
  /** The thread that the module is loaded in: 0 for the one that made the server; from 1 on those that have its listeners. */
  readonly thread: number;
  readonly log: Log;
  /** Statistics of your own: add them when the module is loaded. Threads count in those that thread 0 has; what is told is the sum. */
  readonly mi: { readonly statistics: Statistics };
  /** Events that others can subscribe to: declare yours when the module is loaded. */
  readonly events: Events;
  /** Readiness, for `sr_get_status` and `/readyz`. */
  readonly status: StatusReports;
  /** Caches of the commands `cache_*`. */
  readonly caches: CacheSystems;
  /**
   * The registry of root paths.
   * @throws Error naming the remedy when the module httpd is not loaded
   */
  readonly httpd: Roots;
}

/** The argument of `load` of the modules of this package: the server from inside. */
export interface BuiltInContext<Parameters> extends Omit<ModuleContext<Parameters>, 'log'> {
  readonly log: CodedLog;
  readonly mi: ManagementInterface;
  readonly logLevel: LogLevel;
  readonly logConsumers: LogConsumers;
  /** Readers of events by replies that do not end. */
  readonly eventStreams: EventStreams;
  readonly facts: ServerFacts;
  readonly httpd: HttpServer;
  /** The interface that another module gives programs; undefined before all are loaded, and where it is not. */
  apiOf(module: string): object | undefined;
  /** What modules give the threads that run their commands, by the names of the modules. */
  forThreads(): Readonly<Record<string, unknown>>;
}

/** The outcome of loading a module. */
export interface ModuleInstance {
  readonly commands?: readonly Command[];
  /** The interface of the module for the program that the server runs in. */
  readonly api?: object;
  /**
   * Looks at what the parameters refer to, such as files, without starting. Runs before every start, and alone for
   * `mi-httpd -c`.
   * @returns what should be known although nothing is wrong, one line each: the start logs it as warnings
   * @throws Error in one line when the module could not start
   */
  check?(): readonly string[] | Promise<readonly string[]>;
  /** Runs when the server starts, before it listens. */
  start?(): void | Promise<void>;
  /**
   * Runs when the operator asks to read files again (SIGHUP). A file that cannot be read leaves its old content in use.
   * @throws Error with the reason
   */
  reload?(): void | Promise<void>;
  /**
   * Runs once when the server is closed, also where {@link start} never ran or has failed: calls still running are given up
   * now. It has what is left of the deadline of `close`, a second at least; then the server goes on without it.
   */
  stop?(): void | Promise<void>;
  /** Runs once after every module has stopped and the last answer has left, in the same time: for logs. */
  finish?(): void | Promise<void>;
}

/** The outcome of loading a module of this package. */
export interface BuiltInInstance extends Omit<ModuleInstance, 'check'> {
  /** Module httpd only: the HTTP server that the others register their roots with. */
  readonly httpd?: HttpServer;
  /** Module mi_http only: runs its calls, and those of the program that the server is part of. */
  readonly runner?: Runner;
  /** Warns of what clients can reach, once the server listens; {@link check} over, also where it is only checked. */
  exposed?(): void;
  check?(): readonly (string | Notice)[] | Promise<readonly (string | Notice)[]>;
  /** What a thread needs that runs commands of this module: it is copied there. Asked for each thread that starts. */
  forThreads?(): unknown;
}

/** The declaration of a module; validation, help and the tables of the README come from it. */
export interface ModuleDeclaration<D extends ParameterDeclarations, Name extends string = string> {
  /** Name for `loadmodule`, `modparam` and the full names of its commands. */
  readonly name: Name;
  readonly parameters?: D;
  /** MI commands that need no state of the module. */
  readonly commands?: readonly Command[];
  /** Names of modules that have to be loaded too. */
  readonly needs?: readonly string[];
  /**
   * The URL of a file whose default export is a module of this name, `import.meta.url` for this one: each thread that has
   * listeners loads it, and calls of its commands run in the thread that they come to. Commands that it does not have there
   * run in the thread that made the server, as do all while there are no others.
   */
  readonly perThread?: string | URL;
  /** Called in load order, after the modules it needs: once per server, and where it is {@link perThread} once in each thread. */
  load?(context: ModuleContext<ParameterValues<D>>): ModuleInstance | undefined;
}

/** A module with the parameters that an embedder gave it. */
export interface ConfiguredModule {
  readonly module: Module;
  readonly parameters: object;
}

const commandList = listOf('an array of what command() returns', isCommand);

const aFileUrl: Wanted = {
  text: 'the URL of a file, such as import.meta.url',
  is: (value) => (typeof value === 'string' || value instanceof URL) && String(value).startsWith('file:'),
};

const declarationMembers: Members<ModuleDeclaration<ParameterDeclarations>> = {
  name: required(aText),
  parameters: anObject,
  commands: commandList,
  needs: listOf("an array of names of modules, ['usrloc']", (one) => typeof one === 'string'),
  perThread: aFileUrl,
  load: aFunction,
};

const instanceMembers: Members<ModuleInstance> = {
  commands: commandList,
  api: { text: 'an object' },
  check: aFunction,
  start: aFunction,
  reload: aFunction,
  stop: aFunction,
  finish: aFunction,
};

/** @throws TypeError for what a module of the user's own gives when it is loaded, but may not */
function checkInstance(module: string, instance: unknown): void {
  if (instance === undefined || instance === null) return;
  if (typeof instance === 'object' && 'then' in instance) {
    throw coded(
      'ERR_MODULE',
      new TypeError(`module ${module}: load gives a promise; load at once, and do what takes time in start`),
    );
  }
  checkMembers(`what load of module ${module} gives`, instance, instanceMembers);
}

/** @throws Error that names the module, with the message of what its load throws; TypeError for a slip of its author */
export function loadOwn(module: Module, context: ModuleContext<never>): ModuleInstance {
  let instance: ModuleInstance | undefined;
  try {
    instance = module.load(context);
  } catch (error) {
    const Kind = error instanceof TypeError ? TypeError : Error;
    throw coded('ERR_MODULE', new Kind(`module ${module.name} failed to load: ${reasonOf(error)}`, { cause: error }));
  }
  checkInstance(module.name, instance);
  return instance ?? {};
}

/**
 * Imports the module that a file exports by default. A function gets what `import 'mi-httpd'` gives: such a file needs no import.
 *
 * @param api gives that
 * @throws what the file throws; TypeError when it exports no module
 */
export async function importModule(url: string, api: () => Promise<object>): Promise<Module> {
  const { default: exported } = (await import(url)) as { readonly default?: unknown };
  const module: unknown = typeof exported === 'function' ? await exported(await api()) : exported;
  if (isModule(module)) return module;
  throw coded(
    'ERR_MODULE',
    new TypeError('its default export is neither defineModule(…) nor a function that returns one'),
  );
}

/** A module, declared by {@link defineModule}. */
export class Module<D extends ParameterDeclarations = ParameterDeclarations, Name extends string = string> {
  readonly name: Name;
  readonly parameters: D;
  readonly commands: readonly Command[];
  readonly needs: readonly string[];
  /** Of the file that each thread with listeners loads it from. */
  readonly perThread: string | undefined;
  readonly #load: ModuleDeclaration<D>['load'];

  constructor(declaration: ModuleDeclaration<D, Name>) {
    const given: unknown = declaration;
    const named = typeof given === 'object' && given !== null && 'name' in given ? given.name : undefined;
    checkMembers(typeof named === 'string' ? `module ${named}` : 'defineModule()', given, declarationMembers);
    const { name, parameters, commands = [], needs = [], perThread } = declaration;
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
      throw coded(
        'ERR_MODULE',
        new TypeError(`module name "${name}" is not a letter followed by letters, digits and "_"`),
      );
    }
    checkDeclarations(name, parameters ?? {});
    this.name = name;
    this.parameters = parameters ?? ({} as D);
    this.commands = commands;
    this.needs = needs;
    this.perThread = perThread && String(perThread);
    this.#load = declaration.load?.bind(declaration);
  }

  /** Loads the module into one server. A method, so that a list may hold modules of any parameters. */
  load(context: ModuleContext<ParameterValues<D>>): ModuleInstance | undefined {
    return this.#load?.(context);
  }

  /** This module with other than default parameters: `modules: [pbx.with({ trunks: 4 })]`. */
  with(parameters: ParameterInput<D>): ConfiguredModule {
    return { module: this, parameters };
  }
}

/** By shape, not by class: its file may import another copy of this package. */
export function isModule(value: unknown): value is Module {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'parameters' in value &&
    'commands' in value &&
    'needs' in value &&
    'load' in value &&
    typeof value.load === 'function'
  );
}

/**
 * Declares a module: its parameters, its MI commands, and what it does when it is loaded.
 *
 * ```ts
 * export default defineModule({
 *   name: 'pbx',
 *   parameters: { trunks: { type: 'int', default: 2, min: 1, help: 'number of trunks' } },
 *   load: ({ parameters }) => ({
 *     commands: [command({ name: 'trunks', help: 'Number of trunks.', run: () => parameters.trunks })],
 *   }),
 * });
 * ```
 */
export function defineModule<const D extends ParameterDeclarations = Record<never, never>>(
  declaration: ModuleDeclaration<D>,
): Module<D> {
  return new Module(declaration);
}

/** As {@link defineModule}, for modules that come with this package. The server gives them {@link BuiltInContext}. */
export function defineBuiltIn<const Name extends string, const D extends ParameterDeclarations = Record<never, never>>(
  declaration: Omit<ModuleDeclaration<D, Name>, 'load'> & {
    load?(context: BuiltInContext<ParameterValues<D>>): BuiltInInstance | undefined;
  },
): Module<D, Name> {
  return new Module(declaration as ModuleDeclaration<D, Name>);
}
