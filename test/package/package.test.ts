// What `npm pack` would publish, and what a project that installs it gets.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeFileTrace } from '@vercel/nft';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, assert, beforeAll, describe, expect, test } from 'vitest';
import {
  checkout,
  emptyProject,
  npm,
  type Packed,
  packEverything,
  readManifest,
  run,
} from '../support/package/packed.js';
import { useProgram } from '../support/package/programs.js';
import { type Registry, startRegistry } from '../support/package/registry.js';

const platforms: Readonly<Record<string, { os: string; cpu: string; libc?: string }>> = {
  'darwin-arm64': { os: 'darwin', cpu: 'arm64' },
  'darwin-x64': { os: 'darwin', cpu: 'x64' },
  'linux-arm64-gnu': { os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'linux-arm64-musl': { os: 'linux', cpu: 'arm64', libc: 'musl' },
  'linux-x64-gnu': { os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl' },
  'win32-x64-msvc': { os: 'win32', cpu: 'x64' },
};

const { version } = readManifest(checkout);

const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];

describe('the package', () => {
  let packed: Packed;
  let registry: Registry;
  let project: string;
  let installed: string;
  const folders: string[] = [];

  const newProject = (): string => {
    const folder = emptyProject();
    folders.push(folder);
    return folder;
  };

  beforeAll(async () => {
    packed = await packEverything();
    folders.push(packed.copy);
    registry = await startRegistry(packed);
    project = newProject();
    await npm(project, 'install', 'mi-httpd', `--registry=${registry.url}`, '--prefer-offline', ...quiet);
    installed = join(project, 'node_modules/mi-httpd');
  });

  afterAll(() => {
    registry?.close();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  test('holds what is served and used, and nothing else', () => {
    const { files } = packed;
    const allowed = [
      /^dist\/(index|testing)\.(cjs|d\.ts|d\.cts)$/,
      /^dist\/(main|index|testing|face|face-modules|[a-z-]+-[0-9A-Z]{8})\.js$/,
      /^dist\/(revision\.json|licences\.txt)$/,
      /^dist\/http\/pages\/assets\/style\.css$/,
      /^dist\/web\/assets\/[a-z-]+\.(js|css|svg)$/,
      /^native\/binding\.js$/,
      /^examples\/[a-z-]+\.(mjs|cfg|json|yml)$/,
      // Pages for users, of this very version: mi-httpd.cfg and the README lead to them. Those for developers stay outside.
      /^docs\/(guide|reference)\/[a-z0-9.-]+\.md$/,
      /^(package\.json|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE|mi-httpd\.cfg)$/,
    ];
    expect(files.filter((file) => !allowed.some((pattern) => pattern.test(file)))).toStrictEqual([]);
    const entries = ['dist/index.js', 'dist/index.d.ts', 'dist/index.cjs', 'dist/index.d.cts', 'dist/main.js'];
    const needed = [...entries, 'dist/face.js', 'dist/face-modules.js', 'native/binding.js', 'mi-httpd.cfg', 'LICENSE'];
    for (const file of [
      ...needed,
      'README.md',
      'CHANGELOG.md',
      'package.json',
      'examples/control-plane.mjs',
      'docs/guide/start.md',
    ]) {
      expect(files, `${file} is missing`).toContain(file);
    }
  });

  test('takes 1.5 MB at most, and has one file of declarations for each entry', () => {
    expect(statSync(packed.tarball).size).toBeLessThanOrEqual(1.5 * 1024 * 1024);
    const files = packed.files.filter((file) => /\.(ts|cts|mts|map)$/.test(file));
    const entries = ['index', 'testing'].flatMap((entry) => [`dist/${entry}.d.cts`, `dist/${entry}.d.ts`]);
    expect(files.filter((file) => !entries.includes(file))).toStrictEqual([]);
  });

  test('refers to no source map', () => {
    const scripts = packed.files.filter((file) => /\.([cm]?js|css|d\.c?ts)$/.test(file));
    expect(scripts.length).toBeGreaterThan(10);
    const referring = scripts.filter((file) => /sourceMappingURL=/.test(readFileSync(join(installed, file), 'utf8')));
    expect(referring).toStrictEqual([]);
  });

  test('brings the licences of the packages that are within the bundle', () => {
    const licences = readFileSync(join(packed.copy, 'dist/licences.txt'), 'utf8');
    for (const name of ['pino', 'pino-std-serializers', 'safe-stable-stringify', 'sonic-boom', 'pino-pretty']) {
      expect(licences, name).toMatch(new RegExp(`^${name}\n\n[^]*?copyright`, 'im'));
    }
  });

  test('brings the licences of the crates that are within the addon', () => {
    const licences = readFileSync(join(installed, '..', `mi-httpd-${packed.platform}`, 'LICENSE'), 'utf8');
    for (const name of ['napi', 'zstd-sys', 'zstd', 'zlib-rs', 'arc-swap', 'memchr']) {
      expect(licences, name).toMatch(new RegExp(`(^|\n)${name}[^\n]*\n[^]*?copyright`, 'i'));
    }
    expect(licences).not.toMatch(/^syn /m);
  });

  test('leaves package.json as it was, byte for byte and in its time', () => {
    const [before_, after_] = [checkout, packed.copy].map((directory) => join(directory, 'package.json'));
    expect(readFileSync(after_ ?? '', 'utf8')).toBe(readFileSync(before_ ?? '', 'utf8'));
    const [old, now] = [before_, after_].map((file) => statSync(file ?? '').mtimeMs);
    expect(Math.abs((old ?? 0) - (now ?? 1)), 'what is built from it would be built again').toBeLessThan(1000);
  });

  test('declares a package for each platform, at its own version, and runs nothing when it is installed', () => {
    const manifest = readManifest(installed);
    const names = Object.keys(platforms).map((platform) => [`mi-httpd-${platform}`, version]);
    expect(manifest.optionalDependencies).toStrictEqual(Object.fromEntries(names));
    const scripts = Object.keys(manifest.scripts as object);
    const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare', 'dependencies'];
    expect(scripts.filter((name) => atInstall.includes(name))).toStrictEqual([]);
    expect(manifest.type).toBe('module');
    expect(manifest.bin).toStrictEqual({ 'mi-httpd': 'dist/main.js' });
    expect(manifest.engines).toStrictEqual({ node: '^20.19 || ^22.13 || >=24' });
    expect(manifest.version).toBe(version);
  });

  test('the packages of the platforms say where they fit', () => {
    const directories = readdirSync(join(checkout, 'npm')).sort();
    expect(directories).toStrictEqual(Object.keys(platforms));
    for (const [platform, { os, cpu, libc }] of Object.entries(platforms)) {
      const manifest = readManifest(join(checkout, 'npm', platform));
      const binary = `mi-httpd.${platform}.node`;
      expect([manifest.name, manifest.version, manifest.main, manifest.files]).toStrictEqual([
        `mi-httpd-${platform}`,
        version,
        binary,
        [binary],
      ]);
      expect([manifest.os, manifest.cpu, manifest.libc]).toStrictEqual([
        [os],
        [cpu],
        libc === undefined ? libc : [libc],
      ]);
      expect(manifest.engines).toStrictEqual({ node: '^20.19 || ^22.13 || >=24' });
      expect(manifest.scripts).toBe(undefined);
    }
  });

  test('npm installs the addon of this platform and no other; it is found there', async () => {
    const modules = readdirSync(join(project, 'node_modules')).filter((name) => name.startsWith('mi-httpd-'));
    expect(modules).toStrictEqual([`mi-httpd-${packed.platform}`]);
    expect(readdirSync(join(installed, 'native')).filter((name) => name.endsWith('.node'))).toStrictEqual([]);
    const script = `await import('mi-httpd');
      const loaded = process.report.getReport().sharedObjects.filter((path) => /mi-httpd\\..*\\.node$/.test(path));
      console.log(JSON.stringify(loaded));`;
    const loaded = JSON.parse(await run(process.execPath, ['--input-type=module', '-e', script], project)) as string[];
    expect(loaded.length).toBe(1);
    expect(loaded[0] ?? '').toMatch(new RegExp(`mi-httpd-${packed.platform}.mi-httpd\\.${packed.platform}\\.node$`));
  });

  test('brings the engine and nothing else', () => {
    const wanted = ['@uwsjs', 'mi-httpd', `mi-httpd-${packed.platform}`, 'uws-20.51', 'uws-20.69'];
    const modules = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'));
    expect(modules).toStrictEqual(wanted);
  });

  test('installs without running anything, so that no compiler is needed', () => {
    const lock = JSON.parse(readFileSync(join(project, 'node_modules/.package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
    };
    expect(Object.entries(lock.packages).filter(([, one]) => one.hasInstallScript === true)).toStrictEqual([]);
  });

  test('in one piece, with its addon inside, runs where no registry has it', async () => {
    const alone = newProject();
    await npm(alone, 'install', '--install-links', packed.selfContained, '--prefer-offline', ...quiet);
    expect(await useProgram(alone)).toMatchObject({ addon: `mi-httpd/native/mi-httpd.${packed.platform}.node` });
    expect(readFileSync(join(alone, 'node_modules/mi-httpd/LICENSE'), 'utf8')).toMatch(/\nzstd-sys /);
    const { os, optionalDependencies } = readManifest(join(alone, 'node_modules/mi-httpd'));
    expect([os, optionalDependencies]).toStrictEqual([[process.platform], undefined]);
  });

  test('loads nothing of pino for a program that brings a logger', async () => {
    const loaded = async (httpd: object): Promise<readonly string[]> => (await useProgram(project, httpd)).loaded;
    const hasPino = (file: string): boolean =>
      /\bSonicBoom\b/.test(readFileSync(join(installed, 'dist', file), 'utf8'));
    const without = await loaded({});
    expect(without.length).toBeGreaterThan(1);
    expect(without.filter(hasPino)).toStrictEqual([]);
    const audited = await loaded({
      auth_username: 'a',
      auth_password: 'wonderland',
      audit_file: join(project, 'audit'),
    });
    expect(audited.filter(hasPino)).toHaveLength(1);
  });

  test('is traced whole by @vercel/nft', async () => {
    await useProgram(project);
    const { fileList } = await nodeFileTrace([join(project, 'program.mjs')], { base: project });
    const traced = newProject();
    for (const file of fileList) {
      mkdirSync(dirname(join(traced, file)), { recursive: true });
      cpSync(join(project, file), join(traced, file));
    }
    const there = await useProgram(project);
    expect(await useProgram(traced)).toStrictEqual(there);
    expect(there.assets.length).toBeGreaterThan(1);
  });

  test('gives the project the command', async () => {
    const told = await run('npx', ['--offline', 'mi-httpd', '-V'], project);
    const nodeVersion = process.versions.node.replaceAll('.', '\\.');
    expect(told).toMatch(
      new RegExp(`^mi-httpd ${version} \\(uWebSockets\\.js [0-9.]+, Node\\.js ${nodeVersion}\\)$`, 'm'),
    );
    const checked = await run('npx', ['--offline', 'mi-httpd', '-c'], project);
    expect(checked).toMatch(/mi-httpd\.cfg: good$/m);
  });

  test("runs the README's example of embedding", async () => {
    const readme = readFileSync(join(installed, 'README.md'), 'utf8');
    const [example] = [...readme.matchAll(/^```js\n([\s\S]*?)^```/gm)].flatMap(([, code = '']) =>
      code.includes('createServer(') && code.includes('import ') ? [code] : [],
    );
    assert(example !== undefined, 'README.md has no example of embedding');
    writeFileSync(
      join(project, 'example.js'),
      `${example}
const response = await fetch(server.urls[0], {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: '{"jsonrpc":"2.0","method":"httpd_list_root_path","id":1}',
});
console.log(await response.text());
await server.close();
`,
    );
    const [url, reply] = (await run(process.execPath, ['example.js'], project)).trim().split('\n');
    expect(url ?? '').toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mi$/);
    expect(reply).toBe('{"jsonrpc":"2.0","result":[{"http_root":"mi","module":"mi_http"}],"id":1}');
  });

  test('its types compile in a strict project, and refuse what would fail', async () => {
    cpSync('test/support/package/consumer.ts', join(project, 'consumer.ts'));
    mkdirSync(join(project, 'out'), { recursive: true });
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      target: 'es2022',
      lib: ['es2023'],
      module: 'nodenext',
      outDir: 'out',
      types: ['node'],
      typeRoots: [join(checkout, 'node_modules/@types')],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    await run(process.execPath, [join(checkout, 'node_modules/typescript/bin/tsc'), '-p', '.'], project);
    expect(await run(process.execPath, ['out/consumer.js'], project)).toBe('{"trunk":"carrier-a","capacity":30}\n');
  });

  test('publint has nothing to say', async () => {
    const bytes = readFileSync(packed.tarball);
    const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toStrictEqual([]);
  });

  test('attw has nothing to say', async () => {
    const attw = join(checkout, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const options = ['--profile', 'node16', '--no-definitely-typed', '--no-color', '--no-emoji', '--format', 'ascii'];
    const told = await run(process.execPath, [attw, packed.tarball, ...options], checkout);
    // It ends with another status when there is a problem.
    expect(told).toMatch(/^node16 \(from ESM\): OK \(ESM\)$/m);
    expect(told).toMatch(/^node16 \(from CJS\): OK \(CJS\)$/m);
  });
});
