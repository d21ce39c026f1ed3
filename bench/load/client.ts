// The verbs of load/client.rs: calls by schedule, readers of dumps, slow readers, connections that stay.
import type { ChildProcess } from 'node:child_process';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { bundle } from '../../scripts/bundle.mjs';
import { percentile } from '../figures.js';
import type { Call } from '../peers/peer.js';
import { loadCore, startOn } from '../process/pinned.js';
import { outputOf } from '../process/run-to-end.js';
import type { Transport } from './transport.js';

const program = resolve('build/bench-client');

/** @throws Error when it cannot be compiled; the addon needs rustc too, so it is there */
export function buildClient(): void {
  const source = resolve('bench/load/client.rs');
  const args = ['-O', '--edition', '2024', '-D', 'warnings', '-o', program, source];
  const { status, stderr } = spawnSync('rustc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`bench/load/client.rs cannot be compiled: ${stderr ?? 'rustc is missing'}`);
}

/** Milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * Calls that are due at fixed times, whether or not the ones before were answered. The caller runs before the readers
 * on its core, so that it tells how long the server takes, not how long it waited for them itself.
 */
export async function callBySchedule(
  port: number,
  call: Call,
  load: { readonly rate: number; readonly connections: number; readonly seconds: number },
  transport: Transport = 'plain',
): Promise<Latency> {
  const numbers = [load.rate, load.connections, load.seconds];
  const child = start('rate', port, call, numbers, transport, true);
  const bytes = await outputOf(child, 'the client');
  const milliseconds = Float64Array.from({ length: bytes.length >> 3 }, (_, n) => bytes.readDoubleLE(8 * n)).sort();
  const at = (share: number): number => percentile(milliseconds, share);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** One reply, read as fast as it comes. */
export interface Download {
  readonly bytes: number;
  readonly firstByteMs: number;
  readonly totalMs: number;
}

export async function download(
  port: number,
  call: Call,
  count: number,
  transport: Transport = 'plain',
): Promise<readonly Download[]> {
  const output = await outputOf(start('read', port, call, [count], transport), 'the reader');
  const lines = output.toString().trim().split('\n');
  return lines.map((line) => {
    const [bytes = 0, first = 0, total = 0] = line.split(' ').map(Number);
    return { bytes, firstByteMs: first / 1e6, totalMs: total / 1e6 };
  });
}

/** Reads one reply after the other until it is ended. */
export function readForEver(port: number, call: Call, transport: Transport = 'plain'): ChildProcess {
  return start('read', port, call, [0], transport);
}

/** Each connection reads 64 KiB ten times a second. */
export function readSlowly(
  port: number,
  call: Call,
  connections: number,
  seconds: number,
  transport: Transport = 'plain',
): ChildProcess {
  return start('slow', port, call, [connections, seconds], transport);
}

/** Connections that have made one call each and stay open until the process is ended. */
export async function stay(port: number, call: Call, connections: number): Promise<ChildProcess> {
  const child = start('stay', port, call, [connections, 60]);
  if (child.stdout !== null) await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
  if (child.exitCode !== null) throw new Error(`the client could not open ${connections} connections`);
  return child;
}

function start(
  verb: string,
  port: number,
  { path, body, coding }: Call,
  numbers: readonly number[],
  transport: Transport = 'plain',
  isFirst = false,
): ChildProcess {
  const client = transport === 'plain' ? [program] : [process.execPath, bundle('bench/load/tls-client.ts')];
  const command = [...client, verb, String(port), path, body, ...numbers.map(String)];
  const env = { ...process.env, CODING: coding ?? '' };
  return startOn(loadCore, command, { stdio: ['ignore', 'pipe', 'pipe'], env }, isFirst);
}
