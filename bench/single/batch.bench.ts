/**
 * The saving of a batch: 100 calls of `version` in one batch against 100 requests with one call each, on one kept
 * connection, one after the other and pipelined. Server and client are processes of their own.
 *
 * Run: `npm run bench -- batch [ROUNDS]`; it prints for each how many calls a second are answered and what one takes of
 * the server's processor, and what a batch gains. On a busy machine only the second says something.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createServer } from '#src/index.js';
import { loadCore, serverCore, startOn } from '../process/pinned.js';
import { usageOf } from '../process/usage.js';

const calls = 100;
const [mode = '1000', port, pid] = process.argv.slice(2);

if (mode === 'serve') await serve();
else if (port === undefined) await compare(Number(mode));
else await measure(Number(mode), Number(port), Number(pid));

async function serve(): Promise<void> {
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 } }).start();
  process.stdout.write(`${new URL(server.urls[0] ?? '').port}\n`);
}

async function compare(rounds: number): Promise<void> {
  const script = fileURLToPath(import.meta.url);
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const server = startOn(serverCore, [process.execPath, script, 'serve'], { stdio: [...stdio] });
  const [line] = server.stdout === null ? [''] : ((await once(server.stdout, 'data')) as [Buffer]);
  const args = [String(rounds), String(line).trim(), String(server.pid)];
  const client = startOn(loadCore, [process.execPath, script, ...args], { stdio: 'inherit' });
  const [status] = (await once(client, 'close')) as [number | null];
  server.kill('SIGTERM');
  process.exitCode = status ?? 1;
}

async function measure(rounds: number, port: number, pid: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const one = (id: number): string => JSON.stringify({ jsonrpc: '2.0', method: 'version', id });
  const singles = Array.from({ length: calls }, (_, id) => request(one(id)));
  const batch = request(`[${singles.map((_, id) => one(id)).join(',')}]`);
  const ways: Readonly<Record<string, () => Promise<void>>> = {
    'one after the other': async () => {
      for (const single of singles) await exchange(socket, single, 1);
    },
    pipelined: () => exchange(socket, singles.join(''), calls),
    batch: () => exchange(socket, batch, calls),
  };
  for (const way of Object.values(ways)) for (let round = 0; round < 50; round++) await way();
  const found: { name: string; rate: number; microseconds: number }[] = [];
  for (const [name, way] of Object.entries(ways)) {
    const [began, used] = [performance.now(), usageOf(pid).processor];
    for (let round = 0; round < rounds; round++) await way();
    const count = rounds * calls;
    const microseconds = ((usageOf(pid).processor - used) * 1e6) / count;
    found.push({ name, rate: (count * 1000) / (performance.now() - began), microseconds });
  }
  socket.destroy();
  const last = found.at(-1);
  for (const { name, rate, microseconds } of found) {
    const gain = last === undefined ? 1 : microseconds / last.microseconds;
    const text = `${rate.toFixed(0).padStart(8)} calls/s ${microseconds.toFixed(2).padStart(7)} µs of CPU a call`;
    process.stdout.write(`${text}  ${name.padEnd(20)} ${gain.toFixed(2)} times a batch's CPU\n`);
  }
}

function request(body: string): string {
  const head = 'POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Sends bytes and waits until so many replies have come: each names the server once, and the last one is complete. */
async function exchange(socket: Socket, bytes: string, replies: number): Promise<void> {
  socket.write(bytes);
  let text = '';
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    text += piece.toString('latin1');
    const end = text.includes('chunked') ? '0\r\n\r\n' : text.includes('[') ? ']' : '}';
    if (text.endsWith(end) && text.split('"Server"').length > replies) return;
  }
}
