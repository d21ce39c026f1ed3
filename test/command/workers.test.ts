// Servers in worker threads: how the thread ends is a matter of the thread, and not of the process.
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Ended, Running } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

interface Plan {
  readonly ends: readonly string[];
  readonly httpd?: object;
  readonly mainFirst?: boolean;
  readonly shareEnvironment?: boolean;
}

const plain = { listen: ['http:127.0.0.1:0'] };

/** Runs a program with one worker after another; {@link Plan.ends} says how each ends. */
function host(t: Lifetime, plan: Plan, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const args = ['test/data/command/worker-host.mjs', JSON.stringify({ httpd: plain, ...plan })];
  return new Running(t, process.execPath, args, { env: { ...process.env, ...env } }).ended;
}

const served = { status: 200, warnings: [] };
const cutShort = { status: 431, warnings: ['heads of requests'] };

describe('a worker thread with a server', { concurrent: true }, () => {
  const endings: Readonly<Record<string, readonly unknown[]>> = {
    exit: [3],
    throw: ['thrown', 1],
    reject: ['rejected', 1],
    'throw in a call': ['thrown in a call', 1],
    'close, then exit': [3],
    close: [0],
  };

  for (const [end, outcome] of Object.entries(endings)) {
    test(`may end by ${end}, and the next one serves`, async ({ lifetime }) => {
      const { status, signal, stdout, stderr } = await host(lifetime, { ends: [end, end], shareEnvironment: true });
      expect([status, signal, stderr]).toStrictEqual([0, null, '']);
      expect(JSON.parse(stdout)).toStrictEqual([served, ...outcome, served, ...outcome]);
    });
  }

  unless(noOpenssl, test)('may end with TLS and a Unix socket open', async ({ files, lifetime }) => {
    const { certFile, keyFile } = files.make('localhost', { key: 'ec' });
    const listen = ['http:127.0.0.1:0', 'https:127.0.0.1:0', `unix:${join(files.folder, 'mi.sock')}`];
    const httpd = { listen, tls_cert_file: certFile, tls_key_file: keyFile };
    const { status, signal, stdout } = await host(lifetime, { ends: ['exit', 'throw'], shareEnvironment: true, httpd });
    expect([status, signal]).toStrictEqual([0, null]);
    expect(JSON.parse(stdout)).toStrictEqual([served, 3, served, 'thrown', 1]);
  });

  for (const end of ['terminate', 'main exits', 'main throws']) {
    test(`takes the process along when it has a server open (${end}), as docs/guide/embed.md says`, async ({
      lifetime,
    }) => {
      const { signal, stderr } = await host(lifetime, { ends: [end], shareEnvironment: true });
      expect(signal).toBe('SIGABRT');
      expect(stderr).toMatch(/uv_loop_close\(\) while having open handles/);
    });
  }
});

describe('heads of requests that a worker thread takes', { concurrent: true }, () => {
  const cases: Readonly<Record<string, readonly [plan: Omit<Plan, 'ends'>, env: NodeJS.ProcessEnv, seen: object]>> = {
    'are short where the thread loads the engine with an environment of its own, which is told': [{}, {}, cutShort],
    'are long where the thread shares its environment': [{ shareEnvironment: true }, {}, served],
    'are long where the process was started so': [{}, { UWS_HTTP_MAX_HEADERS_SIZE: '16384' }, served],
    'are long where the main thread was first': [{ mainFirst: true }, {}, served],
  };
  for (const [name, [plan, env, seen]] of Object.entries(cases)) {
    test(name, async ({ lifetime }) => {
      const { stdout, stderr } = await host(lifetime, { ...plan, ends: ['close', 'close'] }, env);
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toStrictEqual([seen, 0, seen, 0]);
    });
  }
});
