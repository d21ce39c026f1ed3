// What systemd asks of a service of Type=notify, as docs/guide/production.md sets it up.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { checkout, mi, type Running, startDaemon, temporaryFiles } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { lacksManager, startManager } from '../support/service-manager.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** `hang` keeps the loop for as long as it is told, and marks that for the manager; `stop` waits for a file. */
const module = (socket: string): string => `
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
const { notifyService } = createRequire(import.meta.url)(${JSON.stringify(join(checkout, 'native/binding.js'))});
const tell = (message) => notifyService(${JSON.stringify(socket)}, message);
export default ({ defineModule, command }) => defineModule({
  name: 'test',
  commands: [
    command({ name: 'hang', help: 'Hangs.', recipes: [{ milliseconds: 'int' }], run: ({ milliseconds }) => {
      tell('X_HANG=begins');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
      tell('X_HANG=ends');
    } }),
    command({ name: 'wait', help: 'Waits.', recipes: [{ milliseconds: 'int' }],
      run: ({ milliseconds }) => new Promise((resolve) => setTimeout(resolve, milliseconds)) }),
    command({ name: 'child', help: 'Tells the environment of a child.', run: () =>
      spawnSync(process.execPath, ['-p', 'Object.keys(process.env).join()'], { encoding: 'utf8' }).stdout }),
  ],
  load: () => ({
    stop: async () => {
      while (!existsSync(new URL('stop', import.meta.url))) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  }),
});`;

const config =
  'loadmodule "httpd.so"\nmodparam("httpd", "ip", "127.0.0.1")\nloadmodule "mi_http.so"\nloadmodule "./test.mjs"\n';

/** A daemon under a manager, with the variables that it sets; `letStop` lets it end. */
async function startService(t: Lifetime, variables: Readonly<Record<string, string>>) {
  const folder = temporaryFiles(t, {});
  const socket = join(folder, 'notify');
  const service = temporaryFiles(t, { 'test.mjs': module(socket), 'test.cfg': config });
  const manager = await startManager(t, socket);
  const env = { ...process.env, NOTIFY_SOCKET: socket, ...variables };
  const daemon = await startDaemon(t, ['-f', join(service, 'test.cfg'), '-p', '0'], { env });
  await manager.line(/READY=1/);
  const letStop = (): void => void spawnSync('touch', [join(service, 'stop')]);
  return { manager, daemon, letStop };
}

const watchdogs = ({ lines }: Running): number => lines.filter((line) => line === "'WATCHDOG=1'").length;

unless(lacksManager, describe)('a service of Type=notify', { concurrent: true }, () => {
  test('feeds the watchdog while its loop turns, and not while that hangs or stops', async ({ lifetime }) => {
    const { manager, daemon, letStop } = await startService(lifetime, { WATCHDOG_USEC: '50000' });
    await manager.line(/WATCHDOG=1/, 3);
    await mi(daemon.url, 'test:hang', [500]);
    await manager.line(/X_HANG=ends/);
    const begin = manager.lines.indexOf("'X_HANG=begins'");
    expect(manager.lines[begin + 1]).toBe("'X_HANG=ends'");
    await manager.line(/WATCHDOG=1/, watchdogs(manager) + 2);
    daemon.signal('SIGHUP');
    await manager.line(/RELOADING=1/);
    await manager.line(/READY=1/, 2);
    await manager.line(/WATCHDOG=1/, watchdogs(manager) + 2);
    daemon.signal('SIGTERM');
    await manager.line(/EXTEND_TIMEOUT_USEC=10000000/);
    letStop();
    expect((await daemon.ended).status).toBe(0);
    const stopping = manager.lines.indexOf("'STOPPING=1'");
    expect(manager.lines.slice(stopping).join()).not.toMatch(/WATCHDOG/);
  });

  test('tells its status', async ({ lifetime }) => {
    const { manager, daemon, letStop } = await startService(lifetime, {});
    await manager.line(new RegExp(`^'STATUS=serving ${daemon.url}'$`));
    daemon.signal('SIGHUP');
    await manager.line(/^'STATUS=reading users, tokens and certificates again'$/);
    await manager.line(new RegExp(`^'STATUS=serving ${daemon.url}'$`), 2);
    daemon.signal('SIGTERM');
    await manager.line(/^'STATUS=finishing what runs, 10 s at most'$/);
    letStop();
    expect((await daemon.ended).status).toBe(0);
    expect(watchdogs(manager)).toBe(0);
  });

  for (const [what, variables] of [
    ['the watchdog is for another process', { WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' }],
    ['the time is none', { WATCHDOG_USEC: 'soon' }],
    ['the time is 0', { WATCHDOG_USEC: '0' }],
  ] as const) {
    test(`feeds no watchdog where ${what}`, async ({ lifetime }) => {
      const { manager, daemon, letStop } = await startService(lifetime, variables);
      expect((await mi(daemon.url, 'test:wait', [200])).status).toBe(200);
      letStop();
      daemon.signal('SIGTERM');
      await manager.line(/STOPPING=1/);
      expect((await daemon.ended).status).toBe(0);
      expect(watchdogs(manager)).toBe(0);
    });
  }

  test('keeps the variables of the manager from processes that it starts', async ({ lifetime }) => {
    const { daemon, letStop } = await startService(lifetime, { WATCHDOG_USEC: '60000000' });
    const { result } = await mi(daemon.url, 'test:child');
    expect(String(result)).toMatch(/\bPATH\b/);
    expect(String(result)).not.toMatch(/NOTIFY_SOCKET|WATCHDOG/);
    letStop();
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
  });
});
