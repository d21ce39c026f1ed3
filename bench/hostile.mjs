// node bench/hostile.mjs [--seconds N] [--rounds N] [ATTACK...]: what a well-behaved client and the memory of the server
// see of each attack. Rounds without and with the attacker take turns; each figure is the median of them. A server, an
// attacker and the client are three processes on 127.0.0.1; with fewer processors than that, part of what the client sees is
// the attacker's share of the machine; so the attacker runs only while the client does not, where chrt can do that, and
// the server has a processor of its own. Build first: npm run build.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const json = 'POST /mi HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
const call = (body) => `${json}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const params = (text) => call(`{"jsonrpc":"2.0","method":"core:which","params":${text},"id":1}`);
const get = (fields, path = '/healthz') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`;
const members = (count, nameOf) => Array.from({ length: count }, (_, n) => `"${nameOf(n)}":${n}`).join(',');
const large = call('{"jsonrpc":"2.0","method":"hostile:large","id":1}');

/**
 * `hold`: so many connections that send this and stay, opened again when they are closed; `drip` is sent on each twice
 * a second. `repeat`: so many connections that send it again and again, each time when its `replies` (1) have come, or
 * on a new connection when it was closed. `reads` false: they read nothing.
 */
const attacks = {
  // No attack: what others see of a client that does nothing wrong, but as much of it as it can.
  'ordinary calls': { repeat: 4, first: call('{"jsonrpc":"2.0","method":"core:pwd","id":1}') },
  'idle connections': { hold: 2000, first: '' },
  'slow heads': { hold: 500, first: 'GET /healthz HTTP/1.1\r\nHost: a\r\n', drip: 'X: y\r\n' },
  'slow bodies': { hold: 500, first: `${json}Content-Length: 100000\r\n\r\n`, drip: '{' },
  'slow chunked bodies': { hold: 500, first: `${json}Transfer-Encoding: chunked\r\n\r\n`, drip: '1\r\nx\r\n' },
  'readers that read nothing': { hold: 100, first: large, reads: false },
  'pipelined calls, replies unread': { hold: 4, first: large.repeat(2000), reads: false },
  'pipelined small calls, replies unread': { hold: 4, first: params('[]').repeat(20_000), reads: false },
  'pipelined small calls': { repeat: 4, first: params('["pwd"]').repeat(200), replies: 200 },
  'connections that come and go': { repeat: 8, first: `${get('Connection: close\r\n')}` },
  'heads of 15 KB': { repeat: 4, first: get(`X: ${'x'.repeat(15_000)}\r\n`) },
  '100,000 fields': { repeat: 4, first: get('X: a\r\n'.repeat(100_000)) },
  'requests that are none': { repeat: 8, first: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  'smuggling probes': { repeat: 8, first: `${json}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde` },
  'PROXY prefaces': { repeat: 8, first: 'PROXY TCP4 6.6.6.6 127.0.0.1 1 2\r\n' },
  // Of about the size that receive_buf_size allows unless it is set.
  'JSON of 262,000 bytes': { repeat: 1, first: params(`["${'x'.repeat(262_000)}"]`) },
  'JSON of 130,000 items': { repeat: 1, first: params(`[${'1,'.repeat(129_999)}1]`) },
  'deep JSON': { repeat: 1, first: params('['.repeat(262_000)) },
  'names that collide': { repeat: 1, first: params(`{${members(14_000, (n) => n * 65_536)}}`) },
  'many names': { repeat: 1, first: params(`{${members(18_000, (n) => `n${n}`)}}`) },
  'batches of 1000': {
    repeat: 1,
    first: call(
      `[${'{"jsonrpc":"2.0","method":"core:pwd","id":1},'.repeat(999)}{"jsonrpc":"2.0","method":"core:pwd","id":1}]`,
    ),
  },
  'batches of 130,000 items': { repeat: 1, first: call(`[${'1,'.repeat(129_999)}1]`) },
  'bodies over the limit': { repeat: 4, first: `${json}Content-Length: 999999999\r\n\r\n${'x'.repeat(100_000)}` },
  'pages of another site': {
    repeat: 4,
    first: get(
      'Host-Is: b\r\nSec-Fetch-Site: cross-site\r\nOrigin: http://evil.example\r\n',
      '/mi/core/core:kill?arg=',
    ),
  },
  'names made to resolve to us': { repeat: 4, first: get('', '/mi').replace('127.0.0.1', 'evil.example') },
};

/** Bytes that an attacker hands over at once. */
const pieceSize = 16_384;

const processors = availableParallelism();
const works = (...command) => spawnSync(command[0], command.slice(1)).status === 0;
const isPinned = processors > 1 && works('taskset', '-c', '1', 'true');
const yields = works('chrt', '--idle', '0', 'true');

/** Whatever happens here, they end. */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    role: { type: 'string' },
    port: { type: 'string' },
  },
});
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
const unknown = positionals.filter((name) => !(name in attacks));
if (unknown.length > 0 || !(seconds > 0 && rounds >= 1)) {
  process.stderr.write(`hostile: no attack ${unknown.join(', ')}; there are ${Object.keys(attacks).join(', ')}\n`);
  process.exit(2);
}
if (values.role === 'server') await serve();
else if (values.role === 'attacker') attack(Number(values.port), attacks[positionals[0]]);
else await compare(positionals.length > 0 ? positionals : Object.keys(attacks));

