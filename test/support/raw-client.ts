import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One HTTP response as it was on the wire. */
export interface RawResponse {
  readonly status: number;
  readonly statusLine: string;
  /** Names in lower case; values of a repeated header joined by `|`, so that a test sees them. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly text: string;
}

/** A client that sends bytes as they are and takes responses apart strictly. */
export class RawClient {
  readonly socket: Socket;
  /** Resolves when the connection is closed, with the code of the error if there was one. */
  readonly closed: Promise<string | undefined>;
  #received = Buffer.alloc(0);
  #isEnded = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    let code: string | undefined;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake?.();
    });
    const end = (): void => {
      this.#isEnded = true;
      this.#wake?.();
    };
    socket.on('end', end);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        end();
        resolve(code);
      });
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** Sends text (Latin-1) or bytes. */
  send(data: string | Uint8Array): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Sends a request with a Host header, and Content-Length when there is a body. */
  request(method: string, path: string, body?: string | Uint8Array, headers: readonly string[] = []): void {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const lines = [`${method} ${path} HTTP/1.1`, 'Host: test', ...headers];
    if (bytes !== undefined) lines.push(`Content-Length: ${bytes.length}`);
    this.send(`${lines.join('\r\n')}\r\n\r\n`);
    if (bytes !== undefined && bytes.length > 0) this.send(bytes);
  }

  /** Sends a request and reads its response. */
  ask(method: string, path: string, body?: string | Uint8Array, headers: readonly string[] = []): Promise<RawResponse> {
    this.request(method, path, body, headers);
    return this.response(method === 'HEAD');
  }

  /** Reads the next response; those to HEAD have no body whatever they announce. */
  async response(isHead = false): Promise<RawResponse> {
    const head = (await this.#until('\r\n\r\n')).toString('latin1');
    const [statusLine = '', ...lines] = head.split('\r\n');
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers.set(name, headers.has(name) ? `${headers.get(name)}|${value}` : value);
    }
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    const body = isHead || status === 204 || status === 304 ? Buffer.alloc(0) : await this.#body(headers);
    return { status, statusLine, headers, body, text: body.toString('utf8') };
  }

  /** Reads everything up to the end of the connection. */
  async rest(): Promise<Buffer> {
    while (!this.#isEnded) await this.#more();
    return this.#take(this.#received.length);
  }

  /** Whether the server has closed; waits until it has, or answers something. */
  async isClosed(): Promise<boolean> {
    while (!this.#isEnded && this.#received.length === 0) await this.#more();
    return this.#isEnded && this.#received.length === 0;
  }

  /** The text that has been received and not been read yet. */
  get unread(): string {
    return this.#received.toString('latin1');
  }

  /** Leaves at once, with a reset. */
  kill(): void {
    this.socket.resetAndDestroy();
  }

  /** Leaves. */
  close(): void {
    this.socket.destroy();
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<Buffer> {
    if (headers.get('transfer-encoding') === 'chunked') {
      const chunks: Buffer[] = [];
      for (;;) {
        const line = (await this.#until('\r\n')).toString('latin1');
        if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`bad chunk size ${JSON.stringify(line)}`);
        const size = Number.parseInt(line, 16);
        chunks.push(await this.#bytes(size));
        const end = (await this.#bytes(2)).toString('latin1');
        if (end !== '\r\n') throw new Error(`chunk is followed by ${JSON.stringify(end)}`);
        if (size === 0) return Buffer.concat(chunks);
      }
    }
    const length = headers.get('content-length');
    if (length === undefined) return this.rest();
    if (!/^\d+$/.test(length)) throw new Error(`bad Content-Length ${length}`);
    return this.#bytes(Number(length));
  }

  async #until(mark: string): Promise<Buffer> {
    for (;;) {
      const end = this.#received.indexOf(mark, 0, 'latin1');
      if (end !== -1) {
        const found = this.#take(end);
        this.#take(mark.length);
        return found;
      }
      await this.#more(`${JSON.stringify(mark)} after ${JSON.stringify(this.unread.slice(0, 200))}`);
    }
  }

  async #bytes(count: number): Promise<Buffer> {
    while (this.#received.length < count) await this.#more(`${count} bytes, having ${this.#received.length}`);
    return this.#take(count);
  }

  #take(count: number): Buffer {
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  async #more(wanted?: string): Promise<void> {
    if (this.#isEnded && wanted !== undefined) throw new Error(`the connection ended before ${wanted}`);
    if (this.#isEnded) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** One request on a connection of its own. */
export async function ask(
  port: number,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: readonly string[] = [],
): Promise<RawResponse> {
  const client = await RawClient.connect(port);
  try {
    return await client.ask(method, path, body, headers);
  } finally {
    client.close();
  }
}
