/**
 * Requests that may come in one piece on one connection: more than clients that pipeline send, where one that sends
 * thousands would keep all others waiting for as long.
 */
export const longestPipeline = 32;

/** The lower limit for an address that was over the limit within the last second. */
export const shortestPipeline = 8;

/** Milliseconds for which such an address is remembered. */
const rememberedFor = 1000;

/** Addresses that are remembered at once. */
const mostOffenders = 1024;

/** The reason for which one is refused that is too many. */
export function pipelinedTooMany(limit: number): string {
  return `more than ${limit} requests in one piece; wait for replies before sending more`;
}

/** A client, by the address of its connection. */
interface Client {
  readonly remoteAddress: string;
}

/** Addresses that have sent too many requests in one piece lately. */
export class Offenders {
  /** Until when they are remembered. */
  readonly #until = new Map<string, number>();
  /** The latest of these times. */
  #lastUntil = 0;

  get isEmpty(): boolean {
    return this.#until.size === 0;
  }

  /** Forgets them all when the last one may be forgotten. */
  forget(now: number): void {
    if (this.#until.size > 0 && now > this.#lastUntil) this.#until.clear();
  }

  /** Most requests in one piece of a client. */
  limitOf(client: Client): number {
    // The address is made when it is asked for, which costs more than the rest.
    const until = this.#until.size === 0 ? undefined : this.#until.get(client.remoteAddress);
    return until !== undefined && performance.now() < until ? shortestPipeline : longestPipeline;
  }

  /** Remembers a client that has sent too many. */
  remember({ remoteAddress }: Client): void {
    if (this.#until.size >= mostOffenders) this.#until.clear();
    this.#lastUntil = performance.now() + rememberedFor;
    this.#until.set(remoteAddress, this.#lastUntil);
  }
}
