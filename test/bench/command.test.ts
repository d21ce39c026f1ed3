// The command `npm run bench` itself, and what it compares with.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect } from 'vitest';
import { checkReply } from '../../bench/check-reply.js';
import { wrkMissing } from '../../bench/load/wrk.js';
import { parseOptions } from '../../bench/options.js';
import { ask, PeerPool } from '../../bench/peer-pool.js';
import { bareUws, fastify, nodeHttp } from '../../bench/peers/by-hand.js';
import type { Delays } from '../../bench/peers/delay-meter.js';
import { libmicrohttpd } from '../../bench/peers/libmicrohttpd.js';
import { miHttpd } from '../../bench/peers/mi-httpd.js';
import { peers } from '../../bench/peers/table.js';
import { questions } from '../../bench/questions/table.js';
import { lookSeconds } from '../../bench/quiet.js';
import type { Result } from '../../bench/result.js';
import { planAll, secondsOf } from '../../bench/runner.js';
import { sampleReplies } from '../../bench/sample-replies.js';
import { bundle } from '../../scripts/bundle.mjs';
import { outcome } from '../support/bench.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const notLinux = process.platform === 'linux' ? false : 'servers are measured by /proc, which only Linux has';
const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const main = bundle('bench/main.ts');

describe('npm run bench', () => {
  test('options: defaults, quick, and what is wrong', () => {
    expect([parseOptions([]).seconds, parseOptions([]).repeats]).toStrictEqual([1, 5]);
    expect([parseOptions(['--quick']).seconds, parseOptions(['--quick', '--repeats', '7']).repeats]).toStrictEqual([
      1, 7,
    ]);
    expect(parseOptions(['--only', 'small, dumps']).only).toStrictEqual(['small', 'dumps']);
    expect(parseOptions(['--original', 'http://127.0.0.1:8888/mi', '--original-pid', '42']).original?.pid).toBe(42);
    const opensips = ['--original', 'http://127.0.0.1:8888/mi', '--original-pid', '42'];
    expect(parseOptions([...opensips, '--original-tls', 'https://127.0.0.1:8889/mi']).original).toMatchObject({
      pid: 42,
      contacts: 10_000,
      tls: { pid: 42, url: new URL('https://127.0.0.1:8889/mi') },
    });
    expect(parseOptions(['--against', 'main'])).toMatchObject({ only: ['small'], repeats: 9, against: 'main' });
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [['--only', 'larger'], /--only has no "larger"; there are "small", "medium"/],
      [['--peers', 'apache'], /--peers has no "apache"; there are "mi-httpd", "libmicrohttpd"/],
      [['--seconds', '0'], /--seconds is "0"; give a whole number from 1 to 600/],
      [['--original', 'http://127.0.0.1:8888/mi'], /--original and --original-pid go together/],
      [['--original', 'http://192.0.2.1/mi', '--original-pid', '42'], /on this machine/],
      [['--fast'], /--fast.*--help lists the options/],
      [['--force'], /--force is for --publish/],
      [['--against', 'main', '--publish'], /--against compares two commits alone; leave --publish out/],
      [['--original-tls', 'https://127.0.0.1/mi'], /go with --original; give it too/],
      [[...opensips, '--original-tls', 'http://127.0.0.1/mi'], /https:\/\/127\.0\.0\.1:PORT\/mi/],
      [[...opensips, '--original-tls', 'https://127.0.0.1/other'], /its path must be that of --original, \/mi/],
      [[...opensips, '--original-contacts', '0'], /give a whole number from 1 to 1000000/],
    ];
    for (const [args, message] of wrong) expect(() => parseOptions(args)).toThrow(message);
  });

  test('--help tells all, and a wrong option ends with status 2', async () => {
    const help = await outcome(main, ['--help']);
    expect(help.code).toBe(0);
    for (const word of [
      '--quick',
      '--original-pid',
      '--install',
      '--publish',
      '--force',
      '--against',
      '--original-contacts',
      'head-of-line',
      'host-delay',
      'reply-shapes',
      'Kamailio',
    ]) {
      expect(help.stdout, word).toContain(word);
    }
    const wrong = await outcome(main, ['--fast']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/^bench: .*--fast/);
  });

  test('a whole run takes 25 minutes at most, with every rival, and --list tells how long', async () => {
    const options = parseOptions([]);
    const plan = planAll(questions, peers, options, true);
    const sum = [...secondsOf(plan, options).values()].reduce((total, seconds) => total + seconds, lookSeconds);
    expect(sum / 60).toBeLessThanOrEqual(25);
    const { code, stdout } = await outcome(main, ['--list', '--only', 'small,bodies']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^small +7 cases, +\d+ measurements, \d+\.\d min$/m);
    expect(stdout).toMatch(/^bodies +4 cases/m);
    expect(stdout).toMatch(/^all together \d+\.\d min/m);
  });

  test('--against compares what stands in front of an OpenSIPS, too', async () => {
    const { code, stdout } = await outcome(main, [
      '--list',
      '--against',
      'HEAD',
      '--repeats',
      '3',
      '--only',
      'upstream,small',
    ]);
    expect(code).toBe(0);
    // Each case of both checkouts.
    expect(stdout).toMatch(/^upstream +3 cases, +18 measurements/m);
    expect(stdout).toMatch(/^small +7 cases, +\d+ measurements/m);
  });

  test('a peer is asked only what it is there for', () => {
    const plan = planAll(questions, peers, parseOptions([]), true);
    const askedFor = (name: string): Set<string> =>
      new Set(
        plan.cases.filter(({ peers: asked }) => asked.some((peer) => peer.name === name)).map((c) => c.question.name),
      );
    expect([...askedFor('mi-httpd in front')]).toStrictEqual(['upstream', 'hanging-node', 'upstream-dump', 'mirror']);
    expect(askedFor('mi-httpd').has('upstream')).toBe(false);
    expect(askedFor('libmicrohttpd').has('upstream')).toBe(true);
    expect([...askedFor('nginx constant')]).not.toContain('batches');
  });

  unless(notLinux, test)('the rivals answer what mi-httpd answers', async ({ annotate }) => {
    const replies = await sampleReplies(folder);
    const pool = new PeerPool({ folder, certificate: undefined, replies });
    try {
      const need = { contacts: 3, tls: false };
      const own = await pool.get(miHttpd, need);
      for (const peer of [libmicrohttpd, bareUws, nodeHttp, fastify]) {
        const reason = peer.unavailable();
        if (reason !== undefined) {
          annotate(`${peer.name} skipped: ${reason}`);
          continue;
        }
        const rival = await pool.get(peer, need);
        for (const command of ['version', 'which', 'get_statistics', 'ul_dump', 'measure'] as const) {
          const amount = command === 'measure' ? 5000 : undefined;
          const [ours, theirs] = await Promise.all([
            ask(own.port, own.call(command, amount)),
            ask(rival.port, rival.call(command, amount)),
          ]);
          expect(shapeOf(theirs), `${command} of ${peer.name}`).toStrictEqual(shapeOf(ours));
        }
        const { resident, peak } = rival.usage();
        expect(resident > 1e6 && peak >= resident, `${peer.name}: ${resident} bytes, ${peak} at most`).toBe(true);
      }
    } finally {
      await pool.endAll();
    }
  });

  unless(notLinux, test)('a program that a server is a part of tells how late its timers are', async () => {
    const pool = new PeerPool({ folder, certificate: undefined, replies: await sampleReplies(folder) });
    try {
      for (const peer of [miHttpd, bareUws, nodeHttp]) {
        const need = { contacts: 2, tls: false, embedded: true };
        const running = await pool.get(peer, need);
        await checkReply(running, { name: 'a case', command: 'ul_dump', need });
        await checkReply(running, { name: 'a case', command: 'measure', amount: 5000, need });
        const delays = async (): Promise<Delays> =>
          (JSON.parse(await ask(running.port, running.call('delay'))) as { result: Delays }).result;
        // The first one begins.
        expect(await delays(), peer.name).toStrictEqual({ p50: 0, p99: 0, max: 0 });
        await expect.poll(async () => (await delays()).max, { message: peer.name }).toBeGreaterThan(0);
      }
    } finally {
      await pool.endAll();
    }
  });

  unless(notLinux, test)('a run measures, and writes JSON, text and charts', async ({ skip }) => {
    const reason = wrkMissing();
    if (reason !== undefined) return skip(reason);
    const out = join(folder, 'out');
    const { code, stdout, stderr } = await outcome(main, [
      ...['--quick', '--repeats', '1', '--only', 'pipelining,start-up', '--peers', 'mi-httpd', '--out', out],
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/\| mi-httpd \|/);
    const result = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as Result;
    expect(result.rows.map(({ question, peer }) => [question, peer])).toStrictEqual([
      ['pipelining', 'mi-httpd'],
      ['start-up', 'mi-httpd'],
    ]);
    expect(result.rows[0]?.figures.rate?.median ?? 0).toBeGreaterThan(100);
    expect(result.rows[0]?.figures.cpu?.median ?? 0).toBeGreaterThan(0);
    expect(readFileSync(join(out, 'pipelining.svg'), 'utf8')).toMatch(/^<svg /);
    expect(readFileSync(join(out, 'report.md'), 'utf8')).toMatch(/### Pipelining/);
  });

  test('instruction counts: the same passes, 5 % more fails, as does what has no baseline', async () => {
    const write = (name: string, counts: object): string => {
      const file = join(folder, name);
      writeFileSync(file, JSON.stringify(counts));
      return file;
    };
    const baseline = write('baseline.json', { scan: 1000, dump: 2000 });
    const compare = (counts: object) =>
      outcome('scripts/instructions.mjs', ['--baseline', baseline, '--counts', write('counts.json', counts)]);
    expect((await compare({ scan: 1049, dump: 2000 })).code).toBe(0);
    const risen = await compare({ scan: 1051, dump: 2000 });
    expect(risen.code).toBe(1);
    expect(risen.stdout).toMatch(/1051 +5\.1 % +scan ROSE/);
    expect((await compare({ scan: 1000, dump: 2000, other: 1 })).code).toBe(1);
    expect((await compare({ scan: 1000 })).code).toBe(1);
    expect((await compare({ scan: 1000, dump: 1000 })).stdout).toMatch(/dump fell/);
  });
});

/** A reply with its numbers and the contacts' own ids, which differ from run to run, taken out. */
function shapeOf(reply: string): unknown {
  const order = (value: unknown): unknown =>
    Array.isArray(value) && value.every((item) => typeof item === 'object')
      ? value.map(order).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, order(item)]))
        : value;
  const parsed: unknown = JSON.parse(reply, (name, value: unknown) => {
    if (name === 'ContactID') return typeof value;
    return typeof value === 'number' && name !== 'Cseq' ? 0 : value;
  });
  return order(parsed);
}
