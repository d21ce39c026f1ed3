import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { command, defineModule, MiError } from '#src/index.js';
import { startServer } from '../support/mi-client.js';
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
  test('menu, module and command pages are found by the URLs of the original', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
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
      assert.equal(page.status, 200, path);
      assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
      assert.match(page.body, /^<!doctype html>\n<html lang="en">/);
      assert.match(page.body, /<\/html>\n$/);
      assert.match(page.body, /<a href="\/mi\/pbx"/, path);
    }
    const all = await get(server, '/mi');
    assert.match(all.body, /<a href="\/mi\/core\/core:ps">core:ps<\/a>/);
    assert.ok(all.body.indexOf('>statistics<') < all.body.indexOf('>core<'));
    const one = await get(server, '/mi/pbx');
    assert.match(one.body, /aria-current="page">pbx</);
    assert.doesNotMatch(one.body, /core:ps/);
  });

  test('unknown modules and commands are 404 with the nearest names, shown literally', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    for (const [path, text] of [
      ['/mi/pbxx', /no module <bdi>"pbxx"<\/bdi>.*<a href="\/mi\/pbx">pbx<\/a>/],
      ['/mi/PBX', /no module/],
      ['/mi/pbx/pbx:ecko', /<a href="\/mi\/pbx\/pbx%3Aecho">pbx:echo/],
      ['/mi/core/pbx:echo', /module core has no command/],
      ['/mi/%3Cscript%3E/x?arg=', /&lt;script&gt;/],
      ['/mi/pbx/%3Cscript%3E', /&lt;script&gt;/],
    ] as const) {
      const page = await get(server, path);
      assert.equal(page.status, 404, path);
      assert.match(page.body, text);
      assert.doesNotMatch(page.body, /<script>/);
    }
  });

  test('pages forbid scripts, frames, sniffing and storing', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    for (const path of ['/mi', '/mi/pbx/pbx:echo?arg=', '/mi/nope', '/mi/pbx/pbx:echo?arg=&raw=1']) {
      const { headers } = await get(server, path);
      const policy = headers['content-security-policy'] ?? '';
      assert.match(String(policy), /^default-src 'none'; .*frame-ancestors 'none'$/, path);
      assert.doesNotMatch(String(policy), /unsafe/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cache-control'], 'no-store');
    }
    const { body } = await get(server, '/mi/pbx/pbx:echo?arg=');
    assert.doesNotMatch(body, /<style|style="|onclick|https?:\/\/(?!127)/);
    assert.equal(body.match(/<script/g)?.length, 1);
  });

  test('a command runs when arg is there, even empty, and only then', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    assert.equal(resultOf((await get(server, '/mi/pbx/pbx:echo?arg')).body), undefined);
    assert.equal(resultOf((await get(server, '/mi/pbx/pbx:echo?other=1')).body), undefined);
    assert.deepEqual(resultOf((await get(server, '/mi/pbx/pbx:echo?arg=')).body), { [hostile]: hostile });
    assert.equal((await get(server, '/mi/pbx/pbx:echo?arg=', { method: 'HEAD' })).body, '');
  });

  test('values are shown literally, wherever they come from', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    for (const name of ['echo', 'later']) {
      const { body } = await get(server, `/mi/pbx/pbx:${name}?arg=`);
      assert.match(body, /&lt;script&gt;alert\(\\&quot;x/);
      assert.doesNotMatch(body, /<script>/);
      assert.ok(body.includes('\u{1f4de} \u202e\u0627\u0628'));
    }
    assert.match((await get(server, '/mi/pbx')).body, /Gives &lt;b&gt;back/);
    const { body } = await get(server, `/mi/pbx/pbx:echo?arg=${encodeURIComponent(JSON.stringify([hostile]))}`);
    assert.doesNotMatch(body, /<script>/);
    assert.match(body, /value="\[&quot;&lt;script&gt;/);
    assert.match(body, /data-call="[^"]*&lt;script&gt;/);
  });

  test('errors are pages with code, reason and data', async (t) => {
    const server = await startServer(t, { modules: [pbx], log: { debug() {}, info() {}, warn() {}, error() {} } });
    for (const [path, text] of [
      ['pbx:fails?arg=', /role="alert" class="error">480 <bdi>Not &lt;now&gt;<\/bdi> \(<bdi>&quot;soon&quot;<\/bdi>\)/],
      ['pbx:echo?arg=%5B1', /-32700 <bdi>Parse error/],
      ['pbx:echo?arg=%22open', /-32700 <bdi>Parse error.*quote/],
      [`pbx:echo?arg=${'['.repeat(129)}`, /-32700 <bdi>Parse error.*deeper than 128/],
      ['pbx:echo?arg=a%20b', /-32602 <bdi>Invalid params.*count/],
      ['pbx:echo?arg=a%20b%20c', /-32602 <bdi>Invalid params.*Too few or too many/],
    ] as const) {
      const page = await get(server, `/mi/pbx/${path}`);
      assert.equal(page.status, 200, path);
      assert.match(page.body, /data-status="error"/);
      assert.match(page.body, text, path);
      assert.doesNotMatch(page.body, /a secret/);
    }
  });

  test('a command that fails by a fault of its own is a 500 page that says where to look', async (t) => {
    const server = await startServer(t, { modules: [pbx], log: { debug() {}, info() {}, warn() {}, error() {} } });
    const page = await get(server, '/mi/pbx/pbx:breaks?arg=');
    assert.equal(page.status, 500);
    assert.match(
      page.body,
      /role="alert" class="error">-32000 <bdi>Server error<\/bdi> \(<bdi>pbx:breaks failed; the log/,
    );
    assert.doesNotMatch(page.body, /a secret/);
    assert.match(page.body, /<\/html>\n$/);
  });

  test('a recipe that is chosen and not filled in is not taken for the one without parameters', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    const { body } = await get(server, '/mi/pbx/pbx:echo?arg=&recipe=1&p.text=');
    assert.match(body, /-32602 <bdi>Invalid params<\/bdi> \(<bdi>nothing is given for text; fill in, or choose/);
    // Without a choice, what is filled in decides, and never for less than that.
    assert.deepEqual(resultOf((await get(server, '/mi/pbx/pbx:echo?p.text=x')).body), {
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
      assert.match((await get(server, `/mi/pbx/pbx:echo?${query}`)).body, reason);
    }
    const form = await get(server, '/mi/pbx/pbx:echo');
    assert.match(form.body, /name="recipe" value="0" checked> without parameters/);
  });

  test('the syntaxes of arg are shown by the parameters of the command', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    const { body } = await get(server, '/mi/pbx/pbx:words');
    const text = unescapeHtml(body.replaceAll(/<[^>]*>/g, ' '));
    for (const example of [
      '{"group":"group","names":["names"]}',
      '["group",["names"]]',
      'group names',
      '"two words"',
    ]) {
      assert.ok(text.includes(` ${example} `), example);
    }
    for (const arg of ['{"group":"group","names":["names"]}', '["group",["names"]]', 'group names']) {
      const page = await get(server, `/mi/pbx/pbx:words?arg=${encodeURIComponent(arg)}`);
      assert.deepEqual(resultOf(page.body), ['group', 'names'], arg);
    }
    assert.match((await get(server, '/mi/pbx/pbx:later')).body, /<input type="hidden" name="arg" value="">/);
  });

  test('arg takes JSON and words; inputs take what is left empty there', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    const run = async (name: string, fields: Record<string, string> | [string, string][]): Promise<unknown> => {
      const query = new URLSearchParams(fields).toString();
      const byGet = resultOf((await get(server, `/mi/pbx/${name}?${query}`)).body);
      const byPost = resultOf((await postForm(server, `/mi/pbx/${name}`, query)).body);
      assert.deepEqual(byGet, byPost);
      return byGet;
    };
    const rest = { [hostile]: hostile };
    assert.deepEqual(await run('pbx:echo', { arg: '["a", 5]' }), { text: 'a', count: 5, ...rest });
    assert.deepEqual(await run('pbx:echo', { arg: ' {"text":"a"}' }), { text: 'a', ...rest });
    assert.deepEqual(await run('pbx:echo', { arg: '"two  \\"words\\" \\\\" 5' }), {
      text: 'two  "words" \\',
      count: 5,
      ...rest,
    });
    assert.deepEqual(await run('pbx:echo', { arg: '[]' }), rest);
    assert.deepEqual(await run('pbx:echo', { arg: '', 'p.text': '', 'p.count': '' }), rest);
    assert.deepEqual(await run('pbx:echo', { arg: '', recipe: '1', 'p.text': ' x y ' }), { text: ' x y ', ...rest });
    assert.deepEqual(await run('pbx:echo', { arg: 'z', recipe: '1', 'p.text': 'x' }), { text: 'z', ...rest });
    // As a browser sends it: the inputs of every recipe, here those of the second one filled in and not chosen.
    const all: [string, string][] = [
      ['recipe', '0'],
      ['p.text', ''],
      ['p.text', 'q'],
      ['p.count', '7'],
      ['arg', ''],
    ];
    assert.deepEqual(await run('pbx:echo', all), { text: 'q', count: 7, ...rest });
    assert.deepEqual(await run('pbx:words', { arg: 'g a "b c"' }), ['g', 'a', 'b c']);
    assert.deepEqual(await run('pbx:words', { 'p.group': 'g', 'p.names': 'a "b c"' }), ['g', 'a', 'b c']);
    assert.deepEqual(await run('pbx:words', { 'p.group': 'g', 'p.names': '["a", "b c"]' }), ['g', 'a', 'b c']);
  });

  test('a multipart form is taken, its query is ignored, and JSON on the same path is JSON-RPC', async (t) => {
    const server = await startServer(t, { modules: [pbx] });
    const body = '--x\r\nContent-Disposition: form-data; name="arg"\r\n\r\n["m"]\r\n--x--\r\n';
    const page = await postForm(server, '/mi/pbx/pbx:echo?arg=q', body, {
      'Content-Type': 'multipart/form-data; boundary=x',
    });
    assert.deepEqual(resultOf(page.body), { text: 'm', [hostile]: hostile });
    const call = '{"jsonrpc":"2.0","method":"pwd","id":1}';
    const reply = await postForm(server, '/mi/pbx/pbx:echo', call, { 'Content-Type': 'application/json' });
    assert.match(reply.body, /^\{"jsonrpc":"2.0","result":\{"WD":/);
  });

  test('refusals of the HTTP layer are pages for those who ask for pages', async (t) => {
    const server = await startServer(t, { modules: [pbx], httpd: { receive_buf_size: 256 } });
    const large = await postForm(server, '/mi/pbx/pbx:echo', `arg=${'a'.repeat(300)}`);
    assert.equal(large.status, 413);
    assert.match(large.body, /<p role="alert" class="error">.*limit of 256 bytes/);
    const malformed = await get(server, '/mi/pbx/pbx:echo?arg=%zz');
    assert.equal(malformed.status, 400);
    assert.match(malformed.body, /role="alert".*percent escape/);
    const json = await postForm(server, '/mi', ' '.repeat(300), { 'Content-Type': 'application/json' });
    assert.equal(json.status, 413);
    assert.equal(JSON.parse(json.body).jsonrpc, '2.0');
  });

  test('the method of forms is set; both are taken', async (t) => {
    const server = await startServer(t, { modules: [pbx], mi_http: { mi_http_method: 1 } });
    assert.match((await get(server, '/mi/pbx/pbx:echo')).body, /<form method="post" action="\/mi\/pbx\/pbx:echo"/);
    assert.notEqual(resultOf((await get(server, '/mi/pbx/pbx:echo?arg=')).body), undefined);
  });

  test('mi_html gives the pages alone, on a root of its own', async (t) => {
    const server = await startServer(t, {
      modules: [pbx],
      mi_http: { html: 0 },
      mi_html: { root: 'pages', http_method: 1 },
    });
    assert.equal((await get(server, '/mi')).status, 405);
    const page = await get(server, '/pages/pbx/pbx:echo?arg=');
    assert.match(page.body, /<form method="post" action="\/pages\/pbx\/pbx:echo"/);
    assert.match(page.body, /href="\/pages\/-\/[^/"]+\/style.css"/);
    assert.match(page.body, /data-path="\/mi" data-call="\{&quot;jsonrpc/);
    assert.equal((await postForm(server, '/pages', '{}', { 'Content-Type': 'application/json' })).status, 415);
  });

  test('assets come from memory, with a tag that saves the second transfer', async (t) => {
    const server = await startServer(t);
    for (const [name, type] of [
      ['style.css', 'text/css; charset=utf-8'],
      ['page.js', 'text/javascript; charset=utf-8'],
    ] as const) {
      const first = await get(server, `/mi/-/${name}`);
      assert.equal(first.status, 200);
      assert.equal(first.headers['content-type'], type);
      assert.equal(first.headers['cache-control'], 'no-cache, no-transform');
      const tag = String(first.headers.etag);
      const second = await get(server, `/mi/-/${name}`, { headers: { 'If-None-Match': `"a", W/${tag}` } });
      assert.equal(second.status, 304);
      assert.equal(second.body, '');
    }
    // Pages name them with a version, under which they never change.
    const { body } = await get(server, '/mi');
    const paths = [...body.matchAll(/(?:href|src)="(\/mi\/-\/[^"]+)"/g)].map(([, path = '']) => path);
    assert.equal(paths.length, 2);
    for (const path of paths) {
      const reply = await get(server, path);
      assert.equal(reply.status, 200, path);
      assert.match(String(reply.headers['cache-control']), /immutable/);
      assert.equal((await get(server, path.replace(/-\/[^/]+/, '-/other'))).status, 404);
    }
    assert.equal((await get(server, '/mi/-/web.js')).status, 404);
    assert.equal((await get(server, '/mi/-/..%2Fweb.js')).status, 404);
  });
});
