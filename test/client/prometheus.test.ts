// What module prometheus prints, read by the parsers of the Prometheus project, by promtool and by Prometheus itself.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { createServer, defineModule, type ServerOptions } from '#src/index.js';
import {
  installParsers,
  lacking,
  type MetricsText,
  type ParsedFamily,
  parseMetrics,
} from '../support/client/metrics-parsers.js';
import { freePort } from '../support/free-port.js';
import { startDouble, startFront } from '../support/front.js';
import { silentLog } from '../support/log.js';
import { call, startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';
import { get } from '../support/web-client.js';

const noParsers = installParsers();
const noPrometheus = lacking('prometheus');
const noPromtool = lacking('promtool');

const accepts = [undefined, '*/*', 'application/openmetrics-text'] as const;

/** The page in each form. */
async function pagesOf(server: Parameters<typeof get>[0]): Promise<readonly MetricsText[]> {
  const pages: MetricsText[] = [];
  for (const accept of accepts) {
    const { status, body } = await get(server, '/metrics', { headers: accept === undefined ? {} : { Accept: accept } });
    expect(status).toBe(200);
    pages.push({ form: accept?.startsWith('application') === true ? 'openmetrics' : 'text', text: body });
  }
  return pages;
}

function parsed(page: MetricsText): readonly ParsedFamily[] {
  const [families] = parseMetrics([page]);
  if (families === undefined || typeof families === 'string') throw new Error(`${families}: ${page.text}`);
  return families;
}

unless(noParsers ?? false, describe)('parsers of prometheus_client', () => {
  test('read all that a server sends, each series once, with its type and unit', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4', '2.4'], { prometheus: {}, usrloc: {}, cachedb_local: {} });
    const [, text, openMetrics] = (await pagesOf(server)).map(parsed);
    for (const families of [text, openMetrics]) {
      const series = families?.flatMap(({ samples }) =>
        samples.map(({ name, labels }) => JSON.stringify([name, labels])),
      );
      expect(new Set(series).size).toBe(series?.length);
      const types = families?.filter(({ type }) => type === 'unknown').map(({ name }) => name);
      // The gauge of open connections has the name that the family of this counter would have.
      expect(types).toStrictEqual(families === text ? [] : ['opensips_connections_total']);
      expect(families?.filter(({ help }) => help === '')).toStrictEqual([]);
    }
    const units = openMetrics?.filter(({ unit }) => unit !== '').map(({ name, unit }) => [name, unit]);
    expect(units).toEqual(
      expect.arrayContaining([
        ['process_cpu_seconds', 'seconds'],
        ['process_resident_memory_bytes', 'bytes'],
        ['opensips_cache_bytes', 'bytes'],
      ]),
    );
  });

  const name = fc.stringMatching(/^[A-Za-z0-9_.-][A-Za-z0-9_:.-]{0,12}$/);
  const about = fc.record(
    {
      unit: fc.constantFrom('bytes', 'seconds', 'total', 'x_y'),
      help: fc.string({ unit: 'grapheme', maxLength: 30 }),
      isTotal: fc.boolean(),
    },
    { requiredKeys: [] },
  );
  const statistic = fc.record({ name, about, value: fc.double(), isComputed: fc.boolean() });
  const parameters = fc.record(
    {
      prefix: fc.constantFrom('', 'opensips', 'a:b'),
      delimiter: fc.constantFrom('', '_', ':'),
      group_prefix: fc.constantFrom('', 'g_'),
      group_mode: fc.constantFrom(0, 1, 2),
      labels: fc.array(
        fc.constantFrom(
          'g: /^(.)(.*)$/\\1:first="\\2"/',
          'g: /_/:x="1"/g',
          'g: /^(.*)-(.*)$/total:le=\\2/',
          'evil: /^(.)(.*)$/\\1:l="\\2"/',
        ),
        { maxLength: 2 },
      ),
    },
    { requiredKeys: [] },
  );
  const suffixed = fc
    .constantFrom(
      'a',
      'a_total',
      'a_created',
      'a_bucket',
      'a_count',
      'a_sum',
      'a_info',
      'a-total',
      'a_bytes',
      'a_bytes_total',
    )
    .map((one) => ({ name: one, about: { unit: 'bytes', isTotal: false }, value: 1, isComputed: false }));

  test('read what any statistics become', async () => {
    const pages: MetricsText[] = [];
    const given = fc.record({ parameters, statistics: fc.array(fc.oneof(statistic, suffixed), { maxLength: 12 }) });
    for (const one of fc.sample(given, 40)) {
      const load: Parameters<typeof defineModule>[0]['load'] = ({ mi }) => {
        const names = new Set<string>();
        for (const { name: wanted, about: says, value, isComputed } of one.statistics) {
          if (names.has(wanted.toLowerCase())) continue;
          names.add(wanted.toLowerCase());
          // A counter is never below 0, and always a number.
          const counted = Number.isFinite(value) ? Math.abs(value) : 1;
          if (!isComputed) mi.statistics.add('g', wanted, 'counter', says).add(counted);
          else mi.statistics.add('g', wanted, 'computed', () => (says.isTotal === true ? counted : value), says);
        }
      };
      const options: ServerOptions = {
        httpd: { ip: '127.0.0.1', port: 0 },
        prometheus: { ...one.parameters, statistics: ['g: process:'] },
        modules: [defineModule({ name: 'g', load })],
        log: silentLog,
      };
      const server = await createServer(options).start();
      pages.push(...(await pagesOf(server)));
      await server.close();
    }
    for (const [index, families] of parseMetrics(pages).entries()) {
      expect(families, pages[index]?.text).not.toBeTypeOf('string');
    }
  });

  test('read what any statistics of OpenSIPS become', async ({ lifetime }) => {
    const double = await startDouble(lifetime, '3.4');
    const server = await startServer(lifetime, {
      prometheus: { labels: ['evil: /^(.)(.*)$/\\1:l="\\2"/'] },
      opensips: { nodes: [`sip-1 ${double.transports.http}`], statistics_interval: 0 },
    });
    const pages: MetricsText[] = [];
    const group = fc.oneof(
      fc.constantFrom('evil', 'core', 'load', 'pkmem'),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
    );
    const any = fc.dictionary(
      fc.tuple(group, fc.string({ unit: 'binary', maxLength: 12 })).map((parts) => parts.join(':')),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      { maxKeys: 10 },
    );
    for (const statistics of fc.sample(any, 20)) {
      double.state.statistics = statistics;
      pages.push(...(await pagesOf(server)));
    }
    for (const [index, families] of parseMetrics(pages).entries()) {
      expect(families, pages[index]?.text).not.toBeTypeOf('string');
    }
  });
});

