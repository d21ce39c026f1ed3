// Two commits by turns: the other one is built beside, and the ratio is that of each round.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { buildRevision, describeCheckout } from '../../bench/against/checkout.js';
import { compare, comparisonText } from '../../bench/against/compare.js';
import { questions } from '../../bench/questions/table.js';
import type { Measured } from '../../bench/runner.js';
import { bundle } from '../../scripts/bundle.mjs';
import { outcome } from '../support/bench.js';

/** A repository whose build writes what the commit says. */
function repository() {
  const root = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-against-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
      cwd: root,
      encoding: 'utf8',
    }).trim();
  git('init', '--quiet');
  mkdirSync(join(root, 'scripts'));
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(join(root, 'node_modules/.package-lock.json'), '{}');
  writeFileSync(join(root, 'package-lock.json'), '{}');
  writeFileSync(join(root, '.gitignore'), 'build/\nnode_modules/\ndist/\n');
  const commit = (text: string): string => {
    writeFileSync(
      join(root, 'scripts/build.mjs'),
      `import { appendFileSync, mkdirSync, existsSync } from 'node:fs';
       if (!existsSync('node_modules/.package-lock.json')) process.exit(1);
       mkdirSync('dist', { recursive: true });
       appendFileSync('dist/main.js', ${JSON.stringify(text)});`,
    );
    git('add', '.');
    git('commit', '--quiet', '-m', text);
    return git('rev-parse', '--short=9', 'HEAD');
  };
  return { root, commit };
}

describe('npm run bench -- --against', () => {
  test('a commit is built in a worktree of its own, once', () => {
    const { root, commit } = repository();
    const first = commit('first ');
    commit('second ');
    const built = buildRevision('HEAD~1', root);
    expect(built).toStrictEqual({ commit: first, folder: join(root, 'build/against', first) });
    buildRevision(first, root);
    expect(readFileSync(join(built.folder, 'dist/main.js'), 'utf8')).toBe('first ');
    expect(() => buildRevision('no-such', root)).toThrow('--against has "no-such", which is no commit here');
    // Removed by hand, it is made anew.
    rmSync(built.folder, { recursive: true });
    buildRevision(first, root);
    expect(readFileSync(join(built.folder, 'dist/main.js'), 'utf8')).toBe('first ');
  });

  test('changed files are told', () => {
    const { root, commit } = repository();
    const hash = commit('first ');
    expect(describeCheckout(root)).toStrictEqual({ commit: hash, isChanged: false });
    writeFileSync(join(root, 'package-lock.json'), '{ }');
    expect(describeCheckout(root)).toStrictEqual({ commit: hash, isChanged: true });
  });

  test('each round is compared with the same round of the other', () => {
    const of = (peer: string, cpu: readonly number[], rate: readonly number[]): Measured => ({
      question: 'small',
      case: '64 connections, keep-alive',
      peer,
      samples: cpu.map((one, round) => ({ cpu: one, rate: rate[round] ?? 0, p99: 1 })),
    });
    // The machine is twice as slow in the second round: the ratios do not know it.
    const measured = [
      of('here', [9, 18, 9, 9, 9], [100, 50, 110, 100, 100]),
      of('there', [10, 20, 12, 10, 10], [100, 50, 100, 100, 100]),
    ];
    const rows = compare(measured, questions, 'here', 'there');
    expect(rows.map(({ metric }) => metric)).toStrictEqual(['rate', 'cpu']);
    expect(rows[1]?.ratio).toStrictEqual({ median: 0.9, min: 0.75, max: 0.9, count: 5 });
    const text = comparisonText({
      format: 'against 1',
      date: '2026-01-02',
      command: 'npm run bench -- --against main',
      machine: '2 cores',
      versions: 'Node.js',
      seconds: 1,
      here: 'abc with changes',
      there: 'def',
      warnings: ['rustc took 40.0 % of a core'],
      rows,
      skipped: [{ question: 'small', case: 'TLS', peer: 'there', reason: 'failed: no' }],
    });
    expect(text).toMatch(/^# abc with changes against def\n/);
    expect(text).toMatch(/5 rounds of 1 s, both by turns/);
    expect(text).toMatch(/CPU µs\/request \| +10\.0 ±50 % \| +9\.0 ±50 % \| 0\.900 \(0\.750 to 0\.900\) \| better \|/);
    expect(text).toMatch(/requests\/s +\| .* \| 1\.000 \(1\.000 to 1\.100\) \| +\|/);
    expect(text).toMatch(/\*\*Mind that rustc took 40\.0 % of a core\.\*\*/);
    expect(text).toMatch(/- there, TLS: failed: no/);
  });

  test('a commit that is none ends with one line', async () => {
    const { code, stderr } = await outcome(bundle('bench/main.ts'), ['--against', 'no-such-commit']);
    expect(code).toBe(1);
    expect(stderr).toBe('bench: --against has "no-such-commit", which is no commit here; git log lists them\n');
  });
});
