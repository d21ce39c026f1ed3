import { describe, expect } from 'vitest';
import { command, createServer, defineModule } from '#src/index.js';
import { call } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

describe('landing page and health', () => {
  test('/ lists the roots, as a page or as JSON', async ({ startServer }) => {
    const server = await startServer({ mi_html: { root: 'pages' } });
    const page = await get(server, '/', { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.body).toMatch(/<a href="\/mi">\/mi<\/a>/);
    expect(page.body).toMatch(/<a href="\/pages">/);
    expect(page.body).toMatch(/<a href="\/readyz">/);
    const [, style = ''] = /<link rel="stylesheet" href="([^"]+)">/.exec(page.body) ?? [];
    const sheet = await get(server, style);
    expect(sheet.headers['content-type']).toBe('text/css; charset=utf-8');
    const known = await get(server, style, { headers: { 'If-None-Match': String(sheet.headers.etag) } });
    expect(known.status).toBe(304);
    expect(String(page.headers['content-security-policy'])).toMatch(/frame-ancestors 'none'$/);
    for (const Accept of ['application/json', '*/*', 'text/html;q=0.5, application/json', null]) {
      const json = await get(server, '/', { headers: { Accept } });
      expect(json.headers['content-type'], String(Accept)).toBe('application/json');
      expect(JSON.parse(json.body).roots).toStrictEqual([
        { path: '/mi', module: 'mi_http' },
        { path: '/pages', module: 'mi_html' },
      ]);
    }
    expect((await get(server, '/', { method: 'HEAD' })).body).toBe('');
    expect((await get(server, '/', { method: 'PUT' })).status).toBe(405);
    expect(server.urls.map((url) => new URL(url).pathname)).toStrictEqual(['/mi', '/pages']);
    expect(await call(server, 'list_root_path')).toStrictEqual([
      { http_root: 'pages', module: 'mi_html' },
      { http_root: 'mi', module: 'mi_http' },
    ]);
  });

  test('/healthz and /readyz answer in plain text, by any host name', async ({ startServer }) => {
    const server = await startServer();
    for (const [path, body] of [
      ['/healthz', 'ok\n'],
      ['/readyz', 'ready\n'],
    ] as const) {
      const reply = await get(server, path, { headers: { Host: 'balancer.example' } });
      expect(reply.status).toBe(200);
      expect(reply.headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(reply.body).toBe(body);
      expect((await get(server, `${path}/x`)).status).toBe(404);
    }
  });

  test('a path that leads nowhere has a way back for browsers, and a line for all others', async ({ startServer }) => {
    const server = await startServer();
    const page = await get(server, '/nothing', { headers: { Accept: 'text/html,*/*;q=0.8' } });
    expect([page.status, page.headers['content-type']]).toStrictEqual([404, 'text/html; charset=utf-8']);
    expect(page.body).toContain('<a href="/">Start page</a>');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    for (const Accept of ['*/*', 'application/json', null]) {
      const other = await get(server, '/nothing', { headers: { Accept } });
      expect([other.status, other.body.includes('<')], String(Accept)).toStrictEqual([404, false]);
    }
  });

  test('/readyz is 503 while the server stops, /healthz is not', async ({ startServer, onTestFinished }) => {
    let finish = (): void => {};
    const slow = command({
      name: 'slow',
      help: 'Waits.',
      run: () =>
        new Promise<string>((resolve) => {
          finish = () => resolve('OK');
        }),
    });
    const server = await startServer({ modules: [defineModule({ name: 'pbx', commands: [slow] })] });
    const [health, ready, waiting] = [
      await RawClient.connect(server.port),
      await RawClient.connect(server.port),
      await RawClient.connect(server.port),
    ];
    onTestFinished(() => {
      for (const client of [health, ready, waiting]) client.close();
    });
    for (const client of [health, ready]) expect((await client.ask('GET', '/readyz')).status).toBe(200);
    waiting.request('POST', '/mi', '{"jsonrpc":"2.0","method":"slow","id":1}', ['Content-Type: application/json']);
    await expect.poll(() => call(server, 'get_statistics', [['pending']])).toStrictEqual({ 'mi:pending': 1 });
    const closed = server.close();
    expect((await ready.ask('GET', '/readyz')).status).toBe(503);
    expect((await health.ask('GET', '/healthz')).status).toBe(200);
    finish();
    expect((await waiting.response()).status).toBe(200);
    await closed;
  });

  test('each can be turned off, and gives its path to a root then', async ({ startServer }) => {
    const server = await startServer({ httpd: { landing: 0, health: 0 }, mi_http: { root: 'healthz' } });
    expect((await get(server, '/')).status).toBe(404);
    expect((await get(server, '/readyz')).status).toBe(404);
    expect((await get(server, '/healthz')).body).toMatch(/Management Interface/);
    expect(() => createServer({ mi_http: { root: 'healthz' } })).toThrow(
      /"\/healthz" is served by module httpd already/,
    );
  });
});
