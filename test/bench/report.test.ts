// What the benchmark makes of a result: tables, charts, the sections of the documents.
import { readFileSync } from 'node:fs';
import { assert, describe, expect, test } from 'vitest';
import { type Metric, metrics } from '../../bench/question.js';
import { questions } from '../../bench/questions/table.js';
import { barChart } from '../../bench/report/chart.js';
import { charts, document, type Roles, summary } from '../../bench/report/document.js';
import { Progress } from '../../bench/report/progress.js';
import { publishedFiles } from '../../bench/report/publish.js';
import { cell, markdownTable, questionTable } from '../../bench/report/table.js';
import { type Result, withRun } from '../../bench/result.js';
import { targets, targetTable } from '../../bench/targets.js';

const roles: Roles = { own: 'mi-httpd', baseline: 'libmicrohttpd', constant: 'nginx constant' };

function figures(values: Partial<Record<Metric, number>>) {
  return Object.fromEntries(
    Object.entries(values).map(([name, median]) => [name, { median, min: median * 0.9, max: median * 1.1, count: 3 }]),
  );
}

const name = '64 connections, keep-alive';
const result: Result = {
  format: 1,
  date: '2026-01-02',
  command: 'npm run bench',
  quick: false,
  seconds: 4,
  repeats: 3,
  machine: '2 cores',
  versions: 'Node.js 20',
  warnings: ['the moon is full'],
  peers: [{ name: 'mi-httpd', what: 'this' }],
  rows: [
    { question: 'small', case: name, peer: 'mi-httpd', figures: figures({ rate: 150_000, cpu: 6, p99: 0.5 }) },
    { question: 'small', case: name, peer: 'libmicrohttpd', figures: figures({ rate: 100_000, cpu: 12 }) },
    { question: 'small', case: name, peer: 'nginx constant', figures: figures({ rate: 200_000, cpu: 3.1 }) },
    { question: 'small', case: 'alone', peer: 'mi-httpd', figures: figures({ rate: 50_000 }) },
  ],
  skipped: [
    { peer: 'OpenSIPS', reason: 'none was named' },
    { question: 'small', case: 'TLS', peer: 'Kamailio', reason: 'it has none' },
  ],
};
const [small] = questions;

