import { AsyncLocalStorage } from 'node:async_hooks';
import { coded } from './base/codes.js';
import type { CodedLog } from './base/log.js';
import { reasonOf } from './base/text.js';
import type { BuiltInInstance } from './module.js';

/** Steps of a server at the two ends of its life. */
export interface LifeSteps {
  /**
   * Starts. Between two steps it calls `goOn`, which throws once the server is being closed.
   * Where it fails, {@link close} is called by the life cycle.
   */
  start(goOn: () => void): Promise<void>;
  /** Stops and frees everything, also what a start that failed has left. @param deadline milliseconds for what runs */
  close(deadline: number): Promise<void>;
}

/**
 * The life of a server: new, starting, running, closing, closed. It goes one way, and every step is taken once, however often
 * and at whatever moment it is asked for: a server that runs is not harmed by being started again.
 */
export class LifeCycle {
  readonly #steps: LifeSteps;
  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #isRunning = false;

  constructor(steps: LifeSteps) {
    this.#steps = steps;
  }

  /**
   * Starts on the first call; later ones, also while it starts, get what came of that one.
   *
   * @throws Error when the server has been closed, or is closed meanwhile
   */
  start(): Promise<void> {
    if (this.#closed !== undefined && (this.#started === undefined || this.#isRunning)) {
      return Promise.reject(
        coded('ERR_STATE', new Error('the server has been closed; a server starts once, so make another one')),
      );
    }
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Closes on the first call, after a start under way has given up; later ones wait for that. */
  close(deadline: number): Promise<void> {
    this.#closed ??= this.#close(deadline);
    return this.#closed;
  }

  async #start(): Promise<void> {
    const goOn = (): void => {
      if (this.#closed !== undefined) throw coded('ERR_STATE', new Error('the server was closed before it listened'));
    };
    try {
      await this.#steps.start(goOn);
      goOn();
      this.#isRunning = true;
    } catch (error) {
      // One that is being closed is waiting for this to end.
      if (this.#closed === undefined) {
        this.#closed = this.#steps.close(0);
        // The error of the start is reported; a second close reports this one.
        await this.#closed.catch(() => {});
      }
      throw error;
    }
  }

  async #close(deadline: number): Promise<void> {
    if (this.#started !== undefined && !this.#isRunning) await settledWithin(this.#started, deadline);
    await this.#steps.close(deadline);
  }
}

/** A module that does not get done with its start does not keep the server from being closed. */
function settledWithin(promise: Promise<void>, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const settled = (): void => {
      clearTimeout(timer);
      resolve();
    };
    promise.then(settled, settled);
  });
}

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
  readonly #log: CodedLog;
  /** The step that makes the present call. Enabled only during steps: it makes every promise slower. */
  readonly #current = new AsyncLocalStorage<Step>();

  constructor(log: CodedLog) {
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
      throw coded(
        'ERR_MODULE',
        new Error(`module ${module.name} failed to ${step}: ${reasonOf(error)}`, { cause: error }),
      );
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
        this.#log.error(
          { code: 'module-overdue', module: name },
          `module ${name} did not ${step} within ${waited}; the server goes on`,
        );
    } catch (error) {
      this.#log.error({ code: 'module-stop-failed', err: error, module: name }, `module ${name} failed to ${step}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Has modules read their files again. @returns whether all went well */
  async reload(modules: readonly LoadedModule[]): Promise<boolean> {
    let isGood = true;
    for (const { name, instance } of modules) {
      try {
        await instance.reload?.();
      } catch (error) {
        isGood = false;
        this.#log.error(
          { code: 'reload-failed', module: name },
          `reload of module ${name} failed, what was there stays: ${reasonOf(error)}`,
        );
      }
    }
    return isGood;
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
