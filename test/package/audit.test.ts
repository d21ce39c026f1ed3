// scripts/audit.mjs: a finding fails, what cannot be asked is told.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect } from 'vitest';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const { isAllowedLicence } = (await import(pathToFileURL(resolve('scripts/licences.mjs')).href)) as {
  isAllowedLicence(expression: unknown): boolean;
};

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script with a registry that answers with these advisories, and with this text as `cargo audit`. */
async function audit(t: Lifetime, advisories: object | undefined, cargoAudit: string): Promise<Outcome> {
  const registry = createServer((request, response) => {
    request.resume();
    const isAsked = request.url?.endsWith('/advisories/bulk') === true && advisories !== undefined;
    response.writeHead(isAsked ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(isAsked ? advisories : {}));
  });
  await once(registry.listen(0, '127.0.0.1'), 'listening');
  t.onTestFinished(() => registry.close());
  const tools = mkdtempSync(join(tmpdir(), 'mi-httpd-audit-'));
  t.onTestFinished(() => rmSync(tools, { recursive: true, force: true }));
  writeFileSync(join(tools, 'cargo-audit'), `#!/bin/sh\n${cargoAudit}\n`, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: `${tools}${delimiter}${process.env.PATH}`,
    npm_config_registry: `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`,
    npm_config_cache: join(tools, 'cache'),
  };
  const child = spawn(process.execPath, ['scripts/audit.mjs'], { env });
  t.onTestFinished(() => child.kill());
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  const [status] = await once(child, 'close');
  return { status, ...output };
}

function advisory(id: number, title: string): readonly object[] {
  const score = { score: 0, vectorString: null };
  return [{ id, title, url: `https://example.invalid/${id}`, severity: 'high', vulnerable_versions: '*', cvss: score }];
}

const nothing = `echo '{"lockfile":{"dependency-count":9},"vulnerabilities":{"list":[]}}'`;
const unreachable = 'echo "error: couldn\'t fetch advisory database" >&2; exit 1';
const found = `echo '{"lockfile":{"dependency-count":9},"vulnerabilities":{"list":[
  {"advisory":{"id":"RUSTSEC-0000-0000","title":"made up"},"package":{"name":"itoa","version":"1.0.0"}}]}}'; exit 1`;

unless(process.platform === 'win32' && 'needs sh', describe)('the audit of dependencies', () => {
  test('passes where nothing is known', async ({ lifetime }) => {
    const { status, stdout, stderr } = await audit(lifetime, {}, nothing);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^audit: vulnerabilities of npm packages: \d{2,} checked, no finding\(s\)$/m);
    expect(stdout).toMatch(/^audit: vulnerabilities of crates in Cargo\.lock: 9 checked, no finding\(s\)$/m);
    expect(stdout).toMatch(/^audit: licences of npm packages that are delivered: \d{2,} checked, no finding\(s\)/m);
    expect(stdout).toMatch(/^audit: licences of crates in Cargo\.lock: \d{2,} checked, no finding\(s\)$/m);
  });

  test('tells what it cannot ask, in a line each, and passes', async ({ lifetime }) => {
    const { status, stdout, stderr } = await audit(lifetime, undefined, unreachable);
    expect([status, stderr]).toStrictEqual([0, '']);
    expect(stdout).toMatch(/^audit: vulnerabilities of npm packages: SKIPPED, .*404/m);
    expect(stdout).toMatch(/^audit: vulnerabilities of crates in Cargo\.lock: SKIPPED, error: couldn't fetch/m);
  });

  test('fails for what is delivered, and tells of the rest', async ({ lifetime }) => {
    const advisories = { pino: advisory(1, 'made up'), typescript: advisory(2, 'of tools') };
    const { status, stdout, stderr } = await audit(lifetime, advisories, found);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^audit: FAILED, npm package pino, high: made up \(https:\/\/example\.invalid\/1\)$/m);
    expect(stderr).toMatch(/^audit: FAILED, crate itoa 1\.0\.0: RUSTSEC-0000-0000, made up$/m);
    expect(stderr).not.toMatch(/typescript/);
    expect(stdout).toMatch(/not delivered: .*npm package typescript, high: of tools/);
    expect(stdout).toMatch(/crate\/fuzz\/Cargo\.lock: .*not delivered: crate itoa/);
  });
});

test('licences are read as SPDX expressions', () => {
  for (const expression of [
    'MIT',
    '(MIT)',
    'MIT OR GPL-3.0-only',
    'GPL-3.0-only OR MIT',
    'MIT/Apache-2.0',
    'Apache-2.0 / MIT',
    '(MIT OR Apache-2.0) AND Unicode-3.0',
    'Apache-2.0 WITH LLVM-exception',
    'MIT OR Apache-2.0 OR LGPL-2.1-or-later',
  ]) {
    expect(isAllowedLicence(expression), expression).toBe(true);
  }
  for (const expression of [
    undefined,
    null,
    '',
    { type: 'MIT' },
    'GPL-3.0-only',
    'UNLICENSED',
    'SEE LICENSE IN LICENSE',
    'MIT AND GPL-3.0-only',
    'MIT AND (GPL-3.0-only OR LGPL-2.1-only)',
    'MIT WITH GPL-exception',
    'MIT OR',
    'MIT AND',
    'MIT)',
    '(MIT',
    'MIT MIT',
    'MIT WITH',
    'mit',
  ]) {
    expect(isAllowedLicence(expression), JSON.stringify(expression)).toBe(false);
  }
});
