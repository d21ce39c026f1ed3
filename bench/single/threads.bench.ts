// What do threads with the listeners cost, and what do they save the program? npm run bench -- threads [ROUNDS] [SECONDS]: servers with
// none, one and two of them, by turns; of each figure the least.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { bundle } from '../../scripts/bundle.mjs';
import { buildClient, readForEver } from '../load/client.js';
import { runWrk, wrkMissing } from '../load/wrk.js';
import { describeMachine } from '../machine.js';
import { ask } from '../peer-pool.js';
import type { Delays } from '../peers/delay-meter.js';
import { type Call, miCall } from '../peers/peer.js';
import { end } from '../process/run-to-end.js';
import { usageOf } from '../process/usage.js';
import { markdownTable, number } from '../report/table.js';

const [rounds = '3', seconds = '2'] = process.argv.slice(2);
const all = [0, 1, 2];
const contacts = 100_000;
const connections = 64;

function called(method: string, params?: unknown): Call {
  return { path: '/mi', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) };
}

const calls: readonly (readonly [name: string, call: Call])[] = [
  ['`version`', miCall('version')],
  ['`ul_show_contact`', called('ul_show_contact', ['location', 'subscriber7'])],
  ['one that home runs', called('bench:home')],
];
const delay = called('bench:delay');

const missing = wrkMissing();
if (missing !== undefined) throw new Error(missing);
mkdirSync('build', { recursive: true });
buildClient();
const script = bundle('bench/single/threads-server.ts');

/** The least of each figure so far, by its name and the number of threads. */
const least = new Map<string, Map<number, number>>();

function note(name: string, threads: number, value: number): void {
  const figures = least.get(name) ?? new Map<number, number>();
  least.set(name, figures.set(threads, Math.min(value, figures.get(threads) ?? Number.POSITIVE_INFINITY)));
}

/** Not pinned: threads are to have all cores. */
async function measure(threads: number): Promise<void> {
  const args = ['--max-semi-space-size=2', script, String(threads)];
  const start = async (records: number): Promise<{ port: number; cpu: number; pid: number; stop(): Promise<void> }> => {
    const child = spawn(process.execPath, [...args, String(records)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    const [port = 0, cpu = 0] = line.split(' ').map(Number);
    return { port, cpu, pid: child.pid ?? 0, stop: () => end(child) };
  };
  const plain = await start(10);
  note('CPU of `start()`, ms', threads, plain.cpu);
  await ask(plain.port, miCall('version'));
  await pause(1000);
  note('resident memory, MB', threads, usageOf(plain.pid).resident / 1e6);
  for (const [name, call] of calls) {
    for (const open of [connections, 1]) {
      await runWrk(plain.port, call, { connections: open, seconds: 1 });
      const before = usageOf(plain.pid).processor;
      const { requests, p50 } = await runWrk(plain.port, call, { connections: open, seconds: Number(seconds) });
      const cpu = ((usageOf(plain.pid).processor - before) / requests) * 1e6;
      const of = open === 1 ? 'one connection' : `${open} connections`;
      note(`${name}, ${of}: CPU, µs`, threads, cpu);
      note(`${name}, ${of}: half within, µs`, threads, p50 * 1000);
    }
  }
  await plain.stop();
  const full = await start(contacts);
  const late = async (): Promise<Delays> => JSON.parse(await ask(full.port, delay)).result;
  await late();
  await pause(Number(seconds) * 1000);
  const idle = await late();
  const reader = readForEver(full.port, miCall('ul_dump'));
  await pause(300);
  await late();
  await pause(Number(seconds) * 1000);
  const busy = await late();
  await end(reader);
  await full.stop();
  note('timers of the program late, idle: p99, ms', threads, idle.p99);
  note(`the same beside dumps of ${contacts.toLocaleString('en')} contacts in a loop`, threads, busy.p99);
}

for (let round = 0; round < Number(rounds); round++) for (const threads of all) await measure(threads);
const rows = [...least].map(([name, figures]) => [
  name,
  ...all.map((threads) => number(figures.get(threads) ?? Number.NaN, 1)),
]);
process.stdout.write(`${describeMachine()}; the least of ${rounds} rounds\n\n`);
process.stdout.write(`${markdownTable(['', 'no threads', '1', '2'], rows, 1)}\n`);
