// An OpenSIPS as far as the benchmark asks it: mi_datagram, which answers small commands, and mi_fifo, which gives a dump.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

const [port = '', version = '', fifo = '', count = '0'] = process.argv.slice(2);

/** Bytes that mi_fifo writes at once. */
const pieceSize = 4096;

const contacts = Array.from({ length: Number(count) }, (_, index) => ({
  AOR: `user${String(index).padStart(6, '0')}`,
  Contacts: [
    {
      Contact: `sip:user${index}@192.0.2.1:5060;transport=udp`,
      ContactID: String(1234567890123456789n + BigInt(index)),
      Expires: 3600,
      Q: '',
      Callid: `call-${index}@example.org`,
      Cseq: 1,
      'User-agent': 'Phone 1.0',
      State: 'CS_SYNC',
      Flags: 0,
      Cflags: '',
      Socket: 'udp:192.0.2.1:5060',
      Methods: 5951,
    },
  ],
}));

const results: Readonly<Record<string, unknown>> = {
  version: { Server: version },
  uptime: { Now: 'now', 'Up since': 'then', 'Up time': '1 [sec]' },
  ps: { Processes: [{ ID: 0, PID: process.pid, Type: 'attendant' }] },
  event_subscribe: 'OK',
  get_statistics: { 'usrloc:registered_users': contacts.length },
  ul_dump: { Domains: [{ name: 'location', hash_size: 512, AORs: contacts }] },
};
const names = ['which', 'hang', ...Object.keys(results)];

/** Results are printed once: what they cost is not measured. */
const texts = new Map(
  Object.entries({ ...results, which: names }).map(([name, result]) => [name, JSON.stringify(result)]),
);

/** The reply to a request; undefined: it has none. */
function replyTo(request: string): string | undefined {
  const { method, params, id } = JSON.parse(request) as { method: string; params?: unknown; id: unknown };
  if (method === 'hang') return undefined;
  const result = method === 'which' && params !== undefined ? undefined : texts.get(method);
  const answer = result === undefined ? '"error":{"code":-32601,"message":"Method not found"}' : `"result":${result}`;
  return `{"jsonrpc":"2.0",${answer},"id":${String(id)}}`;
}

const socket = createSocket('udp4');
socket.on('message', (message, { address, port: from }) => {
  const reply = replyTo(message.toString());
  if (reply !== undefined) socket.send(reply, from, address);
});
socket.bind(Number(port), '127.0.0.1');

if (fifo !== '') serveFifo();

function serveFifo(): void {
  execFileSync('mkfifo', ['-m', '0660', fifo]);
  // Open for writing as well: it has no end when a client leaves.
  const requests = new Socket({ fd: openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK), readable: true });
  requests.on('data', (request: Buffer) => {
    const [, name = '', ...rest] = request.toString().split(':');
    const reply = replyTo(rest.join(':'));
    if (reply === undefined) return;
    const bytes = Buffer.from(reply);
    const file = openSync(`/tmp/${name}`, constants.O_WRONLY);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, Math.min(pieceSize, bytes.length - at));
    closeSync(file);
  });
}
