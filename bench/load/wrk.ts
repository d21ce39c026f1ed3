// A closed loop by wrk: each connection sends its next request when it has its reply.
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Call } from '../peers/peer.js';
import { missing } from '../peers/program.js';
import { loadCore, startOn } from '../process/pinned.js';
import { outputOf } from '../process/run-to-end.js';

/** The settings of a closed loop. */
export interface WrkLoad {
  readonly connections: number;
  readonly seconds: number;
  /** Requests in one write; 1 is none before its reply. */
  readonly pipelined?: number;
  /** A connection for each request. */
  readonly newConnections?: boolean;
  readonly tls?: boolean;
  /** Value of Accept-Encoding. */
  readonly coding?: string | undefined;
}

/**
 * Latencies in milliseconds, from sending to reply. wrk guesses what a closed loop omits while a reply is late; what was
 * really waited is told by the calls by schedule (client.ts).
 */
export interface WrkResult {
  readonly requests: number;
  /** Of all replies, with their heads. */
  readonly bytes: number;
  /** Replies a second. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Told {
  readonly requests: number;
  readonly bytes: number;
  readonly microseconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly status: number;
  readonly timeout: number;
}

/** Why there is no wrk; undefined: there is. */
export const wrkMissing = (): string | undefined => missing('wrk', ['-v'], 'wrk');

/** Starts the load, for those who measure something else beside it. */
export function startWrk(port: number, call: Call, load: WrkLoad): ChildProcess {
  const { connections, seconds, pipelined = 1, newConnections = false, tls = false, coding = '' } = load;
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}${call.path}`;
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', resolve('bench/load/wrk.lua')];
  const script = [bodyFile(call.body), String(pipelined), newConnections ? '1' : '0', coding];
  return startOn(loadCore, ['wrk', ...options, url, '--', ...script], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The path of a file with this text: an argument has 128 KiB at most. */
function bodyFile(text: string): string {
  const folder = resolve('build/bench-bodies');
  const file = join(folder, createHash('sha256').update(text).digest('hex').slice(0, 16));
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
  }
  return file;
}

/** @throws Error when calls failed: what is measured then is something else */
export async function runWrk(port: number, call: Call, load: WrkLoad): Promise<WrkResult> {
  const output = await outputOf(startWrk(port, call, load), 'wrk');
  const told = JSON.parse(output.toString().trim().split('\n').at(-1) ?? '') as Told;
  // wrk counts the end of a connection that was not announced as a failed read.
  const failed =
    told.connect + told.write + told.status + told.timeout + (load.newConnections === true ? 0 : told.read);
  if (failed > 0 || told.requests === 0) {
    throw new Error(`${failed} of ${told.requests} calls failed: ${JSON.stringify(told)}`);
  }
  return {
    requests: told.requests,
    bytes: told.bytes,
    rate: (told.requests / told.microseconds) * 1e6,
    p50: told.p50 / 1000,
    p99: told.p99 / 1000,
    max: told.max / 1000,
  };
}
