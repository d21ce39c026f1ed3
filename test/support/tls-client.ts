// Clients of a server with TLS: the handshake, the certificate and the reply that each sees.
import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';

/** Opens a connection; fails when the handshake does. No certificate is good enough to be verified here. */
export async function connectTls(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** The common name of the certificate that a connection was greeted with. */
export function nameOf(socket: TLSSocket): string {
  const { CN } = socket.getPeerCertificate().subject;
  return Array.isArray(CN) ? CN.join() : (CN ?? '');
}

/** Sends GET /t and gives the whole response as text. The connection stays open, so that it may be asked again. */
export async function askTls(socket: TLSSocket, path = '/t'): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return bytes.toString('latin1');
}

/** Common name that a new connection is greeted with, after it has been served. */
export async function served(port: number, path = '/t'): Promise<string> {
  const socket = await connectTls(port);
  const response = await askTls(socket, path);
  const name = nameOf(socket);
  socket.destroy();
  if (!response.startsWith('HTTP/1.1 200')) throw new Error(`no good response: ${response}`);
  return name;
}
