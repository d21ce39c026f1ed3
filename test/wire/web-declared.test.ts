// What a command declares holds on its pages: secrets, effects, names.
import { describe, expect } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

const secret = 'hunter2-and-more';

const vault = defineModule({
  name: 'vault',
  commands: [
    command({
      name: 'unlock',
      aliases: ['vault_unlock'],
      help: 'Opens it.',
      recipes: [{ user: 'string', password: 'string' }],
      secrets: ['password'],
      run: ({ user, password }) => ({ user, length: password.length }),
    }),
    command({
      name: 'wipe',
      help: 'Deletes `all` of it.',
      recipes: [{}, { part: 'string' }],
      destructive: true,
      run: ({ part }) => `wiped ${part ?? 'all'}`,
    }),
    command({
      name: 'burn',
      help: 'Deletes it for those who know.',
      recipes: [{ part: 'string', key: 'string' }],
      destructive: true,
      secrets: ['key'],
      run: ({ part, key }) => `${part} ${key.length}`,
    }),
  ],
});

/** A form as browsers send it. */
function submit(server: Server, path: string, fields: Readonly<Record<string, string>>) {
  return postForm(server, path, new URLSearchParams(fields).toString(), {
    Origin: `http://127.0.0.1:${server.port}`,
  });
}

describe('a secret', () => {
  test('has an input that hides it, in a form that is sent by POST', async ({ startServer }) => {
    const server = await startServer({ modules: [vault], mi_http: { mi_http_method: 0 } });
    const { body } = await get(server, '/mi/vault/vault:unlock');
    expect(body).toMatch(/<form method="post"[^>]* data-secret="1"/);
    expect(body).toMatch(/<input type="password" id="p0-password" name="p\.password" autocomplete="off"/);
    expect(body, 'no input shows it as JSON').not.toMatch(/<input id="arg"/);
    expect(body).toMatch(/<input id="p0-user"/);
  });

  test('is not on the page of its result, nor in the line to copy', async ({ startServer }) => {
    const server = await startServer({ modules: [vault] });
    for (const fields of [
      { 'p.user': 'alice', 'p.password': secret },
      { arg: `{"user":"alice","password":"${secret}"}` },
      { arg: `alice ${secret}` },
      { arg: `["alice","${secret}","more"]` },
      { arg: `{"user":"alice","passwrod":"${secret}"}` },
    ]) {
      const { body, status } = await submit(server, '/mi/vault/vault:unlock', { recipe: '0', arg: '', ...fields });
      expect(status, JSON.stringify(fields)).toBe(200);
      expect(body).not.toContain(secret);
      expect(body).toContain('(secret)');
    }
  });

  test('is not taken from a URL', async ({ startServer }) => {
    const server = await startServer({ modules: [vault] });
    for (const query of [`p.user=a&p.password=${secret}`, `arg=a+${secret}`, `arg=a+${secret}&raw=1`]) {
      const { status, headers, body } = await get(server, `/mi/vault/vault:unlock?${query}`);
      expect(status, query).toBe(405);
      expect(headers.allow).toBe('POST');
      expect(body).not.toContain(secret);
    }
  });
});

