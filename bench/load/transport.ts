// How the load talks to a server: plain TCP, or TLS with a certificate made for the occasion.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const transports = ['plain', 'TLS'] as const;
export type Transport = (typeof transports)[number];

/** @throws Error when there is no such transport */
export function transportOf(text: string): Transport {
  const found = transports.find((one) => one.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new Error(`no transport ${text}; there are ${transports.join(' and ')}`);
  return found;
}

/** Paths of a new certificate, signed by itself, and of its key; they go when this process does. */
export function makeCertificate(): readonly [certificate: string, key: string] {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const [certificate, key] = [join(folder, 'bench.pem'), join(folder, 'bench.key')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate, '-days', '30', '-subj', '/CN=bench'], {
    stdio: 'ignore',
  });
  return [certificate, key];
}
