import { describe, expect } from 'vitest';
import { command, defineModule, MiError } from '#src/index.js';
import { basic, userLine } from '../support/accounts.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';
import { get, postForm, resultOf, unescapeHtml } from '../support/web-client.js';

const hostile = '<script>alert("x")</script>\' & \u{1f4de} \u202e\u0627\u0628';

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({
      name: 'echo',
      aliases: ['pbx_echo'],
      readOnly: true,
      help: 'Gives <b>back</b> what it is given.',
      recipes: [{}, { text: 'string' }, { text: 'string', count: 'int' }],
      run: (given) => ({ ...given, [hostile]: hostile }),
    }),
    command({
      name: 'words',
      readOnly: true,
      help: 'Gives back a list.',
      recipes: [{ group: 'string', names: 'string[]' }],
      run: ({ group, names }) => [group, ...names],
    }),
    command({
      name: 'values',
      readOnly: true,
      help: 'Gives back objects and a value.',
      recipes: [{ rows: 'object[]', value: 'json' }],
      run: ({ rows, value }) => [rows, value],
    }),
    command({
      name: 'fails',
      readOnly: true,
      help: 'Refuses.',
      run: () => {
        throw new MiError(480, 'Not <now>', '"soon"');
      },
    }),
    command({
      name: 'breaks',
      readOnly: true,
      help: 'Breaks.',
      run: () => {
        throw new Error('a secret');
      },
    }),
    command({ name: 'later', readOnly: true, help: 'Takes a turn.', run: async () => hostile }),
  ],
});

