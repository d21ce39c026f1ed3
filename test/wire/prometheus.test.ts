// Module prometheus: metrics over HTTP, as they are read by whoever asks.
import { gunzipSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { createServer, defineModule, type Module, type Server, type StatisticAbout } from '#src/index.js';
import { basic, userLine } from '../support/accounts.js';
import { startFront } from '../support/front.js';
import { silentLog } from '../support/log.js';
import { call, callError, type HttpReply } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

const textType = 'text/plain; version=0.0.4; charset=utf-8';
const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const openMetrics = 'application/openmetrics-text';

/** What Prometheus 2.42 and 3 send. */
const prometheus2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const prometheus3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,' +
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';

function scrape(server: Server, accept?: string, headers: Record<string, string> = {}): Promise<HttpReply> {
  return get(server, '/metrics', { headers: { ...(accept === undefined ? {} : { Accept: accept }), ...headers } });
}

async function page(server: Server, accept?: string): Promise<string> {
  const { status, body } = await scrape(server, accept);
  expect(status, body).toBe(200);
  return body;
}

/** A module of the embedder's own with statistics of these names and values. */
function counting(statistics: Readonly<Record<string, readonly [value: number, about?: StatisticAbout]>>): Module {
  return defineModule({
    name: 'pbx',
    load: ({ mi }) => {
      for (const [name, [value, about = {}]] of Object.entries(statistics)) {
        mi.statistics.add('pbx', name, 'counter', about).add(value);
      }
    },
  });
}

describe('the form', () => {
  test('without Accept is that of OpenSIPS, byte for byte', async ({ startServer }) => {
    const server = await startServer({
      prometheus: { statistics: ['pbx: errors', 'errors'] },
      modules: [counting({ rings: [7, { help: 'Rings.' }], 'lost-calls': [0.5] })],
    });
    const { headers, body } = await scrape(server);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4');
    expect(body).toBe(
      '# TYPE opensips_rings counter\nopensips_rings 7\n' +
        '# TYPE opensips_lost_calls counter\nopensips_lost_calls 0.5\n' +
        '# TYPE opensips_errors counter\nopensips_errors 0\n\n',
    );
  });

  const asked: readonly (readonly [accept: string, type: string])[] = [
    ['*/*', textType],
    ['text/plain', textType],
    ['text/plain;version=0.0.4', textType],
    ['text/html', textType],
    [prometheus2, openMetricsType],
    [prometheus3, openMetricsType],
    [openMetrics, openMetricsType],
    ['Application/OpenMetrics-Text; Version="1.0.0"', openMetricsType],
    ['application/openmetrics-text;version=0.0.1', textType],
    ['application/openmetrics-text;version=2.0.0, text/plain;q=0.1', textType],
    ['application/openmetrics-text;q=0, */*', textType],
    ['application/openmetrics-text;q=0.2, text/plain;q=0.3', textType],
    ['application/openmetrics-text;q=nonsense', textType],
    ['application/openmetrics-text;q=0.1, */*;q=0.9', textType],
    ['application/openmetrics-text;q=0.5, text/*;q=0.9, */*;q=0.1', textType],
    ['application/openmetrics-text;q=0.5, text/plain;q=0.1, */*', openMetricsType],
    [',;=,;q', textType],
  ];
  test('is what the client asks for', async ({ startServer }) => {
    const server = await startServer({ prometheus: {} });
    for (const [accept, type] of asked) {
      const { status, headers } = await scrape(server, accept);
      expect([accept, status, headers['content-type']]).toStrictEqual([accept, 200, type]);
      expect(headers.vary).toContain('Accept');
    }
  });

  test('is text for all where openmetrics is 0', async ({ startServer }) => {
    const server = await startServer({ prometheus: { openmetrics: 0 } });
    const { headers, body } = await scrape(server, prometheus2);
    expect(headers['content-type']).toBe(textType);
    expect(body).toContain('\nopensips_errors 0\n');
  });

  test('has help, type and unit', async ({ startServer }) => {
    const server = await startServer({
      prometheus: { statistics: ['pbx:'] },
      modules: [
        counting({
          sent_bytes: [1, { unit: 'bytes', help: 'Of \\ "quotes"\nand lines.' }],
          rings: [2, { unit: 'bytes' }],
        }),
      ],
    });
    expect(await page(server, '*/*')).toBe(
      '# HELP opensips_sent_bytes Of \\\\ "quotes"\\nand lines.\n# TYPE opensips_sent_bytes counter\nopensips_sent_bytes 1\n' +
        '# TYPE opensips_rings counter\nopensips_rings 2\n',
    );
    expect(await page(server, openMetrics)).toBe(
      '# HELP opensips_sent_bytes Of \\\\ \\"quotes\\"\\nand lines.\n# TYPE opensips_sent_bytes counter\n' +
        '# UNIT opensips_sent_bytes bytes\nopensips_sent_bytes_total 1\n' +
        '# TYPE opensips_rings counter\nopensips_rings_total 2\n# EOF\n',
    );
  });

  test('of numbers that JSON has not has words for them', async ({ startServer }) => {
    const numbers = defineModule({
      name: 'pbx',
      load: ({ mi }) => {
        for (const [name, value] of [
          ['nan', Number.NaN],
          ['most', Infinity],
          ['least', -Infinity],
          ['big', 1e21],
        ] as const)
          mi.statistics.add('pbx', name, 'computed', () => value);
        mi.statistics.add('pbx', 'all', 'computed', () => 5, { isTotal: true });
      },
    });
    const server = await startServer({ prometheus: { statistics: ['pbx:'] }, modules: [numbers] });
    const values = [...(await page(server, '*/*')).matchAll(/^opensips_(\w+) (.*)$/gm)].map(([, ...one]) => one);
    expect(values).toStrictEqual([
      ['nan', 'NaN'],
      ['most', '+Inf'],
      ['least', '-Inf'],
      ['big', '1e21'],
      ['all', '5'],
    ]);
    expect(await page(server)).toContain('# TYPE opensips_all counter\n');
  });

  test('of OpenMetrics takes no name twice', async ({ startServer }) => {
    const server = await startServer({ prometheus: { statistics: ['httpd:'] } });
    const text = await page(server, openMetrics);
    expect(text).toContain('# TYPE opensips_connections gauge\nopensips_connections ');
    expect(text).toContain('# TYPE opensips_connections_total unknown\nopensips_connections_total ');
    expect(text).toContain('# TYPE opensips_requests counter\nopensips_requests_total ');
  });
});

describe('names and labels', () => {
  const modules = [counting({ calls_gw1: [1], calls_gw2: [2], plain: [3] })];

  test('have prefix, group and delimiter as they are set', async ({ startServer }) => {
    const statistics = ['plain'];
    const cases = [
      [{ group_mode: 1 }, 'opensips_pbx_plain 3'],
      [{ group_mode: 1, group_prefix: 'sip_', prefix: 'a', delimiter: ':' }, 'a:sip_pbx:plain 3'],
      [{ group_mode: 2 }, 'opensips_plain{group="pbx"} 3'],
      [{ group_mode: 2, group_label: 'grp', group_prefix: 'x' }, 'opensips_plain{grp="xpbx"} 3'],
      [{ prefix: '' }, 'plain 3'],
    ] as const;
    for (const [given, line] of cases) {
      const server = await startServer({ prometheus: { ...given, statistics }, modules });
      expect(await page(server)).toContain(`\n${line}\n`);
    }
  });

  test('are made by the first rule that fits', async ({ startServer }) => {
    const server = await startServer({
      prometheus: {
        statistics: ['pbx:'],
        labels: [
          'other: /^(.*)_(.*)$/\\1:no="\\2"/',
          'PBX: /^(.*)_([[:alpha:]]+)([0-9])$/\\1:gateway="\\2",number=\\3/',
          'pbx: /^(.*)_(.*)$/\\1:late="\\2"/',
        ],
      },
      modules,
    });
    expect(await page(server)).toBe(
      '# TYPE opensips_calls counter\nopensips_calls{gateway="gw",number="1"} 1\nopensips_calls{gateway="gw",number="2"} 2\n' +
        '# TYPE opensips_plain counter\nopensips_plain 3\n\n',
    );
  });

  test('stay as they are where a rule gives no labels', async ({ startServer }) => {
    for (const made of ['\\1', 'x:', 'x:1=2', 'x:a="1" b="2"', 'x:__a="1"', 'x:a="1",a="2"', ':a="1"', 'x:a="1']) {
      const rule = `pbx: /^(.*)_(.*)$/${made.includes(':') ? made : `${made}\\:`}/`;
      const server = await startServer({ prometheus: { statistics: ['calls_gw1'], labels: [rule] }, modules });
      expect(await page(server), rule).toContain('\nopensips_calls_gw1 1\n');
      await server.close();
    }
  });

  test('of values are escaped', async ({ startServer }) => {
    const labels = ['pbx: /^plain$/p:a="\\\\\\\\ \\\\" \\n",b=c d/'];
    const server = await startServer({ prometheus: { statistics: ['pbx:'], labels }, modules });
    expect(await page(server)).toContain('\nopensips_p{a="\\\\ \\" \\n",b="c d"} 3\n');
  });

  test('of commands are labels', async ({ startServer }) => {
    const server = await startServer({ prometheus: {} });
    expect(await page(server)).toContain('\nopensips_command_calls{command="get_statistics"} 0\n');
  });

  test('that are the same for two are there once, which the log tells', async ({ startServer }) => {
    const told: string[] = [];
    const log = {
      ...silentLog,
      warn: (_: object, text?: string) => told.push(text ?? ''),
    };
    const server = await startServer({
      prometheus: { statistics: ['pbx:'] },
      modules: [counting({ 'a-b': [1], 'a.b': [2], a_b: [3], c: [4] })],
      log,
    });
    expect(await page(server)).toBe(
      '# TYPE opensips_a_b counter\nopensips_a_b 1\n# TYPE opensips_c counter\nopensips_c 4\n\n',
    );
    await page(server);
    expect(told.filter((text) => text.includes('left out of the metrics'))).toStrictEqual([
      'statistic pbx:a.b is left out of the metrics, as are 1 more: another one has the same name there; set group_mode to 1 or 2',
    ]);
  });
});

describe('what is sent', () => {
  test('is everything without the parameter, the process too', async ({ startServer }) => {
    const server = await startServer({ prometheus: {} });
    const text = await page(server, '*/*');
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'process_start_time_seconds',
      'nodejs_eventloop_lag_seconds',
      'opensips_timestamp',
      'opensips_calls',
    ]) {
      expect(text).toMatch(new RegExp(`^${name} [0-9.e+-]+$`, 'm'));
    }
    if (process.platform === 'linux') {
      const [, open = ''] = /^process_open_fds (\d+)$/m.exec(text) ?? [];
      expect(Number(open)).toBeGreaterThan(3);
    }
    const [, start = ''] = /^process_start_time_seconds (.*)$/m.exec(text) ?? [];
    expect(Math.abs(Number(start) - performance.timeOrigin / 1000)).toBeLessThan(1);
  });

  test('is what the parameter names, in its order, in any case', async ({ startServer }) => {
    const server = await startServer({ prometheus: { statistics: ['timestamp  PENDING', 'mem:resident', 'nothing'] } });
    const names = [...(await page(server)).matchAll(/^# TYPE (\S+) gauge$/gm)].map(([, name]) => name);
    expect(names).toStrictEqual(['opensips_timestamp', 'opensips_pending', 'opensips_resident']);
  });

  test('has statistics that come later', async ({ startServer }) => {
    const server = await startServer({ prometheus: { statistics: ['usrloc:'] }, usrloc: {} });
    expect(await page(server)).not.toContain('opensips_later_contacts');
    server.usrloc?.domain('later');
    expect(await page(server)).toContain('\nopensips_later_contacts 0\n');
  });

  test('that is not here is told at the start', async ({ startServer }) => {
    const told: string[] = [];
    const log = {
      ...silentLog,
      warn: (_: object, text?: string) => told.push(text ?? ''),
    };
    await startServer({ prometheus: { statistics: ['tm: timestamp', 'active_dialogs'] }, log });
    expect(told.join('\n')).toContain('names what is not here: tm:, active_dialogs');
  });
});

describe('latencies', () => {
  test('of commands that were called are histograms in seconds', async ({ startServer }) => {
    const server = await startServer({ prometheus: { statistics: ['latency:'] } });
    expect(await page(server, openMetrics)).toBe('# EOF\n');
    for (let n = 0; n < 3; n++) await call(server, 'version');
    await callError(server, 'usrloc:none');
    const text = await page(server, openMetrics);
    expect(text).toMatch(
      /^# HELP opensips_command_duration_seconds Time .*\n# TYPE opensips_command_duration_seconds histogram\n# UNIT opensips_command_duration_seconds seconds\n/,
    );
    const of = (name: string): readonly string[] =>
      text.split('\n').filter((line) => line.startsWith(`opensips_command_duration_seconds_${name}{`));
    const counts = of('bucket').map((line) => Number(line.slice(line.indexOf('} ') + 2)));
    expect(counts).toStrictEqual([...counts].sort((a, b) => a - b));
    const bounds = Array.from({ length: 12 }, (_, n) => String((16 * 4 ** n) / 1e6));
    expect(of('bucket').map((line) => /le="(.*)"/.exec(line)?.[1])).toStrictEqual([...bounds, '+Inf']);
    expect(counts.at(-1)).toBe(3);
    expect(of('count')).toStrictEqual(['opensips_command_duration_seconds_count{command="core:version"} 3']);
    const [sum = ''] = of('sum');
    const seconds = Number(sum.slice(sum.indexOf('} ') + 2));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(60);
  });

  test('of commands of OpenSIPS name the node', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4'], { prometheus: {} });
    await call(server, 'ul_dump');
    expect(await page(server)).toContain('opensips_command_duration_seconds_count{command="ul_dump",node="sip-1"} 1\n');
  });
});

