import type { BodyPoolLike } from './body-pool.js';
import type { UwsModule } from './engine.js';
import type { HttpLog } from './log.js';
import { type RootDeclaration, RootRegistry } from './roots.js';

/** What an HTTP server is set to; all limits are those of the module httpd. */
export interface HttpServerOptions {
  /** IPv4 or IPv6 address; '' or '*': all, both families. */
  readonly ip: string;
  /** TCP port, 0 to 65535; 0: one that is free. */
  readonly port: number;
  /** Bytes of the response window; a flush handler is asked for at most this much, and 65536, at once. */
  readonly windowSize: number;
  /** Bytes preallocated for a body that arrives in pieces. */
  readonly postBufSize: number;
  /** Largest body that is accepted, bytes; more gets 413. */
  readonly receiveBufSize: number;
  /** Largest sum of all bodies being received in pieces, bytes; more gets 503. */
  readonly bodiesTotal: number;
  /** Seconds without progress after which a reply is cut; 0: never. */
  readonly connTimeout: number;
  /** Connections open at once; the next is closed on arrival. */
  readonly maxConnections: number;
  /** One slot for each of `httpCounterNames`; left out, nobody reads them. */
  readonly counters?: Float64Array;
  readonly log: HttpLog;
  /** uWebSockets.js as the embedder loaded it; left out, the newest of the own ones that works. */
  readonly engine?: UwsModule;
  /** Where bodies are joined; left out, one in native memory. */
  readonly bodies?: BodyPoolLike;
}

/** What is listened on. */
export interface Listening {
  readonly address: string;
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6' | 'both';
}

/** An HTTP/1.1 server whose paths are served by the roots registered with it. Several fit in one process. */
export class HttpServer {
  readonly windowSize: number;
  readonly #roots = new RootRegistry();

  constructor(readonly options: HttpServerOptions) {
    this.windowSize = options.windowSize;
  }

  registerRoot(declaration: RootDeclaration): void {
    this.#roots.register(declaration);
  }

  get roots(): readonly { readonly module: string; readonly root: string }[] {
    return this.#roots.newestFirst.map(({ declaration: { module, root } }) => ({ module, root }));
  }

  start(): Promise<Listening> {
    return Promise.reject(new Error('not yet'));
  }

  stopAccepting(): void {}
  drain(_deadline: number): Promise<void> {
    return Promise.resolve();
  }
  close(): void {}
  get openConnections(): number {
    return 0;
  }
  get openExchanges(): number {
    return 0;
  }
  get bodyBytes(): number {
    return 0;
  }
  /** Name and version of the engine, once loaded. */
  get engine(): string {
    return '';
  }
  get port(): number {
    return 0;
  }
  /** `127.0.0.1:8888`, `[::1]:8888` or `*:8888`; undefined when not listening. */
  get bound(): string | undefined {
    return undefined;
  }
  /** `http://127.0.0.1:8888` */
  get url(): string {
    return '';
  }
  get isLoopback(): boolean {
    return true;
  }
}
