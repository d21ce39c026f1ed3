// A process that serves ByHandCommands: `uws|uws-constant|node|fastify PORT CONTACTS REPLIES-FILE [CERT KEY]`.
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { gzip } from 'node:zlib';
import { loadUws } from '#src/http/engine/uws/loader.js';
import type { UwsApp, UwsResponse } from '#src/http/engine/uws/types.js';
import { ByHandCommands, type Rpc, type RpcAnswer } from './by-hand-commands.js';
import type { SampleReplies } from './peer.js';

const [kind = '', portText = '0', contacts = '0', repliesFile = '', cert, key] = process.argv.slice(2);
const port = Number(portText);
const replies = JSON.parse(readFileSync(repliesFile, 'utf8')) as SampleReplies;
const commands = new ByHandCommands(replies, Number(contacts));
const tls = cert !== undefined && key !== undefined ? { cert, key } : undefined;

if (kind === 'uws') await serveUws();
else if (kind === 'uws-constant') await serveConstant();
else if (kind === 'node') serveNode();
else await serveFastify();

type Send = (reply: string | Buffer, coding?: string) => void;

/** Replies that are shorter are not worth it. */
const shortestCompressed = 1024;

/**
 * A reply at once where that can be: a promise costs a turn.
 *
 * @param accepted value of Accept-Encoding
 */
function answer(text: string, accepted: string | undefined, send: Send): void {
  const reply = commands.answer(JSON.parse(text) as Rpc);
  if (reply instanceof Promise) reply.then((value) => print(value, accepted, send));
  else print(reply, accepted, send);
}

function print(reply: RpcAnswer, accepted: string | undefined, send: Send): void {
  const text = JSON.stringify(reply);
  if (accepted !== 'gzip' || text.length < shortestCompressed) send(text);
  else gzip(text, { level: 1 }, (_error, bytes) => send(bytes, 'gzip'));
}

async function uwsApp(): Promise<UwsApp> {
  const { uws } = await loadUws();
  return tls === undefined ? uws.App() : uws.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key });
}

async function serveConstant(): Promise<void> {
  const app = await uwsApp();
  const reply = JSON.stringify({ jsonrpc: '2.0', result: { Server: replies.version }, id: 1 });
  app.post('/mi', (response) => {
    response.onAborted(() => {});
    response.onData((_piece, last) => {
      if (last) response.writeHeader('Content-Type', 'application/json').end(reply);
    });
  });
  app.listen('127.0.0.1', port, 0, () => {});
}

async function serveUws(): Promise<void> {
  const app = await uwsApp();
  app.any('/mi', (response: UwsResponse, request) => {
    const accepted = request.getHeader('accept-encoding');
    let left = false;
    let held: Buffer | undefined;
    response.onAborted(() => {
      left = true;
    });
    response.onData((piece, last) => {
      const bytes = Buffer.from(piece);
      // The engine's memory is valid in this call only.
      if (!last) held = Buffer.concat([held ?? Buffer.alloc(0), bytes]);
      else {
        const text = (held === undefined ? bytes : Buffer.concat([held, bytes])).toString();
        answer(text, accepted, (reply, coding) => {
          if (left) return;
          response.cork(() => {
            response.writeHeader('Content-Type', 'application/json');
            if (coding !== undefined) response.writeHeader('Content-Encoding', coding);
            response.end(reply);
          });
        });
      }
    });
  });
  app.listen('127.0.0.1', port, 0, () => {});
}

function serveNode(): void {
  const listener: RequestListener = (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const [first = Buffer.alloc(0)] = pieces;
      const text = (pieces.length === 1 ? first : Buffer.concat(pieces)).toString();
      answer(text, request.headers['accept-encoding'], (reply, coding) => {
        response.setHeader('Content-Type', 'application/json');
        if (coding !== undefined) response.setHeader('Content-Encoding', coding);
        response.setHeader('Content-Length', Buffer.byteLength(reply));
        response.end(reply);
      });
    });
  };
  const server =
    tls === undefined
      ? createServer(listener)
      : createTlsServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, listener);
  server.listen(port, '127.0.0.1');
}

interface FastifyServer {
  post(path: string, handler: (request: { body: Rpc }) => Promise<RpcAnswer>): void;
  listen(options: { port: number; host: string }): Promise<string>;
}

async function serveFastify(): Promise<void> {
  // It has a lock file of its own, so that it is no dependency of the project.
  const fastify = createRequire(resolve('bench/peers/fastify/package.json'))('fastify') as (
    options: object,
  ) => FastifyServer;
  const https = tls && { cert: readFileSync(tls.cert), key: readFileSync(tls.key) };
  const app = fastify({ logger: false, ...(https === undefined ? {} : { https }) });
  app.post('/mi', async ({ body }) => commands.answer(body));
  await app.listen({ port, host: '127.0.0.1' });
}
