import { gunzipSync } from 'node:zlib';
import { describe, expect, vi } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, unescapeHtml } from '../support/web-client.js';

/** A page of which a server has had some seconds to tell. */
async function pageWith(server: Server, path: string, pattern: RegExp): Promise<string> {
  return vi.waitFor(
    async () => {
      const { status, body } = await get(server, path);
      expect(status).toBe(200);
      expect(body).toMatch(pattern);
      return body;
    },
    { timeout: 30_000, interval: 200 },
  );
}

describe('overview', () => {
  test('judges in a sentence, and leads to the reports of what is not ready', async ({ startServer }) => {
    const server = await startServer();
    expect((await get(server, '/mi')).body).toMatch(
      /data-state="good"[^>]*><p>(The server is|All \d+ parts are) ready\./,
    );
    const trunk = server.status.add('pbx', { identifier: 'north', status: -1, details: '<b>no route</b>' });
    const { body } = await get(server, '/mi');
    expect(body).toMatch(/data-state="bad"[^>]*><p>1 of \d+ parts is not ready:/);
    const [, link = '', text = ''] = /<li><a href="([^"]+)">pbx north<\/a>(.*)<\/li>/.exec(body) ?? [];
    expect(text).toMatch(/is not ready since <time .* UTC<\/time> \(\d+ s\): <bdi>&lt;b&gt;no route&lt;\/b&gt;<\/bdi>/);
    trunk.report('dialled north');
    expect((await get(server, unescapeHtml(link))).body).toMatch(/dialled north/);
    trunk.set(1);
    expect((await get(server, '/mi')).body).toMatch(/data-state="good"/);
  });

  test('has the numbers of the last seconds, charts as pictures and tables, and the busiest commands', async ({
    startServer,
  }) => {
    const pbx = defineModule({
      name: 'pbx',
      commands: [
        command({
          name: 'bad',
          help: 'Fails.',
          run: () => {
            throw new Error('bad');
          },
        }),
      ],
    });
    const server = await startServer({ log: silentLog, usrloc: {}, modules: [pbx] });
    await post(server, '{"jsonrpc":"2.0","method":"bad","id":1}');
    for (let round = 0; round < 20; round++) await call(server, 'version');
    const body = await pageWith(server, '/mi', /<dt>Calls<\/dt><dd[^>]*>[\d.,]+ \/s<\/dd>/);
    for (const title of ['Failed', 'Running', 'Connections', 'Contacts', 'Expired', 'Memory'])
      expect(body).toMatch(new RegExp(`<dt>${title}</dt><dd[^>]*>[\\d.,]+`));
    expect(body).toMatch(/<dt>Memory<\/dt><dd[^>]*>[\d.]+ MB<\/dd>/);
    for (const title of ['Calls a second', 'Time of calls', 'Memory'])
      expect(body).toMatch(new RegExp(`<figcaption>${title}</figcaption>`));
    expect(body).toMatch(
      /<svg class="spark"[^>]* role="img" aria-label="Memory, last 10 minutes, of the process: least/,
    );
    expect(body).toMatch(/<th scope="row"[^>]*><a href="\/mi\/pbx\/pbx:bad">pbx:bad<\/a><\/th><td [^>]*>[\d.]+ %/);
    expect(body).toMatch(/<a href="\/mi" class="refresh">Refresh<\/a>/);
    // Everything that was there before.
    expect(body).toMatch(/<a href="\/mi\/core\/core:ps">core:ps<\/a>/);
    expect((await get(server, '/mi?range=86400')).body).toMatch(/aria-current="true">Last day</);
  });

  test('shows nobody what its commands would not tell', async ({ startServer }) => {
    const server = await startServer({
      httpd: { deny_commands: 'statistics:*, status_report:*' },
    });
    const { status, body } = await get(server, '/mi');
    expect(status).toBe(200);
    expect(body).not.toMatch(/class="tiles"|class="judgement"|class="chart"|data-history|id="busiest"/);
    expect((await get(server, '/mi/statistics')).status).toBe(404);
  });

  test('is whole without a history', async ({ startServer }) => {
    const server = await startServer({ httpd: { history: 'off' } });
    const { body } = await get(server, '/mi');
    expect(body).toMatch(/class="tiles"/);
    expect(body).not.toMatch(/class="chart"|data-history/);
    expect((await get(server, '/mi/statistics')).body).toMatch(/requests/);
  });
});

