import { describe, expect } from 'vitest';
import { command, defineModule, MiError, RecordTable, stream } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { get, resultOf, resultText, unescapeHtml } from '../support/web-client.js';

function results() {
  const table = new RecordTable();
  const seen = { closed: 0 };
  const readOnly = true;
  async function* endless() {
    try {
      for (let number = 0; ; number += 1) yield { number };
    } finally {
      seen.closed += 1;
    }
  }
  async function* failing(after: number) {
    for (let number = 0; number < after; number += 1) yield { number, text: 'é<'.repeat(50) };
    throw new Error('a secret');
  }
  async function* stuck() {
    yield 1;
    try {
      await new Promise(() => {});
    } finally {
      seen.closed += 1;
    }
  }
  const module = defineModule({
    name: 'pbx',
    commands: [
      command({ name: 'dump', readOnly, help: 'Dumps.', run: () => ({ records: table.dump() }) }),
      command({
        name: 'text',
        readOnly,
        help: 'A text.',
        recipes: [{ size: 'int' }],
        run: ({ size }) => '<é\u{1f4de}'.repeat(size),
      }),
      command({ name: 'endless', readOnly, help: 'No end.', run: () => stream(endless()) }),
      command({
        name: 'failing',
        readOnly,
        help: 'Fails.',
        recipes: [{ after: 'int' }],
        run: ({ after }) => stream(failing(after)),
      }),
      command({ name: 'stuck', readOnly, help: 'Gets stuck.', run: () => stream(stuck()) }),
      command({ name: 'never', readOnly, help: 'Never ends.', run: () => new Promise<string>(() => {}) }),
      command({
        name: 'refuses',
        readOnly,
        help: 'Refuses.',
        run: () => {
          throw new MiError(404, 'None');
        },
      }),
      command({ name: 'nothing', readOnly, help: 'Nothing.', run: () => undefined as never }),
    ],
  });
  return { table, seen, module };
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

describe('web interface: results', () => {
  test('of many contacts tell how many are shown of how many', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    const location = server.usrloc?.domain('location');
    for (let number = 0; number < 5000; number += 1)
      for (const port of [5060, 5062]) {
        const contact = `sip:user${number}@192.0.2.1:${port}`;
        location?.save(`user${number}`, { contact, expires: 600, userAgent: 'x{"Contact":' });
      }
    const { body } = await get(server, '/mi/usrloc/usrloc:dump?arg=');
    const [, shown = '', size = ''] = />([\d,]+) of 10,000 contacts, ([\d.]+) MB in all; /.exec(body) ?? [];
    expect(Number(shown.replace(',', ''))).toBeGreaterThan(300);
    expect(Number(size)).toBeGreaterThan(1);
    expect((resultText(body) ?? '').split('"Contact":').length - 2).toBeLessThanOrEqual(
      Number(shown.replace(',', '')) + 1,
    );
  });

  test('of a large dump the first part is shown, the rest counted and linked', async ({ startServer }) => {
    const { table, module } = results();
    for (let number = 0; number < 20_000; number += 1)
      table.set(`${number}`, { number, agent: '<b>"é\u{1f4de}"</b>'.repeat(4) });
    const server = await startServer({ modules: [module] });
    const page = await get(server, '/mi/pbx/pbx:dump?arg=');
    const raw = await get(server, '/mi/pbx/pbx:dump?arg=&raw=1');
    expect(raw.headers['content-type']).toBe('application/json');
    expect(JSON.parse(raw.body).records.length).toBe(20_000);
    const size = Buffer.byteLength(raw.body);
    const told =
      /class="cut" id="rest" data-shown="(\d+)" data-bytes="(\d+)">(.*?); (<a .*)<\/p>/.exec(page.body) ?? [];
    const [, shown = '', all = '', sentence = '', links = ''] = told;
    expect(Number(all)).toBe(size);
    expect(sentence).toMatch(/^[\d,]+ of 20,000 records, [\d.]+ MB in all$/);
    expect([...links.matchAll(/href="([^"]+)"/g)].map(([, link = '']) => unescapeHtml(link))).toStrictEqual(
      ['', '&text=1', '&download=1'].map((end) => `/mi/pbx/pbx:dump?arg=&raw=1${end}`),
    );
    expect(Number(shown) <= 262144 && Number(shown) > 262100, shown).toBe(true);
    const text = resultText(page.body) ?? '';
    expect(text).not.toMatch(/\ufffd/);
    const compact = text.replaceAll(/[\t\n]|(?<=\}), (?=\{)/g, (blank) => (blank === ', ' ? ',' : ''));
    expect(compact).toBe(Buffer.from(raw.body).subarray(0, Number(shown)).toString());
    expect(page.body).toMatch(/<\/html>\n$/);
    const file = await get(server, '/mi/pbx/pbx:dump?arg=&raw=1&download=1');
    expect(file.headers['content-disposition']).toBe('attachment; filename="pbx_dump.json"');
    const plain = await get(server, '/mi/pbx/pbx:dump?arg=&raw=1&text=1');
    expect(plain.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(plain.headers['x-content-type-options']).toBe('nosniff');
    expect(plain.body).toBe(raw.body);
    expect(await call(server, 'get_statistics', [['windows_in_use']])).toStrictEqual({ 'mem:windows_in_use': 0 });
  });

  test('results up to the bound are shown whole, whatever the window', async ({ startServer }) => {
    const { module } = results();
    const server = await startServer({ modules: [module], httpd: { buf_size: 1024 } });
    // 7 bytes each, and the two quotes.
    for (const [size, isWhole] of [
      [1, true],
      [146, true],
      [147, false],
      [150, false],
      [40_000, false],
    ] as const) {
      const { body } = await get(server, `/mi/pbx/pbx:text?arg=${size}`);
      expect(/class="cut"/.test(body), String(size)).toBe(!isWhole);
      const text = resultText(body) ?? '';
      if (isWhole) expect(resultOf(body)).toBe('<é\u{1f4de}'.repeat(size));
      else expect(text).toMatch(/^"(<é\u{1f4de})+(<é?)?$/u);
      const bytes = size * 7 + 2;
      const told = bytes < 1000 ? `${bytes} bytes` : `${grouped(Number((bytes / 1000).toPrecision(3)))} kB`;
      expect(body).toMatch(
        isWhole ? new RegExp(`, ${told}<`) : new RegExp(`data-bytes="${bytes}">.* of ${told} shown`),
      );
    }
  });

  test('a stream without end gives a page with an end, and is closed', async ({ startServer }) => {
    const { seen, module } = results();
    const server = await startServer({ modules: [module], mi_http: { count_time: 0 } });
    const { body } = await get(server, '/mi/pbx/pbx:endless?arg=');
    expect(body).toMatch(/>[\d,]+ of more than [\d,]+ records, more than [\d.]+ [kMG]B in all; /);
    expect(body).toMatch(/<\/html>\n$/);
    expect(seen.closed).toBe(1);
  });

  test('a stream that fails is an error at first, and is told of at the end', async ({ startServer }) => {
    const { module } = results();
    const lines: unknown[] = [];
    const error = ({ err }: { readonly err?: unknown }, message: string): void => void lines.push([message, err]);
    const server = await startServer({ modules: [module], log: { ...silentLog, error } });
    const early = await get(server, '/mi/pbx/pbx:failing?arg=3');
    expect(early.status).toBe(500);
    expect(early.body).toMatch(/data-status="error"/);
    expect(early.body).toMatch(/-32000 <bdi>Server error/);
    const late = await get(server, '/mi/pbx/pbx:failing?arg=5000');
    expect(late.body).toMatch(/data-status="ok"/);
    expect(late.body).toMatch(/>[\d,]+ of [\d,]+ records, [\d.]+ [kM]B in all before it failed; /);
    expect(early.body + late.body).not.toMatch(/secret/);
    expect(lines).toStrictEqual([
      ['MI command pbx:failing failed', expect.any(Error)],
      ['MI command pbx:failing failed behind the beginning of its result', expect.any(Error)],
    ]);
    expect(late.body).toMatch(/<\/html>\n$/);
  });

  test('as JSON an error has a status of its own', async ({ startServer }) => {
    const { module } = results();
    const server = await startServer({ modules: [module], log: silentLog });
    for (const [path, status, code] of [
      ['pbx:refuses?arg=&raw=1', 404, 404],
      ['pbx:nothing?arg=&raw=1', 500, -32000],
      ['pbx:text?arg=&raw=1', 400, -32602],
    ] as const) {
      const reply = await get(server, `/mi/pbx/${path}`);
      expect(reply.status, path).toBe(status);
      expect(JSON.parse(reply.body).error.code).toBe(code);
    }
  });

  test('what gives no result within mi_timeout is a 504 page', async ({ startServer }) => {
    const { module } = results();
    const server = await startServer({ modules: [module], mi_http: { mi_timeout: 1 }, log: silentLog });
    for (const name of ['never', 'stuck']) {
      const page = await get(server, `/mi/pbx/pbx:${name}?arg=`);
      expect(page.status, name).toBe(504);
      expect(page.body).toMatch(/role="alert"/);
    }
  });

  test('a client that leaves frees what it asked for', async ({ startServer }) => {
    const { seen, module } = results();
    const server = await startServer({ modules: [module], log: silentLog });
    const client = await RawClient.connect(server.port);
    client.send('GET /mi/pbx/pbx:endless?arg=&raw=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    while (!client.unread.includes('number')) await new Promise((resolve) => client.socket.once('data', resolve));
    client.kill();
    await expect.poll(() => seen.closed).toBeGreaterThan(0);
    expect(await call(server, 'get_statistics', [['windows_in_use']])).toStrictEqual({ 'mem:windows_in_use': 0 });
  });

  test('when too many calls are pending the page says so', async ({ startServer, onTestFinished }) => {
    const { module } = results();
    const server = await startServer({ modules: [module], mi_http: { max_pending: 1 }, log: silentLog });
    const client = await RawClient.connect(server.port);
    onTestFinished(() => client.close());
    client.send('GET /mi/pbx/pbx:never?arg= HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await expect.poll(() => call(server, 'get_statistics', [['pending']])).toStrictEqual({ 'mi:pending': 1 });
    const page = await get(server, '/mi/pbx/pbx:never?arg=');
    expect(page.status).toBe(503);
    expect(page.headers['retry-after']).toBe('1');
    expect(page.body).toMatch(/max_pending/);
  });
});
