import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnixDatagrams } from '#src/native/datagrams.js';
import type { State, Version } from './commands.js';
import { DatagramDouble } from './datagram.js';
import { Engine } from './engine.js';
import { FifoDouble } from './fifo.js';
import { HttpDouble } from './http.js';

export type { Version } from './commands.js';

export interface DoubleOptions {
  readonly version?: Version;
  /** The transports that it has; left out, all of them. */
  readonly transports?: readonly ('fifo' | 'udp' | 'unix' | 'http')[];
  /** One that has stopped: it is started anew in the same places. */
  readonly former?: OpensipsDouble;
  /** `children_count` of mi_datagram. */
  readonly children?: number;
}

/**
 * An OpenSIPS that runs in this process, with its MI transports. Where the original dies, {@link died} says of what and all of its
 * transports are gone.
 */
export class OpensipsDouble {
  readonly version: Version;
  readonly folder: string;
  /** As `reply_dir` is given. */
  readonly replyFolder: string;
  /** A transport for each that it has, as mi-httpd is configured. */
  readonly transports: Readonly<Record<'fifo' | 'udp' | 'unix' | 'http', string>>;
  readonly #engine: Engine;
  fifo: FifoDouble | undefined;
  udp: DatagramDouble | undefined;
  unix: DatagramDouble | undefined;
  http: HttpDouble | undefined;

  private constructor(
    engine: Engine,
    folder: string,
    readonly ports: { readonly udp: number; readonly http: number },
  ) {
    this.#engine = engine;
    this.version = engine.version;
    this.folder = folder;
    this.replyFolder = `${folder}/`;
    const version = this.version === '2.4' ? ';version=2.4' : '';
    this.transports = {
      fifo: `fifo:${folder}/fifo;reply_dir=${folder}/${version}`,
      udp: `datagram:udp:127.0.0.1:${ports.udp}${version}`,
      unix: `datagram:${folder}/datagram${version}`,
      http: `http://127.0.0.1:${ports.http}/${this.version === '2.4' ? 'json' : 'mi'}${version}`,
    };
  }

  static async start(options: DoubleOptions = {}): Promise<OpensipsDouble> {
    const { version = '3.4', transports, children = 1, former } = options;
    const engine = new Engine(version);
    const folder = former?.folder ?? mkdtempSync(join(tmpdir(), 'opensips-double-'));
    const has = (name: 'fifo' | 'udp' | 'unix' | 'http'): boolean => transports?.includes(name) !== false;
    const udp = has('udp') ? await DatagramDouble.udp(engine, children, former?.ports.udp) : undefined;
    const root = version === '2.4' ? '/json' : '/mi';
    const http = has('http') ? await HttpDouble.open(engine, root, former?.ports.http) : undefined;
    const double = new OpensipsDouble(engine, folder, { udp: udp?.port ?? 1, http: http?.port ?? 1 });
    double.udp = udp?.double;
    double.http = http?.double;
    if (has('unix')) double.unix = DatagramDouble.unix(engine, join(folder, 'datagram'), children);
    if (has('fifo')) double.fifo = new FifoDouble(engine, join(folder, 'fifo'), double.replyFolder);
    engine.onDeath(() => double.#stop());
    engine.state.deliver = deliver;
    return double;
  }

  /** Contacts, dialogs, subscriptions, and the commands that were run. */
  get state(): State {
    return this.#engine.state;
  }

  /** Why all of OpenSIPS has stopped; undefined: it runs. */
  get died(): string | undefined {
    return this.#engine.died;
  }

  /** Told when all of it stops by itself. */
  onDeath(told: (reason: string) => void): void {
    this.#engine.onDeath((reason) => {
      if (reason !== stopped) told(reason);
    });
  }

  get log(): readonly string[] {
    return this.#engine.log;
  }

  /** Methods that were run, in their order. */
  get ran(): string[] {
    return this.state.ran.map(({ method }) => method);
  }

  /** Keeps a command waiting, and all that its process has behind it. @returns lets it go on */
  hold(method: string): () => void {
    let go = (): void => {};
    const held = new Promise<void>((resolve) => {
      go = () => {
        this.#engine.holds.delete(method);
        resolve();
      };
    });
    this.#engine.holds.set(method, held);
    return go;
  }

  /** Texts are printed in Latin-1 from now on, as SIP data may be. */
  printsLatin1(): void {
    this.#engine.encoding = 'latin1';
  }

  /** From now on a reply by FIFO comes byte by byte after so many. */
  trickleFrom(bytes: number): void {
    this.#engine.trickleFrom = bytes;
  }

  /** Answers of asynchronous commands come when this settles. */
  set later(wait: () => Promise<unknown>) {
    this.#engine.later = wait;
  }

  /** All of it stops, as when it is killed. */
  stop(): void {
    this.#engine.die(stopped);
  }

  /** Stops, and removes its folder. */
  async close(): Promise<void> {
    this.stop();
    this.#stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #stop(): void {
    for (const transport of [this.fifo, this.udp, this.unix, this.http]) transport?.close();
  }
}

/** What {@link OpensipsDouble.died} says of one that was stopped. */
const stopped = 'stopped';

let udp: Socket | undefined;

/** Sends an event as event_datagram and event_stream do. */
function deliver(socket: string, payload: string): void {
  const [protocol = '', ...rest] = socket.split(':');
  if (protocol === 'unix') {
    const sender = new UnixDatagrams(`@opensips-double-${process.pid}-${Math.random()}`, () => {});
    try {
      sender.sendTo(Buffer.from(payload), rest.join(':'));
    } catch {
      // Nobody listens.
    }
    sender.close();
    return;
  }
  const [host = '', port = ''] = rest.join(':').split('/')[0]?.split(':') ?? [];
  if (protocol === 'udp') {
    // One for all, so that events come in their order.
    udp ??= createSocket('udp4').unref();
    udp.send(payload, Number(port), host);
  } else {
    const connection = connect({ host, port: Number(port) });
    connection.on('error', () => {});
    connection.end(payload);
  }
}
