// Starts peers and ends them. Those with the same need run side by side, so that measurements can take turns.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Call, Launched, Need, Peer, Place } from './peers/peer.js';
import { end } from './process/run-to-end.js';
import { usageOf } from './process/usage.js';
import type { RunningPeer } from './question.js';

/** How long a peer may take to answer, first with all of its contacts. The slowest dump takes a minute and a half. */
const patience = 180_000;

interface Held {
  readonly launched: Launched;
  readonly running: RunningPeer;
}

export class PeerPool {
  readonly #place: Place;
  readonly #held = new Map<string, Held>();
  #need = '';

  constructor(place: Place) {
    this.#place = place;
  }

  /** The peer, started unless it runs already with this need. */
  async get(peer: Peer, need: Need): Promise<RunningPeer> {
    const key = JSON.stringify(need);
    if (key !== this.#need) await this.endAll();
    this.#need = key;
    const held = this.#held.get(peer.name);
    if (held !== undefined) return held.running;
    const started = await this.#start(peer, need);
    return started.running;
  }

  /** The peer, started anew and alone, and how long that took until its first answer. */
  async startAlone(peer: Peer, need: Need): Promise<{ peer: RunningPeer; startMs: number }> {
    await this.endAll();
    this.#need = JSON.stringify(need);
    const { running, startMs } = await this.#start(peer, need);
    return { peer: running, startMs };
  }

  async endAll(): Promise<void> {
    const all = [...this.#held.values()];
    this.#held.clear();
    for (const { launched } of all) {
      if (launched.child !== undefined) await end(launched.child, 'SIGTERM');
      await launched.restore?.();
    }
  }

  async #start(peer: Peer, need: Need): Promise<Held & { readonly startMs: number }> {
    const port = await freePort();
    const begin = performance.now();
    const launched = await peer.launch(need, port, this.#place);
    const running: RunningPeer = {
      name: peer.name,
      port: launched.port,
      call: peer.call,
      usage: () => usageOf(launched.pid),
    };
    const held = { launched, running };
    this.#held.set(peer.name, held);
    await firstAnswer(launched, peer.call('version'), need.tls);
    const startMs = performance.now() - begin;
    await launched.prepare?.();
    return { ...held, startMs };
  }
}

/** @throws Error when the process ends, or does not answer in time */
async function firstAnswer({ port, child }: Launched, call: Call, tls: boolean): Promise<void> {
  const until = performance.now() + patience;
  while (performance.now() < until) {
    try {
      await ask(port, call, tls);
      return;
    } catch (error) {
      if (child?.exitCode != null || child?.signalCode != null) throw new Error('it ended before it answered');
      if (!isRefused(error)) throw error;
      await pause(2);
    }
  }
  throw new Error(`it did not answer within ${patience / 1000} s`);
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET');
}

/**
 * One call.
 *
 * @returns the body of the reply
 * @throws Error when it is refused, answered with another status than 200, or cut
 */
export async function ask(port: number, call: Call, tls = false): Promise<string> {
  return (await askForBytes(port, call, tls)).toString();
}

/** The same for replies that are longer than a string can be. */
export async function askForBytes(port: number, { path, body }: Call, tls = false): Promise<Buffer> {
  const sending = (tls ? tlsRequest : request)({
    host: '127.0.0.1',
    port,
    path,
    method: 'POST',
    agent: false,
    signal: AbortSignal.timeout(patience),
    headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
    ...(tls ? { rejectUnauthorized: false } : {}),
  });
  sending.end(body);
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) {
    // The end of an error's body may never come.
    response.destroy();
    throw new Error(`it answered with ${response.statusCode} ${response.statusMessage}`);
  }
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
