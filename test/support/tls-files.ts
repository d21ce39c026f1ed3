// Certificates for tests, made when they are needed, by the openssl command.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lifetime } from './lifetime.js';

/** Why tests with certificates are skipped; false where they are not. */
export const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'the command openssl is missing';

/** Kinds of keys, as `openssl req -newkey` takes them. */
const keys = {
  rsa: ['rsa:2048'],
  ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ed25519: ['ed25519'],
  'rsa-pss': ['rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'],
  secp256k1: ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
} as const;

/** Files of a certificate that says it is `name`, signed by itself. */
export interface TestCertificate {
  readonly name: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A folder with certificates, removed when the test ends. */
export class TlsFiles {
  readonly folder = mkdtempSync(join(tmpdir(), 'mi-httpd-tls-'));

  constructor(t: Lifetime) {
    t.onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** @param days until it expires; less than 0: it has */
  make(name: string, { key = 'rsa' as keyof typeof keys, days = 100 } = {}): TestCertificate {
    const names = this.write('names', 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const [certFile, keyFile, request] = [this.path(`${name}.pem`), this.path(`${name}.key`), this.path('request')];
    openssl(
      'req',
      '-new',
      '-newkey',
      ...keys[key],
      '-nodes',
      '-keyout',
      keyFile,
      '-out',
      request,
      '-subj',
      `/CN=${name}`,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-signkey',
      keyFile,
      '-days',
      String(days),
      '-out',
      certFile,
      '-extfile',
      names,
    );
    return { name, certFile, keyFile };
  }

  /** An encrypted copy of the key of a certificate. */
  encrypt({ name, keyFile }: TestCertificate, passphrase: string, ...how: string[]): string {
    const file = this.path(`${name}.encrypted`);
    const cipher = how.length > 0 ? how : ['-v2', 'aes-256-cbc'];
    openssl('pkcs8', '-topk8', '-in', keyFile, '-out', file, '-passout', `pass:${passphrase}`, ...cipher);
    return file;
  }

  write(name: string, text: string, mode = 0o600): string {
    const file = this.path(name);
    writeFileSync(file, text, { mode });
    return file;
  }

  path(name: string): string {
    return join(this.folder, name);
  }
}

/** Runs openssl; gives its output. */
export function openssl(...args: readonly string[]): string {
  return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 100_000 }).toString();
}
