// JSON-RPC as one writes it by hand in JavaScript: JSON.parse, a Map, a value, JSON.stringify.
import { setTimeout as pause } from 'node:timers/promises';
import { contactExpires, sampleContact } from './contacts.js';
import { DelayMeter } from './delay-meter.js';
import type { SampleReplies } from './peer.js';

export interface RpcRequest {
  readonly method: string;
  readonly params?: readonly unknown[];
  readonly id: unknown;
}

export interface RpcReply {
  readonly jsonrpc: '2.0';
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
  readonly id: unknown;
}

/** A request or a batch of them, and what is answered. */
export type Rpc = RpcRequest | readonly RpcRequest[];
export type RpcAnswer = RpcReply | readonly (RpcReply | Promise<RpcReply>)[];

type Run = (params: readonly unknown[]) => unknown;

interface HeldContact {
  readonly aor: string;
  readonly uri: string;
  readonly id: string;
  readonly callId: string;
  readonly expires: number;
}

export class ByHandCommands {
  readonly #commands: ReadonlyMap<string, Run>;
  readonly #statistics: Map<string, number>;
  readonly #contacts: readonly HeldContact[];
  readonly #meter = new DelayMeter();

  constructor(replies: SampleReplies, contacts: number) {
    const expires = Math.floor(Date.now() / 1000) + contactExpires;
    this.#contacts = Array.from({ length: contacts }, (_, number) => ({ ...sampleContact(number), expires }));
    this.#statistics = new Map(replies.statistics.map((name) => [name, 0]));
    this.#commands = new Map<string, Run>([
      ['version', () => ({ Server: replies.version })],
      ['which', () => replies.which],
      ['get_statistics', () => this.#allStatistics()],
      ['ul_dump', () => this.#dump()],
      ['wait', ([milliseconds]) => pause(Number(milliseconds), 'OK')],
      ['measure', ([text]) => String(text).length],
      ['delay', () => this.#meter.take()],
    ]);
  }

  /** A reply, or a promise of one when the command takes its time, which those of a batch may not. */
  answer(given: Rpc): RpcAnswer | Promise<RpcAnswer> {
    return 'method' in given ? this.#run(given) : given.map((request) => this.#run(request));
  }

  #run({ method, params, id }: RpcRequest): RpcReply | Promise<RpcReply> {
    const command = this.#commands.get(method);
    if (command === undefined) return { jsonrpc: '2.0', error: { code: -32601, message: 'Method not found' }, id };
    const result = command(params ?? []);
    if (result instanceof Promise) return result.then((value: unknown) => ({ jsonrpc: '2.0', result: value, id }));
    return { jsonrpc: '2.0', result, id };
  }

  #allStatistics(): unknown {
    for (const [name, value] of this.#statistics) this.#statistics.set(name, value + 1);
    return Object.fromEntries(this.#statistics);
  }

  #dump(): unknown {
    const now = Math.floor(Date.now() / 1000);
    const records = this.#contacts.map(({ aor, uri, id, callId, expires }) => ({
      AOR: aor,
      Contacts: [
        {
          Contact: uri,
          ContactID: id,
          Expires: expires - now,
          Q: '0.5',
          Callid: callId,
          Cseq: 17,
          'User-agent': 'Example Phone 4.2.1',
          State: 'CS_NEW',
          Flags: 0,
          Cflags: '',
          Methods: 0,
        },
      ],
    }));
    return { Domains: [{ name: 'location', hash_size: 512, AORs: records }] };
  }
}
