import { constants } from 'node:os';

/** The effect of signals on a server. */
export interface SignalActions {
  /** Begins to stop. Called once. */
  stop(signal: NodeJS.Signals): void;
  /** Reads files again. */
  reload(signal: NodeJS.Signals): Promise<void>;
  /** Logs a signal that has no other effect, and why. */
  ignore(signal: NodeJS.Signals, reason: string): void;
}

const stopping: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

/** Node.js would open its debugger on the first, and end on the others. */
const ignored: readonly NodeJS.Signals[] = [
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
];

/** Milliseconds between attempts to close a debugger that SIGUSR1 opened before this file ran. */
const debuggerDelays = [0, 20, 80, 400] as const;

/**
 * The signals of the daemon, from the first line of the program on: docs/guide/production.md has the table. A SIGHUP that comes
 * before the server serves is one reload right after; several during a reload are one more.
 */
export class Signals {
  #actions: SignalActions | undefined;
  #isServing = false;
  #isReloading = false;
  #isStopping = false;
  /** A reload that is still to come, and the signal that asked for it. */
  #reload: NodeJS.Signals | undefined;
  readonly #early = new Set<NodeJS.Signals>();

  constructor() {
    const known = (names: readonly NodeJS.Signals[]): readonly NodeJS.Signals[] =>
      process.platform === 'win32' ? [] : names.filter((name) => name in constants.signals);
    for (const name of ['SIGTERM', 'SIGINT', ...known(['SIGQUIT'])] as const) process.on(name, this.#stop);
    process.on('SIGHUP', (signal) => this.#requestReload(signal));
    for (const name of known(ignored)) process.on(name, (signal) => this.#ignore(signal, 'it has no effect'));
    closeDebuggerAfter(debuggerDelays);
  }

  /** A signal to stop has come. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** There is a server: from now on a signal to stop is handed to it. */
  attach(actions: SignalActions): void {
    this.#actions = actions;
    for (const signal of this.#early) this.#ignore(signal, 'it has no effect');
  }

  /** The server serves: reloads may begin. */
  serve(): void {
    this.#isServing = true;
    closeDebugger();
    void this.#runReloads();
  }

  readonly #stop = (signal: NodeJS.Signals): void => {
    if (this.#actions === undefined) {
      // Nothing to finish: the end that the signal means without a listener.
      for (const name of stopping) process.off(name, this.#stop);
      process.kill(process.pid, signal);
      return;
    }
    if (this.#isStopping) process.exit(1);
    this.#isStopping = true;
    this.#actions.stop(signal);
  };

  #requestReload(signal: NodeJS.Signals): void {
    if (this.#isStopping) {
      this.#ignore(signal, 'the server is stopping');
      return;
    }
    this.#reload = signal;
    void this.#runReloads();
  }

  async #runReloads(): Promise<void> {
    if (!this.#isServing || this.#isReloading) return;
    this.#isReloading = true;
    while (this.#reload !== undefined && !this.#isStopping) {
      const signal = this.#reload;
      this.#reload = undefined;
      await this.#actions?.reload(signal);
    }
    this.#isReloading = false;
  }

  #ignore(signal: NodeJS.Signals, reason: string): void {
    if (this.#actions === undefined) this.#early.add(signal);
    else this.#actions.ignore(signal, reason);
  }
}

/**
 * Node.js opens the debugger once more on a turn of the loop. Each timer starts when the one before has fired: after a start that
 * holds the loop up all would fire in one turn, before that.
 */
function closeDebuggerAfter([delay, ...others]: readonly number[]): void {
  if (delay === undefined) return;
  setTimeout(() => {
    closeDebugger();
    closeDebuggerAfter(others);
  }, delay).unref();
}

/** Closes the debugger that SIGUSR1 opens before this file runs; one that was asked for stays. */
function closeDebugger(): void {
  const asked = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) => text.includes('--inspect'));
  if (asked) return;
  const inspector = process.getBuiltinModule('node:inspector') as typeof import('node:inspector') | undefined;
  if (inspector?.url() !== undefined) inspector.close();
}