describe('web interface: pages', () => {
  test('menu, module and command pages are found by the URLs of the original', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    for (const path of [
      '/mi',
      '/mi/',
      '/mi/pbx',
      '/mi/pbx/',
      '/mi/pbx/pbx:echo',
      '/mi/pbx/pbx_echo',
      '/mi/pbx/pbx:echo/x/y',
    ]) {
      const page = await get(server, path);
      expect(page.status, path).toBe(200);
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
      expect(page.body).toMatch(/^<!doctype html>\n<html lang="en">/);
      expect(page.body).toMatch(/<\/html>\n$/);
      expect(page.body, path).toMatch(/<a href="\/mi\/pbx"/);
    }
    const all = await get(server, '/mi');
    expect(all.body).toMatch(/<a href="\/mi\/core\/core:ps">core:ps<\/a>/);
    expect(all.body.indexOf('>statistics<')).toBeLessThan(all.body.indexOf('>core<'));
    const one = await get(server, '/mi/pbx');
    expect(one.body).toMatch(/aria-current="page">pbx</);
    expect(one.body).not.toMatch(/core:ps/);
  });

  test('unknown modules and commands are 404 with the nearest names, shown literally', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    for (const [path, text] of [
      ['/mi/pbxx', /no module <bdi>"pbxx"<\/bdi>.*<a href="\/mi\/pbx">pbx<\/a>/],
      ['/mi/PBX', /no module/],
      ['/mi/pbx/pbx:ecko', /<a href="\/mi\/pbx\/pbx%3Aecho">pbx:echo/],
      ['/mi/core/pbx:echo', /module core has no command/],
      ['/mi/%3Cscript%3E/x?arg=', /&lt;script&gt;/],
      ['/mi/pbx/%3Cscript%3E', /&lt;script&gt;/],
    ] as const) {
      const page = await get(server, path);
      expect(page.status, path).toBe(404);
      expect(page.body).toMatch(text);
      expect(page.body).not.toMatch(/<script>/);
    }
  });

  test('pages forbid scripts, frames, sniffing and storing', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    for (const path of ['/mi', '/mi/pbx/pbx:echo?arg=', '/mi/nope', '/mi/pbx/pbx:echo?arg=&raw=1']) {
      const { headers } = await get(server, path);
      const policy = headers['content-security-policy'] ?? '';
      expect(String(policy), path).toMatch(/^default-src 'none'; .*frame-ancestors 'none'$/);
      expect(String(policy)).not.toMatch(/unsafe/);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['cache-control']).toBe('no-store');
    }
    const { body } = await get(server, '/mi/pbx/pbx:echo?arg=');
    expect(body).not.toMatch(/<style|style="|onclick|https?:\/\/(?!127)/);
    expect(body.match(/<script[^>]*>/g)).toStrictEqual([
      expect.stringMatching(/ src="\/mi\/-\/[\w-]+\/page\.js">$/),
      expect.stringMatching(/ src="\/mi\/-\/[\w-]+\/command\.js">$/),
    ]);
  });

  test('a command runs when arg is there, even empty, and only then', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    expect(resultOf((await get(server, '/mi/pbx/pbx:echo?arg')).body)).toBe(undefined);
    expect(resultOf((await get(server, '/mi/pbx/pbx:echo?other=1')).body)).toBe(undefined);
    expect(resultOf((await get(server, '/mi/pbx/pbx:echo?arg=')).body)).toStrictEqual({ [hostile]: hostile });
    expect((await get(server, '/mi/pbx/pbx:echo?arg=', { method: 'HEAD' })).body).toBe('');
  });

  test('values are shown literally, wherever they come from', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    for (const name of ['echo', 'later']) {
      const { body } = await get(server, `/mi/pbx/pbx:${name}?arg=`);
      expect(body).toMatch(/&lt;script&gt;alert\(\\&quot;x/);
      expect(body).not.toMatch(/<script>/);
      // A control that turns the direction of what follows is shown, and turns nothing.
      expect(body).toContain('\u{1f4de} \\u202E\u0627\u0628');
      expect(body).not.toContain('\u202e');
    }
    expect((await get(server, '/mi/pbx')).body).toMatch(/Gives &lt;b&gt;back/);
    const { body } = await get(server, `/mi/pbx/pbx:echo?arg=${encodeURIComponent(JSON.stringify([hostile]))}`);
    expect(body).not.toMatch(/<script>/);
    expect(body).toMatch(/value="\[&quot;&lt;script&gt;/);
    expect(body).toMatch(/data-call="[^"]*&lt;script&gt;/);
  });

  test('errors are pages with code, reason and data', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx], log: silentLog });
    for (const [path, text] of [
      ['pbx:fails?arg=', /role="alert" class="error">480 <bdi>Not &lt;now&gt;<\/bdi> \(<bdi>&quot;soon&quot;<\/bdi>\)/],
      ['pbx:echo?arg=%5B1', /-32700 <bdi>Parse error/],
      ['pbx:echo?arg=%22open', /-32700 <bdi>Parse error.*quote/],
      [`pbx:echo?arg=${'['.repeat(129)}`, /-32700 <bdi>Parse error.*deeper than 128/],
      ['pbx:echo?arg=a%20b', /-32602 <bdi>Invalid params.*count/],
      ['pbx:echo?arg=a%20b%20c', /-32602 <bdi>Invalid params.*Too few or too many/],
    ] as const) {
      const page = await get(server, `/mi/pbx/${path}`);
      expect(page.status, path).toBe(200);
      expect(page.body).toMatch(/data-status="error"/);
      expect(page.body, path).toMatch(text);
      expect(page.body).not.toMatch(/a secret/);
    }
  });

  test('a command that fails by a fault of its own is a 500 page that says where to look', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx], log: silentLog });
    const page = await get(server, '/mi/pbx/pbx:breaks?arg=');
    expect(page.status).toBe(500);
    expect(page.body).toMatch(
      /role="alert" class="error">-32000 <bdi>Server error<\/bdi> \(<bdi>pbx:breaks failed; the log/,
    );
    expect(page.body).not.toMatch(/a secret/);
    expect(page.body).toMatch(/<\/html>\n$/);
  });

  test('a recipe that is chosen and not filled in is not taken for the one without parameters', async ({
    startServer,
  }) => {
    const server = await startServer({ modules: [pbx] });
    const { body } = await get(server, '/mi/pbx/pbx:echo?arg=&recipe=1&p.text=');
    expect(body).toMatch(/-32602 <bdi>Invalid params<\/bdi> \(<bdi>nothing is given for text; fill in, or choose/);
    // Without a choice, what is filled in decides, and never for less than that.
    expect(resultOf((await get(server, '/mi/pbx/pbx:echo?p.text=x')).body)).toStrictEqual({
      text: 'x',
      [hostile]: hostile,
    });
    for (const [query, reason] of [
      [
        'recipe=0&p.text=a&p.text=b&p.count=1&arg=',
        /no combination of parameters has just what is filled in \(text, count\)/,
      ],
      ['p.tex=a', /no combination of parameters has just what is filled in \(tex\)/],
    ] as const) {
      expect((await get(server, `/mi/pbx/pbx:echo?${query}`)).body).toMatch(reason);
    }
    const form = await get(server, '/mi/pbx/pbx:echo');
    expect(form.body).toMatch(/name="recipe" value="0" checked> without parameters/);
  });

  test('the syntaxes of arg are shown by the parameters of the command', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    const { body } = await get(server, '/mi/pbx/pbx:words');
    const text = unescapeHtml(body.replaceAll(/<[^>]*>/g, ' '));
    for (const example of [
      '{"group":"group","names":["names"]}',
      '["group",["names"]]',
      'group names',
      '"two words"',
    ]) {
      expect(text, example).toContain(` ${example} `);
    }
    for (const arg of ['{"group":"group","names":["names"]}', '["group",["names"]]', 'group names']) {
      const page = await get(server, `/mi/pbx/pbx:words?arg=${encodeURIComponent(arg)}`);
      expect(resultOf(page.body), arg).toStrictEqual(['group', 'names']);
    }
    expect((await get(server, '/mi/pbx/pbx:later')).body).toMatch(/<input type="hidden" name="arg" value="">/);
  });

  test('arg takes JSON and words; inputs take what is left empty there', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    const run = async (name: string, fields: Record<string, string> | [string, string][]): Promise<unknown> => {
      const query = new URLSearchParams(fields).toString();
      const byGet = resultOf((await get(server, `/mi/pbx/${name}?${query}`)).body);
      const byPost = resultOf((await postForm(server, `/mi/pbx/${name}`, query)).body);
      expect(byGet).toStrictEqual(byPost);
      return byGet;
    };
    const rest = { [hostile]: hostile };
    expect(await run('pbx:echo', { arg: '["a", 5]' })).toStrictEqual({ text: 'a', count: 5, ...rest });
    expect(await run('pbx:echo', { arg: ' {"text":"a"}' })).toStrictEqual({ text: 'a', ...rest });
    expect(await run('pbx:echo', { arg: '"two  \\"words\\" \\\\" 5' })).toStrictEqual({
      text: 'two  "words" \\',
      count: 5,
      ...rest,
    });
    expect(await run('pbx:echo', { arg: '[]' })).toStrictEqual(rest);
    expect(await run('pbx:echo', { arg: '', 'p.text': '', 'p.count': '' })).toStrictEqual(rest);
    expect(await run('pbx:echo', { arg: '', recipe: '1', 'p.text': ' x y ' })).toStrictEqual({
      text: ' x y ',
      ...rest,
    });
    expect(await run('pbx:echo', { arg: 'z', recipe: '1', 'p.text': 'x' })).toStrictEqual({ text: 'z', ...rest });
    // As a browser sends it: the inputs of every recipe, here those of the second one filled in and not chosen.
    const all: [string, string][] = [
      ['recipe', '0'],
      ['p.text', ''],
      ['p.text', 'q'],
      ['p.count', '7'],
      ['arg', ''],
    ];
    expect(await run('pbx:echo', all)).toStrictEqual({ text: 'q', count: 7, ...rest });
    expect(await run('pbx:words', { arg: 'g a "b c"' })).toStrictEqual(['g', 'a', 'b c']);
    expect(await run('pbx:words', { 'p.group': 'g', 'p.names': 'a "b c"' })).toStrictEqual(['g', 'a', 'b c']);
    expect(await run('pbx:words', { 'p.group': 'g', 'p.names': '["a", "b c"]' })).toStrictEqual(['g', 'a', 'b c']);
  });

  test('inputs take objects, and any value: a text that is no JSON is itself one', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx] });
    const run = async (rows: string, value: string): Promise<string> => {
      const query = new URLSearchParams({ 'p.rows': rows, 'p.value': value }).toString();
      return (await get(server, `/mi/pbx/pbx:values?${query}`)).body;
    };
    for (const [value, taken] of [
      ['{"a": 1}', { a: 1 }],
      ['5', 5],
      ['two words', 'two words'],
      ['[1', '[1'],
    ] as const) {
      expect(resultOf(await run('[{"id": 1}, {}]', value)), value).toStrictEqual([[{ id: 1 }, {}], taken]);
    }
    const refused = await run('no JSON', '5');
    expect(resultOf(refused)).toMatchObject({ code: expect.any(Number) });
    expect(unescapeHtml(refused)).toMatch(/rows/);
  });

  test('a multipart form is taken, its query is ignored, and JSON on the same path is JSON-RPC', async ({
    startServer,
  }) => {
    const server = await startServer({ modules: [pbx] });
    const body = '--x\r\nContent-Disposition: form-data; name="arg"\r\n\r\n["m"]\r\n--x--\r\n';
    const page = await postForm(server, '/mi/pbx/pbx:echo?arg=q', body, {
      'Content-Type': 'multipart/form-data; boundary=x',
    });
    expect(resultOf(page.body)).toStrictEqual({ text: 'm', [hostile]: hostile });
    const call = '{"jsonrpc":"2.0","method":"pwd","id":1}';
    const reply = await postForm(server, '/mi/pbx/pbx:echo', call, { 'Content-Type': 'application/json' });
    expect(reply.body).toMatch(/^\{"jsonrpc":"2.0","result":\{"WD":/);
  });

  test('refusals of the HTTP layer are pages for those who ask for pages', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx], httpd: { receive_buf_size: 256 } });
    const large = await postForm(server, '/mi/pbx/pbx:echo', `arg=${'a'.repeat(300)}`);
    expect(large.status).toBe(413);
    expect(large.body).toMatch(/<p role="alert" class="error">.*limit of 256 bytes/);
    const malformed = await get(server, '/mi/pbx/pbx:echo?arg=%zz');
    expect(malformed.status).toBe(400);
    expect(malformed.body).toMatch(/role="alert".*percent escape/);
    const json = await postForm(server, '/mi', ' '.repeat(300), { 'Content-Type': 'application/json' });
    expect(json.status).toBe(413);
    expect(JSON.parse(json.body).jsonrpc).toBe('2.0');
  });

  test('the method of forms is set; both are taken', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx], mi_http: { mi_http_method: 1 } });
    expect((await get(server, '/mi/pbx/pbx:echo')).body).toMatch(/<form method="post" action="\/mi\/pbx\/pbx:echo"/);
    expect(resultOf((await get(server, '/mi/pbx/pbx:echo?arg=')).body)).not.toBe(undefined);
  });

  test('mi_html gives the pages alone, on a root of its own', async ({ startServer }) => {
    const server = await startServer({
      modules: [pbx],
      mi_http: { html: 0 },
      mi_html: { root: 'pages', http_method: 1 },
    });
    expect((await get(server, '/mi')).status).toBe(405);
    const page = await get(server, '/pages/pbx/pbx:echo?arg=');
    expect(page.body).toMatch(/<form method="post" action="\/pages\/pbx\/pbx:echo"/);
    expect(page.body).toMatch(/href="\/pages\/-\/[^/"]+\/style.css"/);
    expect(page.body).toMatch(/data-path="\/mi" data-call="\{&quot;jsonrpc/);
    expect((await postForm(server, '/pages', '{}', { 'Content-Type': 'application/json' })).status).toBe(415);
  });

  test('a page that shows something and runs nothing is known whatever else its query has', async ({
    startServer,
    temporaryFile,
  }) => {
    const auth_file = temporaryFile('users', userLine('alice', 'wonder:land', 'admin'));
    const server = await startServer({ usrloc: {}, httpd: { auth_file } });
    const headers = { Authorization: basic('alice', 'wonder:land') };
    for (const name of ['audit', 'live', 'sessions', 'contacts']) {
      const { body: plain } = await get(server, `/mi/${name}`, { headers });
      const title = /<title>[^<]*<\/title>/.exec(plain)?.[0] ?? 'none';
      for (const query of ['x=1', 'utm_source=mail&x', '%zz', 'arg=1', 'jsonrpc=2.0&method=kill']) {
        const { status, body } = await get(server, `/mi/${name}?${query}`, { headers });
        expect([status, body.includes(title)], `${name}?${query}`).toStrictEqual([200, true]);
      }
      expect((await get(server, `/mi/${name}/x?x=1`, { headers })).status, name).toBe(404);
    }
    for (const name of ['audit', 'live', 'sessions']) {
      const { status, body } = await postForm(server, `/mi/${name}`, 'x=1', headers);
      expect([status, /nothing is run here/.test(body)], name).toStrictEqual([400, true]);
    }
  });

  test('assets come from memory, with a tag that saves the second transfer', async ({ startServer }) => {
    const server = await startServer();
    for (const [name, type] of [
      ['style.css', 'text/css; charset=utf-8'],
      ['page.js', 'text/javascript; charset=utf-8'],
    ] as const) {
      const first = await get(server, `/mi/-/${name}`);
      expect(first.status).toBe(200);
      expect(first.headers['content-type']).toBe(type);
      expect(first.headers['cache-control']).toBe('no-cache, no-transform');
      const tag = String(first.headers.etag);
      const second = await get(server, `/mi/-/${name}`, { headers: { 'If-None-Match': `"a", W/${tag}` } });
      expect(second.status).toBe(304);
      expect(second.body).toBe('');
    }
    // Pages name them with a version, under which they never change.
    const { body } = await get(server, '/mi/core');
    const paths = [...body.matchAll(/(?:href|src)="(\/mi\/-\/[^"]+)"/g)].map(([, path = '']) => path);
    // The icon twice: in the tab, and before the name of the server.
    expect(paths.length).toBe(4);
    for (const path of paths) {
      const reply = await get(server, path);
      expect(reply.status, path).toBe(200);
      expect(String(reply.headers['cache-control'])).toMatch(/immutable/);
      expect((await get(server, path.replace(/-\/[^/]+/, '-/other'))).status).toBe(404);
    }
    expect((await get(server, '/mi/-/web.js')).status).toBe(404);
    expect((await get(server, '/mi/-/..%2Fweb.js')).status).toBe(404);
  });
});
