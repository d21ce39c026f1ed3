// An OpenSIPS as far as the benchmark asks it: mi_datagram, which answers small commands.
import { createSocket } from 'node:dgram';

const [port = '', version = ''] = process.argv.slice(2);

const results: Readonly<Record<string, unknown>> = {
  version: { Server: version },
  uptime: { Now: 'now', 'Up since': 'then', 'Up time': '1 [sec]' },
  which: ['version', 'uptime', 'which'],
};

const socket = createSocket('udp4');
socket.on('message', (message, { address, port: from }) => {
  const { method, params, id } = JSON.parse(message.toString()) as { method: string; params?: unknown; id: unknown };
  const result = params === undefined ? results[method] : undefined;
  const answer = result === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result };
  socket.send(JSON.stringify({ jsonrpc: '2.0', ...answer, id }), from, address);
});
socket.bind(Number(port), '127.0.0.1');
