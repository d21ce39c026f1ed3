// The machine a result is from, and what of it makes results doubtful.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { isPinned } from './process/pinned.js';

/** In one line. */
export function describeMachine(): string {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor';
  return `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
}

/** Facts that a reader should know before trusting a result from here; empty when all is well. */
export function warnings(): readonly string[] {
  const found: string[] = [];
  if (!isPinned) {
    found.push(
      'server and load are not pinned to cores of their own (fewer than two cores, or no taskset): rates are too low',
    );
  }
  const [load = 0] = loadavg();
  if (load > 0.5)
    found.push(`the machine was not quiet: ${load.toFixed(1)} processes ran on average in the minute before`);
  return found;
}

/** A certificate for the rivals' TLS, made once; undefined without openssl. */
export function makeCertificate(folder: string): { readonly cert: string; readonly key: string } | undefined {
  const [cert, key] = [resolve(join(folder, 'cert.pem')), resolve(join(folder, 'key.pem'))];
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const { status } = spawnSync('openssl', [...args, '-subj', '/CN=127.0.0.1', '-keyout', key, '-out', cert]);
  return status === 0 ? { cert, key } : undefined;
}
