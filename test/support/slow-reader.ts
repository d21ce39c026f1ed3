import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client that asks once and then reads when told to, so that the server feels back-pressure. */
export class SlowReader {
  /** Bytes received, head included. */
  received = 0;

  readonly socket: Socket;
  readonly closed: Promise<void>;

  private constructor(port: number, onData: ((bytes: Buffer) => void) | undefined) {
    // One buffer for all that is read: what is measured is the memory of the server.
    const buffer = Buffer.alloc(65536);
    const callback = (length: number): boolean => {
      this.received += length;
      onData?.(buffer.subarray(0, length));
      return true;
    };
    this.socket = connect({ port, host: '127.0.0.1', onread: { buffer, callback } });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => resolve());
    });
  }

  /** @param onData gets memory that is valid until it returns */
  static async ask(
    port: number,
    path: string,
    onData?: (bytes: Buffer) => void,
    headers: readonly string[] = [],
  ): Promise<SlowReader> {
    const reader = new SlowReader(port, onData);
    const { socket } = reader;
    await once(socket, 'connect');
    socket.pause();
    socket.write([`GET ${path} HTTP/1.1`, 'Host: a', ...headers, '', ''].join('\r\n'));
    return reader;
  }

  /** Reads for `on` ms, rests for `off` ms, until told to stop. */
  pulse(on: number, off: number): () => void {
    let timer: NodeJS.Timeout;
    const resume = (): void => {
      this.socket.resume();
      timer = setTimeout(pause, on);
    };
    const pause = (): void => {
      this.socket.pause();
      timer = setTimeout(resume, off);
    };
    resume();
    return () => clearTimeout(timer);
  }
}

/** Takes a chunked response apart while it arrives, holding nothing. */
export class ChunkedChecker {
  /** Bytes of the body so far. */
  length = 0;
  head = '';
  isComplete = false;
  #state: 'head' | 'size' | 'data' | 'end' = 'head';
  #line = '';
  #left = 0;

  constructor(readonly onBody: (bytes: Buffer) => void) {}

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.isComplete) throw new Error('bytes after the end of the body');
      if (this.#state === 'data') {
        const piece = bytes.subarray(at, at + this.#left);
        this.onBody(piece);
        this.length += piece.length;
        this.#left -= piece.length;
        at += piece.length;
        if (this.#left === 0) this.#state = 'end';
        continue;
      }
      this.#line += String.fromCharCode(bytes[at++] ?? 0);
      if (this.#state === 'head') this.#inHead();
      else if (this.#line.endsWith('\r\n')) this.#atLine(this.#line.slice(0, -2));
    }
  }

  #inHead(): void {
    if (!this.#line.endsWith('\r\n\r\n')) return;
    this.head = this.#line;
    this.#line = '';
    this.#state = 'size';
  }

  #atLine(line: string): void {
    this.#line = '';
    if (this.#state === 'end') {
      if (line !== '') throw new Error(`chunk is followed by ${JSON.stringify(line)}`);
      this.#state = 'size';
    } else if (!/^[0-9a-f]+$/i.test(line) && line !== '') {
      throw new Error(`bad chunk size ${JSON.stringify(line)}`);
    } else if (line === '') {
      if (this.#left !== -1) throw new Error('no chunk size');
      this.isComplete = true;
    } else {
      this.#left = Number.parseInt(line, 16);
      this.#state = 'data';
      if (this.#left === 0) {
        this.#left = -1;
        this.#state = 'size';
      }
    }
  }
}
