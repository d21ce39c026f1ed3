// `npm start` in a checkout that is up to date, without npm, cargo or a compiler on the PATH: it needs none of them.
import { cpSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { checkout, Daemon, isListening, type LogLine, mi, temporaryFiles } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { processorTime } from '../support/processor-time.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const files = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'Cargo.toml',
  'Cargo.lock',
  'mi-httpd.cfg',
];
const folders = ['src', 'dist', 'native', 'crate/core/src', 'crate/node', 'scripts', 'examples'];

/** A copy, so that a rebuild here disturbs no other test. */
function builtCheckout(t: Lifetime): string {
  const copy = temporaryFiles(t, {});
  for (const name of [...files, ...folders, 'crate/core/Cargo.toml']) {
    cpSync(join(checkout, name), join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'), 'junction');
  // Up to date by definition, whatever the checkout is.
  const now = new Date();
  const longAgo = new Date(0);
  for (const result of ['native/.built', 'dist/revision.json']) utimesSync(join(copy, result), now, now);
  for (const source of ['package.json', 'package-lock.json']) utimesSync(join(copy, source), longAgo, longAgo);
  return copy;
}

function start(t: Lifetime, copy: string, ...args: readonly string[]): Daemon {
  const path = join(copy, 'path');
  mkdirSync(path);
  symlinkSync(process.execPath, join(path, 'node'));
  return new Daemon(t, process.execPath, ['scripts/start.mjs', ...args], { cwd: copy, env: { PATH: path } });
}

unless(process.platform === 'win32', describe)('npm start', () => {
  test('serves at once with the configuration of the checkout when nothing has changed', async ({
    lifetime,
    annotate,
  }) => {
    const copy = builtCheckout(lifetime);
    const daemon = start(lifetime, copy, '-p', '0');
    const { url, pid } = JSON.parse(await daemon.line(/serving http:.*\/mi"/)) as LogLine;
    if (process.platform === 'linux') {
      const took = processorTime(pid);
      annotate(`served after ${took} s of processor time`);
      // Promised are 2 s on an idle machine.
      expect(took, `took ${took} s`).toBeLessThan(2);
    }
    expect(daemon.lines.join('\n')).toMatch(/"config":"mi-httpd\.cfg"/);
    expect((await mi(String(url), 'uptime')).status).toBe(200);
    daemon.signal('SIGINT');
    const { status, stderr } = await daemon.ended;
    expect([status, stderr]).toStrictEqual([0, '']);
  });

  test('hands its arguments to the command', async ({ lifetime }) => {
    const copy = builtCheckout(lifetime);
    const daemon = start(lifetime, copy, '-p', '0', '-f', 'examples/greeting.cfg');
    await daemon.line(/serving http:.*\/greeting"/);
    expect(daemon.lines.join('\n')).toMatch(/"config":"examples\/greeting\.cfg"/);
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
  });

  const verbs: readonly (readonly [args: readonly string[], output: RegExp])[] = [
    [['passwd', 'alice'], /^alice:read:/],
    [['token', 'alice'], /^alice:read:/],
    [['load', '--help'], /^mi-httpd load: /],
    [['-V'], /^mi-httpd [0-9.]+ \(/],
    [['-c'], /mi-httpd\.cfg: good/],
  ];
  for (const [args, output] of verbs) {
    test(`hands ${args.join(' ')} to the command`, async ({ lifetime }) => {
      const run = new Daemon(lifetime, 'npm', ['start', '--silent', '--', ...args], {
        cwd: builtCheckout(lifetime),
        input: 'pass word\n',
      });
      const { status, stdout, stderr } = await run.ended;
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(output);
    });
  }

  test('SIGTERM to npm stops the server and frees its port', async ({ lifetime, onTestFinished }) => {
    const npm = new Daemon(lifetime, 'npm', ['start', '--', '-p', '0'], { cwd: builtCheckout(lifetime) });
    const { url, pid } = JSON.parse(await npm.line(/serving http:.*\/mi"/)) as LogLine;
    onTestFinished(() => endIfAlive(pid));
    npm.signal('SIGTERM');
    await npm.ended;
    const port = Number(new URL(String(url)).port);
    await expect.poll(() => isListening(port)).toBe(false);
    await npm.line(/SIGTERM: finishing what runs/);
  });

  test('builds what has changed first', async ({ lifetime }) => {
    const copy = builtCheckout(lifetime);
    const options = join(copy, 'src/cli/serve.ts');
    writeFileSync(
      options,
      readFileSync(options, 'utf8').replace('export const usage = `', 'export const usage = `changed '),
    );
    const soon = new Date(Date.now() + 1000);
    utimesSync(options, soon, soon);
    const { status, stdout } = await start(lifetime, copy, '-h').ended;
    expect(status).toBe(0);
    expect(stdout).toMatch(/^changed mi-httpd: /);
  });
});

/** For a server that a failed test has left behind. */
function endIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