async function serve() {
  const { command, createServer, defineModule } = await import('mi-httpd');
  const text = 'x'.repeat(200_000);
  const module = defineModule({
    name: 'hostile',
    commands: [command({ name: 'large', readOnly: true, help: 'Gives 200 kB.', run: () => text })],
  });
  const nothing = () => {};
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
  const options = { log, kill: nothing, tellProcess: 'read', httpd: { ip: '127.0.0.1', port: 0 }, modules: [module] };
  const server = await createServer(options).start();
  process.stdout.write(`${server.port}\n`);
  process.stdin.resume().on('end', () => process.exit(0));
}

function attack(port, { hold, repeat, first, drip, reads = true, replies = 1 }) {
  process.stdin.resume().on('end', () => process.exit(0));
  const bytes = Buffer.from(first, 'latin1');
  const begin = () => {
    const socket = connect(port, '127.0.0.1');
    let timer;
    // By pieces: within one long system call the client, which shares a processor with this, would not get its turn.
    const send = (from = 0) => {
      if (from >= bytes.length || socket.destroyed) return;
      socket.write(bytes.subarray(from, from + pieceSize), () => send(from + pieceSize));
    };
    socket.on('error', () => {});
    socket.on('connect', () => {
      send();
      if (drip !== undefined) timer = setInterval(() => socket.write(drip), 500);
    });
    let missing = replies;
    let text = '';
    const take = (received) => {
      const parts = (text + received.toString('latin1')).split('HTTP/1.1 ');
      text = parts.at(-1).slice(-8);
      missing -= parts.length - 1;
      if (repeat === undefined || missing > 0) return;
      missing = replies;
      send();
    };
    if (reads) socket.on('data', take);
    else socket.pause();
    socket.on('close', () => {
      clearInterval(timer);
      // Others that are refused would do the same.
      setTimeout(begin, repeat === undefined ? 500 : 0);
    });
    // A connection that is not read does not notice that it was closed.
    if (!reads) setTimeout(() => socket.destroy(), 3000);
  };
  for (let n = 0; n < (hold ?? repeat); n++) begin();
}

async function compare(names) {
  if (isPinned) spawnSync('taskset', ['-c', '-p', '1', String(process.pid)]);
  const how = `${rounds} rounds of ${seconds} s each, ${processors} processors, Node.js ${process.versions.node}`;
  process.stdout.write(`hostile: ${how}\n\n`);
  process.stdout.write(
    '| attack | p50 before, ms | p99 before | p50 during | p99 during | p99 ratio | MiB before | most | after |\n',
  );
  process.stdout.write('| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n');
  for (const name of names) process.stdout.write(`| ${(await measure(name)).join(' | ')} |\n`);
}

async function measure(name) {
  const server = start('--role', 'server');
  const port = Number((await once(createInterface({ input: server.stdout }), 'line'))[0]);
  try {
    await latencies(port, 1);
    const memoryBefore = memory(server.pid);
    let most = memoryBefore;
    const looking = setInterval(() => {
      most = Math.max(most, memory(server.pid));
    }, 50);
    const [before, during] = [[], []];
    for (let round = 0; round < rounds; round++) {
      before.push(await latencies(port, seconds));
      const attacker = start('--role', 'attacker', '--port', String(port), '--', name);
      await delay(500);
      during.push(await latencies(port, seconds));
      attacker.kill('SIGKILL');
      await once(attacker, 'exit');
      await delay(500);
    }
    clearInterval(looking);
    await delay(1500);
    // The attacked server still answers.
    await latencies(port, 0.2);
    const median = (times, share) =>
      quantile(
        times.map((sorted) => quantile(sorted, share)).sort((a, b) => a - b),
        0.5,
      );
    const times = [median(before, 0.5), median(before, 0.99), median(during, 0.5), median(during, 0.99)];
    const sizes = [memoryBefore, most, memory(server.pid)].map((size) => size.toFixed(0));
    return [name, ...times.map((time) => time.toFixed(2)), (times[3] / times[1]).toFixed(1), ...sizes];
  } finally {
    server.kill('SIGKILL');
  }
}

function start(...args) {
  const isServer = args.includes('server');
  const command = [
    ...(isPinned ? ['taskset', '-c', isServer ? '0' : '1'] : []),
    ...(yields && !isServer ? ['chrt', '--idle', '0'] : []),
    process.execPath,
    // As the command does.
    ...(isServer ? ['--max-semi-space-size=2'] : []),
    fileURLToPath(import.meta.url),
    ...args,
  ];
  const started = spawn(command[0], command.slice(1), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(started);
  started.on('exit', () => children.delete(started));
  return started;
}

/** Milliseconds of small calls one after the other, one each millisecond at most, sorted. */
async function latencies(port, duration) {
  const body = '{"jsonrpc":"2.0","method":"core:pwd","id":1}';
  const bytes = call(body);
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const closed = once(socket, 'close').then(() => {
    if (!isOver) throw new Error('the connection of a client that behaves was closed');
  });
  let isOver = false;
  const times = [];
  const end = performance.now() + duration * 1000;
  while (performance.now() < end) {
    const started = performance.now();
    socket.write(bytes);
    let received = '';
    while (!received.endsWith('"id":1}'))
      received += (await Promise.race([once(socket, 'data'), closed]))[0].toString('latin1');
    if (!received.startsWith('HTTP/1.1 200 ')) throw new Error(`a client that behaves got ${received.slice(0, 100)}`);
    times.push(performance.now() - started);
    await delay(1);
  }
  isOver = true;
  socket.destroy();
  return times.sort((a, b) => a - b);
}

function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Resident memory of a process, MiB. */
function memory(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;
}