unless(noPromtool ?? false, describe)('promtool', () => {
  test('finds no fault in the text format but names that OpenSIPS has chosen', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4'], { prometheus: {}, usrloc: {} });
    const [, text] = await pagesOf(server);
    const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text?.text, encoding: 'utf8' });
    const known =
      /counter metrics should have "_total" suffix|non-counter metrics should not have "_total" suffix|abbreviated units/;
    const faults = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !known.test(line));
    expect(faults).toStrictEqual([]);
  });

  test('takes the alerts of the examples', () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', 'examples/prometheus-alerts.yml'], {
      encoding: 'utf8',
    });
    expect(status, stdout + stderr).toBe(0);
  });
});

describe('examples', () => {
  test('of a dashboard and alerts name metrics that there are', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4'], { prometheus: {}, usrloc: {} });
    await call(server, 'version');
    const [, text, openMetrics] = await pagesOf(server);
    const names = new Set(
      [text, openMetrics].flatMap((page) =>
        [...(page?.text ?? '').matchAll(/^([A-Za-z_:][\w:]*)[ {]/gm)].map(([, one]) => one),
      ),
    );
    const dashboard = readFileSync('examples/grafana-dashboard.json', 'utf8');
    const expressions = [...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, one = '""']) =>
      String(JSON.parse(one)),
    );
    const alerts = readFileSync('examples/prometheus-alerts.yml', 'utf8');
    for (const [, one = ''] of alerts.matchAll(/^ *expr: (.*)$/gm)) expressions.push(one);
    expect(expressions.length).toBeGreaterThan(15);
    for (const expression of expressions) {
      const wanted = [...expression.matchAll(/__name__=~"([^"]+)"/g)].map(([, one = '']) => one);
      const plain = expression.replaceAll(/\{[^}]*\}|"[^"]*"/g, ' ');
      wanted.push(...[...plain.matchAll(/\b(?:opensips|process|nodejs|mi_httpd)_\w+/g)].map(([one]) => one));
      expect(wanted, expression).not.toStrictEqual([]);
      for (const one of wanted) {
        const pattern = new RegExp(`^(?:${one})$`);
        expect(
          [...names].some((known) => pattern.test(known ?? '')),
          `${one} of ${expression}`,
        ).toBe(true);
      }
    }
  });
});

unless(noPrometheus ?? false, describe)('Prometheus', () => {
  for (const openmetrics of [0, 1]) {
    test(`scrapes ${openmetrics === 1 ? 'OpenMetrics' : 'the text format'}`, async ({ lifetime, temporaryFiles }) => {
      const { server } = await startFront(lifetime, ['3.4'], { prometheus: { openmetrics } });
      const folder = temporaryFiles({});
      const configuration = join(folder, 'prometheus.yml');
      mkdirSync(join(folder, 'data'));
      writeFileSync(
        configuration,
        'global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: opensips\n' +
          `    static_configs: [{ targets: ['127.0.0.1:${server.port}'] }]\n`,
      );
      const port = await freePort();
      const child = spawn(
        'prometheus',
        [
          `--config.file=${configuration}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        { stdio: 'ignore' },
      );
      const ended = new Promise((resolve) => child.once('exit', resolve));
      lifetime.onTestFinished(async () => {
        child.kill('SIGKILL');
        await ended;
      });
      const query = async (text: string): Promise<unknown> => {
        const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(text)}`;
        const reply = await fetch(url).catch(() => undefined);
        const body =
          reply?.ok === true ? ((await reply.json()) as { data?: { result?: { value: unknown[] }[] } }) : undefined;
        return body?.data?.result?.[0]?.value[1];
      };
      await expect.poll(() => query('up{job="opensips"}')).toBe('1');
      expect(await query('opensips_up{node="sip-1"}')).toBe('1');
      const suffix = openmetrics === 1 ? '_total' : '';
      expect(await query(`opensips_rcv_replies${suffix}{node="sip-1"}`)).toBe('7');
      expect(Number(await query(`opensips_requests${suffix}`))).toBeGreaterThan(0);
      expect(await query('count({__name__=~"process_.+"})')).toBe('5');
    });
  }
});
