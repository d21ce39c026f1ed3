// Is a dump as fast as the engine can stream, does it keep memory flat, and do small commands stay fast meanwhile?
// npm run bench:dump [-- CONTACTS... TRANSPORT...], default 10000 100000 1000000 plain TLS; results go to bench/results/.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadUws } from '#src/http/engine/uws/loader.js';
import { bundle } from '../../scripts/bundle.mjs';
import { figureOf } from '../figures.js';
import { buildClient, callBySchedule, download, type Latency, readForEver, readSlowly } from '../load/client.js';
import { makeCertificate, type Transport, transportOf, transports } from '../load/transport.js';
import { describeMachine } from '../machine.js';
import { type Call, miCall } from '../peers/peer.js';
import { hasPriority, isPinned, serverCore, startOn } from '../process/pinned.js';
import { end } from '../process/run-to-end.js';
import { type Usage, usageOf } from '../process/usage.js';

/** The default response window: a quarter of 16 MB. */
const windowSize = 4 << 20;
const rounds = 7;
const slowReaders = 50;
const dumpCall = miCall('ul_dump');
const zstdCall: Call = { ...dumpCall, coding: 'zstd' };
const gzipCall: Call = { ...dumpCall, coding: 'gzip' };
/** The call that dump-server.ts answers at once where it serves the bare engine. */
const constantCall: Call = { ...dumpCall, path: '/constant' };
/** Calls of `version`: so few that the load's core has time for the reader of the dumps. */
const calls = { rate: 500, connections: 4, seconds: 2 };

interface Row {
  readonly transport: Transport;
  readonly contacts: number;
  readonly megabytes: number;
  readonly rate: number;
  readonly bareRate: number;
  readonly rateRatio: number;
  /** Of the bare engine with writes of 64 KiB. */
  readonly largeRate: number;
  readonly processorPerGigabyte: number;
  readonly bareProcessorPerGigabyte: number;
  readonly firstByteMs: number;
  readonly growthOneDump: number;
  readonly growthSlowReaders: number;
  readonly idle: Latency;
  readonly busy: Latency;
  readonly zstd: Compressed;
  readonly gzip: Compressed;
  /** Of `version`, while zstd dumps are read. */
  readonly busyWithZstd: Latency;
  readonly growthSlowZstdReaders: number;
  /** The same of the bare engine: what of it is the machine's. */
  readonly bareIdle: Latency;
  readonly bareBusy: Latency;
}

/** Dumps of one coding. */
interface Compressed {
  /** Megabytes of contacts per second. */
  readonly rate: number;
  /** Seconds for a gigabyte of contacts. */
  readonly processorPerGigabyte: number;
  /** Bytes of contacts for one that is sent. */
  readonly ratio: number;
}

buildClient();
const asked = process.argv.slice(2);
const sizes = asked.filter((word) => /^[0-9]+$/.test(word)).map(Number);
const ways = asked.filter((word) => !/^[0-9]+$/.test(word)).map(transportOf);
const rows: Row[] = [];
for (const transport of ways.length > 0 ? ways : transports) {
  const tls = transport === 'TLS' ? makeCertificate() : [];
  for (const contacts of sizes.length > 0 ? sizes : [10_000, 100_000, 1_000_000]) {
    process.stderr.write(`${contacts} contacts, ${transport}: loading\n`);
    rows.push(await measure(transport, contacts, tls));
  }
}
await report();

