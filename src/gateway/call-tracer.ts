import { randomBytes } from 'node:crypto';
import { StringDecoder } from 'node:string_decoder';
import { isObject } from '../base/json.js';
import { type CodedLog, LineRate } from '../base/log.js';
import { shorten } from '../base/text.js';
import type { Exchange } from '../http/exchange.js';
import { observedBytes, type ReplyObserver } from '../http/request/observe.js';
import { statusLine } from '../http/request/reply-head.js';
import { endsOf, observeReply, observerOf } from '../http/request/state-machine.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import type { CallParameters } from '../mi/commands/parameters.js';
import { hidden, openParameters } from '../mi/commands/secrets.js';

/** One end of a traced connection. */
export interface TraceEnd {
  /** '' where it is not known. */
  readonly address: string;
  readonly port: number;
}

/** A part of a packet, in the order in which they are sent. */
export type TracePart = readonly [name: 'command' | 'backend' | 'parameters' | 'reply', text: string];

/** One traced request or reply. */
export interface TracePacket {
  readonly from: TraceEnd;
  readonly to: TraceEnd;
  /** The same for a request and its reply. */
  readonly correlation: string;
  readonly parts: readonly TracePart[];
}

/** Takes what is traced. It never waits. */
export interface TraceDestination {
  send(packet: TracePacket): void;
}

/** Settings of a {@link CallTracer}. */
interface TracerOptions {
  /** Tells of a command whether it is traced. */
  readonly traces: (entry: CommandEntry) => boolean;
  /** The port of the listeners where any would do. */
  readonly port: () => number;
  readonly log: CodedLog;
}

/** Bytes of the parameters, and UTF-16 units of a name that is none of a command. */
const longestParameters = 127;
const longestMethod = 128;

/** How a face is named in packets: as OpenSIPS names it. */
export type TraceBackend = 'json' | 'http';

/** Copies the calls of one root and their replies to a destination. */
export class CallTracer {
  readonly #destination: TraceDestination;
  readonly #options: TracerOptions;
  readonly #lines = new LineRate();

  constructor(destination: TraceDestination, options: TracerOptions) {
    this.#destination = destination;
    this.#options = options;
  }

  /**
   * A call begins. Those of a batch share a reply.
   *
   * @param method as it was written
   */
  called(exchange: Exchange, backend: TraceBackend, method: string, entry: CommandEntry, given: CallParameters): void {
    if (!this.#options.traces(entry)) return;
    this.#begin(exchange, () => {
      const parameters = parametersOf(entry, given);
      const parts: TracePart[] = [
        ['command', method],
        ['backend', backend],
      ];
      return parameters === '' ? parts : [...parts, ['parameters', parameters]];
    });
  }

  /** What has come is no call of a command: it is always traced. Its parameters are not: nothing tells which are secrets. */
  unknown(exchange: Exchange, backend: TraceBackend, method = 'unknown'): void {
    this.#begin(exchange, () => [
      ['command', shorten(method, longestMethod)],
      ['backend', backend],
    ]);
  }

  /** What goes wrong with a trace changes nothing for the call. */
  #begin(exchange: Exchange, parts: () => readonly TracePart[]): void {
    try {
      const before = observerOf(exchange);
      const traced = before instanceof TracedExchange ? before : this.#observe(exchange);
      traced.request(parts());
    } catch (error) {
      this.#failed(error);
    }
  }

  #observe(exchange: Exchange): TracedExchange {
    const { remoteAddress, remotePort, address, port } = endsOf(exchange);
    const client = { address: remoteAddress, port: remotePort };
    const server = { address: localAddress(address, remoteAddress), port: port === 0 ? this.#options.port() : port };
    const traced = new TracedExchange(this.#destination, client, server, (error) => this.#failed(error));
    observeReply(exchange, traced);
    return traced;
  }

  #failed(error: unknown): void {
    if (this.#lines.isDue('failed'))
      this.#options.log.error({ code: 'trace-failed', err: error }, 'a call could not be traced');
  }
}

/** An exchange with a call that is traced. */
class TracedExchange implements ReplyObserver {
  readonly #correlation = nextCorrelation();
  readonly #destination: TraceDestination;
  readonly #client: TraceEnd;
  readonly #server: TraceEnd;
  readonly #failed: (error: unknown) => void;

  constructor(destination: TraceDestination, client: TraceEnd, server: TraceEnd, failed: (error: unknown) => void) {
    this.#destination = destination;
    this.#client = client;
    this.#server = server;
    this.#failed = failed;
  }

  request(parts: readonly TracePart[]): void {
    this.#destination.send({ from: this.#client, to: this.#server, correlation: this.#correlation, parts });
  }

  replied(status: number, beginning: string | Uint8Array): void {
    try {
      const parts: readonly TracePart[] = [['reply', replyText(status, beginning)]];
      this.#destination.send({ from: this.#server, to: this.#client, correlation: this.#correlation, parts });
    } catch (error) {
      this.#failed(error);
    }
  }
}

/** A reply without a body is told by its status. */
function replyText(status: number, beginning: string | Uint8Array): string {
  if (beginning.length === 0) return statusLine(status);
  // Half of a pair at the end is beyond the last byte.
  const bytes = typeof beginning === 'string' ? Buffer.from(beginning.slice(0, observedBytes)) : beginning;
  return wholeCharacters(bytes, observedBytes);
}

/** The characters whose bytes are all among the first ones. */
function wholeCharacters(bytes: Uint8Array, most: number): string {
  return new StringDecoder('utf8').write(Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, most)));
}

/** Numbers and texts, without their names and without secrets. */
function parametersOf({ command }: CommandEntry, given: CallParameters): string {
  if (given === undefined) return '';
  const isOpen = openParameters(command, given);
  const named: Iterable<readonly [name: string | number, value: unknown]> = isObject(given)
    ? Object.entries(given)
    : given.entries();
  const texts: string[] = [];
  let length = 0;
  for (const [name, value] of named) {
    if (typeof value !== 'string' && typeof value !== 'number') continue;
    // Commas count too. What is behind them is cut anyway, and a list may be long.
    if (length > longestParameters) break;
    const text = isOpen(name) ? String(value).slice(0, longestParameters + 1) : hidden;
    texts.push(text);
    length += text.length + 1;
  }
  return wholeCharacters(Buffer.from(texts.join(',')), longestParameters);
}

const everyAddress: ReadonlySet<string> = new Set(['*', '0.0.0.0', '::', '']);

/** The address of this end: no engine tells it where a listener takes connections on every address. */
function localAddress(listening: string, remote: string): string {
  if (!everyAddress.has(listening)) return listening;
  const isV6 = remote.includes(':');
  if (remote === '::1' || remote.startsWith('127.') || remote === '') return isV6 ? '::1' : '127.0.0.1';
  return isV6 ? '::' : '0.0.0.0';
}

/** What the ids of this process have in common: its number, and when it has begun to count. */
const seed = Buffer.alloc(20);
seed.writeUInt32BE(process.pid >>> 0, 0);
seed.writeUInt32BE(Math.floor(Date.now() / 1000), 4);
randomBytes(4).copy(seed, 16);
let correlations = 0n;

/** A text that no other exchange has, with the beginning that OpenSIPS gives it. */
function nextCorrelation(): string {
  correlations += 1n;
  seed.writeBigUInt64BE(correlations, 8);
  return `MICORR${seed.toString('base64')}`;
}
