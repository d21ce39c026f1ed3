import { createSocket, type Socket } from 'node:dgram';
import { rmSync } from 'node:fs';
import { UnixDatagrams } from '#src/native/datagrams.js';
import { type Engine, Process } from './engine.js';
import { print } from './json.js';
import { printReply, readLines } from './lines.js';

/** Bytes of a request that are read, and of a reply that are sent. */
const longestRequest = 65457;
const longestReply = 65437;

type Answer = (reply: Buffer) => void;

/** mi_datagram of a double, by UDP or by a Unix socket. */
export class DatagramDouble {
  readonly #engine: Engine;
  readonly #processes: Process[];
  #next = 0;
  /** Requests, and replies, that are lost from now on. */
  loseRequests = 0;
  loseReplies = 0;
  #close: () => void = () => {};

  /** @param children processes that share the socket */
  private constructor(engine: Engine, children: number) {
    this.#engine = engine;
    this.#processes = Array.from({ length: children }, () => new Process());
  }

  /** @returns the double, and its port */
  static async udp(engine: Engine, children = 1, port = 0): Promise<{ double: DatagramDouble; port: number }> {
    const double = new DatagramDouble(engine, children);
    const socket: Socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
    socket.on('message', (request, { port: of, address }) => {
      double.#take(request, (reply) => socket.send(reply, of, address));
    });
    double.#close = () => socket.close();
    return { double, port: socket.address().port };
  }

  static unix(engine: Engine, path: string, children = 1): DatagramDouble {
    const double = new DatagramDouble(engine, children);
    const socket = new UnixDatagrams(path, (request, sender) => {
      const from = sender();
      double.#take(Buffer.from(request), (reply) => {
        try {
          if (from !== '') socket.sendTo(reply, from);
        } catch {
          double.#engine.log.push('failed to send the response');
        }
      });
    });
    double.#close = () => {
      socket.close();
      if (!path.startsWith('@')) rmSync(path, { force: true });
    };
    return double;
  }

  close(): void {
    for (const process of this.#processes) process.stop();
    this.#close();
    this.#close = () => {};
  }

  #take(datagram: Buffer, send: Answer): void {
    if (datagram.length === 0) return;
    if (this.loseRequests > 0) {
      this.loseRequests -= 1;
      return;
    }
    const answer: Answer = (reply) => {
      if (this.loseReplies > 0) this.loseReplies -= 1;
      else if (this.#engine.died === undefined) send(reply);
    };
    const process = this.#processes[this.#next % this.#processes.length];
    this.#next += 1;
    const text = datagram.toString('utf8', 0, Math.min(datagram.length, longestRequest));
    void process?.run(() => (this.#engine.version === '2.4' ? this.#lines(text, answer) : this.#request(text, answer)));
  }

  async #request(text: string, answer: Answer): Promise<void> {
    const engine = this.#engine;
    await engine.wait(text);
    const outcome = engine.handle(text);
    const print_ = (reply: object): void => {
      const bytes = Buffer.from(print(reply), engine.encoding);
      answer(bytes.length > longestReply ? Buffer.from('500 Internal error') : bytes);
    };
    switch (outcome.kind) {
      case 'unreadable':
        answer(Buffer.from('400 Parse_error'));
        return;
      case 'no-method':
        if (engine.version === '4.0') engine.die('MI Datagram: a request without a method');
        else print_(outcome.reply);
        return;
      case 'bad-id':
        answer(Buffer.from('500 Internal error'));
        return;
      case 'reply':
        print_(outcome.reply);
        return;
      case 'later':
        void outcome.reply.then(print_);
        return;
      default:
    }
  }

  async #lines(text: string, answer: Answer): Promise<void> {
    const [request] = readLines(text);
    if (request === undefined) {
      answer(Buffer.from('400 Parse error\n'));
      return;
    }
    await this.#engine.holds.get(request.method);
    answer(Buffer.from(printReply(request.method, this.#engine.run(request.method, request.values))));
  }
}
