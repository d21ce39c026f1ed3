import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** Listens on a free port of an address, as another program would. */
export async function occupy(
  host = '127.0.0.1',
  port = 0,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => socket.destroy());
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** A port that was free a moment ago, for a server that has to be told its port in advance. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const { server, port } = await occupy(host);
  server.close();
  await once(server, 'close');
  return port;
}
