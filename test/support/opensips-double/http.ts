import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { type Engine, Process } from './engine.js';
import { print } from './json.js';
import { printJson } from './lines.js';

/** Bytes of head and body that are read at once. */
const longestRead = 16384;

/** HTTPD with mi_http, or mi_json of 2.x, of a double: one process. */
export class HttpDouble {
  readonly #engine: Engine;
  readonly #root: string;
  readonly #server: Server;
  readonly #process = new Process();
  readonly #sockets = new Set<Socket>();
  /** Requests whose rest is read only when another connection has traffic. */
  readonly #stalled = new Map<Socket, Buffer>();
  /** Requests that were read whole, in one piece. */
  requests = 0;
  /** Times that a request stood still, since its head and body came apart or it was too long. */
  stalls = 0;
  /** `USER:PASSWORD` that 4.0 asks for; '' for none. */
  login = '';
  /** Bytes of the reply buffer. */
  bufferSize = 64 << 20;

  private constructor(engine: Engine, root: string) {
    this.#engine = engine;
    this.#root = root;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async open(engine: Engine, root: string, port = 0): Promise<{ double: HttpDouble; port: number }> {
    const double = new HttpDouble(engine, root);
    await new Promise<void>((resolve) => double.#server.listen(port, '127.0.0.1', resolve));
    return { double, port: (double.#server.address() as AddressInfo).port };
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Closes the connections that nobody uses, as `conn_timeout` has it. */
  closeIdle(): void {
    for (const socket of this.#sockets) socket.end();
  }

  close(): void {
    this.#process.stop();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#stalled.delete(socket);
    });
    socket.on('error', () => {});
    socket.on('data', (piece: Buffer) => this.#receive(socket, piece));
  }

  #receive(socket: Socket, piece: Buffer): void {
    const before = this.#stalled.get(socket);
    const read = before === undefined ? piece : Buffer.concat([before, piece]);
    const end = read.indexOf('\r\n\r\n');
    const head = read.toString('latin1', 0, Math.max(end, 0));
    const length = Number(/\r\ncontent-length: *([0-9]+)/i.exec(head)?.[1] ?? 0);
    const isWhole = end >= 0 && read.length >= end + 4 + length;
    if (before !== undefined || !isWhole || read.length > longestRead) {
      if (read.length > longestRead && this.#engine.version !== '4.0') {
        socket.destroy();
        return;
      }
      if (before === undefined) this.stalls += 1;
      this.#stalled.set(socket, read);
      return;
    }
    this.requests += 1;
    this.#wake(socket);
    void this.#process.run(() => this.#answer(socket, head, read.toString('utf8', end + 4)));
  }

  /** Traffic of one connection lets the others be read. */
  #wake(by: Socket): void {
    for (const [socket, read] of [...this.#stalled]) {
      if (socket === by) continue;
      const end = read.indexOf('\r\n\r\n');
      this.#stalled.delete(socket);
      void this.#process.run(() =>
        this.#answer(socket, read.toString('latin1', 0, end), read.toString('utf8', end + 4)),
      );
    }
  }

  async #answer(socket: Socket, head: string, body: string): Promise<void> {
    const [method = '', target = ''] = head.split(' ');
    if (this.login !== '') {
      const given = /\r\nauthorization: basic (\S+)/i.exec(head)?.[1] ?? '';
      if (Buffer.from(given, 'base64').toString() !== this.login) {
        send(socket, '401 Unauthorized', '<html>Unauthorized</html>', 'WWW-Authenticate: Basic realm="opensips"\r\n');
        return;
      }
    }
    if (target !== this.#root && !target.startsWith(`${this.#root}/`)) {
      send(socket, '400 Bad Request', '<html>Unable to parse URL!</html>');
      return;
    }
    if (this.#engine.version === '2.4') {
      await this.#get(socket, method, target);
      return;
    }
    if (method !== 'POST') {
      sendEndless(socket, '405 Method Not Allowed');
      return;
    }
    if (!/\r\ncontent-type: application\/json/i.test(head)) {
      socket.destroy();
      return;
    }
    await this.#engine.wait(body);
    const outcome = this.#engine.handle(body);
    if (outcome.kind === 'unreadable') {
      send(socket, '200 OK', print({ jsonrpc: '2.0', error: { code: -32700, message: 'Parse error' }, id: null }));
    } else if (outcome.kind === 'silent') sendEndless(socket, '202 Accepted');
    else if (outcome.kind === 'bad-id') sendEndless(socket, '500 Internal Server Error');
    else {
      // An asynchronous command keeps the whole process.
      const text = print(await outcome.reply);
      if (Buffer.byteLength(text) > this.bufferSize) sendEndless(socket, '500 Internal Server Error');
      else send(socket, '200 OK', text, '', this.#engine.encoding);
    }
  }

  async #get(socket: Socket, method: string, target: string): Promise<void> {
    const url = new URL(target, 'http://double');
    const command = decodeURIComponent(url.pathname.slice(this.#root.length + 1));
    const error = (code: number, message: string): string => `{"error": {"code": ${code}, "message": "${message}"}}`;
    if (method !== 'GET') {
      send(socket, '200 OK', error(406, 'Unexpected method'));
      return;
    }
    await this.#engine.holds.get(command);
    const params = url.searchParams.get('params');
    const ran = this.#engine.run(command, params === null ? undefined : params.split(','));
    if ('error' in ran) {
      const isUnknown = ran.error.code === -32601;
      send(socket, '200 OK', isUnknown ? error(500, 'Command not found') : error(ran.error.code, ran.error.message));
    } else send(socket, '200 OK', printJson(command, ran.result));
  }
}

function send(socket: Socket, status: string, body: string, fields = '', encoding: BufferEncoding = 'utf8'): void {
  const type = body.startsWith('<') ? 'text/html' : 'application/json';
  socket.write(
    `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body, encoding)}\r\n${fields}` +
      `Date: Mon, 03 Mar 2025 09:00:00 GMT\r\n\r\n${body}`,
    encoding,
  );
}

/** A reply without a body, of which the final chunk does not come. */
function sendEndless(socket: Socket, status: string): void {
  socket.write(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
}
