import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** One reply as it came, taken apart without judging it. */
export interface ObservedReply {
  readonly status: number;
  readonly statusLine: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Status lines of 1xx that came before. */
  readonly interim: readonly string[];
  /** The fault of the framing, if there is one. */
  readonly fault: string | undefined;
}

/** A connection that gives one reply after the other, whatever the server sends. */
export class Wire {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isEnded = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake?.();
    });
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#isEnded = true;
        this.#wake?.();
      });
    }
  }

  static async open(port: number, isTls: boolean): Promise<Wire> {
    const host = '127.0.0.1';
    const socket = isTls ? connectTls({ port, host, rejectUnauthorized: false }) : connect({ port, host });
    await once(socket, isTls ? 'secureConnect' : 'connect');
    return new Wire(socket);
  }

  /** Sends the writes one by one, and lets the server see each alone. */
  async send(writes: readonly Buffer[]): Promise<void> {
    for (const bytes of writes) {
      if (bytes.length > 0) await new Promise((resolve) => this.#socket.write(bytes, resolve));
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    }
  }

  /** The next final reply; undefined when the connection ends before one begins. */
  async reply(isHead: boolean): Promise<ObservedReply | undefined> {
    const interim: string[] = [];
    for (;;) {
      const end = await this.#find('\r\n\r\n');
      if (end === -1) {
        if (this.#received.length === 0) return undefined;
        const body = this.#take(Infinity);
        return { status: 0, statusLine: '', headers: new Map(), body, interim, fault: 'no whole head' };
      }
      const [statusLine = '', ...lines] = this.#take(end + 4)
        .toString('latin1')
        .trimEnd()
        .split('\r\n');
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1]);
      if (status < 200) {
        interim.push(statusLine);
        continue;
      }
      const headers = new Map<string, string>();
      for (const line of lines) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon).toLowerCase();
        const before = headers.get(name);
        headers.set(name, `${before === undefined ? '' : `${before} | `}${line.slice(colon + 1).trim()}`);
      }
      const { body, fault } = isHead ? { body: Buffer.alloc(0), fault: undefined } : await this.#body(headers);
      return { status, statusLine, headers, body, interim, fault };
    }
  }

  get unread(): string {
    return this.#received.toString('latin1');
  }

  close(): void {
    this.#socket.destroy();
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<{ body: Buffer; fault: string | undefined }> {
    if (headers.get('transfer-encoding') === 'chunked') return this.#chunks();
    const length = Number(headers.get('content-length') ?? Infinity);
    while (!this.#isEnded && this.#received.length < length) await this.#more();
    const isShort = length !== Infinity && this.#received.length < length;
    return { body: this.#take(length), fault: isShort ? `body shorter than Content-Length ${length}` : undefined };
  }

  async #chunks(): Promise<{ body: Buffer; fault: string | undefined }> {
    const chunks: Buffer[] = [];
    for (;;) {
      const end = await this.#find('\r\n');
      if (end === -1) return { body: Buffer.concat(chunks), fault: 'the chunks have no end' };
      const size = Number.parseInt(this.#take(end + 2).toString('latin1'), 16);
      while (!this.#isEnded && this.#received.length < size + 2) await this.#more();
      chunks.push(this.#take(size));
      this.#take(2);
      if (size === 0) return { body: Buffer.concat(chunks), fault: undefined };
    }
  }

  /** Where `mark` begins; -1 when the connection ends without it. */
  async #find(mark: string): Promise<number> {
    for (;;) {
      const at = this.#received.indexOf(mark, 0, 'latin1');
      if (at !== -1 || this.#isEnded) return at;
      await this.#more();
    }
  }

  #take(count: number): Buffer {
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(taken.length);
    return taken;
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
