// The command as an operator runs it: a child process, its output line by line, and how it ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import { isNode, nodeDist } from './engine.js';
import type { Lifetime } from './lifetime.js';

/** The checkout; tests run in it. */
export const checkout = resolve('.');

/** The command, built. */
export const command = join(checkout, isNode ? nodeDist : 'dist', 'main.js');

/** How a process ended, and all that it wrote. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** The text of standard input; left out, it is empty. */
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** A program that runs the command, and its arguments before those of the command. */
  readonly through?: readonly [program: string, args: readonly string[]];
}

/** A running process. It is killed when the test ends, if it still runs. */
export class Running {
  readonly child: ChildProcess;
  /** When it is over. Never rejects. */
  readonly ended: Promise<Ended>;
  readonly lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #isOver = false;

  constructor(t: Lifetime, program: string, args: readonly string[], options: RunOptions = {}) {
    const { input = '', env = process.env, cwd = checkout } = options;
    const child = spawn(program, args, { cwd, env, stdio: 'pipe' });
    this.child = child;
    t.onTestFinished(() => child.kill('SIGKILL'));
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (text: string) => {
        output[name] += text;
      });
    }
    // By hand: to node:readline of Node.js 24 a character for a line break that stands in a text ends a line too.
    let begun = '';
    child.stdout.on('data', (text: string) => {
      const [first = '', ...others] = text.split('\n');
      const whole = [begun + first, ...others];
      begun = whole.pop() ?? '';
      this.lines.push(...whole);
      this.#wake();
    });
    child.stdout.on('end', () => {
      if (begun !== '') this.lines.push(begun);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    this.ended = new Promise((resolve_) => {
      child.on('error', (error) => resolve_({ status: null, signal: null, stdout: '', stderr: error.message }));
      child.on('close', (status, signal) => {
        this.#isOver = true;
        this.#wake();
        resolve_({ status, signal, ...output });
      });
    });
  }

  /**
   * A line on standard output that matches, written already or to come; fails when the process ends before.
   *
   * @param nth which of them, the first is 1
   */
  async line(pattern: RegExp, nth = 1): Promise<string> {
    for (;;) {
      const found = this.lines.filter((line) => pattern.test(line))[nth - 1];
      if (found !== undefined) return found;
      if (this.#isOver) expect.unreachable(`ended without a line like ${pattern}: ${JSON.stringify(await this.ended)}`);
      await new Promise<void>((resolve_) => this.#waiting.add(resolve_));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** A line of the log. */
export interface LogLine {
  readonly level: number;
  readonly time: string;
  readonly pid: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** The command, serving. */
export class Daemon extends Running {
  /** URL of the root `mi`, as the command printed it. */
  url = '';

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get log(): LogLine[] {
    return this.lines.map((line) => JSON.parse(line) as LogLine);
  }
}

/** Starts the command and waits until it serves. Give it `-p 0`, or the port of a file. */
export async function startDaemon(t: Lifetime, args: readonly string[], options: RunOptions = {}): Promise<Daemon> {
  const [program, before] = options.through ?? [process.execPath, []];
  const daemon = new Daemon(t, program, [...before, command, ...args], options);
  const line = await daemon.line(/serving https?:\/\/[^"]*\/mi"/);
  daemon.url = String((JSON.parse(line) as LogLine).url);
  return daemon;
}

/** Runs the command to its end. */
export function runCommand(t: Lifetime, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Running(t, process.execPath, [command, ...args], options).ended;
}

expect.extend({
  toRefuse(ended: Ended, reason: RegExp, status = 1) {
    const { stdout, stderr } = ended;
    const problems = [
      ...(ended.status === status ? [] : [`its status is ${ended.status}, not ${status}`]),
      ...(reason.test(stderr) ? [] : [`its reason is not like ${reason}`]),
      ...(stderr.trimEnd().includes('\n') ? ['it tells more than one line'] : []),
      ...(stack.test(stdout + stderr) ? ['it shows a stack'] : []),
      ...(/serving/.test(stdout) ? ['it served'] : []),
    ];
    return { pass: problems.length === 0, message: () => `${problems.join(', ')}: ${JSON.stringify(ended)}` };
  },
});

declare module 'vitest' {
  interface Matchers<T> {
    /** The command refuses to start: one line on standard error that matches, no stack, nothing served. */
    toRefuse(reason: RegExp, status?: number): T;
  }
}

const stack = /^\s+at .*:\d+|node:internal|Error: /m;

export function assertNoStack(text: string): void {
  expect(text).not.toMatch(stack);
}

/** Calls an MI command of a server by its URL; gives the whole JSON-RPC reply. */
export async function mi(url: string, method: string, params?: unknown): Promise<MiReply> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Connection: 'close' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, ...(params === undefined ? {} : { params }) }),
  });
  return { status: response.status, ...((await response.json()) as Omit<MiReply, 'status'>) };
}

export interface MiReply {
  readonly status: number;
  readonly id: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** Whether somebody listens on an address. */
export function isListening(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve_) => {
    const socket = createConnection({ port, host });
    const tell = (answer: boolean): void => {
      socket.destroy();
      resolve_(answer);
    };
    socket.on('connect', () => tell(true));
    socket.on('error', () => tell(false));
  });
}

/** Puts files into a directory of their own, removed when the test ends. */
export function temporaryFiles(t: Lifetime, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'mi-httpd-command-'));
  t.onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}
