// Threads that have the listeners: how one of them ends, or the process, takes nothing else along.
import { describe, expect } from 'vitest';
import { type Ended, isListening, mi, Running } from '../support/daemon.js';
import { isNode } from '../support/engine.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

interface Plan {
  readonly end: string;
  readonly threads?: number;
}

/** Runs a program that has a server with threads, and ends it so. */
function host(t: Lifetime, plan: Plan): Promise<Ended> {
  const args = ['test/data/command/threads-host.mjs', JSON.stringify(plan)];
  return new Running(t, process.execPath, args).ended;
}

unless(isNode, describe)('the process', { concurrent: true }, () => {
  /** Its status, or the signal that ended it, and what it had told before. */
  const ends: Readonly<Record<string, readonly [status: number | null, signal: string | null, told: unknown]>> = {
    close: [0, null, ['closed']],
    'main exits': [7, null, [200]],
    'main really exits': [7, null, [200]],
    'main throws': [1, null, [200]],
    'main kills itself': [null, 'SIGTERM', [200]],
  };
  for (const [end, [status, signal, told]] of Object.entries(ends)) {
    for (const threads of [1, 3]) {
      test(`ends as it should with ${threads} threads: ${end}`, async ({ lifetime }) => {
        const ended = await host(lifetime, { end, threads });
        expect([ended.status, ended.signal], ended.stderr).toStrictEqual([status, signal]);
        expect(JSON.parse(ended.stdout)).toStrictEqual(told);
        expect(ended.stderr).toMatch(end === 'main throws' ? /Error: thrown in main/ : /^$/);
      });
    }
  }
});

unless(isNode, describe)('a thread that throws', { concurrent: true }, () => {
  test('loses its own connections alone, is told of, and is started again', async ({ lifetime }) => {
    const { status, stdout, stderr } = await host(lifetime, { end: 'thread throws' });
    expect([status, stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(stdout)).toStrictEqual([false, true, true, 200]);
  });

  test('leaves the tables that threads share as they are, and has them again', async ({ lifetime }) => {
    const { status, stdout, stderr } = await host(lifetime, { end: 'tables after a thread throws' });
    expect([status, stderr]).toStrictEqual([0, '']);
    expect(JSON.parse(stdout)).toStrictEqual([13, 'v']);
  });

  test('ends the process where somebody terminates it, instead of a server that answers some of its clients', async ({
    lifetime,
  }) => {
    const { signal, stdout } = await host(lifetime, { end: 'main terminates a thread' });
    expect([signal, JSON.parse(stdout)]).toStrictEqual(['SIGABRT', [200]]);
  });

  test('is started again where all of them throw', async ({ lifetime }) => {
    const { status, stdout } = await host(lifetime, { end: 'every thread throws' });
    expect([status, JSON.parse(stdout)]).toStrictEqual([0, [200, 2]]);
  });

  test('is started again three times a minute at most', async ({ lifetime }) => {
    const { status, stdout } = await host(lifetime, { end: 'more than three', threads: 1 });
    expect([status, JSON.parse(stdout)]).toStrictEqual([0, [3, 0]]);
  });
});

unless(isNode, describe)('the command with threads', () => {
  test('takes heads as long as ever', async ({ lifetime }) => {
    const { stdout } = await host(lifetime, { end: 'long head' });
    expect(JSON.parse(stdout)).toStrictEqual([200]);
  });

  test('lists them, and stops as it is told', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-p', '0', '-t', '2']);
    const { result } = await mi(daemon.url, 'ps');
    const { Processes } = result as { readonly Processes: readonly { readonly Type: string }[] };
    expect(Processes.map(({ Type }) => Type)).toStrictEqual([
      `HTTPD 127.0.0.1:${daemon.port}`,
      'HTTPD thread 1',
      'HTTPD thread 2',
    ]);
    daemon.signal('SIGTERM');
    const { status, stderr } = await daemon.ended;
    expect([status, stderr]).toStrictEqual([0, '']);
    expect(await isListening(daemon.port)).toBe(false);
  });

  test('does not share its port with another one', async ({ startDaemon, runCommand }) => {
    const daemon = await startDaemon(['-p', '0', '-t', '2']);
    for (const threads of ['0', '1', '2']) {
      const ended = await runCommand(['-p', String(daemon.port), '-t', threads]);
      expect(ended).toRefuse(/cannot listen on 127\.0\.0\.1:[0-9]+: the port is in use/);
    }
  });
});
