// mi-httpd that asks a fleet: a nats-server, and members that answer a constant, on the other core.
import type { SpawnOptions } from 'node:child_process';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { bundle } from '../../scripts/bundle.mjs';
import { loadCore, startOn } from '../process/pinned.js';
import { resultOf, startFront, writeConfiguration } from './configured.js';
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
  for (;;) {
    const told = (await resultOf(port, 'fleet:members')) as { readonly members: readonly unknown[] } | undefined;
    if (told?.members.length === members) return;
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
      const server = `nats://127.0.0.1:${port + above}`;
      const file = writeConfiguration(folder, port, [
        'loadmodule "fleet.so"',
        `modparam("fleet", "server", "${server}")`,
        'modparam("fleet", "fleet", "bench")',
        'modparam("fleet", "role", "gather")',
        'modparam("fleet", "name", "gw")',
      ]);
      const quiet: SpawnOptions = { stdio: 'ignore' };
      const broker = startOn(loadCore, ['nats-server', '-a', '127.0.0.1', '-p', String(port + above)], quiet);
      const script = bundle('bench/peers/fleet-members.ts');
      const each = members / processes;
      const others = Array.from({ length: processes }, (_, n) =>
        startOn(loadCore, [process.execPath, script, server, String(n * each), String(each), String(answer)], quiet),
      );
      const child = startFront(main, file, [...others, broker]);
      return { child, pid: child.pid ?? 0, port, prepare: () => known(port) };
    },
  };
}
