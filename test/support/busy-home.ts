// A server whose home is kept busy by a call: only what threads with listeners do by themselves is answered meanwhile.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { command, defineModule, type Module } from '#src/index.js';

/** Sends requests, one after the other, while home runs one, which it lets go on behind them. */
const client = `
  const { once } = require('node:events');
  const { request } = require('node:http');
  const { parentPort, workerData: { port, gate, requests } } = require('node:worker_threads');
  const turn = () => new Promise(setImmediate);
  const ask = async ({ body, headers, pieces = 1 }) => {
    const sent = request({ host: '127.0.0.1', port, path: '/mi', method: 'POST', agent: false, headers: {
      'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers } });
    const responded = once(sent, 'response');
    const bytes = Buffer.from(body);
    const size = Math.ceil(bytes.length / pieces);
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise((resolve) => sent.write(bytes.subarray(at, at + size), resolve));
      for (let turns = 0; turns < 5; turns++) await turn();
    }
    sent.end();
    const [response] = await responded;
    let text = '';
    for await (const piece of response.setEncoding('utf8')) text += piece;
    return text;
  };
  (async () => {
    const waiting = ask({ body: '{"jsonrpc":"2.0","method":"gate:wait","id":1}' });
    await Atomics.waitAsync(gate, 1, 0).value;
    const replies = [];
    for (const one of requests) replies.push(await ask(one));
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    replies.push(await waiting);
    parentPort.postMessage(replies);
  })();
`;

/** A call, and its reply. */
export interface CallMade {
  readonly method: string;
  readonly params?: unknown;
}
export interface ReplyGot {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** A request of `/mi`. */
export interface RequestMade {
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Its body is written in as many pieces. */
  readonly pieces?: number;
}

/** Keeps home busy. */
export class BusyHome {
  readonly #gate = new Int32Array(new SharedArrayBuffer(8));
  /** To be loaded by the server. */
  readonly module: Module = defineModule({
    name: 'gate',
    load: () => ({ commands: [command({ name: 'wait', help: 'Waits.', run: () => this.#wait() })] }),
  });

  #wait(): string {
    const gate = this.#gate;
    Atomics.store(gate, 1, 1);
    Atomics.notify(gate, 1);
    Atomics.wait(gate, 0, 0, 60_000);
    return Atomics.load(gate, 0) === 1 ? 'after the others' : 'too early';
  }

  /** Makes calls while home is busy, each on a connection of its own. @throws Error when home was not busy until the last one */
  async calls(port: number | undefined, calls: readonly CallMade[]): Promise<readonly ReplyGot[]> {
    const requests = calls.map((call) => ({ body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...call }) }));
    return (await this.requests(port, requests)).map((text) => JSON.parse(text));
  }

  /** As {@link calls}, of whatever requests. @returns the bodies of their replies */
  async requests(port: number | undefined, requests: readonly RequestMade[]): Promise<readonly string[]> {
    this.#gate.fill(0);
    const worker = new Worker(client, { eval: true, workerData: { port, gate: this.#gate, requests } });
    const [replies] = (await once(worker, 'message')) as [readonly string[]];
    if (replies.at(-1)?.includes('after the others') !== true) throw new Error('a call waited for home');
    return replies.slice(0, -1);
  }
}