async function measure(transport: Transport, contacts: number, tls: readonly string[]): Promise<Row> {
  const ours = await startServer('ours', contacts, transport, tls);
  const [warm] = await download(ours.port, dumpCall, 2, transport);
  const bytes = warm?.bytes ?? 0;
  const bare = await startServer('bare', bytes, transport, tls);
  const large = await startServer('large', bytes, transport, tls);
  for (const { port } of [bare, large]) await download(port, dumpCall, 2, transport);

  progress('rate');
  // By turns, so that what else the machine does hits both.
  const [own, rival, largeRival] = [emptySample(), emptySample(), emptySample()];
  for (let round = 0; round < rounds; round++) {
    await sample(ours, own);
    await sample(bare, rival);
    await sample(large, largeRival);
  }

  progress('compressed');
  const [zstd, gzip] = [emptySample(), emptySample()];
  for (let round = 0; round < rounds; round++) {
    await sample(ours, zstd, zstdCall);
    await sample(ours, gzip, gzipCall);
  }

  progress('memory');
  const growthOneDump = await growth(ours, () => download(ours.port, dumpCall, 3, transport));
  const readers = (call: Call) => () => once(readSlowly(ours.port, call, slowReaders, 5, transport), 'close');
  const growthSlowReaders = await growth(ours, readers(dumpCall));
  const growthSlowZstdReaders = await growth(ours, readers(zstdCall));

  progress('latency');
  const busyWithZstd: Latency[] = [];
  const [delays, bareDelays]: [Delays, Delays] = [
    { idle: [], busy: [] },
    { idle: [], busy: [] },
  ];
  for (let round = 0; round < rounds; round++) {
    await measureDelays(ours, miCall('version'), delays);
    busyWithZstd.push(await delayBeside(ours, miCall('version'), zstdCall));
    await measureDelays(bare, constantCall, bareDelays);
  }
  await Promise.all([ours.child, bare.child, large.child].map((child) => end(child)));

  const rate = median(own.rates);
  const bareRate = median(rival.rates);
  return {
    transport,
    contacts,
    megabytes: bytes / 1e6,
    rate,
    bareRate,
    rateRatio: rate / bareRate,
    largeRate: median(largeRival.rates),
    processorPerGigabyte: (own.processor / own.bytes) * 1e9,
    bareProcessorPerGigabyte: (rival.processor / rival.bytes) * 1e9,
    firstByteMs: median(own.firstBytes),
    growthOneDump,
    growthSlowReaders,
    zstd: compressed(zstd, bytes),
    gzip: compressed(gzip, bytes),
    busyWithZstd: medianLatency(busyWithZstd),
    growthSlowZstdReaders,
    idle: medianLatency(delays.idle),
    busy: medianLatency(delays.busy),
    bareIdle: medianLatency(bareDelays.idle),
    bareBusy: medianLatency(bareDelays.busy),
  };
}

interface Sample {
  /** Megabytes per second. */
  readonly rates: number[];
  readonly firstBytes: number[];
  readonly times: number[];
  processor: number;
  bytes: number;
}

/** @param whole bytes of a dump as it is */
function compressed({ times, processor, bytes }: Sample, whole: number): Compressed {
  const given = whole * times.length;
  return {
    rate: whole / 1e3 / median(times),
    processorPerGigabyte: (processor / given) * 1e9,
    ratio: given / bytes,
  };
}

function emptySample(): Sample {
  return { rates: [], firstBytes: [], times: [], processor: 0, bytes: 0 };
}

async function sample(server: Server, into: Sample, call = dumpCall): Promise<void> {
  const before = usage(server).processor;
  for (const { bytes, firstByteMs, totalMs } of await download(server.port, call, 3, server.transport)) {
    into.rates.push(bytes / 1e3 / totalMs);
    into.firstBytes.push(firstByteMs);
    into.times.push(totalMs);
    into.bytes += bytes;
  }
  into.processor += usage(server).processor - before;
}

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
  readonly transport: Transport;
}

/** Starts dump-server.ts, which prints its port when it is ready. */
async function startServer(
  kind: 'ours' | 'bare' | 'large',
  amount: number,
  transport: Transport,
  tls: readonly string[],
): Promise<Server> {
  const script = bundle('bench/single/dump-server.ts');
  // As the command runs.
  const flags = kind === 'ours' ? ['--max-semi-space-size=2'] : [];
  const command = [process.execPath, ...flags, script, kind, String(amount), ...tls];
  const child = startOn(serverCore, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = child.stdout === null ? ['0'] : await once(child.stdout, 'data');
  return { child, port: Number(String(line)), transport };
}

function usage({ child }: Server): Usage {
  return usageOf(child.pid ?? 0);
}

/** How much the resident memory of a server rises above where it was, bytes. */
async function growth(server: Server, work: () => Promise<unknown>): Promise<number> {
  const before = usage(server).resident;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, usage(server).resident);
  }, 20);
  await work();
  clearInterval(watch);
  return Math.max(peak, usage(server).resident) - before;
}

function median(values: readonly number[]): number {
  return figureOf(values).median;
}

/** Delays of a small call while nothing else runs, and while dumps are read. */
interface Delays {
  readonly idle: Latency[];
  readonly busy: Latency[];
}

async function measureDelays(server: Server, call: Call, into: Delays): Promise<void> {
  into.idle.push(await callBySchedule(server.port, call, calls, server.transport));
  into.busy.push(await delayBeside(server, call, dumpCall));
}

/** Delays of a call while another one is made without pause. */
async function delayBeside({ port, transport }: Server, call: Call, other: Call): Promise<Latency> {
  const dumping = readForEver(port, other, transport);
  const delay = await callBySchedule(port, call, calls, transport);
  await end(dumping);
  return delay;
}

