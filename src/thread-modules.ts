import { coded } from './base/codes.js';
import type { Log } from './base/log.js';
import { reasonOf } from './base/text.js';
import { type LoadedModule, ModuleSteps } from './life-cycle.js';
import type { Statistics } from './mi/statistics.js';
import { importModule, loadOwn, type Module, type ModuleContext, type PerThreadModule } from './module.js';
import type { OwnCommands } from './modules/here.js';

/** Milliseconds that modules have to stop, and to finish: each has as much. */
const patience = 1000;

/** The context of a module in a thread. What home alone has is no member of its own: to take all others is no error. */
class ThreadContext implements ModuleContext<never> {
  readonly #name: string;
  readonly parameters: never;
  readonly thread: number;
  readonly log: Log;
  readonly mi: { readonly statistics: Statistics };

  constructor(name: string, parameters: object, thread: number, log: Log, statistics: Statistics) {
    this.#name = name;
    this.parameters = parameters as never;
    this.thread = thread;
    this.log = log;
    this.mi = { statistics };
  }

  get events(): never {
    return this.#refuse('events');
  }

  get status(): never {
    return this.#refuse('status');
  }

  get caches(): never {
    return this.#refuse('caches');
  }

  get httpd(): never {
    return this.#refuse('httpd');
  }

  #refuse(what: string): never {
    throw coded(
      'ERR_MODULE',
      new Error(
        `module ${this.#name} asks for ${what} in thread ${this.thread}, which thread 0 alone has: see whether context.thread is 0`,
      ),
    );
  }
}

/** Modules of the user's own in a thread that has listeners. */
export class ThreadModules {
  readonly #log: Log;
  readonly #thread: number;
  readonly #api: object;
  readonly #steps: ModuleSteps;
  readonly #modules: LoadedModule[] = [];

  /**
   * @param thread its number, from 1 on
   * @param api what `import 'mi-httpd'` gives
   */
  constructor(log: Log, thread: number, api: object) {
    this.#api = api;
    this.#log = log;
    this.#thread = thread;
    this.#steps = new ModuleSteps(log);
  }

  /** @throws Error in one line that names the module and the thread */
  async load(given: readonly PerThreadModule[], statistics: Statistics): Promise<readonly OwnCommands[]> {
    const loaded: OwnCommands[] = [];
    for (const { name, url, parameters } of given) {
      const module = await this.#import(name, url);
      const instance = loadOwn(module, new ThreadContext(name, parameters, this.#thread, this.#log, statistics));
      this.#modules.push({ name, isOurs: false, instance });
      loaded.push({ module: name, commands: [...module.commands, ...(instance.commands ?? [])] });
    }
    return loaded;
  }

  async #import(name: string, url: string): Promise<Module> {
    const refuse = (reason: string, cause?: unknown): Error =>
      coded(
        'ERR_MODULE',
        new Error(`module ${name} cannot be loaded in thread ${this.#thread} from ${url}: ${reason}`, { cause }),
      );
    let module: Module;
    try {
      module = await importModule(url, async () => this.#api);
    } catch (error) {
      throw refuse(reasonOf(error), error);
    }
    if (module.name !== name) throw refuse(`the module there is named ${module.name}; give both one name`);
    return module;
  }

  /** @throws Error that names the module */
  async start(): Promise<void> {
    for (const module of this.#modules) await this.#steps.start(module, 'start');
    this.#steps.rest();
  }

  reload(): Promise<boolean> {
    return this.#steps.reload(this.#modules);
  }

  /** Never fails. */
  async stop(): Promise<void> {
    const modules = this.#modules.splice(0).reverse();
    for (const step of ['stop', 'finish'] as const) {
      const until = performance.now() + patience;
      await Promise.all(modules.map((module) => this.#steps.end(module, step, until)));
    }
    this.#steps.rest();
  }
}
