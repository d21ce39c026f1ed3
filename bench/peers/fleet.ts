// mi-httpd that asks a fleet: a nats-server, and members that answer a constant, on the other core.
import type { SpawnOptions } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { bundle } from '../../scripts/bundle.mjs';
import { loadCore, serverCore, startOn } from '../process/pinned.js';
import { miCall, type Peer } from './peer.js';
import { versionOf } from './program.js';

/** Members, in as many processes, and bytes that each answers. */
export const members = 200;
const processes = 4;
const answer = 2800;

/** The port of the broker lies so far above that of the server. */
const above = 10_000;

/** Waits until all members are known. */
async function known(port: number): Promise<void> {
  const body = JSON.stringify({ jsonrpc: '2.0', method: 'fleet:members', id: 1 });
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body };
  for (;;) {
    const reply = (await (await fetch(`http://127.0.0.1:${port}/mi`, request)).json()) as {
      result?: { members: readonly unknown[] };
    };
    if (reply.result?.members.length === members) return;
    await setTimeout(100);
  }
}

/** mi-httpd of this checkout. */
export const fleetPeer = fleetPeerOf('mi-httpd of a fleet', resolve('.'));

/** mi-httpd of a checkout that is built. */
export function fleetPeerOf(name: string, checkout: string): Peer {
  const main = join(checkout, 'dist/main.js');
  return {
    name,
    what: () => `mi-httpd, module fleet, nats-server and ${members} members beside; its own processor time`,
    unavailable: () =>
      versionOf('nats-server', '--version') === undefined
        ? 'nats-server is missing; apt-get install nats-server'
        : undefined,
    role: 'front',
    refuses: (command) => (command === 'fleet' ? undefined : 'it has a fleet behind it alone'),
    call: miCall,
    launch: async (_need, port, { folder }) => {
      const file = join(folder, `fleet-${port}.cfg`);
      const server = `nats://127.0.0.1:${port + above}`;
      const lines = [
        'log_level=1',
        'loadmodule "httpd.so"',
        'modparam("httpd", "ip", "127.0.0.1")',
        `modparam("httpd", "port", ${port})`,
        'loadmodule "mi_http.so"',
        'loadmodule "fleet.so"',
        `modparam("fleet", "server", "${server}")`,
        'modparam("fleet", "fleet", "bench")',
        'modparam("fleet", "role", "gather")',
        'modparam("fleet", "name", "gw")',
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      const quiet: SpawnOptions = { stdio: 'ignore' };
      const broker = startOn(loadCore, ['nats-server', '-a', '127.0.0.1', '-p', String(port + above)], quiet);
      const script = bundle('bench/peers/fleet-members.ts');
      const each = members / processes;
      const others = Array.from({ length: processes }, (_, n) =>
        startOn(loadCore, [process.execPath, script, server, String(n * each), String(each), String(answer)], quiet),
      );
      const child = startOn(serverCore, [process.execPath, '--max-semi-space-size=2', main, '-f', file], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      child.once('close', () => {
        for (const other of [...others, broker]) other.kill('SIGTERM');
      });
      return { child, pid: child.pid ?? 0, port, prepare: () => known(port) };
    },
  };
}
