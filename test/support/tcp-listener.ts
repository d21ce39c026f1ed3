import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Lifetime } from './lifetime.js';

/** A server that listens until the test ends, and the connections that it has. */
export interface TcpListener {
  readonly port: number;
  readonly open: ReadonlySet<Socket>;
  /** Closes all connections and listens no more. */
  close(): Promise<void>;
}

/** @param port 0: a free one */
export async function listenUntilEnd(
  t: Lifetime,
  server: Server,
  { port = 0, host = '127.0.0.1' }: { readonly port?: number; readonly host?: string } = {},
): Promise<TcpListener> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  });
  server.listen(port, host);
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  };
  t.onTestFinished(close);
  return { port: (server.address() as AddressInfo).port, open, close };
}
