import { type Agent, type IncomingHttpHeaders, request } from 'node:http';
import { assert, expect } from 'vitest';
import { createServer, type Server, type ServerOptions } from '#src/index.js';
import type { Lifetime } from './lifetime.js';

/** One HTTP reply, whole. */
export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly bytes: Uint8Array;
}

/** A server on a free port of 127.0.0.1 that is closed when the test ends. */
export async function startServer(t: Lifetime, options: ServerOptions = {}): Promise<Server> {
  const server = createServer({
    tellProcess: 'read',
    ...options,
    httpd: { ip: '127.0.0.1', port: 0, ...options.httpd },
  });
  await server.start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server;
}

/** Sends one request to `/mi`, on a connection of its own unless an agent is given. */
export function post(
  server: Server,
  body: string | Uint8Array,
  { headers = {}, method = 'POST', path = '/mi', agent }: PostOptions = {},
): Promise<HttpReply> {
  const { promise, resolve, reject } = withResolvers<HttpReply>();
  const type = headers['Content-Type'] === null ? {} : { 'Content-Type': 'application/json' };
  const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== null)) as Record<
    string,
    string
  >;
  const sent = request(
    {
      host: '127.0.0.1',
      port: server.port,
      path,
      method,
      agent: agent ?? false,
      headers: { ...type, ...given, ...(method === 'POST' ? { 'Content-Length': Buffer.byteLength(body) } : {}) },
    },
    (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => {
        const { statusCode: status = 0, headers: received } = response;
        const bytes = Buffer.concat(pieces);
        resolve({ status, headers: received, body: bytes.toString('utf8'), bytes });
      });
      response.on('error', reject);
    },
  );
  sent.on('error', reject);
  sent.end(method === 'POST' ? body : undefined);
  return promise;
}

export interface PostOptions {
  /** `null` for Content-Type sends none. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly method?: string;
  readonly path?: string;
  readonly agent?: Agent;
}

/** Calls a command with id 1 and returns its result; a JSON-RPC error fails the test. */
export async function call(server: Server, method: string, params?: unknown): Promise<unknown> {
  const reply = await rpc(server, method, params);
  assert('result' in reply, `no result: ${JSON.stringify(reply)}`);
  return reply.result;
}

/** Calls a command with id 1 and returns its error; a result fails the test. */
export async function callError(server: Server, method: string, params?: unknown): Promise<RpcError> {
  const { error, ...rest } = await rpc(server, method, params);
  assert(error !== undefined, `no error: ${JSON.stringify(rest)}`);
  return error;
}

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: string;
}

async function rpc(server: Server, method: string, params: unknown): Promise<{ result?: unknown; error?: RpcError }> {
  const { status, body } = await post(server, JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }));
  expect(status).toBe(200);
  const { jsonrpc, id, ...rest } = JSON.parse(body);
  expect(jsonrpc).toBe('2.0');
  expect(id).toBe(1);
  expect(Object.keys(rest).length, `exactly one of result and error: ${body}`).toBe(1);
  return rest;
}

/** `Promise.withResolvers`, which Node 20 lacks. */
export function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
} {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