describe('the root', () => {
  test('serves GET and HEAD, below any path and query', async ({ startServer }) => {
    const server = await startServer({ prometheus: { root: 'prom' } });
    for (const path of ['/prom', '/prom/', '/prom/x/y', '/prom?a=1'])
      expect((await get(server, path)).status).toBe(200);
    const head = await get(server, '/prom', { method: 'HEAD' });
    expect([head.status, head.body, head.headers['content-type']]).toStrictEqual([
      200,
      '',
      'text/plain; version=0.0.4',
    ]);
    const post = await get(server, '/prom', { method: 'POST' });
    expect([post.status, post.headers.allow]).toStrictEqual([405, 'GET, HEAD']);
    expect((await get(server, '/metrics')).status).toBe(404);
  });

  test('gives long pages compressed to those that ask', async ({ startServer }) => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`number_${n}`, [n] as const]));
    const server = await startServer({ prometheus: {}, modules: [counting(many)], httpd: { compression: 1 } });
    for (const accept of [prometheus2, '*/*']) {
      const plain = await scrape(server, accept);
      const coded = await scrape(server, accept, { 'Accept-Encoding': 'gzip' });
      expect(coded.headers['content-encoding']).toBe('gzip');
      const names = (text: string): readonly string[] => text.split('\n').map((line) => line.replace(/ [^ ]*$/, ''));
      expect(names(gunzipSync(coded.bytes).toString())).toStrictEqual(names(plain.body));
      expect(coded.bytes.length).toBeLessThan(plain.bytes.length / 3);
    }
  });

  test('gives each of many clients at once a whole page of more than 256 KiB', async ({ startServer }) => {
    const many = Object.fromEntries(
      Array.from({ length: 5000 }, (_, n) => [`a_rather_long_name_of_number_${n}`, [n] as const]),
    );
    const server = await startServer({ prometheus: { statistics: ['pbx:'] }, modules: [counting(many)] });
    const pages = await Promise.all(
      Array.from({ length: 8 }, (_, n) => page(server, n % 2 === 0 ? '*/*' : openMetrics)),
    );
    for (const [n, text] of pages.entries()) {
      expect(text.length).toBeGreaterThan(262_144);
      expect(text.endsWith(n % 2 === 0 ? '_4999 4999\n' : '_4999_total 4999\n# EOF\n')).toBe(true);
    }
  });

  test('asks for logins and permissions as a call of get_statistics does', async ({ startServer, temporaryFile }) => {
    const auth_file = temporaryFile('users', userLine('reader', 'secret', 'read'));
    const server = await startServer({ prometheus: {}, httpd: { auth_file } });
    expect((await scrape(server)).status).toBe(401);
    expect((await scrape(server, undefined, { Authorization: basic('reader', 'wrong') })).status).toBe(401);
    expect((await scrape(server, undefined, { Authorization: basic('reader', 'secret') })).status).toBe(200);

    const denying = await startServer({ prometheus: {}, httpd: { deny_commands: 'statistics:get' } });
    const denied = await scrape(denying, '*/*');
    expect([denied.status, denied.body]).toStrictEqual([
      403,
      'statistics:get is denied on this server (deny_commands)\n',
    ]);
  });

  test('counts scrapes among the calls that are limited', async ({ startServer }) => {
    const server = await startServer({ prometheus: {}, httpd: { rate_limit_address: 2 } });
    const replies = [];
    for (let n = 0; n < 6; n++) replies.push(await scrape(server));
    const refused = replies.find(({ status }) => status === 429);
    expect(refused?.headers['retry-after']).toBe('1');
    expect(replies[0]?.status).toBe(200);
  });

  test('refuses browsers under names that are not allowed', async ({ startServer }) => {
    const server = await startServer({ prometheus: {} });
    const rebound = { Host: 'evil.example' };
    expect((await scrape(server, undefined, rebound)).status).toBe(200);
    for (const browser of [
      { Origin: 'http://evil.example' },
      { 'User-Agent': 'Mozilla/5.0' },
      { 'Sec-Fetch-Site': 'none' },
    ])
      expect((await scrape(server, undefined, { ...rebound, ...browser })).status).toBe(403);
  });
});

