// A new module is one folder and its entry in src/modules/index.ts: a copy of the source gets one, and serves it.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';

const proof = `
import { defineBuiltIn } from '../../module.js';
import { command } from '../../mi/commands/command.js';

/** Counts to a number. */
export const proofModule = defineBuiltIn({
  name: 'proof',
  parameters: { goal: { type: 'int', default: 3, min: 1, help: 'number to count to' } },
  load: ({ parameters }) => ({
    commands: [command({ name: 'count', help: 'Counts.', run: () => ({ goal: parameters.goal }) })],
  }),
});
`;

const program = `
import { createServer } from './index.js';

const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, proof: { goal: 7 } }).start();
const headers = { 'Content-Type': 'application/json', Connection: 'close' };
const body = JSON.stringify({ jsonrpc: '2.0', method: 'proof:count', id: 1 });
console.log(await (await fetch(server.urls[0] ?? '', { method: 'POST', headers, body })).text());
await server.close();
`;

test('a module takes one folder and its entry in modules/index.ts, and is an option of createServer by that', () => {
  const place = resolve('build/new-module');
  onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  mkdirSync(place, { recursive: true });
  cpSync('src', join(place, 'src'), { recursive: true, filter: (file) => !file.endsWith('.test.ts') });
  cpSync('native/binding.d.ts', join(place, 'native/binding.d.ts'));

  mkdirSync(join(place, 'src/modules/proof'));
  writeFileSync(join(place, 'src/modules/proof/index.ts'), proof);
  const table = join(place, 'src/modules/index.ts');
  const entered = readFileSync(table, 'utf8')
    .replace(/^import .*usrloc\/index\.js';$/m, "import { proofModule } from './proof/index.js';\n$&")
    .replace('  usrlocModule,\n', '  usrlocModule,\n  proofModule,\n');
  writeFileSync(table, entered);
  writeFileSync(join(place, 'src/program.ts'), program);

  const config = { extends: '../../tsconfig.json', include: ['src/**/*.ts'] };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(config));
  execFileSync('node_modules/.bin/tsc', ['-p', join(place, 'tsconfig.json')]);

  const outfile = join(place, 'program.mjs');
  const entryPoints = [join(place, 'src/program.ts')];
  buildSync({
    entryPoints,
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  const reply = execFileSync(process.execPath, [outfile], { encoding: 'utf8' });
  expect(JSON.parse(reply)).toStrictEqual({ jsonrpc: '2.0', result: { goal: 7 }, id: 1 });
});
