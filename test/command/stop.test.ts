import { join } from 'node:path';
import { assert, describe, expect } from 'vitest';
import { type Daemon, isListening, mi, startDaemon, temporaryFiles } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';

/** `gate:wait` answers when the process gets SIGUSR2; `gate:never` does not answer. */
const gateModule = `export default ({ defineModule, command }) => defineModule({
  name: 'gate',
  load: ({ log }) => ({ commands: [
    command({ name: 'wait', help: 'x', run: async () => {
      const opened = new Promise((resolve) => process.once('SIGUSR2', resolve));
      log.info({}, 'waiting at the gate');
      await opened;
      return 'through';
    } }),
    command({ name: 'never', help: 'x', run: (_, call) => new Promise(() => {
      call.signal.addEventListener('abort', () => log.info({}, 'told to stop'));
      log.info({}, 'waiting at the gate');
    }) }),
  ] }),
});`;

const gateConfig = `loadmodule "httpd.so"
modparam("httpd", "ip", "127.0.0.1")
modparam("httpd", "port", 0)
loadmodule "mi_http.so"
loadmodule "./gate.mjs"
`;

function startGate(t: Lifetime): Promise<Daemon> {
  const directory = temporaryFiles(t, { 'gate.mjs': gateModule, 'gate.cfg': gateConfig });
  return startDaemon(t, ['-f', join(directory, 'gate.cfg')]);
}

/** The kernel may still complete a connection that arrives while the socket closes. */
async function refusesConnections(port: number): Promise<void> {
  await expect.poll(() => isListening(port)).toBe(false);
}

describe('stopping', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} ends an idle server with status 0 at once`, async ({ startDaemon }) => {
      const daemon = await startDaemon(['-p', '0']);
      expect((await mi(daemon.url, 'uptime')).status).toBe(200);
      const before = Date.now();
      daemon.signal(signal);
      const { status, stderr } = await daemon.ended;
      expect([status, stderr]).toStrictEqual([0, '']);
      expect(Date.now() - before, `took ${Date.now() - before} ms`).toBeLessThan(2000);
      expect(daemon.lines.at(-1) ?? '').toMatch(new RegExp(`${signal}: finishing what runs`));
    });
  }

  test('an idle keep-alive connection does not hold the server', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-p', '0']);
    const kept = await fetch(daemon.url, {
      method: 'POST',
      body: '{"jsonrpc":"2.0","id":1,"method":"uptime"}',
      headers: { 'Content-Type': 'application/json' },
    });
    expect(kept.status).toBe(200);
    await kept.arrayBuffer();
    const before = Date.now();
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
    expect(Date.now() - before, `took ${Date.now() - before} ms`).toBeLessThan(2000);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} lets a running call finish, and refuses new connections meanwhile`, async ({ lifetime }) => {
      const daemon = await startGate(lifetime);
      const reply = mi(daemon.url, 'gate:wait');
      await daemon.line(/waiting at the gate/);
      daemon.signal(signal);
      await daemon.line(/finishing what runs/);
      await refusesConnections(daemon.port);
      expect(daemon.child.exitCode, 'still running').toBe(null);
      daemon.signal('SIGUSR2');
      expect(await reply).toStrictEqual({ status: 200, jsonrpc: '2.0', id: 1, result: 'through' });
      expect((await daemon.ended).status).toBe(0);
    });
  }

  test('a second signal exits at once with another status', async ({ lifetime }) => {
    const daemon = await startGate(lifetime);
    const reply = mi(daemon.url, 'gate:never').then(
      () => 'answered',
      () => 'cut',
    );
    await daemon.line(/waiting at the gate/);
    daemon.signal('SIGTERM');
    await daemon.line(/a second signal exits at once/);
    daemon.signal('SIGINT');
    expect((await daemon.ended).status).toBe(1);
    expect(await reply).toBe('cut');
  });

  test('a call that does not end is given up after 10 s: 503, exit 0', async ({ lifetime }) => {
    const daemon = await startGate(lifetime);
    const reply = mi(daemon.url, 'gate:never');
    await daemon.line(/waiting at the gate/);
    const before = Date.now();
    daemon.signal('SIGTERM');
    const { status, id, error } = await reply;
    const waited = Date.now() - before;
    expect(waited > 9000 && waited < 13_000, `waited ${waited} ms`).toBe(true);
    expect(status).toBe(503);
    assert(error !== undefined, `no error with id ${id}`);
    expect((await daemon.ended).status).toBe(0);
    expect(daemon.lines.join('\n')).toMatch(/told to stop/);
  });

  test('the MI command kill answers, then stops the server with status 0', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-p', '0']);
    expect(await mi(daemon.url, 'kill')).toStrictEqual({ status: 200, jsonrpc: '2.0', id: 1, result: 'OK' });
    expect((await daemon.ended).status).toBe(0);
  });
});
