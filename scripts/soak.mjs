// npm run soak [-- --minutes N]: a server under mixed load for N minutes (10), all on 127.0.0.1. Every few seconds it
// records what the server holds, and at the end it tells whether that was flat: memory, descriptors, event-loop delay.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** A method that does not exist. */
const unknown = 'no:such';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, serve: { type: 'boolean' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 1440)) {
  process.stderr.write(`soak: --minutes is ${values.minutes}; give more than 0 and at most 1440\n`);
  process.exit(2);
}
if (values.serve) await serve();
else process.exit(await soak());

/** The server, in a process of its own: 20,000 contacts, a command that answers later, and its own delays. */
async function serve() {
  const { monitorEventLoopDelay } = await import('node:perf_hooks');
  const { command, createServer, defineModule } = await import('mi-httpd');
  const delays = monitorEventLoopDelay({ resolution: 10 });
  delays.enable();
  const soakModule = defineModule({
    name: 'soak',
    commands: [
      command({
        name: 'delays',
        help: 'Tells the delays of the event loop since it was last asked, in milliseconds.',
        run: () => {
          // The timer that measures waits 10 ms itself.
          const told = { p99: delays.percentile(99) / 1e6 - 10, max: delays.max / 1e6 - 10 };
          delays.reset();
          return told;
        },
      }),
      command({ name: 'later', help: 'Answers later.', run: async () => await delay(5, 'later') }),
    ],
  });
  const httpd = { ip: '127.0.0.1', port: 0, conn_timeout: 5 };
  const nothing = () => {};
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
  const server = await createServer({ log, tellProcess: 'read', httpd, usrloc: {}, modules: [soakModule] }).start();
  const { usrloc } = server;
  const domain = usrloc.domain('location');
  for (let n = 0; n < 20_000; n++) {
    domain.save(`user${n}`, { contact: `sip:user${n}@192.0.2.1:5060`, expires: 86_400 });
  }
  process.stdout.write(`${server.port}\n`);
  // The parent holds standard input; when it is gone, so is the reason for this.
  process.stdin.resume().on('end', () => server.close({ deadline: 0 }).then(() => process.exit(0)));
}

async function soak() {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [script, '--serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const port = Number(line);
  const end = performance.now() + minutes * 60_000;
  const counts = { calls: 0, dumps: 0, uploads: 0, left: 0, closed: 0, failures: 0 };
  const running = [
    calls(port, end, counts),
    dumps(port, end, counts),
    changes(port, end, counts),
    rude(port, end, counts),
    closings(port, end, counts),
  ];
  const samples = await watch(port, child.pid, end);
  await Promise.all(running);
  // All that is under way ends before the last look.
  await delay(Math.min(15_000, minutes * 60_000));
  samples.push(await sample(port, child.pid));
  child.stdin.end();
  await once(child, 'exit');
  return report(samples, counts);
}

/** Calls of all small sorts on kept connections. */
async function calls(port, end, counts) {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const methods = ['core:which', 'core:uptime', 'get_statistics', 'soak:later', unknown, 'core:pwd'];
  const lane = async () => {
    while (performance.now() < end) {
      const method = methods[counts.calls++ % methods.length];
      await count(counts, () => rpc(port, method, method === 'get_statistics' ? [['all']] : undefined, agent));
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  agent.destroy();
}

/** Whole dumps. */
async function dumps(port, end, counts) {
  while (performance.now() < end) {
    counts.dumps++;
    await count(counts, () => rpc(port, 'ul_dump'));
    await delay(20);
  }
}

/** Contacts that come and go, in requests of some size. */
async function changes(port, end, counts) {
  for (let n = 0; performance.now() < end; n++) {
    counts.uploads++;
    const params = ['location', `guest${n % 5000}`, `sip:guest@192.0.2.${n % 250}`, 60, '1.0', 0, 0, 0];
    await count(counts, () => rpc(port, 'ul_add', params));
    if (n % 3 === 0) await count(counts, () => rpc(port, 'ul_rm', ['location', `guest${n % 5000}`]));
    await delay(5);
  }
}

/** Clients that leave in the middle, read nothing, or send what is no request. */
async function rude(port, end, counts) {
  const dump = '{"jsonrpc":"2.0","method":"ul_dump","id":1}';
  const head = 'POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
  const sendings = [
    `${head}Content-Length: ${dump.length}\r\n\r\n${dump}`,
    `${head}Content-Length: 100000\r\n\r\n{"jsonrpc"`,
    `${head}Transfer-Encoding: chunked\r\n\r\nff\r\nabc`,
    'GET / HTTP/1.1\r\nHo',
    '\x16\x03\x01',
    '',
  ];
  const lane = async (first) => {
    for (let n = first; performance.now() < end; n++) {
      counts.left++;
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.pause();
      socket.write(sendings[n % sendings.length]);
      await delay(n % 40 === 0 ? 6000 : 10 + (n % 100));
      if (n % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: 10 }, (_, n) => lane(n)));
}

/** Connections that the server closes, in each of the ways that it has. */
async function closings(port, end, counts) {
  const call = (method, more) => {
    const body = JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
    const head = 'POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
    if (more === 'chunked') {
      return `${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    }
    return `${head}${more}Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  const close = 'Connection: close\r\n';
  const sendings = [
    call('core:pwd', close),
    call('soak:later', close),
    call('soak:later', 'Connection: other\r\n'),
    call('core:pwd', 'chunked'),
    call('soak:later', 'chunked'),
    call('core:which', close),
    `HEAD / HTTP/1.1\r\nHost: a\r\n${close}\r\n`,
    'POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\r\n',
    'POST /mi HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n',
    // Of a piece with fewer, all may be answered: the server looks from the eighth on.
    call('core:pwd', '').repeat(64),
    'GET / HTTP/1.0\r\n\r\n',
  ];
  const lane = async (first) => {
    for (let n = first; performance.now() < end; n++) {
      counts.closed++;
      await count(counts, () =>
        closedByServer(port, n % 500 === 0 ? call('ul_dump', close) : sendings[n % sendings.length]),
      );
    }
  };
  await Promise.all(Array.from({ length: 4 }, (_, n) => lane(n)));
}

/** Sends and reads until the server closes; fails when it takes so long that the engine gave up. */
function closedByServer(port, text) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const overdue = setTimeout(() => {
      socket.destroy();
      const sent = `${text.length} bytes, ${JSON.stringify(text.slice(0, 200))}`;
      reject(
        new Error(
          `not closed: sent ${sent}, received ${received.length} bytes, ${JSON.stringify(received.slice(-200))}`,
        ),
      );
    }, 8000);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(overdue);
      resolve();
    });
    socket.on('data', (data) => {
      received += data;
    });
    socket.write(text);
  });
}