/** Of several rounds: what stalls this machine now and then stalls few of them. */
function medianLatency(rounds: readonly Latency[]): Latency {
  const of = (figure: keyof Latency): number => median(rounds.map((latency) => latency[figure]));
  return { p50: of('p50'), p99: of('p99'), max: of('max') };
}

function progress(what: string): void {
  process.stderr.write(`  ${what}\n`);
}

async function report(): Promise<void> {
  const engine = await loadUws();
  const machine = describeMachine();
  const versions = `Node.js ${process.versions.node}, ${engine.name} ${engine.version}`;
  const pinned = isPinned ? 'server on core 0, clients on core 1' : 'not pinned, taskset is missing';
  const date = new Date().toISOString().slice(0, 10);
  const lines = [
    `# Dumps, ${date}`,
    '',
    `\`npm run bench:dump\`; ${machine}; ${versions}; ${pinned}. Medians of ${rounds * 3} dumps by turns with the bare`,
    'engine, which streams a constant buffer of the same length in the same chunks, and in writes of 64 KiB, of which it',
    'loses some where a reader is slow, so that nobody should use them; over plain TCP and over TLS 1.3',
    `on loopback. Delays are medians of ${rounds} rounds of ${calls.seconds} s, idle and during dumps by turns, of ${calls.rate} calls a second.`,
    `The caller of \`version\` ${hasPriority ? 'runs before' : 'has the same right to its core as'} the reader of dumps.`,
    'Over TLS both rates are also those of the client, which decrypts: compare the processor time.',
    '',
    '| transport | contacts | MB | MB/s | bare engine MB/s | ratio | 64 KiB writes MB/s | server s/GB | bare s/GB | first byte ms | growth, one dump MB |' +
      ` growth, ${slowReaders} slow readers MB | \`version\` p99 idle ms | p99 during dumps ms | max during dumps ms | bare engine: p99 idle ms | p99 during dumps ms |`,
    `| :--- |${' ---: |'.repeat(16)}`,
    ...rows.map(
      (row) =>
        `| ${row.transport} | ${row.contacts} | ${row.megabytes.toFixed(1)} | ${row.rate.toFixed(0)} | ${row.bareRate.toFixed(0)} ` +
        `| ${row.rateRatio.toFixed(2)} | ${row.largeRate.toFixed(0)} | ${row.processorPerGigabyte.toFixed(2)} | ${row.bareProcessorPerGigabyte.toFixed(2)} ` +
        `| ${row.firstByteMs.toFixed(2)} | ${(row.growthOneDump / 1e6).toFixed(1)} | ${(row.growthSlowReaders / 1e6).toFixed(1)} ` +
        `| ${row.idle.p99.toFixed(2)} | ${row.busy.p99.toFixed(2)} | ${row.busy.max.toFixed(2)} ` +
        `| ${row.bareIdle.p99.toFixed(2)} | ${row.bareBusy.p99.toFixed(2)} |`,
    ),
    '',
    'Compressed, level 1, beside the server on its core: megabytes of contacts, not of what is sent, which the reader counts and does not',
    'decode. Of the slow readers 16 get zstd, the others plain dumps.',
    '',
    '| transport | contacts | zstd MB/s | s/GB | ratio | gzip MB/s | s/GB | ratio | plain MB/s | s/GB | `version` p99 during zstd ms | max | p99 during plain ms | max |' +
      ` growth, ${slowReaders} slow zstd readers MB |`,
    `| :--- |${' ---: |'.repeat(14)}`,
    ...rows.map(
      ({ zstd, gzip, ...row }) =>
        `| ${row.transport} | ${row.contacts} ` +
        [zstd, gzip]
          .map(
            ({ rate, processorPerGigabyte, ratio }) =>
              `| ${rate.toFixed(0)} | ${processorPerGigabyte.toFixed(2)} | ${ratio.toFixed(1)} `,
          )
          .join('') +
        `| ${row.rate.toFixed(0)} | ${row.processorPerGigabyte.toFixed(2)} ` +
        `| ${row.busyWithZstd.p99.toFixed(2)} | ${row.busyWithZstd.max.toFixed(2)} ` +
        `| ${row.busy.p99.toFixed(2)} | ${row.busy.max.toFixed(2)} | ${(row.growthSlowZstdReaders / 1e6).toFixed(1)} |`,
    ),
    '',
    `Limits: zstd 500 MB/s; ratio 0.50 or more; first byte 5 ms; growth ${((2 * windowSize + (16 << 20)) / 1e6).toFixed(1)} MB ` +
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
