// A program takes the package by require, by import, from TypeScript and in a bundle, as programs of Node.js are written.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, buildSync, type Format } from 'esbuild';
import { rollup } from 'rollup';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkout, installInEmptyProject, type Packed, packEverything, run } from '../support/package/packed.js';

let packed: Packed;
let project: string;

beforeAll(async () => {
  packed = await packEverything();
  project = await installInEmptyProject(packed);
});

afterAll(() => {
  for (const directory of [packed?.copy, project]) {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
});

/** Starts a server with a command, calls it over HTTP and closes the server. */
const body = `
async function main() {
  const greet = command({ name: 'greet', help: 'Greets.', recipes: [{ who: 'string' }], run: ({ who }) => 'hello ' + who });
  const pbx = defineModule({ name: 'pbx', commands: [greet] });
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, modules: [pbx] }).start();
  const response = await fetch(server.urls[0] ?? '', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"jsonrpc":"2.0","method":"pbx:greet","params":["you"],"id":1}',
  });
  console.log(await response.text());
  await server.close();
}
main();
`;
const imported = `import { command, createServer, defineModule } from 'mi-httpd';${body}`;
const required = `const { command, createServer, defineModule } = require('mi-httpd');${body}`;
const said = '{"jsonrpc":"2.0","result":"hello you","id":1}\n';

/** Writes files of a folder of the project, with a package.json of its own. */
function folder(name: string, type: 'commonjs' | 'module', files: Readonly<Record<string, string>>): string {
  const path = join(project, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'package.json'), JSON.stringify({ private: true, type }));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

/** Warnings, such as those of what is experimental, end the process. */
const node = (place: string, file: string): Promise<string> =>
  run(process.execPath, ['--throw-deprecation', file], place);

describe('JavaScript', () => {
  test('by require, without a warning', async () => {
    const place = folder('require', 'commonjs', {
      'main.js': `process.on('warning', (warning) => { throw warning; });\n${required}`,
    });
    expect(await node(place, 'main.js')).toBe(said);
  });

  test('require and import give the same', async () => {
    const place = folder('both', 'commonjs', {
      'main.js': `const required = require('mi-httpd');
      import('mi-httpd').then((imported) => {
        const differing = Object.keys(required).filter((name) => required[name] !== imported[name]);
        console.log(differing.length, Object.keys(required).includes('createServer'));
      });`,
    });
    expect(await node(place, 'main.js')).toBe('0 true\n');
  });
});

test('what tests use is there by require and by import, without vitest', async () => {
  const place = folder('testing', 'commonjs', {
    'main.js': `const required = require('mi-httpd/testing');
    import('mi-httpd/testing').then((imported) => {
      console.log(Object.keys(imported).includes('serverFixture'), imported.miMatchers === required.miMatchers);
    });`,
  });
  expect(await node(place, 'main.js')).toBe('true true\n');
});

describe('TypeScript', () => {
  const cases = [
    ['nodenext', 'nodenext', 'module'],
    ['nodenext, CommonJS', 'nodenext', 'commonjs'],
    ['node16', 'node16', 'module'],
    ['node16, CommonJS', 'node16', 'commonjs'],
    ['node20', 'node20', 'module'],
    ['node20, CommonJS', 'node20', 'commonjs'],
    ['bundler', 'esnext', 'module'],
    ['bundler that keeps what is written', 'preserve', 'module'],
  ] as const;
  for (const [name, module, type] of cases) {
    test(`module ${name}`, async () => {
      const compilerOptions = {
        strict: true,
        skipLibCheck: false,
        target: 'es2022',
        lib: ['es2023'],
        module,
        ...(module === 'esnext' || module === 'preserve' ? { moduleResolution: 'bundler' } : {}),
        outDir: 'out',
        rootDir: '.',
        types: ['node'],
        typeRoots: [join(checkout, 'node_modules/@types')],
      };
      const place = folder(`ts-${name.replaceAll(/\W+/g, '-')}`, type, {
        'main.ts': imported,
        'tsconfig.json': JSON.stringify({ compilerOptions, files: ['main.ts'] }),
      });
      await run(process.execPath, [join(checkout, 'node_modules/typescript/bin/tsc'), '-p', '.'], place);
      expect(await node(place, 'out/main.js')).toBe(said);
    });
  }
});

/** Bundles main.ts of a folder by esbuild. */
function bundle(place: string, options: BuildOptions): void {
  buildSync({
    absWorkingDir: place,
    entryPoints: ['main.ts'],
    outfile: 'out.js',
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
    ...options,
  });
}

describe('a bundle', () => {
  const formats: readonly Format[] = ['esm', 'cjs'];
  for (const format of formats) {
    test(`by esbuild, in ${format}, with the package outside`, async () => {
      const place = folder(`esbuild-${format}`, format === 'esm' ? 'module' : 'commonjs', { 'main.ts': imported });
      bundle(place, { external: ['mi-httpd'], format });
      expect(await node(place, 'out.js')).toBe(said);
    });

    test(`by rollup, in ${format}, with the package outside`, async () => {
      const place = folder(`rollup-${format}`, format === 'esm' ? 'module' : 'commonjs', { 'main.js': imported });
      const built = await rollup({ input: join(place, 'main.js'), external: ['mi-httpd'] });
      await built.write({ file: join(place, 'out.js'), format: format === 'esm' ? 'es' : 'cjs' });
      await built.close();
      expect(await node(place, 'out.js')).toBe(said);
    });
  }

  test('with the package inside: its addon, engine and pages are those of the package beside it', async () => {
    const place = folder('inside', 'module', { 'main.ts': imported });
    bundle(place, {});
    expect(await node(place, 'out.js')).toBe(said);
  });

  test('with the package inside and not beside it: the error tells the remedy', async () => {
    const place = folder('inside-alone', 'module', { 'main.ts': imported });
    const alone = join(packed.copy, 'alone');
    mkdirSync(alone);
    writeFileSync(join(alone, 'package.json'), '{"type":"module","name":"alone"}');
    bundle(place, { outfile: join(alone, 'out.js') });
    await expect(node(alone, 'out.js')).rejects.toThrow(
      /mi-httpd is part of a bundle, and its addon is not there: install it beside the bundle, or leave it out/,
    );
    symlinkSync(join(project, 'node_modules'), join(alone, 'node_modules'));
    expect(await node(alone, 'out.js')).toBe(said);
  });
});