async function count(counts, action) {
  try {
    await action();
  } catch (error) {
    counts.failures++;
    if (counts.failures <= 5) process.stderr.write(`soak: ${error.message}\n`);
  }
}

/** Calls a command; fails unless the reply is whole and JSON. */
function rpc(port, method, params, agent) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const sent = request({ host: '127.0.0.1', port, path: '/mi', method: 'POST', agent, headers }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        try {
          const { result, error } = JSON.parse(Buffer.concat(pieces).toString('utf8'));
          if (error !== undefined && method !== unknown) throw new Error(`${method}: ${error.message} ${error.data}`);
          resolve(result);
        } catch (error) {
          reject(error);
        }
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function watch(port, pid, end) {
  const samples = [];
  const interval = Math.max(1000, (minutes * 60_000) / 60);
  while (performance.now() < end) {
    await delay(interval);
    samples.push(await sample(port, pid));
  }
  return samples;
}

async function sample(port, pid) {
  const { p99, max } = await rpc(port, 'soak:delays');
  const names = [
    'connections',
    'exchanges',
    'pending',
    'windows_in_use',
    'ids_held',
    'dumps_open',
    'body_slots',
    'heap_used',
  ];
  const statistics = await rpc(port, 'get_statistics', [names]);
  const resident = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  return {
    resident: Number(resident) / 1024,
    descriptors,
    p99,
    max,
    heap: statistics['mem:heap_used'] / 2 ** 20,
    statistics,
  };
}

/** Least squares: how much a value grows over the whole run, by its second half, when all is warm. */
function growth(samples, value) {
  const half = samples.slice(Math.floor(samples.length / 2)).map(value);
  const middle = (half.length - 1) / 2;
  const mean = half.reduce((sum, one) => sum + one, 0) / half.length;
  const slope =
    half.reduce((sum, one, index) => sum + (index - middle) * (one - mean), 0) /
    Math.max(
      1,
      half.reduce((sum, _one, index) => sum + (index - middle) ** 2, 0),
    );
  return { mean, grown: slope * half.length };
}

function report(samples, counts) {
  const loaded = samples.slice(0, -1);
  const last = samples.at(-1);
  const rows = [
    // In ten minutes connections that are not freed would be some 30.
    ['resident memory, MiB', ({ resident }) => resident, 0.05, 8],
    ['JavaScript heap, MiB', ({ heap }) => heap, 0.5, 20],
    ['descriptors', ({ descriptors }) => descriptors, 0.5, 30],
    ['event-loop delay p99, ms', ({ p99 }) => p99, 1, 20],
    ['event-loop delay max, ms', ({ max }) => max, 2, 100],
  ];
  let isFlat = counts.failures === 0;
  process.stdout.write(`\nsoak: ${minutes} min; ${JSON.stringify(counts)}\n\n`);
  process.stdout.write(
    '| what | first | mean | last half grew by | at rest | flat |\n| --- | --- | --- | --- | --- | --- |\n',
  );
  for (const [name, value, share, floor] of rows) {
    const { mean, grown } = growth(loaded, value);
    const flat = grown <= Math.max(mean * share, floor);
    isFlat &&= flat;
    const cells = [value(loaded[0]), mean, grown, value(last)].map((number) => number.toFixed(1));
    process.stdout.write(`| ${name} | ${cells.join(' | ')} | ${flat ? 'yes' : 'NO'} |\n`);
  }
  const { statistics } = last;
  const rest = {
    'httpd:exchanges': 1,
    'mi:pending': 0,
    'mem:windows_in_use': 0,
    'mem:ids_held': 0,
    'mem:dumps_open': 0,
    'mem:body_slots': 0,
  };
  for (const [name, expected] of Object.entries(rest)) {
    const found = statistics[name];
    isFlat &&= found === expected;
    process.stdout.write(`| ${name} at rest | | | | ${found} | ${found === expected ? 'yes' : 'NO'} |\n`);
  }
  process.stdout.write(`\nsoak: ${isFlat ? 'flat' : 'NOT FLAT'}\n`);
  return isFlat ? 0 : 1;
}
