// What a machine that lacks something is told. Each test runs in a copy of the checkout that lacks it too.
import { chmodSync, cpSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { checkout, mi, Running, temporaryFiles } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** Copies parts of the checkout to a place of their own. */
function copyOfCheckout(t: Lifetime, ...parts: readonly string[]): string {
  const copy = temporaryFiles(t, {});
  for (const part of parts) {
    mkdirSync(dirname(join(copy, part)), { recursive: true });
    cpSync(join(checkout, part), join(copy, part), { recursive: true });
  }
  return copy;
}

/** A PATH with Node.js and these programs alone; each is the text of a shell script. */
function pathWith(t: Lifetime, programs: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const directory = temporaryFiles(t, {});
  symlinkSync(process.execPath, join(directory, 'node'));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, name), 0o755);
  }
  return { PATH: directory, HOME: directory };
}

unless(process.platform === 'win32', describe)('what is missing to build is told in one sentence', () => {
  const build = (t: Lifetime, env: NodeJS.ProcessEnv, ...options: string[]) => {
    const copy = copyOfCheckout(t, 'scripts', 'package.json', 'Cargo.toml');
    return new Running(t, process.execPath, [...options, 'scripts/build.mjs'], { cwd: copy, env }).ended;
  };

  test('cargo', async ({ lifetime }) => {
    expect(await build(lifetime, pathWith(lifetime, {}))).toRefuse(
      /^mi-httpd: cargo is missing.*install Rust \d.*rustup\.rs/,
    );
  });

  test('a cargo that is new enough', async ({ lifetime }) => {
    const env = pathWith(lifetime, { cargo: 'echo "cargo 1.70.0 (ec8a8a0ca 2023-04-25)"', cc: 'exit 0' });
    expect(await build(lifetime, env)).toRefuse(/^mi-httpd: cargo 1\.70 is too old.*rustup update/);
  });

  test('a C compiler', async ({ lifetime }) => {
    const env = pathWith(lifetime, { cargo: 'echo "cargo 1.999.0"' });
    expect(await build(lifetime, env)).toRefuse(/^mi-httpd: a C compiler is missing.*apt-get install gcc/);
  });

  test('a suitable Node.js', async ({ temporaryFiles, lifetime }) => {
    const old = temporaryFiles({
      'old.cjs': `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });`,
    });
    const ended = await build(lifetime, pathWith(lifetime, {}), '--require', join(old, 'old.cjs'));
    expect(ended).toRefuse(/^mi-httpd: Node\.js 18\.20\.8 does not suit; install Node\.js \^20\.19 .*nodejs\.org/);
  });
});

describe('a binary that is missing is told in one sentence', () => {
  /** The built package, with all it depends on except what `lacks` names. */
  const builtPackage = (t: Lifetime, parts: readonly string[], lacks: (name: string) => boolean): string => {
    const copy = copyOfCheckout(t, 'package.json', 'mi-httpd.cfg', 'dist', ...parts);
    mkdirSync(join(copy, 'node_modules'));
    for (const name of readdirSync(join(checkout, 'node_modules'))) {
      if (name.startsWith('.') || lacks(name)) continue;
      symlinkSync(join(checkout, 'node_modules', name), join(copy, 'node_modules', name), 'junction');
    }
    return copy;
  };

  const noEngine = `no HTTP engine loads on ${process.platform} ${process.arch}, Node\\.js .*supported on Linux, macOS and Windows`;

  /** The built package without uWebSockets.js. */
  const withoutUws = (t: Lifetime): string =>
    builtPackage(t, ['native'], (name) => name.startsWith('uws-') || name === '@uwsjs');

  test('no engine for this machine, where uWebSockets.js is asked for', async ({ lifetime }) => {
    const copy = withoutUws(lifetime);
    writeFileSync(join(copy, 'uws.cfg'), 'loadmodule "httpd.so"\nmodparam("httpd", "engine", "uws")\n');
    const ended = await new Running(lifetime, process.execPath, ['dist/main.js', '-f', 'uws.cfg', '-p', '0'], {
      cwd: copy,
    }).ended;
    expect(ended).toRefuse(new RegExp(`^mi-httpd: ${noEngine}`));
  });

  test('else Node.js serves, and a warning tells why', async ({ lifetime }) => {
    const copy = withoutUws(lifetime);
    const told = await new Running(lifetime, process.execPath, ['dist/main.js', '-V'], { cwd: copy }).ended;
    expect(told).toMatchObject({ status: 0, stdout: expect.stringMatching(/\(node:http /), stderr: '' });
    const serving = new Running(lifetime, process.execPath, ['dist/main.js', '-p', '0'], { cwd: copy });
    const line = await serving.line(/serving http:[^"]*\/mi"/);
    const { url } = JSON.parse(line) as { readonly url: string };
    expect(await mi(url, 'core:version')).toHaveProperty('result.Server');
    const warnings = serving.lines.filter((text) => text.includes('no HTTP engine loads'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(new RegExp(`${noEngine}.*the HTTP server of Node\\.js serves in its place`));
  });

  test('no addon for this machine', async ({ lifetime }) => {
    const copy = builtPackage(lifetime, [], () => false);
    for (const args of [['-h'], ['-p', '0']]) {
      const ended = await new Running(lifetime, process.execPath, ['dist/main.js', ...args], { cwd: copy }).ended;
      expect(ended).toRefuse(
        new RegExp(
          `^mi-httpd: .*no native addon for ${process.platform}-${process.arch} here: .*optional dependencies.*npm run build`,
        ),
      );
    }
  });

  test('an addon of another version', async ({ lifetime }) => {
    const copy = builtPackage(lifetime, ['native'], () => false);
    renameSync(join(copy, 'native/binding.js'), join(copy, 'native/real.js'));
    writeFileSync(
      join(copy, 'native/binding.js'),
      `import * as real from './real.js';
      export * from './real.js';
      const { Outcome, ...others } = real.layout();
      export const layout = () => ({ ...others, Outcome: { ...Outcome, batch: 7 } });`,
    );
    for (const args of [['-h'], ['-p', '0']]) {
      const ended = await new Running(lifetime, process.execPath, ['dist/main.js', ...args], { cwd: copy }).ended;
      expect(ended).toRefuse(/^mi-httpd: .*Outcome\.batch is 7 in the addon and 4 in the package; .*npm run build/);
    }
  });
});
