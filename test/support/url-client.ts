// MI commands of a server by its URL, whatever the URL speaks.
import { once } from 'node:events';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { createServer, type Server, type ServerOptions } from '#src/index.js';
import type { Lifetime } from './lifetime.js';

/** Starts a server with mi_http that ends with the test. */
export async function startMi(t: Lifetime, httpd: NonNullable<ServerOptions['httpd']>): Promise<Server> {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const server = await createServer({ httpd, log }).start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server;
}

/** Calls a command by the first URL of a server, or the one given. */
export async function call(
  server: Server,
  method: string,
  params?: unknown,
  url = server.urls[0] ?? '',
): Promise<{ result?: unknown; error?: { code: number; message: string; data?: unknown } }> {
  const [, socketPath, path = ''] = /^http:\/\/unix:([^:]*):(.*)$/.exec(url) ?? [];
  const headers = { 'Content-Type': 'application/json', Host: 'localhost' };
  const options = { method: 'POST', headers, agent: false, rejectUnauthorized: false } as const;
  const request =
    socketPath !== undefined
      ? requestHttp({ ...options, socketPath, path })
      : url.startsWith('https:')
        ? requestHttps(url, options)
        : requestHttp(url, options);
  request.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, ...(params === undefined ? {} : { params }) }));
  const [response] = await once(request, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return JSON.parse(text);
}