describe('parameters', () => {
  const wrong: readonly (readonly [parameters: object, fault: RegExp])[] = [
    [{ prefix: '9' }, /prefix.*no digit first/],
    [{ prefix: 'a-b' }, /prefix.*letters, digits/],
    [{ delimiter: '-' }, /delimiter.*letters, digits/],
    [{ group_prefix: 'é' }, /group_prefix.*letters, digits/],
    [{ group_label: 'node' }, /group_label.*neither node/],
    [{ group_label: '__a' }, /group_label.*no "__" first/],
    [{ group_mode: 3 }, /group_mode/],
    [{ statistics: [' '] }, /give all, groups or names/],
    [{ script_route: 'metrics' }, /script_route.*no script/],
    [{ labels: ['x'] }, /it is no "group: /],
    [{ labels: ['g: /a/'] }, /not three parts/],
    [{ labels: ['g: /a/b/'] }, /no ":"/],
    [{ labels: ['g: /(/b:c="d"/'] }, /labels/],
    [{ labels: ['g: /[a/b:c="d"/'] }, /"\[" has no "\]"/],
    [{ labels: ['g: /[[:word:]]/b:c="d"/'] }, /no character class/],
    [{ labels: ['g: /(?:a)/b:c="d"/'] }, /no meaning in POSIX/],
    [{ labels: ['g: /a/b:c="d"/x'] }, /are no flags/],
    [{ root: 'a/b' }, /one segment/],
  ];
  for (const [parameters, fault] of wrong) {
    test(`${JSON.stringify(parameters)} is rejected`, () => {
      expect(() => createServer({ prometheus: parameters })).toThrow(fault);
    });
  }
});

describe('nodes of OpenSIPS', () => {
  test('have their statistics beside those of this server, with a label', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '4.0', '2.4'], { prometheus: {} });
    for (const { state } of sip)
      state.statistics = { 'load:load-proc-1': 7, 'load:load1m-proc-12': 9, 'pkmem:3-used_size': 5 };
    const text = await page(server, '*/*');
    for (const node of ['sip-1', 'sip-2', 'sip-3']) {
      expect(text).toContain(`\nopensips_up{node="${node}"} 1\n`);
      expect(text).toContain(`\nopensips_rcv_replies{node="${node}"} 7\n`);
      expect(text).toContain(`\nopensips_proc_load{id="1",node="${node}"} 7\n`);
      expect(text).toContain(`\nopensips_proc_load1m{id="12",node="${node}"} 9\n`);
      expect(text).toContain(`\nopensips_pkmem_used_size{id="3",node="${node}"} 5\n`);
    }
    expect(text.match(/^# TYPE opensips_rcv_replies .*$/gm)).toStrictEqual(['# TYPE opensips_rcv_replies counter']);
    expect(text).toContain('# TYPE opensips_active_dialogs gauge\n');
    expect(text).toContain('# HELP opensips_active_dialogs OpenSIPS statistic dialog:active_dialogs.\n');
  });

  test('are asked once within statistics_interval, and told anew after it', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], {
      prometheus: { statistics: ['dialog:'] },
      opensips: { statistics_interval: 3600 },
    });
    const line = 'opensips_active_dialogs{node="sip-1"} 0\n';
    for (let n = 0; n < 3; n++) expect(await page(server)).toContain(line);
    expect(sip[0]?.ran.filter((name) => name === 'get_statistics').length).toBe(1);

    const other = await startFront(lifetime, ['3.4'], {
      prometheus: { statistics: ['dialog:'] },
      opensips: { statistics_interval: 0 },
    });
    expect(await page(other.server)).toContain(line);
    const [double] = other.sip;
    if (double !== undefined) double.state.dialogs = 5;
    expect(await page(other.server)).toContain('opensips_active_dialogs{node="sip-1"} 5\n');
    if (double !== undefined) double.state.statistics = { 'dialog:failed_dialogs': 2 };
    expect(await page(other.server)).toContain('opensips_failed_dialogs{node="sip-1"} 2\n');
  });

  test('that hang are down, and hold up one scrape for a second at most', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '3.4'], {
      prometheus: { statistics: ['dialog:'] },
      opensips: { statistics_interval: 0 },
    });
    expect(await page(server)).toContain('opensips_up{node="sip-1"} 1\n');
    const go = sip[0]?.hold('get_statistics');
    await page(server);
    // This one and all later ones answer at once: the test would take minutes otherwise.
    for (let n = 0; n < 100; n++) {
      const text = await page(server);
      expect(text).toContain('opensips_up{node="sip-1"} 0\n');
      expect(text).not.toContain('opensips_active_dialogs{node="sip-1"}');
      expect(text).toContain('opensips_up{node="sip-2"} 1\n');
      expect(text).toContain('opensips_active_dialogs{node="sip-2"} 0\n');
    }
    go?.();
    await expect.poll(() => page(server)).toContain('opensips_active_dialogs{node="sip-1"} 0\n');
  });

  test('that are down are told so, and come back', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], {
      prometheus: {},
      opensips: { statistics_interval: 0, watch_interval: 1, retry_interval: 1 },
    });
    expect(await page(server)).toContain('opensips_up{node="sip-1"} 1\n');
    sip[0]?.stop();
    await expect.poll(() => page(server)).toContain('opensips_up{node="sip-1"} 0\n');
    expect(await page(server)).not.toContain('opensips_rcv_replies');
  });

  test('with hostile names break no page', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], {
      prometheus: { labels: ['evil: /^l_(.*)$/l:v="\\1"/'] },
      opensips: { statistics_interval: 0 },
    });
    const names = [
      'a\nb 1',
      '"}',
      'a{x="1"} 2',
      '',
      ' ',
      '💥',
      '\\',
      '# TYPE x counter',
      'l_a"b',
      'l_",v2="x',
      'l_\n',
      '__proto__',
    ];
    const [double] = sip;
    if (double !== undefined) double.state.statistics = Object.fromEntries(names.map((name, n) => [`evil:${name}`, n]));
    for (const accept of [undefined, '*/*', openMetrics]) {
      for (const line of (await page(server, accept)).split('\n')) {
        expect(line).toMatch(
          /^$|^# (HELP|TYPE|UNIT) [A-Za-z_:][A-Za-z0-9_:]* .*$|^# EOF$|^[A-Za-z_:][A-Za-z0-9_:]*(\{([A-Za-z_]\w*="([^"\\\n]|\\[\\"n])*",?)+\})? [^ ]+$/,
        );
      }
    }
  });
});
