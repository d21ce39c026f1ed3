// Files of users and tokens for tests, with hashes that cost little.
import { createHash, scryptSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lifetime } from './lifetime.js';

/** A line of `auth_file`, hashed with the least cost that is accepted. */
export function userLine(name: string, password: string, level: string, cost = { N: 1024, r: 1, p: 1 }): string {
  const salt = Buffer.from(`salt of ${name.padEnd(16, '.')}`);
  const hash = scryptSync(password, salt, 32, cost);
  return `${name}:${level}:scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString('base64url')}$${hash.toString('base64url')}\n`;
}

/** A line of `auth_tokens`. */
export function tokenLine(name: string, token: string, level: string): string {
  return `${name}:${level}:sha256$${createHash('sha256').update(token).digest('hex')}\n`;
}

/** Writes a file that goes with the test. */
export function temporaryFile(t: Lifetime, name: string, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'mi-httpd-access-'));
  t.onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** Value of an Authorization header. */
export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}
