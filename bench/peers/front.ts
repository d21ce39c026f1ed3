// What stands in front of an OpenSIPS: mi-httpd by datagram, and nginx in front of its HTTP.
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { bundle } from '../../scripts/bundle.mjs';
import { loadCore, startOn } from '../process/pinned.js';
import { endsWith, resultOf, startFront, writeConfiguration } from './configured.js';
import { libmicrohttpd } from './libmicrohttpd.js';
import { nginx, startNginx } from './nginx.js';
import { miCall, type Peer } from './peer.js';

/** Ports of the servers behind lie so far above those in front of them. */
const behind = 10_000;

/** Waits until all contacts are mirrored. */
async function mirrored(port: number): Promise<void> {
  for (;;) {
    const told = await resultOf(port, 'mi-httpd:sr_get_status', ['opensips', 'sip-1:mirror']);
    if ((told as { readonly Status: number } | undefined)?.Status === 1) return;
    await setTimeout(100);
  }
}

/** mi-httpd of this checkout. */
export const front = frontOf('mi-httpd in front', resolve('.'));

/** mi-httpd of a checkout that is built. */
export function frontOf(name: string, checkout: string): Peer {
  const main = join(checkout, 'dist/main.js');
  return {
    name,
    what: () =>
      'mi-httpd, module opensips, by mi_datagram over UDP, dumps by mi_fifo, a second node beside; its own processor time',
    unavailable: () => undefined,
    role: 'front',
    refuses: (command) => (command === 'fleet' ? 'it has no fleet behind it' : undefined),
    call: miCall,
    launch: async ({ contacts }, port, { folder, replies }) => {
      const script = bundle('bench/peers/upstream-server.ts');
      const datagrams = port + behind;
      const fifo = join(folder, `fifo-${port}`);
      rmSync(fifo, { force: true });
      const startSip = (...args: readonly string[]): ChildProcess =>
        startOn(loadCore, [process.execPath, script, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
      const sip = startSip(String(datagrams), replies.version, fifo, String(contacts));
      // A port of UDP, which the server does not take.
      const other = startSip(String(port), replies.version);
      const lines = [
        'loadmodule "opensips.so"',
        `modparam("opensips", "node", "sip-1 datagram:udp:127.0.0.1:${datagrams} fifo:${fifo}")`,
        `modparam("opensips", "node", "sip-2 datagram:udp:127.0.0.1:${port}")`,
      ];
      const mirror = ['loadmodule "usrloc.so"', 'modparam("opensips", "mirror", "usrloc")'];
      const file = writeConfiguration(folder, port, [...lines, ...(contacts > 0 ? mirror : [])]);
      const child = startFront(main, file, [sip, other]);
      const prepare = contacts > 0 ? () => mirrored(port) : async () => {};
      return { child, pid: child.pid ?? 0, port, prepare };
    },
  };
}

export const nginxFront: Peer = {
  name: 'nginx in front',
  what: () => `nginx, one worker with kept connections to ${libmicrohttpd.name}; its own processor time`,
  unavailable: () => nginx.unavailable() ?? libmicrohttpd.unavailable(),
  role: 'front',
  refuses: (command) => (command === 'upstream' ? undefined : 'it has what is behind it alone'),
  call: miCall,
  launch: async (need, port, place) => {
    const sip = await libmicrohttpd.launch(need, port + behind, place, loadCore);
    const child = startNginx(
      join(place.folder, `nginx-front-${port}`),
      `upstream sip { server 127.0.0.1:${port + behind}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://sip; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`,
    );
    if (sip.child !== undefined) endsWith(child, sip.child);
    return { child, pid: child.pid ?? 0, port };
  },
};
