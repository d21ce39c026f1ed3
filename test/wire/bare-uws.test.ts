// What uWebSockets.js takes by itself. Where one of these fails, a release of it has become strict, and the pass over all
// header fields of a request (src/http/request/head.ts) may go for that release.
import { expect } from 'vitest';
import { loadUws } from '#src/http/engine/uws/loader.js';
import { isNode } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

const taken: Readonly<Record<string, string>> = {
  'two lengths': 'Content-Length: 4\r\nContent-Length: 0\r\n\r\nbody',
  'two lengths in a list': 'Content-Length: 4\r\nContent-Length: 4, 5\r\n\r\nbody',
  'a coding that it does not know, as chunks': 'Transfer-Encoding: gzip\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
  'two codings': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
};

for (const [name, rest] of Object.entries(taken)) {
  test(`uWebSockets.js takes ${name}, which mi-httpd refuses`, async ({ start, skip, onTestFinished }) => {
    if (isNode) return skip('is of the other engine');
    const { uws } = await loadUws();
    const bare = uws.App();
    bare.post('/t', (response) => {
      const pieces: string[] = [];
      response.onAborted(() => {});
      response.onData((piece, isLast) => {
        pieces.push(Buffer.from(piece).toString());
        if (isLast) response.end(`bare: ${pieces.join('')}`);
      });
    });
    const port = await new Promise<number>((resolve) => {
      bare.listen('127.0.0.1', 0, 0, (socket) => resolve(socket === false ? 0 : uws.us_socket_local_port(socket)));
    });
    onTestFinished(() => void bare.close());
    expect(await textOf(port, rest)).toBe('bare: body');
    expect(await textOf((await start([root()])).port, rest)).toMatch(
      /Content-Length|transfer coding|Transfer-Encoding/,
    );
    expect((await ask(port, 'POST', '/t', 'body')).text).toBe('bare: body');
  });
}

async function textOf(port: number, rest: string): Promise<string> {
  const client = await RawClient.connect(port);
  client.send(`POST /t HTTP/1.1\r\nHost: a\r\n${rest}`);
  const { text } = await client.response();
  client.socket.destroy();
  return text;
}
