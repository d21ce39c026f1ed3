// A server whose home is kept busy by a call: only what threads with listeners do by themselves is answered meanwhile.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { command, defineModule, type Module } from '#src/index.js';

/** Makes calls, one after the other, while home runs one, which it lets go on behind them. */
const client = `
  const { once } = require('node:events');
  const { request } = require('node:http');
  const { parentPort, workerData: { port, gate, calls } } = require('node:worker_threads');
  const ask = async (call) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, ...call });
    const sent = request({ host: '127.0.0.1', port, path: '/mi', method: 'POST', agent: false, headers: {
      'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) } });
    sent.end(body);
    const [response] = await once(sent, 'response');
    let text = '';
    for await (const piece of response.setEncoding('utf8')) text += piece;
    return JSON.parse(text);
  };
  (async () => {
    const waiting = ask({ method: 'gate:wait' });
    await Atomics.waitAsync(gate, 1, 0).value;
    const replies = [];
    for (const call of calls) replies.push(await ask(call));
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
    this.#gate.fill(0);
    const worker = new Worker(client, { eval: true, workerData: { port, gate: this.#gate, calls } });
    const [replies] = (await once(worker, 'message')) as [readonly ReplyGot[]];
    if (replies.at(-1)?.result !== 'after the others') throw new Error('a call waited for home');
    return replies.slice(0, -1);
  }
}