describe('what cannot be undone', () => {
  test('is asked for by a page, with what was entered and the name of the server', async ({ startServer }) => {
    const server = await startServer({ modules: [vault], httpd: { server_name: 'pbx <north>' } });
    const form = await get(server, '/mi/vault/vault:wipe');
    expect(form.body).toMatch(/<form method="post"/);
    expect(form.body).toMatch(/<input type="hidden" name="confirm" value="">/);
    expect(form.body).toContain('Run on <bdi>pbx &lt;north&gt;</bdi>');
    const asked = await submit(server, '/mi/vault/vault:wipe', { confirm: '', recipe: '1', 'p.part': '"a"', arg: '' });
    expect(asked.status).toBe(200);
    expect(asked.body).toContain('It cannot be undone');
    expect(asked.body).toContain('<strong><bdi>pbx &lt;north&gt;</bdi></strong>');
    expect(asked.body).toContain('<input type="hidden" name="p.part" value="&quot;a&quot;">');
    expect(asked.body).not.toContain('wiped');
    const sure = await submit(server, '/mi/vault/vault:wipe', { confirm: '1', recipe: '1', 'p.part': '"a"', arg: '' });
    expect(sure.body).toContain('wiped');
  });

  test('is run at once for programs', async ({ startServer }) => {
    const server = await startServer({ modules: [vault] });
    const { body } = await submit(server, '/mi/vault/vault:wipe', { arg: '' });
    expect(body).toContain('wiped all');
  });

  test('has secrets entered again', async ({ startServer }) => {
    const server = await startServer({ modules: [vault] });
    const fields = { recipe: '0', 'p.part': 'a', 'p.key': secret, arg: '' };
    const asked = await submit(server, '/mi/vault/vault:burn', { ...fields, confirm: '' });
    expect(asked.body).not.toContain(secret);
    expect(asked.body).toMatch(/<input type="password"[^>]* name="p\.key"/);
    const json = JSON.stringify({ part: 'a', key: secret });
    const other = await submit(server, '/mi/vault/vault:burn', { arg: json, confirm: '' });
    expect([other.status, other.body.includes(secret)], 'as JSON too').toStrictEqual([200, false]);
    expect(other.body).toMatch(/<input id="again-part" name="p\.part"/);
    const slip = await submit(server, '/mi/vault/vault:burn', { recipe: '0', 'p.kye': secret, arg: '', confirm: '' });
    expect([slip.status, slip.body.includes(secret)], 'a slip').toStrictEqual([200, false]);
    const sure = await submit(server, '/mi/vault/vault:burn', { ...fields, confirm: '1' });
    expect(sure.body).toContain(`a ${secret.length}`);
  });

  test('is told in OpenRPC, as secrets are', async ({ startServer }) => {
    const server = await startServer({ modules: [vault] });
    const { methods } = (await call(server, 'rpc.discover')) as { methods: Record<string, unknown>[] };
    const burn = methods.find(({ name }) => name === 'vault:burn');
    expect(burn).toMatchObject({
      'x-destructive': true,
      params: [{ name: 'part' }, { name: 'key', 'x-secret': true }],
    });
  });

  test('does not go with readOnly', () => {
    expect(() => command({ name: 'x', help: 'x', destructive: true, readOnly: true, run: () => 'OK' })).toThrow(
      'command x is destructive and readOnly; leave one of them out',
    );
  });
});

describe('an address', () => {
  test('may be any name that JSON-RPC takes', async ({ startServer }) => {
    const server = await startServer({ modules: [vault], usrloc: {} });
    for (const [path, location] of [
      ['/mi/ul_dump', '/mi/usrloc/usrloc:dump'],
      ['/mi/usrloc:dump', '/mi/usrloc/usrloc:dump'],
      ['/mi/ul_dump?arg=1&raw=1', '/mi/usrloc/usrloc:dump?arg=1&raw=1'],
      ['/mi/vault_unlock', '/mi/vault/vault:unlock'],
    ] as const) {
      const { status, headers } = await get(server, path);
      expect([status, headers.location], path).toStrictEqual([307, location]);
    }
    for (const path of ['/mi/usrloc/dump', '/mi/usrloc/ul_dump', '/mi/vault/unlock']) {
      expect((await get(server, path)).status, path).toBe(200);
    }
  });

  test('that is no name of a command the caller may run is 404', async ({ startServer }) => {
    const server = await startServer({ modules: [vault], httpd: { deny_commands: 'vault:*' } });
    expect((await get(server, '/mi/vault_unlock')).status).toBe(404);
    expect((await get(server, '/mi/nothing')).status).toBe(404);
  });

  test('is found by aliases and parameters, which the list has', async ({ startServer }) => {
    const server = await startServer({ modules: [vault] });
    const { body } = await get(server, '/mi');
    expect(body).toContain('<li data-names="unlock vault_unlock user password">');
    expect(body).toMatch(/vault:wipe<\/a> <span class="effect" data-effect="destructive">destructive<\/span>/);
  });
});

describe('the name of the server', () => {
  test('stands first in title and header, with its color and the icon of its state', async ({ startServer }) => {
    const server = await startServer({ httpd: { server_name: 'pbx-1', server_color: 'red' } });
    const { body } = await get(server, '/mi/core/core:ps');
    expect(body).toContain('<title>pbx-1: core:ps - OpenSIPS Management Interface</title>');
    expect(body).toContain('<bdi class="host" data-color="red">pbx-1</bdi>');
    const [, icon = ''] = /<link rel="icon" href="([^"]+ready\.svg)">/.exec(body) ?? [];
    const { status, headers } = await get(server, icon);
    expect([status, headers['content-type']]).toStrictEqual([200, 'image/svg+xml']);
  });

  test('is not empty, and has one of the colors', async ({ startServer }) => {
    await expect(startServer({ httpd: { server_name: ' ' } })).rejects.toThrow('server_name');
    await expect(startServer({ httpd: { server_color: 'pink' } })).rejects.toThrow('give red, orange');
  });
});
