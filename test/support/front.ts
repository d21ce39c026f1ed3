import type { Server, ServerOptions } from '#src/index.js';
import type { Lifetime } from './lifetime.js';
import { startServer } from './mi-client.js';
import { OpensipsDouble, type Version } from './opensips-double/index.js';

/** OpenSIPS servers, and a server of mi-httpd in front of them. */
export interface Front {
  readonly server: Server;
  readonly sip: readonly OpensipsDouble[];
}

/** The line `node` of a double; without transports, all of them. */
export function nodeLine(name: string, { transports }: OpensipsDouble, ...kinds: (keyof typeof transports)[]): string {
  const chosen = kinds.length === 0 ? Object.values(transports) : kinds.map((kind) => transports[kind]);
  return [name, ...chosen].join(' ');
}

export async function startDouble(t: Lifetime, version: Version = '3.4'): Promise<OpensipsDouble> {
  const double = await OpensipsDouble.start({ version });
  t.onTestFinished(() => double.close());
  return double;
}

/** Starts a double of each version as `sip-1`, `sip-2` and so on, and a front of them, closed when the test ends. */
export async function startFront(
  t: Lifetime,
  versions: readonly Version[],
  options: ServerOptions = {},
): Promise<Front> {
  const sip: OpensipsDouble[] = [];
  for (const version of versions) sip.push(await startDouble(t, version));
  const nodes = sip.map((double, index) => nodeLine(`sip-${index + 1}`, double, 'fifo', 'udp'));
  const server = await startServer(t, { ...options, opensips: { nodes, ...options.opensips } });
  return { server, sip };
}
