// The engine comes from a registry, from somebody whom nobody vouches for: only what was looked at is loaded.
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { assert, describe, expect } from 'vitest';
import { enginePins } from '#src/http/engine/uws/pins.js';
import { createServer } from '#src/index.js';
import { checkout, type Ended, Running, temporaryFiles } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';

const require = createRequire(join(checkout, 'package.json'));
const lockFile = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, LockEntry>>;
};

interface LockEntry {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
}

/** Packages with engines for other machines, which the registry that the lock file was made with did not have. */
const notFetched = /node_modules\/@uwsjs\/(?:linux-arm|linux-arm64|darwin-x64|darwin-arm64|win32-x64)-\d+$/;

/** The built package with packages of the engine that are its own. Where its binaries are, and a way to run it. */
function ownEngine(t: Lifetime) {
  const copy = temporaryFiles(t, {});
  for (const part of ['package.json', 'mi-httpd.cfg', 'dist', 'native']) {
    cpSync(join(checkout, part), join(copy, part), { recursive: true });
  }
  mkdirSync(join(copy, 'node_modules'));
  for (const name of readdirSync(join(checkout, 'node_modules'))) {
    if (name.startsWith('.')) continue;
    const [from, to] = [join(checkout, 'node_modules', name), join(copy, 'node_modules', name)];
    if (name.startsWith('uws-') || name === '@uwsjs') cpSync(from, to, { recursive: true });
    else symlinkSync(from, to, 'junction');
  }
  const files = readdirSync(join(copy, 'node_modules'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /^(?:@uwsjs|uws-)/.test(path))
    .map((path) => join(copy, 'node_modules', path));
  const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ''): Running =>
    new Running(t, process.execPath, ['dist/main.js', ...args], { cwd: copy, env: { ...process.env, ...env }, input });
  const run = (env: NodeJS.ProcessEnv = {}): Promise<Ended> => start(['-V'], env).ended;
  return { start, run, binaries: files.filter((path) => path.endsWith('.node')), scripts: files.filter(isScript) };
}

function isScript(path: string): boolean {
  return /\.m?js$/.test(path);
}

describe('the engine', () => {
  test('is not loaded where one byte of it is another, unless its hash is named as trusted', async ({ lifetime }) => {
    const { run, binaries } = ownEngine(lifetime);
    for (const path of binaries) appendFileSync(path, '\0');
    const refused = await run();
    expect(refused).toRefuse(
      /^mi-httpd: the HTTP engine .*uws\.node has sha256 [0-9a-f]{64}; .* MI_HTTPD_ENGINE_SHA256 /,
    );
    const [, hash = ''] = /sha256 ([0-9a-f]{64})/.exec(refused.stderr) ?? [];
    for (const [trusted, status] of [
      ['', 1],
      [hash.replace(/^./, 'x'), 1],
      [`00, ${hash.toUpperCase()}`, 0],
    ] as const) {
      const ended = await run({ MI_HTTPD_ENGINE_SHA256: trusted });
      expect(ended.status, ended.stderr).toBe(status);
    }
  });

  test('is that of Node.js where none of uWebSockets.js loads, and one line says so', async ({ lifetime }) => {
    const { start, run, binaries } = ownEngine(lifetime);
    for (const path of binaries) rmSync(path);
    expect((await run()).stdout).toMatch(/^mi-httpd .*\(node:http \d+\.\d+/);
    const serving = start(['-p', '0']);
    const first = await serving.line(/configured by/);
    expect(first).toMatch(/"engine":"node:http \d+\.\d+/);
    const url = (JSON.parse(await serving.line(/serving http/)) as { readonly url: string }).url;
    expect((await fetch(new URL('/healthz', url))).status).toBe(200);
    const warnings = serving.lines.filter((line) => line.includes('serves in its place'));
    expect(warnings.length).toBe(1);
    expect(warnings[0]).toMatch(/no HTTP engine loads on .*20\.51\.4 for Node\.js 20 and 22/);
    const config = 'loadmodule "httpd.so"\nmodparam("httpd", "engine", "uws")\nmodparam("httpd", "ip", "127.0.0.1")\n';
    const refused = start(['-p', '0', '-f', '-'], {}, config);
    expect((await refused.ended).stderr).toMatch(/no HTTP engine loads/);
  });

  test('is loaded without running any script of its packages', async ({ lifetime }) => {
    const { run, scripts } = ownEngine(lifetime);
    expect(scripts.length).toBeGreaterThan(0);
    for (const path of scripts) writeFileSync(path, 'console.log("a script ran"); throw new Error("it ran");');
    const { status, stdout, stderr } = await run();
    expect([status, stderr]).toStrictEqual([0, '']);
    expect(stdout).toMatch(/^mi-httpd .*uWebSockets\.js 20\.\d+\.\d+/);
  });

  test('that an embedder brings is taken, and what is none is refused', async ({ onTestFinished }) => {
    const target = `${process.platform}-${process.arch}-${process.versions.node.split('.', 1)}`;
    const engine = ['uws-20.69', 'uws-20.51'].flatMap((name) => {
      try {
        return [require(createRequire(require.resolve(name)).resolve(`@uwsjs/${target}/uws.node`)) as object];
      } catch {
        return [];
      }
    })[0];
    assert(engine !== undefined);
    const httpd = { ip: '127.0.0.1', port: 0 };
    const server = await createServer({ httpd, engine }).start();
    onTestFinished(() => server.close({ deadline: 0 }));
    expect(server.engine).toBe('uWebSockets.js of the embedder');
    await expect(createServer({ httpd, engine: {} }).start()).rejects.toThrow(
      expect.objectContaining({
        name: 'TypeError',
        message: expect.stringMatching(/^option engine is not uWebSockets\.js/),
      }),
    );
  });

  test('has a known hash for every binary that the lock file has an integrity of and mi-httpd can load', () => {
    const loadable: Readonly<Record<string, readonly number[]>> = { '20.51.4': [20, 22], '20.69.0': [22, 24, 26] };
    for (const [place, { version, integrity }] of Object.entries(lockFile.packages)) {
      const [, target = '', major = ''] = /node_modules\/@uwsjs\/(.+)-(\d+)$/.exec(place) ?? [];
      if (integrity === undefined || !loadable[version]?.includes(Number(major))) continue;
      expect(enginePins[`${target}-${major}@${version}`] ?? '', `${place}: engine-pins.mjs`).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});

describe('the lock file', () => {
  const entries = Object.entries(lockFile.packages).filter(([place]) => place !== '');

  test('has an integrity of every package, but for engines that could not be fetched', () => {
    const lacking = entries.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? '')).map(([place]) => place);
    expect(lacking.filter((place) => !notFetched.test(place))).toStrictEqual([]);
  });

  test('names no place where packages come from: that is a matter of who installs', () => {
    expect(entries.filter(([, { resolved }]) => resolved !== undefined)).toStrictEqual([]);
  });
});
