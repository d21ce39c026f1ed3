import { localOrigin } from '../../base/address.js';
import type { JsonValue } from '../../base/json.js';
import { Slice } from '../../base/slice.js';
import type { Level, Result } from '../commands/command.js';
import { type CallParameters, counted } from '../commands/parameters.js';
import type { MiError } from '../errors.js';
import type { ManagementInterface } from '../management-interface.js';
import { openParts, Parts } from '../results/cursor.js';
import { printJson } from '../results/json.js';
import { printResult } from '../results/result.js';
import type { Client } from './call.js';
import { Guard } from './guard.js';
import type { Face, LaterAnswer, Runner, Waited } from './run.js';

/** Options of a call from within the process. */
export interface LocalCallOptions {
  /**
   * The level that the call has, as that of a caller by a Unix socket: permissions, lists and limits hold it. Left out, the call
   * is the program's own, and may do everything.
   */
  readonly level?: Level;
  /** Gives the call up: its command is told by its own signal. */
  readonly signal?: AbortSignal;
}

/** Holds a call with a level where the server holds nobody. */
const openGuard = new Guard({ networkOf: () => undefined });

/** Bytes that a result is read in at once. */
const pieceSize = 65536;

/**
 * Runs a command for the program that the server is part of, by the runner of the root of mi_http. What a command is given and
 * gives is JSON on its way, as it is over the wire.
 *
 * @throws MiError as clients are told it; the reason of the signal; what `params` cannot be printed for
 */
export async function callLocally(
  mi: ManagementInterface,
  runner: Runner,
  command: string,
  params: readonly unknown[] | object | undefined,
  { level, signal }: LocalCallOptions,
): Promise<JsonValue> {
  signal?.throwIfAborted();
  const text = params === undefined ? undefined : printJson(params);
  const { given, count } = counted(text === undefined ? undefined : (JSON.parse(text) as CallParameters));
  const client = level === undefined ? undefined : localClient(level);
  const entry = mi.find(command, client);
  if (mi.guard === undefined) {
    const denial = openGuard.denial(entry.route?.(given, count).entry ?? entry, client);
    if (denial !== undefined) throw denial;
  }
  const { promise, resolve, reject } = promiseOf<string>();
  const face = new LocalFace(resolve, reject, signal);
  runner.run(face, client, 0, entry, given, count);
  return JSON.parse(await promise.finally(() => face.settled())) as JsonValue;
}

function localClient(grant: Level): Client {
  return { remoteAddress: '', origin: localOrigin, caller: { name: '-', grant }, listener: 'process' };
}

function promiseOf<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((resolve_, reject_) => {
    resolve = resolve_;
    reject = reject_;
  });
  return { promise, resolve, reject };
}

/** The face of one call. */
class LocalFace implements Face<Client | undefined> {
  readonly #resolve: (text: string) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #waited: Waited | undefined;

  constructor(resolve: (text: string) => void, reject: (reason: unknown) => void, signal: AbortSignal | undefined) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#aborted);
  }

  readonly #aborted = (): void => {
    const reason: unknown = this.#signal?.reason;
    this.#waited?.leave(reason instanceof Error ? reason : undefined);
    this.#reject(reason);
  };

  settled(): void {
    this.#signal?.removeEventListener('abort', this.#aborted);
  }

  result(_client: Client | undefined, _place: number, value: Result): LaterAnswer<string> | undefined {
    const printed = printResult(value);
    if (typeof printed === 'string') {
      this.#resolve(printed);
      return undefined;
    }
    const parts = new Parts(openParts(printed));
    return { first: readWhole(parts), send: this.#resolve, giveUp: () => parts.release() };
  }

  error(_client: Client | undefined, _place: number, error: MiError): void {
    this.#reject(error);
  }

  wait(_client: Client | undefined, _place: number, waited: Waited): void {
    this.#waited = waited;
    if (this.#signal?.aborted === true) this.#aborted();
  }
}

/** Reads a result whole, in slices of turns. One that is released meanwhile ends early. */
async function readWhole(parts: Parts): Promise<string> {
  const pieces: Buffer[] = [];
  const slice = new Slice();
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafeSlow(pieceSize);
      const length = await parts.fill(buffer);
      if (length === 0) return Buffer.concat(pieces).toString('utf8');
      pieces.push(buffer.subarray(0, length));
      if (slice.isOver) await slice.rest();
    }
  } finally {
    parts.release();
  }
}