describe('statistics page', () => {
  test('groups, sorts and explains them, with units for people', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    const { body } = await get(server, '/mi/statistics');
    const groups = [...body.matchAll(/<h3 id="group-([^"]+)">/g)].map(([, group]) => group);
    expect(groups).toStrictEqual([...groups].sort());
    expect(groups).toContain('httpd');
    const rows = [...body.matchAll(/<tr><th scope="row">(?:<button [^>]*>)?([^<]+)/g)].map(([, name]) => name);
    expect(rows.length).toBeGreaterThan(50);
    expect(body).toMatch(
      />resident<\/button> <button [^>]*>Pin<\/button> <span class="help">[^<]+ \(computed, bytes\)<\/span><\/th><td class="number"[^>]*>[\d.]+ MB<\/td>/,
    );
    // Its commands are there, too.
    expect(body).toMatch(/<a href="\/mi\/statistics\/statistics:get">statistics:get<\/a>/);
  });

  test('keeps what is looked for in its address', async ({ startServer }) => {
    const server = await startServer();
    const { body } = await get(server, '/mi/statistics?filter=HTTPD+repl');
    expect(body).toMatch(/<input type="search" id="filter" name="filter" value="HTTPD repl"/);
    expect(body).toMatch(/>replies_2xx</);
    expect(body).not.toMatch(/>heap_used</);
    expect(body).toMatch(/role="status">\d+ of \d+ statistics</);
    const none = await get(server, '/mi/statistics?filter=%3Cscript%3E');
    expect(none.body).toMatch(/value="&lt;script&gt;"/);
    expect(none.body).toMatch(/>0 of \d+ statistics</);
  });

  test('shows the chart of one', async ({ startServer }) => {
    const server = await startServer();
    await call(server, 'version');
    const body = await pageWith(
      server,
      '/mi/statistics?chart=mi:calls',
      /aria-label="mi:calls a second, last 10 minutes/,
    );
    expect(body).toMatch(/<figcaption>mi:calls a second<\/figcaption>/);
    expect((await get(server, '/mi/statistics?chart=nothing')).body).not.toMatch(/<figcaption>/);
  });
});

/** Names of the scripts and style sheets that a page asks for, and their bytes by gzip. */
async function loadOf(server: Server, path: string): Promise<ReadonlyMap<string, number>> {
  const page = await get(server, path, { headers: { 'Accept-Encoding': 'gzip' } });
  // Short ones go as they are.
  const text = page.headers['content-encoding'] === 'gzip' ? gunzipSync(page.bytes).toString() : page.body;
  const load = new Map([['page', page.bytes.length]]);
  for (const [, file = ''] of text.matchAll(/(?:href|src)="(\/mi\/-\/[^"]+)"/g)) {
    const { bytes } = await get(server, file, { headers: { 'Accept-Encoding': 'gzip' } });
    // Nothing is loaded that the page does not name.
    if (file.endsWith('.js')) expect(/\bimport\s*[{("*]/.test(gunzipSync(bytes).toString()), file).toBe(false);
    load.set(file.replace(/.*\//, ''), bytes.length);
  }
  return load;
}

test('a page loads little: the first one 20 KB without what draws charts, and 60 KB with it', async ({
  startServer,
}) => {
  const server = await startServer({ usrloc: {} });
  const sum = (load: ReadonlyMap<string, number>): number => [...load.values()].reduce((all, bytes) => all + bytes, 0);
  const first = await loadOf(server, '/mi');
  expect([...first.keys()].sort()).toStrictEqual([
    'charts.css',
    'charts.js',
    'page',
    'page.js',
    'ready.svg',
    'style.css',
  ]);
  const drawing = first.get('charts.js') ?? 0;
  expect(drawing).toBeGreaterThan(10_000);
  expect(sum(first), JSON.stringify([...first])).toBeLessThan(60_000);
  expect(sum(first) - drawing, JSON.stringify([...first])).toBeLessThan(20_000);
  for (const [path, script] of [
    ['/mi/core', undefined],
    ['/mi/core/core:ps', 'command.js'],
    ['/mi/core/core:ps?arg=', 'command.js'],
    ['/mi/contacts', 'contacts.js'],
    ['/mi/live', 'live.js'],
  ] as const) {
    const load = await loadOf(server, path);
    const scripts = [...load.keys()].filter((name) => name.endsWith('.js'));
    expect(scripts, path).toStrictEqual(script === undefined ? ['page.js'] : ['page.js', script]);
    expect(sum(load), `${path} ${JSON.stringify([...load])}`).toBeLessThan(20_000);
  }
});

test('scripts and styles are compressed for clients that take gzip', async ({ startServer }) => {
  const server = await startServer();
  const { body } = await get(server, '/mi');
  const paths = [...new Set([...body.matchAll(/(?:href|src)="(\/mi\/-\/[^"]+)"/g)].map(([, path = '']) => path))];
  expect(paths.map((path) => path.replace(/.*\//, '')).sort()).toStrictEqual([
    'charts.css',
    'charts.js',
    'page.js',
    'ready.svg',
    'style.css',
  ]);
  for (const path of paths) {
    const plain = await get(server, path);
    expect(plain.headers['content-encoding']).toBe(undefined);
    const gzipped = await get(server, path, { headers: { 'Accept-Encoding': 'gzip, deflate, br, zstd' } });
    expect(gzipped.headers['content-encoding'], path).toBe('gzip');
    expect(gzipped.headers.vary).toBe('Accept-Encoding');
    const again = await get(server, path, {
      headers: { 'Accept-Encoding': 'gzip', 'If-None-Match': String(gzipped.headers.etag) },
    });
    expect(again.status).toBe(304);
    expect((await get(server, path, { headers: { 'Accept-Encoding': 'gzip;q=0' } })).bytes).toStrictEqual(plain.bytes);
  }
});
