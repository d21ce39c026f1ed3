import { bind, CommandError, find, nameIn, State, type Version } from './commands.js';
import { firstValue, member, squeezed } from './json.js';

/** What a request of JSON-RPC came to. */
export type Outcome =
  /** Not JSON, as far as it came. */
  | { readonly kind: 'unreadable' }
  /** JSON without a method that is a text: what each transport does with it differs. */
  | { readonly kind: 'no-method'; readonly reply: object }
  /** A notification: run, and not answered. */
  | { readonly kind: 'silent' }
  /** Its id cannot be printed. */
  | { readonly kind: 'bad-id' }
  | { readonly kind: 'reply'; readonly reply: object }
  | { readonly kind: 'later'; readonly reply: Promise<object> };

/** Who runs the commands of a double, whichever transport they come by. */
export class Engine {
  readonly state: State;
  /** Lines that OpenSIPS would log. */
  readonly log: string[] = [];
  /** Commands that are kept waiting, by name: what they wait for. */
  readonly holds = new Map<string, Promise<unknown>>();
  /** Bytes of the texts that it prints: SIP data may be of any. */
  encoding: 'utf8' | 'latin1' = 'utf8';
  /** Bytes of a reply after which it comes byte by byte. */
  trickleFrom = Number.POSITIVE_INFINITY;
  /** When answers of asynchronous commands come. */
  later: () => Promise<unknown> = async () => {};
  #died: string | undefined;
  readonly #deaths: ((reason: string) => void)[] = [];

  constructor(readonly version: Version) {
    this.state = new State(version);
  }

  /** Why all of OpenSIPS has stopped; undefined: it runs. */
  get died(): string | undefined {
    return this.#died;
  }

  /** All of OpenSIPS stops. */
  die(reason: string): void {
    if (this.#died !== undefined) return;
    this.#died = reason;
    for (const told of this.#deaths) told(reason);
  }

  onDeath(told: (reason: string) => void): void {
    this.#deaths.push(told);
  }

  /** Waits as long as a command is kept waiting. */
  async wait(text: string): Promise<void> {
    const method = member(firstValue(text)?.value, 'method') ?? /^:?([^:]*)/.exec(text)?.[1];
    await this.holds.get(String(method));
  }

  /** Reads the first object of a text and runs it. */
  handle(text: string): Outcome {
    const found = firstValue(text);
    if (found === undefined) return { kind: 'unreadable' };
    const { value } = found;
    const method = member(value, 'method');
    const id = member(value, 'id');
    if (typeof method !== 'string') return { kind: 'no-method', reply: invalidRequest(printedId(id) ?? null) };
    const params = member(value, 'params');
    const isSound =
      member(value, 'jsonrpc') === '2.0' && (params === undefined || (typeof params === 'object' && params !== null));
    const printed = id === undefined ? null : printedId(id);
    if (!isSound) return printed === undefined ? { kind: 'bad-id' } : { kind: 'reply', reply: invalidRequest(printed) };
    const result = this.#run(method, params);
    if (id === undefined) return { kind: 'silent' };
    if (printed === undefined) return { kind: 'bad-id' };
    const reply = (done: Ran): object =>
      'error' in done
        ? { jsonrpc: '2.0', error: done.error, id: printed }
        : { jsonrpc: '2.0', result: done.result, id: printed };
    if (!('isLater' in result)) return { kind: 'reply', reply: reply(result) };
    return { kind: 'later', reply: this.later().then(() => reply(result)) };
  }

  /** Runs a command by its name. */
  run(method: string, params: unknown): Ran {
    return this.#run(method, params);
  }

  #run(method: string, params: unknown): Ran & { readonly isLater?: true } {
    if (this.state.others.has(method)) {
      this.state.ran.push({ method, params });
      return { result: this.state.others.get(method) };
    }
    const command = find(this.version, method);
    if (command === undefined || this.state.lacks.has(nameIn(this.version, command)))
      return { error: { code: -32601, message: 'Method not found' } };
    try {
      const bound = bind(command, params);
      this.state.ran.push({ method, params });
      const done = { result: command.run(bound, this.state) };
      return command.isAsynchronous === true ? { ...done, isLater: true } : done;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const { code, message, data } = error;
      return { error: data === undefined ? { code, message } : { code, message, data } };
    }
  }
}

export type Ran =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: string } };

function invalidRequest(id: unknown): object {
  return { jsonrpc: '2.0', error: { code: -32600, message: 'Invalid Request' }, id };
}

/** An id as it comes back; undefined for one that cannot. */
function printedId(id: unknown): unknown {
  if (typeof id === 'number') return squeezed(id);
  return typeof id === 'string' || id === null ? id : undefined;
}

/** One process of OpenSIPS: it does one thing after the other, and whatever it waits for keeps all that comes behind waiting. */
export class Process {
  #last: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  /** Does some work behind all that was given before. */
  run(work: () => Promise<void> | void): Promise<void> {
    const next = this.#last.then(() => (this.#isStopped ? undefined : work()));
    this.#last = next.catch(() => {});
    return next;
  }

  stop(): void {
    this.#isStopped = true;
  }
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
