import { vi } from 'vitest';
import type { Exchange } from '#src/http/exchange.js';
import { httpCounterNames } from '#src/http/limits/counters.js';
import { tcpSetting } from '#src/http/listen/setting.js';
import type { RootDeclaration } from '#src/http/roots.js';
import { HttpServer, type HttpServerOptions } from '#src/http/server.js';
import type { TlsSetting } from '#src/http/tls/certificate.js';
import { BodyPool } from '#src/native/bodies.js';
import type { Lifetime } from './lifetime.js';

/** A line of the log. */
export interface LogLine {
  readonly level: string;
  readonly fields: { readonly err?: unknown };
  readonly message: string;
}

/** A server under test, with all that can be looked into. */
export interface TestServer {
  readonly server: HttpServer;
  readonly port: number;
  readonly bodies: BodyPool;
  readonly log: readonly LogLine[];
  counter(name: string): number;
  /** Resolves when `condition` holds; looks again whenever something was done in the process. */
  until(condition: () => boolean): Promise<void>;
}

/** Text of the error in the last line of the log. */
export function lastError(log: readonly LogLine[]): string {
  const err = log.at(-1)?.fields.err;
  return err instanceof Error ? (err.stack ?? err.message) : String(err);
}

/** A root with the options that all tests have in common; replies 200 `ok` unless told otherwise. */
export function root(declaration: Partial<RootDeclaration> = {}): RootDeclaration {
  return {
    module: 'test',
    root: 't',
    contentType: 'text/plain',
    onRequest: (exchange: Exchange) => {
      exchange.reply(200, 'ok');
    },
    ...declaration,
  };
}

/** Options of a server; `ip` and `port` are those of a single listener, plain unless `tls` is given. */
export type GivenOptions = Partial<HttpServerOptions> & {
  readonly ip?: string;
  readonly port?: number;
  readonly tls?: TlsSetting;
};

/** Options of a server on a free port of 127.0.0.1, quiet. */
export function options(
  { ip = '127.0.0.1', port = 0, tls, ...given }: GivenOptions = {},
  log: LogLine[] = [],
): HttpServerOptions {
  const write = (level: string) => (fields: object, message: string) => {
    log.push({ level, fields, message });
  };
  return {
    listeners: [
      tls === undefined ? { setting: tcpSetting('http', ip, port) } : { setting: tcpSetting('https', ip, port), tls },
    ],
    windowSize: 65536,
    postBufSize: 1024,
    receiveBufSize: 65536,
    bodiesTotal: 1 << 20,
    connTimeout: 30,
    maxConnections: 1000,
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    ...given,
  };
}

/** Starts a server that ends with the test. */
export async function start(
  t: Lifetime,
  roots: readonly RootDeclaration[],
  given: GivenOptions = {},
): Promise<TestServer> {
  const log: LogLine[] = [];
  const counters = new Float64Array(httpCounterNames.length);
  const all = options({ counters, ...given }, log);
  const bodies = new BodyPool(all.postBufSize, all.receiveBufSize, all.bodiesTotal);
  const server = new HttpServer({ ...all, bodies });
  for (const declaration of roots) server.registerRoot(declaration);
  await server.start();
  t.onTestFinished(() => server.close());
  return {
    server,
    port: server.port,
    bodies,
    log,
    counter: (name) => {
      const slot = httpCounterNames.findIndex((counter) => counter.name === name);
      if (slot === -1) throw new Error(`no counter ${name}`);
      return counters[slot] ?? Number.NaN;
    },
    until: async (condition) => {
      // Not expect.poll, which has one test of those that run at once.
      await vi.waitUntil(condition, { interval: 2, timeout: 60_000 });
    },
  };
}
