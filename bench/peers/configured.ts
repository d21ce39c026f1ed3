// mi-httpd that is started with a configuration file of its own.
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverCore, startOn } from '../process/pinned.js';

/** Writes a file with module mi_http at a port, and more. @param lines what stands behind that @returns its path */
export function writeConfiguration(folder: string, port: number, lines: readonly string[]): string {
  const all = [
    'log_level=1',
    'loadmodule "httpd.so"',
    'modparam("httpd", "ip", "127.0.0.1")',
    `modparam("httpd", "port", ${port})`,
    'loadmodule "mi_http.so"',
    ...lines,
  ];
  const file = join(folder, `mi-httpd-${port}.cfg`);
  writeFileSync(file, `${all.join('\n')}\n`);
  return file;
}

/** Starts what stands in front of others, which end with it. @param main path of dist/main.js */
export function startFront(main: string, file: string, others: readonly ChildProcess[]): ChildProcess {
  const child = startOn(serverCore, [process.execPath, '--max-semi-space-size=2', main, '-f', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (const other of others) endsWith(child, other);
  return child;
}

/** Ends a process with the server in front of it. */
export function endsWith(child: ChildProcess, other: ChildProcess): void {
  child.once('close', () => other.kill('SIGTERM'));
}

/** What a command gives, by JSON-RPC. */
export async function resultOf(port: number, method: string, params?: unknown): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body };
  const reply = (await (await fetch(`http://127.0.0.1:${port}/mi`, request)).json()) as { readonly result?: unknown };
  return reply.result;
}