describe('the report of the benchmark', () => {
  test('a table is padded, texts to the left and numbers to the right', () => {
    expect(
      markdownTable(
        ['name', 'n'],
        [
          ['a', '1'],
          ['longer', '1000'],
        ],
        1,
      ),
    ).toBe(['| name   |    n |', '| ------ | ---: |', '| a      |    1 |', '| longer | 1000 |'].join('\n'));
  });

  test('a question has one row for each peer, with ratios to the baseline where it was measured', () => {
    assert(small !== undefined);
    const table = questionTable(small, result.rows, roles.baseline);
    assert(table !== undefined);
    const rows = table.split('\n').map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
    expect(rows[0]).toStrictEqual([
      ...['case', 'peer', 'requests/s', 'p99 ms', 'CPU µs/request'],
      ...['requests/s ÷ libmicrohttpd', 'CPU µs/request ÷ libmicrohttpd'],
    ]);
    expect(rows[2]).toStrictEqual([
      ...[name, 'mi-httpd', '150,000 ±10 %', '0.500 ±10 %', '6.0 ±10 %'],
      ...['1.50', '0.50'],
    ]);
    expect(rows[3]).toStrictEqual(['', 'libmicrohttpd', '100,000 ±10 %', '', '12.0 ±10 %', '1.00', '1.00']);
    expect(rows[5]).toStrictEqual(['alone', 'mi-httpd', '50,000 ±10 %', '', '', '', '']);
  });

  test('every figure has its spread; of differences, the lowest and the highest', () => {
    const figure = { median: 0.5, min: -0.25, max: 1.5, count: 3 };
    expect(cell(figure, 'aboveIdle')).toBe('0.50 (-0.25 to 1.50)');
    expect(cell({ ...figure, min: 0.25, max: 0.5 }, 'p99')).toBe('0.500 ±25 %');
    expect(cell({ median: 0.5, min: 0.5, max: 0.5, count: 1 }, 'p99')).toBe('0.500');
    expect(cell({ median: 0, min: 0, max: 0.3, count: 3 }, 'growth')).toBe('0.0 (0.0 to 0.3)');
  });

  test('a question may have another peer to compare with, and without one there is no ratio', () => {
    assert(small !== undefined);
    const head = (base: string): string => questionTable(small, result.rows, base)?.split('\n')[0] ?? '';
    expect(head('nginx constant')).toMatch(/requests\/s ÷ nginx constant/);
    expect(head('Kamailio')).not.toMatch(/÷/);
  });

  test('what was found of the machine is told, and what was published by force', () => {
    const text = (more: Partial<Result>): string => document({ ...result, ...more }, questions, roles, undefined);
    expect(text({})).toMatch(/The machine was not watched\./);
    const constants = [{ peer: 'nginx constant', when: 'before', spread: 0.031 }] as const;
    const quiet = { constants, processes: [{ name: 'cron', share: 0.012 }] };
    expect(text({ quiet })).toMatch(
      /The machine was quiet: rates of nginx constant ±3\.1 % before; cron took 1\.2 % of a core\./,
    );
    const loud = { constants, processes: [{ name: 'rustc', share: 0.4 }] };
    expect(text({ quiet: loud, forced: ['rustc took 40.0 % of a core'] })).toMatch(
      /The machine was not quiet:[\s\S]*\*\*Published by `--force` although rustc took 40\.0 % of a core\.\*\*/,
    );
  });

  test('a later run takes the place of the questions that it asked, and of no others', () => {
    const row = {
      question: 'pipelining',
      case: '32 requests a write',
      peer: 'mi-httpd',
      figures: figures({ rate: 1 }),
    };
    const older: Result = { ...result, rows: [...result.rows, row] };
    const newest: Result = { ...result, date: '2026-02-03' };
    const published = withRun({ format: 2, runs: [older] }, newest);
    expect(published.runs.map(({ date, rows }) => [date, rows.length])).toStrictEqual([
      ['2026-02-03', 4],
      ['2026-01-02', 1],
    ]);
    expect(withRun(published, { ...newest, rows: [row] }).runs.length).toBe(2);
    const text = summary(published, questions, roles);
    expect(text).toMatch(/\| A small command +\| 64 connections, keep-alive +\| requests\/s +\| 150,000 ±10 %/);
    expect(text).toMatch(/\| Pipelining /);
    expect(text).toMatch(/!\[A small command\]\(charts\/small\.svg\)/);
  });

  test('targets are compared with the figures, with OpenSIPS where it was measured and by an estimate elsewhere', () => {
    const lines = (runs: readonly Result[]): string[] =>
      targetTable({ format: 2, runs }, roles.own, roles.constant)
        .split('\n')
        .map((line) => line.replace(/ +/g, ' '));
    expect(lines([result])).toContain(
      '| `version`, 64 connections: CPU | ≤ 1 × libmicrohttpd | 0.50 (0.41 to 0.61) | yes |',
    );
    expect(lines([result])).toContain('| the same | ≤ 0.8 × OpenSIPS | 1.22 to 1.38, an estimate | no |');
    expect(lines([result])).toContain('| start | ≤ 300 ms | not measured yet | |');
    const original = { question: 'small', case: name, peer: 'OpenSIPS', figures: figures({ cpu: 10 }) };
    expect(lines([{ ...result, rows: [...result.rows, original] }])).toContain(
      '| the same | ≤ 0.8 × OpenSIPS | 0.60 (0.49 to 0.73) | yes |',
    );
  });

  test('every target names a case that is measured', () => {
    for (const { aim, question, case: wanted, metric } of targets) {
      const cases = questions
        .find(({ name }) => name === question)
        ?.cases({ quick: false, seconds: 1, repeats: 5 })
        .map(({ name }) => name);
      expect(cases, aim).toContain(wanted);
      expect(metrics[metric].title, aim).toMatch(/\S/);
    }
  });

  test('the document tells the conditions, what was skipped, and OpenSIPS as an estimate', () => {
    const text = document(result, questions, roles, 'charts');
    expect(text).toMatch(/`npm run bench`, 2026-01-02; 2 cores; Node\.js 20\. 3 rounds of 4 s/);
    expect(text).toMatch(/\*\*Mind that the moon is full\.\*\*/);
    expect(text).toMatch(/!\[A small command\]\(charts\/small\.svg\)/);
    expect(text).toMatch(/- OpenSIPS: skipped, none was named/);
    expect(text).toMatch(/- Kamailio: it has none \(TLS\)/);
    // nginx takes half of what it took there.
    expect(text).toMatch(/would be 4\.[34] to 4\.9 µs here\. An estimate/);
    expect(text).not.toMatch(/### Pipelining/);
  });

  test('a chart has a bar for each peer, as long as its figure, and is well-formed', () => {
    const svg = charts(result, questions, roles).get('small');
    assert(svg !== undefined);
    const width = (role: string): number =>
      Number(new RegExp(`<rect class="${role}"[^>]* width="([0-9.]+)"`).exec(svg)?.[1]);
    expect(Math.abs(width('own') / width('base') - 1.5)).toBeLessThan(0.01);
    expect(svg).toMatch(/prefers-color-scheme: dark/);
    expect([...svg.matchAll(/<(rect|text|line|svg|style)[ >]/g)].length).toBe(
      [...svg.matchAll(/<\/(rect|text|line|svg|style)>|\/>/g)].length,
    );
  });

  test('names are escaped, and what is far apart is drawn by decades', () => {
    const bar = (name: string, median: number) =>
      ({ name, role: 'rival', figure: { median, min: median, max: median, count: 1 } }) as const;
    const groups = [{ name: 'a & b', bars: [bar('<one>', 1), bar('two', 1000), bar('none', 0)] }];
    const svg = barChart({ title: '"t"', unit: 'ms', better: 'less', digits: 1, groups });
    expect(svg).toMatch(/a &#38; b/);
    expect(svg).toMatch(/&#60;one&#62;/);
    expect(svg).toMatch(/logarithmic scale/);
    const widths = [...svg.matchAll(/<rect [^>]* width="([0-9.]+)"/g)].map(([, width]) => Number(width));
    expect(widths.every((width) => width >= 1)).toBe(true);
    expect(widths[0] ?? 0).toBeGreaterThan((widths[1] ?? 0) / 20);
  });

  test('what is published is what the texts show', () => {
    for (const [file, text] of publishedFiles(questions, roles)) {
      // Not toBe, which would show both files.
      const remedy = 'npm run bench -- --publish --from bench/results/peers.json';
      expect(readFileSync(file, 'utf8') === text, `${file} is out of date: ${remedy}`).toBe(true);
    }
  });

  test('progress: a bar on a terminal, a few lines elsewhere', () => {
    let now = 0;
    const told = { terminal: '', file: '' };
    const terminal = new Progress(
      { isTTY: true, columns: 60, write: (text: string) => (told.terminal += text) },
      () => now,
    );
    const file = new Progress({ write: (text: string) => (told.file += text) }, () => now);
    for (const progress of [terminal, file]) {
      now = 0;
      progress.begin(100);
      for (let step = 0; step < 100; step++) {
        progress.step(`step ${step}`);
        now += 1000;
      }
      progress.end();
    }
    expect(told.terminal).toContain('\r\x1b[K[##########..........] 50 %, 0:50 left  step 50');
    expect(told.file.trim().split('\n').length).toBe(10);
    expect(told.file).toMatch(/^50 %, 0:50 left: step 50$/m);
  });
});
