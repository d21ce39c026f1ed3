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
      return Promise.reject(new Error('the server has been closed; a server starts once, so make another one'));
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
      if (this.#closed !== undefined) throw new Error('the server was closed before it listened');
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
