import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TlsFiles } from './servers.js';

const run = promisify(execFile);

/** A certificate as the recorded servers had it, RSA of 2048 bits, signed by itself; undefined without openssl. */
export async function makeTlsFiles(): Promise<TlsFiles | undefined> {
  const place = await mkdtemp(join(tmpdir(), 'mi-httpd-conformance-'));
  const files = { certificate: join(place, 'certificate.pem'), key: join(place, 'key.pem'), place };
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', files.key];
  try {
    await run('openssl', ['req', '-x509', ...key, '-out', files.certificate, '-days', '2', '-subj', '/CN=127.0.0.1']);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return files;
}
