import type { Socket } from 'node:net';
import type { Connection, EngineHandlers, RefusalReply } from '../engine.js';
import type { NodeReply, ReplyConnection } from './reply.js';

/** Milliseconds in which a client gets to read why it is refused, while the rest of what it sends is dropped. */
const farewell = 1000;

/** A connection: its socket, and the requests on it whose replies are on their way. */
export class NodeConnection implements Connection, ReplyConnection {
  readonly tellsEveryReply = true;
  isLast = false;
  /** True when it had a request that was served or refused, or was refused itself. */
  hadReply = false;
  /** What HTTP is spoken on: by TLS another one than {@link raw}, once its handshake is done. */
  socket: Socket;
  /** What Node.js listens to {@link socket} with for the client to take more. */
  drained: (() => void) | undefined;
  /** That of the client, found to be valid. */
  certificate: Uint8Array | undefined;
  /** In the order in which they came. */
  readonly #pending = new Set<NodeReply>();
  #gone: (() => void) | undefined;
  #turn = -1;
  /** Requests of that turn. */
  #run = 0;
  /** What is sent behind the last reply: why nothing more is served. */
  #farewell: string | undefined;

  readonly #refusal: EngineHandlers['refusal'];

  constructor(
    readonly raw: Socket,
    refusal: EngineHandlers['refusal'],
  ) {
    this.socket = raw;
    this.#refusal = refusal;
  }

  get remoteAddress(): string {
    return addressOf(this.raw);
  }

  /** Requests whose replies have not been sent whole. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Counts a request, and gives how many have come in this turn. */
  countIn(turn: number): number {
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#run = 0;
    }
    this.#run += 1;
    return this.#run;
  }

  /** True when it stands still because of this side. */
  get isBusy(): boolean {
    for (const reply of this.#pending) if (reply.isBusy) return true;
    return false;
  }

  /** Nothing more comes of the bodies of earlier requests, whose handlers run before what follows. */
  settle(): void {
    for (const reply of this.#pending) reply.settle();
  }

  /** A request has come. */
  began(reply: NodeReply): void {
    this.hadReply = true;
    this.#gone = undefined;
    this.#pending.add(reply);
  }

  /** A reply has been sent whole. */
  ended(reply: NodeReply): void {
    this.#pending.delete(reply);
    const [next] = this.#pending;
    if (next !== undefined) next.moved();
    else if (this.#farewell !== undefined) this.#sayFarewell(this.#farewell);
  }

  /** Tells the client, behind the replies that it waits for, why nothing more of it is served, and closes. */
  refuseAndClose(status: number, reason: string, wantsJson: boolean): void {
    this.#endWith(refusalText(this.#refusal(status, reason, wantsJson)));
  }

  /** Closes behind the replies that are on their way; nothing else that comes is served. */
  finish(): void {
    if (this.socket === this.raw) this.destroy();
    else if (!this.isLast) this.#endWith('');
  }

  #endWith(text: string): void {
    this.isLast = true;
    // A request that was broken off: nothing can be told of it but this.
    for (const reply of this.#pending) if (reply.isReceiving) this.#breakOff(reply);
    if (this.#pending.size === 0) this.#sayFarewell(text);
    else this.#farewell = text;
  }

  #breakOff(reply: NodeReply): void {
    if (reply.isEnded) return;
    this.#pending.delete(reply);
    reply.gone();
  }

  #sayFarewell(text: string): void {
    this.#farewell = undefined;
    if (!this.socket.writable) {
      this.destroy();
      return;
    }
    try {
      const timer = setTimeout(() => this.destroy(), farewell).unref();
      this.raw.once('close', () => clearTimeout(timer));
      this.socket.end(text);
    } catch {
      // Without a timer it might stay for long.
      this.destroy();
    }
  }

  refuse(reason: string): void {
    this.hadReply = true;
    this.isLast = true;
    this.socket.write(refusalText(this.#refusal(503, reason, false)));
    // It counts until it has closed: what else it sends is not waited for.
    this.socket.destroySoon();
  }

  close(): void {
    this.hadReply = true;
    this.destroy();
  }

  onGone(gone: () => void): void {
    this.#gone = gone;
  }

  destroy(): void {
    this.isLast = true;
    this.socket.destroy();
    if (this.socket !== this.raw) this.raw.destroy();
  }

  /** The socket has closed. */
  closed(): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const reply of pending) reply.gone();
    const gone = this.#gone;
    this.#gone = undefined;
    gone?.();
  }
}

/** The address of the other end; '' where it is not known. */
export function addressOf({ remoteAddress: address = '' }: Pick<Socket, 'remoteAddress'>): string {
  // IPv4 by a socket for both families, and the interface of a local address.
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7);
  const scope = address.indexOf('%');
  return scope === -1 ? address : address.slice(0, scope);
}

/** A reply with what Node.js writes itself into the head of every other one. */
function refusalText({ statusLine, headers, body }: RefusalReply): string {
  const all = [
    ...headers,
    ['Date', new Date().toUTCString()],
    ['Connection', 'close'],
    ['Content-Length', Buffer.byteLength(body)],
  ] as const;
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${statusLine}\r\n${lines.join('')}\r\n${body}`;
}
