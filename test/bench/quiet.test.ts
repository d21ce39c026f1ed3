// Whether a machine is quiet enough for a result that is published.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { figureOf, spreadOf } from '../../bench/figures.js';
import { disturbances, mostTaken, type ProcessTime, ProcessWatch, type Quiet } from '../../bench/quiet.js';
import type { Result } from '../../bench/result.js';
import { bundle } from '../../scripts/bundle.mjs';
import { outcome } from '../support/bench.js';

const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-quiet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A watch on processes that are told, at times that are told. */
class Told {
  now = 0;
  all: readonly ProcessTime[];
  readonly watch: ProcessWatch;

  constructor(own: readonly number[], all: readonly ProcessTime[]) {
    this.all = all;
    this.watch = new ProcessWatch(
      own,
      () => this.all,
      () => this.now,
    );
  }
}

const one = (pid: number, name: string, ticks: number, parent = 1, begun = 1): ProcessTime => ({
  pid,
  parent,
  name,
  begun,
  ticks,
});

describe('a quiet machine', () => {
  test('a spread is half of the way between lowest and highest, by the median', () => {
    expect(spreadOf(figureOf([95, 100, 105]))).toBeCloseTo(0.05);
    expect(spreadOf(figureOf([100]))).toBe(0);
    expect(spreadOf(figureOf([0, 0, 4]))).toBe(0);
  });

  test('constants of over ±5 % and processes of over 5 % of a core are told, with their figures', () => {
    const quiet = (spread: number, share: number): Quiet => ({
      constants: [{ peer: 'nginx constant', when: 'after', spread }],
      processes: [{ name: 'rustc', share }],
    });
    expect(disturbances(quiet(0.05, 0.05))).toStrictEqual([]);
    expect(disturbances(quiet(0.052, 0.061))).toStrictEqual([
      'the rate of "nginx constant" went ±5.2 % after the run; ±5 % is the most',
      'rustc took 6.1 % of a core; 5 % is the most',
    ]);
    expect(disturbances(undefined)).toStrictEqual(['the machine was not watched']);
  });

  test('processor time is that of others, by name, and a number that is used again is another process', () => {
    const told = new Told([10], [one(10, 'bench', 0), one(11, 'nginx', 0, 10), one(20, 'cc1', 500)]);
    told.now = 1000;
    told.all = [one(10, 'bench', 90), one(11, 'nginx', 80, 10), one(12, 'wrk', 70, 11), one(20, 'cc1', 510)];
    told.watch.look();
    told.now = 2000;
    // Another compiler has the number of the first one.
    told.all = [one(10, 'bench', 180), one(20, 'cc1', 20, 1, 2), one(21, 'cc1', 10)];
    told.watch.look();
    expect(told.watch.taken()).toStrictEqual([{ name: 'cc1', share: 0.2 }]);
  });

  test('of several looks the highest share of a name counts', () => {
    const looks = [
      [{ name: 'a', share: 0.1 }],
      [
        { name: 'b', share: 0.3 },
        { name: 'a', share: 0.2 },
      ],
    ];
    expect(mostTaken(...looks)).toStrictEqual([
      { name: 'b', share: 0.3 },
      { name: 'a', share: 0.2 },
    ]);
  });

  test('processes of the machine are read', () => {
    if (process.platform !== 'linux') return;
    const watch = new ProcessWatch([]);
    const begun = process.cpuUsage();
    const used = (): number => {
      const { user, system } = process.cpuUsage(begun);
      return user + system;
    };
    // Two ticks of the kernel's clock, however long that takes.
    while (used() < 40_000) JSON.stringify({ busy: true });
    watch.look();
    const own = readFileSync('/proc/self/stat', 'utf8');
    const name = own.slice(own.indexOf('(') + 1, own.lastIndexOf(')'));
    expect(watch.taken().map((taken) => taken.name)).toContain(name);
  });

  test('what was not measured on a quiet machine is refused, and nothing is written', async () => {
    const result: Result = {
      format: 1,
      date: '2026-01-02',
      command: 'npm run bench',
      quick: false,
      seconds: 1,
      repeats: 1,
      machine: '2 cores',
      versions: 'Node.js',
      warnings: [],
      quiet: { constants: [], processes: [{ name: 'rustc', share: 0.4 }] },
      peers: [],
      rows: [],
      skipped: [],
    };
    const file = join(folder, 'results.json');
    writeFileSync(file, JSON.stringify(result));
    const before = readFileSync('bench/results/peers.json', 'utf8');
    const args = ['--publish', '--from', file, '--out', join(folder, 'out')];
    const { code, stderr } = await outcome(bundle('bench/main.ts'), args);
    expect(code).toBe(3);
    expect(stderr).toMatch(/nothing is published: rustc took 40\.0 % of a core; 5 % is the most; .*--force --from/);
    expect(readFileSync('bench/results/peers.json', 'utf8')).toBe(before);
    expect(readFileSync(join(folder, 'out/report.md'), 'utf8')).toMatch(/The machine was not quiet/);
  });
});
