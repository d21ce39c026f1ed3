// Is a dump as fast as the engine can stream, does it keep memory flat, and do small commands stay fast meanwhile?
// npm run bench:dump [-- CONTACTS...], default 10000 100000 1000000; results go to bench/results/.
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { cpus, release, totalmem } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { loadEngine } from '#src/httpd/engine.js';
import { isPinned, linesOf, MeasuredServer, start } from './dump/measured-process.js';

/** The default response window: a quarter of 16 MB. */
const windowSize = 4 << 20;
const rounds = 7;
const slowReaders = 50;
const dumpCall = '{"jsonrpc":"2.0","method":"ul_dump","id":1}';

interface Row {
  readonly contacts: number;
  readonly megabytes: number;
  readonly rate: number;
  readonly bareRate: number;
  readonly rateRatio: number;
  readonly processorPerGigabyte: number;
  readonly bareProcessorPerGigabyte: number;
  readonly firstByteMs: number;
  readonly growthOneDump: number;
  readonly growthSlowReaders: number;
  readonly idle: Latency;
  readonly busy: Latency;
}

interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const asked = process.argv.slice(2).map(Number);
const rows: Row[] = [];
for (const contacts of asked.length > 0 ? asked : [10_000, 100_000, 1_000_000]) {
  process.stderr.write(`${contacts} contacts: loading\n`);
  rows.push(await measure(contacts));
}
await report();

async function measure(contacts: number): Promise<Row> {
  const ours = await MeasuredServer.start('ours', contacts);
  const [warm] = await download(ours, 2);
  const bytes = warm?.bytes ?? 0;
  const bare = await MeasuredServer.start('bare', bytes);
  await download(bare, 2);

  progress('rate');
  // By turns, so that what else the machine does hits both.
  const [own, rival] = [emptySample(), emptySample()];
  for (let round = 0; round < rounds; round++) {
    await sample(ours, own);
    await sample(bare, rival);
  }

  progress('memory');
  const growthOneDump = await growth(ours, () => download(ours, 3).then(() => undefined));
  const growthSlowReaders = await growth(ours, () => readSlowly(ours.port));

  progress('latency');
  const idle = await latency(ours.port);
  const dumping = start(1, 'dump-client.js', [ours.port, 0]);
  const busy = await latency(ours.port);
  dumping.kill('SIGKILL');
  await Promise.all([ours.stop(), bare.stop()]);

  const rate = median(own.rates);
  const bareRate = median(rival.rates);
  return {
    contacts,
    megabytes: bytes / 1e6,
    rate,
    bareRate,
    rateRatio: rate / bareRate,
    processorPerGigabyte: (own.processor / own.bytes) * 1e9,
    bareProcessorPerGigabyte: (rival.processor / rival.bytes) * 1e9,
    firstByteMs: median(own.firstBytes),
    growthOneDump,
    growthSlowReaders,
    idle,
    busy,
  };
}

interface Sample {
  /** Megabytes per second. */
  readonly rates: number[];
  readonly firstBytes: number[];
  processor: number;
  bytes: number;
}

function emptySample(): Sample {
  return { rates: [], firstBytes: [], processor: 0, bytes: 0 };
}

async function sample(server: MeasuredServer, into: Sample): Promise<void> {
  const before = server.processorTime;
  for (const { bytes, firstByteMs, totalMs } of await download(server, 3)) {
    into.rates.push(bytes / 1e3 / totalMs);
    into.firstBytes.push(firstByteMs);
    into.bytes += bytes;
  }
  into.processor += server.processorTime - before;
}

interface Download {
  readonly bytes: number;
  readonly firstByteMs: number;
  readonly totalMs: number;
}

async function download({ port }: MeasuredServer, count: number): Promise<readonly Download[]> {
  return (await linesOf(start(1, 'dump-client.js', [port, count]))).map((line) => JSON.parse(line) as Download);
}

/** How much the resident memory of a server rises above where it was, bytes. */
async function growth(server: MeasuredServer, work: () => Promise<void>): Promise<number> {
  const before = server.resident;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, server.resident);
  }, 20);
  await work();
  clearInterval(watch);
  return Math.max(peak, server.resident) - before;
}

/** Many clients that read 64 KiB ten times a second, for five seconds, and leave. */
async function readSlowly(port: number): Promise<void> {
  const sockets: Socket[] = [];
  for (let n = 0; n < slowReaders; n++) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(post(dumpCall));
    sockets.push(socket);
  }
  for (let round = 0; round < 50; round++) {
    for (const socket of sockets) socket.read(65536);
    await pause(100);
  }
  for (const socket of sockets) socket.destroy();
  await pause(200);
}

/** Milliseconds that `version` takes, one call at a time on one connection. */
async function latency(port: number): Promise<Latency> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const request = post('{"jsonrpc":"2.0","method":"version","id":1}');
  const times: number[] = [];
  const end = performance.now() + 8000;
  while (performance.now() < end) {
    const sent = performance.now();
    socket.write(request);
    await once(socket, 'data');
    times.push(performance.now() - sent);
    // A pause, so that the client does not occupy the core that it shares with the reader of the dump.
    await pause(1);
  }
  socket.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function post(body: string): string {
  return `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function progress(what: string): void {
  process.stderr.write(`  ${what}\n`);
}

async function report(): Promise<void> {
  const engine = await loadEngine();
  const model = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor';
  const machine = `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  const versions = `Node.js ${process.versions.node}, ${engine.name} ${engine.version}`;
  const pinned = isPinned ? 'server on core 0, clients on core 1' : 'not pinned, taskset is missing';
  const date = new Date().toISOString().slice(0, 10);
  const lines = [
    `# Dumps, ${date}`,
    '',
    `\`npm run bench:dump\`; ${machine}; ${versions}; ${pinned}. Medians of ${rounds * 3} dumps by turns with the bare`,
    'engine, which streams a constant buffer of the same length in the same chunks, plain TCP on loopback.',
    '',
    '| contacts | MB | MB/s | bare engine MB/s | ratio | server s/GB | bare s/GB | first byte ms | growth, one dump MB |' +
      ` growth, ${slowReaders} slow readers MB | \`version\` p99 idle ms | p99 during dumps ms | max during dumps ms |`,
    `|${' ---: |'.repeat(13)}`,
    ...rows.map(
      (row) =>
        `| ${row.contacts} | ${row.megabytes.toFixed(1)} | ${row.rate.toFixed(0)} | ${row.bareRate.toFixed(0)} ` +
        `| ${row.rateRatio.toFixed(2)} | ${row.processorPerGigabyte.toFixed(2)} | ${row.bareProcessorPerGigabyte.toFixed(2)} ` +
        `| ${row.firstByteMs.toFixed(2)} | ${(row.growthOneDump / 1e6).toFixed(1)} | ${(row.growthSlowReaders / 1e6).toFixed(1)} ` +
        `| ${row.idle.p99.toFixed(2)} | ${row.busy.p99.toFixed(2)} | ${row.busy.max.toFixed(2)} |`,
    ),
    '',
    `Limits: ratio 0.50 or more; first byte 5 ms; growth ${((2 * windowSize + (16 << 20)) / 1e6).toFixed(1)} MB ` +
      '(two windows and 16 MB); p99 during dumps under 1 ms and 3 times the idle p99.',
    '',
  ];
  mkdirSync('bench/results', { recursive: true });
  writeFileSync('bench/results/dump.md', lines.join('\n'));
  writeFileSync(
    'bench/results/dump.json',
    `${JSON.stringify({ date, machine, versions, pinned, rows }, undefined, 2)}\n`,
  );
  process.stdout.write(lines.join('\n'));
}
