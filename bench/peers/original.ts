// An OpenSIPS that runs already: --original URL --original-pid PID.
import { existsSync } from 'node:fs';
import { miCall, type Peer } from './peer.js';

/** @param pid of its process HTTPD, which `opensips-cli -x mi ps` tells */
export function originalPeer(url: URL, pid: number): Peer {
  const path = url.pathname;
  return {
    name: 'OpenSIPS',
    runsAlready: true,
    what: () => `OpenSIPS at ${url.href}, process ${pid}`,
    unavailable: () => (existsSync(`/proc/${pid}`) ? undefined : `there is no process ${pid} on this machine`),
    refuses: (command, { tls, contacts }) => {
      if (tls) return 'it runs already, and without TLS';
      if (contacts > 0) return 'it runs already, with contacts of its own';
      if (command === 'batch') return 'it refuses a batch as one invalid request';
      return command === 'wait' ? 'it has no such command' : undefined;
    },
    call: (command) => ({ ...miCall(command), path }),
    launch: async () => ({ child: undefined, pid, port: Number(url.port || 80) }),
  };
}
