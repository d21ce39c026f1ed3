// Kamailio with xhttp and jsonrpcs: the other SIP server's way of the same.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverCore, startOn } from '../process/pinned.js';
import type { Call, Command, Peer } from './peer.js';
import { missing, versionOf } from './program.js';

const program = '/usr/sbin/kamailio';

const calls: Partial<Record<Command, { readonly method: string; readonly params?: readonly string[] }>> = {
  version: { method: 'core.version' },
  which: { method: 'system.listMethods' },
  get_statistics: { method: 'stats.fetch', params: ['all'] },
};

export const kamailio: Peer = {
  name: 'Kamailio',
  what: () => `${versionOf(program, '-v')?.replace('version: ', '').trim()}, xhttp and jsonrpcs, one TCP process`,
  unavailable: () => missing(program, ['-v'], 'kamailio'),
  refuses: (command, { tls }) => {
    if (tls) return 'its TLS is a module of a package of its own (kamailio-tls-modules)';
    if (command === 'delay') return 'it is a part of no program with an event loop to watch';
    return calls[command] === undefined ? `its ${command} is not set up here` : undefined;
  },
  call: (command): Call => ({ path: '/RPC', body: JSON.stringify({ jsonrpc: '2.0', ...calls[command], id: 1 }) }),
  launch: async (_need, port, { folder }) => {
    const own = join(folder, `kamailio-${port}`);
    mkdirSync(own, { recursive: true });
    const file = join(own, 'kamailio.cfg');
    writeFileSync(file, configuration(port));
    const command = [program, '-DD', '-E', '-f', file, '-Y', own, '-m', '64', '-M', '8'];
    // It tells each connection that its client resets.
    const child = startOn(serverCore, command, { stdio: 'ignore' });
    return { child, pid: child.pid ?? 0, port };
  },
};

function configuration(port: number): string {
  const modules = ['kex', 'sl', 'pv', 'xhttp', 'jsonrpcs'].map((name) => `loadmodule "${name}.so"`).join('\n');
  return `#!KAMAILIO
debug=-1
log_stderror=yes
children=1
tcp_children=1
listen=tcp:127.0.0.1:${port}
tcp_accept_no_cl=yes
tcp_connection_lifetime=3600
${modules}
modparam("jsonrpcs", "transport", 1)
request_route { exit; }
event_route[xhttp:request] { jsonrpc_dispatch(); }
`;
}
