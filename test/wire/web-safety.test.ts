import { describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { type HttpReply, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

function counting() {
  const seen = { runs: 0 };
  const module = defineModule({
    name: 'pbx',
    commands: [
      command({
        name: 'change',
        help: 'Changes something.',
        run: () => {
          seen.runs += 1;
          return seen.runs;
        },
      }),
      command({ name: 'look', readOnly: true, help: 'Looks.', run: () => 'OK' }),
    ],
  });
  return { seen, module };
}

describe('web interface: safety', () => {
  test('a command that changes something needs a request from a page of this server', async ({ startServer }) => {
    const { seen, module } = counting();
    const server = await startServer({ modules: [module] });
    const here = `127.0.0.1:${server.port}`;
    const cases: readonly (readonly [Record<string, string>, boolean | 'POST'])[] = [
      [{}, false],
      [{ 'Sec-Fetch-Site': 'same-origin' }, true],
      // Typed, or a link in a mail: that is no page, but a form that is sent again comes so too.
      [{ 'Sec-Fetch-Site': 'none' }, 'POST'],
      [{ 'Sec-Fetch-Site': 'same-site' }, false],
      [{ 'Sec-Fetch-Site': 'cross-site', Origin: `http://${here}` }, false],
      [{ Origin: `http://${here}` }, true],
      [{ Origin: `http://127.0.0.1:${server.port + 1}` }, false],
      [{ Origin: 'null' }, false],
      [{ Origin: 'http://evil.example', Referer: `http://${here}/mi` }, false],
      [{ Referer: `http://${here}/mi/pbx/pbx:change` }, true],
      [{ Referer: `http://evil.example/?http://${here}/` }, false],
      [{ Referer: 'garbage' }, false],
    ];
    const path = '/mi/pbx/pbx:change';
    for (const [headers, allowed] of cases) {
      for (const [method, ask] of [
        ['GET', (): Promise<HttpReply> => get(server, `${path}?arg=`, { headers })],
        ['GET', (): Promise<HttpReply> => get(server, `${path}?arg=&raw=1`, { headers })],
        ['POST', (): Promise<HttpReply> => postForm(server, path, 'arg=', headers)],
      ] as const) {
        const isAllowed = allowed === true || allowed === method;
        const before = seen.runs;
        const { status, body } = await ask();
        expect(status, JSON.stringify(headers)).toBe(isAllowed ? 200 : 403);
        expect(seen.runs).toBe(before + (isAllowed ? 1 : 0));
        if (!isAllowed) expect(body).toMatch(/pbx:change may change the state of the server, and the request/);
      }
      expect((await get(server, '/mi/pbx/pbx:look?arg=', { headers })).status).toBe(200);
    }
    const before = seen.runs;
    await get(server, `${path}?arg=`, { method: 'HEAD', headers: { 'Sec-Fetch-Site': 'same-origin' } });
    expect(seen.runs).toBe(before);
  });

  test('of the shipped commands those that change something say so', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    for (const name of [
      'core:kill',
      'core:log_level',
      'statistics:reset',
      'statistics:reset_all',
      'usrloc:add',
      'usrloc:rm',
    ]) {
      const [module] = name.split(':');
      expect((await get(server, `/mi/${module}/${name}?arg=`)).status, name).toBe(403);
    }
    for (const name of ['core:ps', 'core:which', 'statistics:list', 'usrloc:dump', 'httpd:list_root_path']) {
      const [module] = name.split(':');
      expect((await get(server, `/mi/${module}/${name}?arg=`)).status, name).toBe(200);
    }
  });

  test('only addresses, localhost and allowed_hosts are served to browsers', async ({ startServer }) => {
    const { module } = counting();
    const server = await startServer({ modules: [module], httpd: { allowed_hosts: 'MI.example.org, other' } });
    const call = '{"jsonrpc":"2.0","method":"pwd","id":1}';
    for (const [host, isAllowed] of [
      ['127.0.0.1:1', true],
      ['[::1]:8888', true],
      ['192.0.2.7', true],
      ['localhost', true],
      ['LOCALHOST:8888', true],
      ['a.localhost', true],
      ['mi.example.org:8888', true],
      ['other', true],
      ['evil.example', false],
      ['localhost.evil.example', false],
      ['127.0.0.1.evil.example', false],
      ['evil.example:127', false],
      ['127.1', false],
      ['[evil]', false],
      ['a b', false],
    ] as const) {
      for (const path of ['/mi', '/mi/pbx/pbx:look?arg=', '/mi/-/style.css', '/']) {
        const { status, body } = await get(server, path, { headers: { Host: host, Accept: 'text/html' } });
        expect(status, `${host} ${path}`).toBe(isAllowed ? 200 : 403);
        if (!isAllowed) expect(body).toMatch(/allowed_hosts/);
      }
      const browser = await post(server, call, { headers: { Host: host, Origin: `http://${host}` } });
      expect(browser.status, host).toBe(isAllowed ? 200 : 403);
      // What is no browser may call the server what it likes.
      expect((await post(server, call, { headers: { Host: host } })).status).toBe(200);
    }
  });

  test('a page elsewhere cannot send JSON without its type', async ({ startServer }) => {
    const { seen, module } = counting();
    const server = await startServer({ modules: [module] });
    const call = '{"jsonrpc":"2.0","method":"change","id":1}';
    for (const Origin of ['http://evil.example', 'null']) {
      const reply = await post(server, call, { headers: { 'Content-Type': null, Origin } });
      expect(reply.status).toBe(403);
      expect(JSON.parse(reply.body).error.data).toMatch(/application\/json/);
    }
    expect(seen.runs).toBe(0);
    const preflight = await post(server, '', {
      method: 'OPTIONS',
      headers: { 'Content-Type': null, Origin: 'http://evil.example' },
    });
    expect(preflight.status).toBe(405);
    expect(preflight.headers['access-control-allow-origin']).toBe(undefined);
    expect((await post(server, call, { headers: { 'Content-Type': null } })).status).toBe(200);
  });
});
