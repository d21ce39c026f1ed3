import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { command, createServer, defineModule } from '#src/index.js';
import { call, startServer } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { get } from '../support/web-client.js';

describe('landing page and health', () => {
  test('/ lists the roots, as a page or as JSON', async (t) => {
    const server = await startServer(t, { mi_html: { root: 'pages' } });
    const page = await get(server, '/', { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
    assert.equal(page.status, 200);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    assert.match(page.body, /<a href="\/mi">\/mi<\/a>/);
    assert.match(page.body, /<a href="\/pages">/);
    assert.match(page.body, /<a href="\/readyz">/);
    const [, style = ''] = /<link rel="stylesheet" href="([^"]+)">/.exec(page.body) ?? [];
    const sheet = await get(server, style);
    assert.equal(sheet.headers['content-type'], 'text/css; charset=utf-8');
    const known = await get(server, style, { headers: { 'If-None-Match': String(sheet.headers.etag) } });
    assert.equal(known.status, 304);
    assert.match(String(page.headers['content-security-policy']), /frame-ancestors 'none'$/);
    for (const Accept of ['application/json', '*/*', 'text/html;q=0.5, application/json', null]) {
      const json = await get(server, '/', { headers: { Accept } });
      assert.equal(json.headers['content-type'], 'application/json', String(Accept));
      assert.deepEqual(JSON.parse(json.body).roots, [
        { path: '/mi', module: 'mi_http' },
        { path: '/pages', module: 'mi_html' },
      ]);
    }
    assert.equal((await get(server, '/', { method: 'HEAD' })).body, '');
    assert.equal((await get(server, '/', { method: 'PUT' })).status, 405);
    assert.deepEqual(
      server.urls.map((url) => new URL(url).pathname),
      ['/mi', '/pages'],
    );
    assert.deepEqual(await call(server, 'list_root_path'), [
      { http_root: 'pages', module: 'mi_html' },
      { http_root: 'mi', module: 'mi_http' },
    ]);
  });

  test('/healthz and /readyz answer in plain text, by any host name', async (t) => {
    const server = await startServer(t);
    for (const [path, body] of [
      ['/healthz', 'ok\n'],
      ['/readyz', 'ready\n'],
    ] as const) {
      const reply = await get(server, path, { headers: { Host: 'balancer.example' } });
      assert.equal(reply.status, 200);
      assert.equal(reply.headers['content-type'], 'text/plain; charset=utf-8');
      assert.equal(reply.body, body);
      assert.equal((await get(server, `${path}/x`)).status, 404);
    }
  });

  test('/readyz is 503 while the server stops, /healthz is not', async (t) => {
    let finish = (): void => {};
    const slow = command({
      name: 'slow',
      help: 'Waits.',
      run: () =>
        new Promise<string>((resolve) => {
          finish = () => resolve('OK');
        }),
    });
    const server = await startServer(t, { modules: [defineModule({ name: 'pbx', commands: [slow] })] });
    const [health, ready, waiting] = [
      await RawClient.connect(server.port),
      await RawClient.connect(server.port),
      await RawClient.connect(server.port),
    ];
    t.onTestFinished(() => {
      for (const client of [health, ready, waiting]) client.close();
    });
    for (const client of [health, ready]) assert.equal((await client.ask('GET', '/readyz')).status, 200);
    waiting.request('POST', '/mi', '{"jsonrpc":"2.0","method":"slow","id":1}', ['Content-Type: application/json']);
    while (JSON.stringify(await call(server, 'get_statistics', [['pending']])) !== '{"mi:pending":1}');
    const closed = server.close();
    assert.equal((await ready.ask('GET', '/readyz')).status, 503);
    assert.equal((await health.ask('GET', '/healthz')).status, 200);
    finish();
    assert.equal((await waiting.response()).status, 200);
    await closed;
  });

  test('each can be turned off, and gives its path to a root then', async (t) => {
    const server = await startServer(t, { httpd: { landing: 0, health: 0 }, mi_http: { root: 'healthz' } });
    assert.equal((await get(server, '/')).status, 404);
    assert.equal((await get(server, '/readyz')).status, 404);
    assert.match((await get(server, '/healthz')).body, /Management Interface/);
    assert.throws(
      () => createServer({ mi_http: { root: 'healthz' } }),
      /"\/healthz" is served by module httpd already/,
    );
  });
});
