import { AsyncLocalStorage } from 'node:async_hooks';
import type { Log } from './base/log.js';
import { reasonOf } from './base/text.js';
import type { BuiltInInstance } from './module.js';

/** A module that a server has loaded. */
export interface LoadedModule {
  readonly name: string;
  /** True for a module of this package: its errors need no prefix. */
  readonly isOurs: boolean;
  readonly instance: BuiltInInstance;
}

interface Step {
  readonly what: string;
  isRunning: boolean;
}

/** Milliseconds that a module has at least to stop, and to finish. */
const leastTime = 1000;

/** Runs the steps of modules at the start and the stop of a server. A step that fails or hangs is named; the others still run. */
export class ModuleSteps {
  readonly #log: Log;
  /** The step that makes the present call. Enabled only during steps: it makes every promise slower. */
  readonly #current = new AsyncLocalStorage<Step>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The step of a module that makes the present call, `start of module pbx`; undefined for calls from elsewhere. */
  get running(): string | undefined {
    const step = this.#current.getStore();
    return step?.isRunning === true ? step.what : undefined;
  }

  /** @throws what the step does; of a module of the user's own as an error that names the module */
  async start<T>(module: LoadedModule, step: 'check' | 'start'): Promise<T | undefined> {
    try {
      return (await this.#run(module, step)) as T | undefined;
    } catch (error) {
      if (module.isOurs) throw error;
      throw new Error(`module ${module.name} failed to ${step}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Ends a module: a failure is logged, and so is one that is not done by then. @param until by `performance.now()` */
  async end(module: LoadedModule, step: 'stop' | 'finish', until: number): Promise<void> {
    const { name } = module;
    const time = Math.max(leastTime, until - performance.now());
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, time, true);
    });
    try {
      const isOver = await Promise.race([this.#run(module, step).then(() => false), over]);
      const waited = `${(time / 1000).toFixed(1)} s`;
      if (isOver)
        this.#log.error({ module: name }, `module ${name} did not ${step} within ${waited}; the server goes on`);
    } catch (error) {
      this.#log.error({ err: error, module: name }, `module ${name} failed to ${step}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Steps are over for now. */
  rest(): void {
    this.#current.disable();
  }

  async #run({ name, instance }: LoadedModule, step: 'check' | 'start' | 'stop' | 'finish'): Promise<unknown> {
    if (instance[step] === undefined) return undefined;
    const running: Step = { what: `${step} of module ${name}`, isRunning: true };
    try {
      return await this.#current.run(running, () => instance[step]?.());
    } finally {
      running.isRunning = false;
    }
  }
}
