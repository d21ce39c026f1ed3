// What stands in front of an OpenSIPS: mi-httpd by datagram, and nginx in front of its HTTP.
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundle } from '../../scripts/bundle.mjs';
import { loadCore, serverCore, startOn } from '../process/pinned.js';
import { libmicrohttpd } from './libmicrohttpd.js';
import { nginx, startNginx } from './nginx.js';
import { miCall, type Peer } from './peer.js';

const main = resolve('dist/main.js');

/** Ports of the servers behind lie so far above those in front of them. */
const behind = 10_000;

/** Ends with the server in front of it. */
function endsWith(child: ChildProcess, other: ChildProcess): void {
  child.once('close', () => other.kill('SIGTERM'));
}

export const front: Peer = {
  name: 'mi-httpd in front',
  what: () => 'mi-httpd, module opensips, by mi_datagram over UDP; its own processor time',
  unavailable: () => undefined,
  role: 'front',
  refuses: () => undefined,
  call: miCall,
  launch: async (_need, port, { folder, replies }) => {
    const script = bundle('bench/peers/upstream-server.ts');
    const datagrams = port + behind;
    const sip = startOn(loadCore, [process.execPath, script, String(datagrams), replies.version], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const file = join(folder, `front-${port}.cfg`);
    const lines = [
      'log_level=1',
      'loadmodule "httpd.so"',
      'modparam("httpd", "ip", "127.0.0.1")',
      `modparam("httpd", "port", ${port})`,
      'loadmodule "mi_http.so"',
      'loadmodule "opensips.so"',
      `modparam("opensips", "node", "sip-1 datagram:udp:127.0.0.1:${datagrams}")`,
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const child = startOn(serverCore, [process.execPath, '--max-semi-space-size=2', main, '-f', file], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    endsWith(child, sip);
    return { child, pid: child.pid ?? 0, port };
  },
};

export const nginxFront: Peer = {
  name: 'nginx in front',
  what: () => `nginx, one worker with kept connections to ${libmicrohttpd.name}; its own processor time`,
  unavailable: () => nginx.unavailable() ?? libmicrohttpd.unavailable(),
  role: 'front',
  refuses: () => undefined,
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
