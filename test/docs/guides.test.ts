// README and guides tell the truth: their programs run, their configurations are good.
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createServer } from '#src/index.js';
import { loadableModules } from '#src/modules/index.js';
import { blocks } from '../support/pages.js';
import { unless } from '../support/unless.js';

const run = promisify(execFile);
const place = resolve('build/guides');
mkdirSync(place, { recursive: true });

const ask = `
async function ask(url, method) {
  const headers = { 'Content-Type': 'application/json', Connection: 'close' };
  const body = JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
  return (await fetch(url, { method: 'POST', headers, body })).text();
}
`;

/** A program of a page: what runs behind it and uses what it made, and what both then write. */
interface Program {
  readonly page: string;
  readonly title: string;
  readonly epilogue: string;
  readonly output: RegExp;
}

const programs: readonly Program[] = [
  {
    page: 'README.md',
    title: 'the server of "Embed" serves its command',
    epilogue: `${ask}console.log(await ask(server.urls[0], 'pbx:calls'));`,
    output: /^http:\/\/127\.0\.0\.1:\d+\/mi\n\{"jsonrpc":"2\.0","result":\{"active":3\},"id":1\}\n$/,
  },
  {
    page: 'docs/guide/dumps.md',
    title: 'the table of "Record tables" is dumped',
    epilogue: `${ask}console.log(await ask(server.urls[0], 'pbx:calls'));`,
    output: /"count":1,"calls":\[\{"caller":"sip:alice@example\.com","state":"ringing","timeout":\d\d\}\]/,
  },
  {
    page: 'docs/guide/dumps.md',
    title: 'the registrar of "Contacts" finds its contact, and so does ul_dump',
    epilogue: `${ask}console.log(await ask(server.urls[0], 'ul_dump'));`,
    output:
      /^sip:alice@192\.0\.2\.7:5060\n.*"AORs":\[\{"AOR":"alice","Contacts":\[\{"Contact":"sip:alice@192\.0\.2\.7:5060"/,
  },
  {
    page: 'docs/guide/embed.md',
    title: 'the root of "Root paths" is flushed',
    epilogue: `const text = await (await fetch(server.urls[1], { headers: { Connection: 'close' } })).text();
      console.log(text.length, text.slice(0, 10));`,
    output: /\/reports\n1\d{6} line at 0/,
  },
  {
    page: 'docs/guide/events.md',
    title: 'the event of "Events of your own" is declared and raised',
    epilogue: `${ask}console.log(await ask(server.urls[0], 'events_list'));`,
    output: /^0\n.*"name":"E_PBX_TRUNK_DOWN"/,
  },
  {
    page: 'docs/guide/threads.md',
    title: 'the module of "Modules in each thread" runs in a thread, which reads the same file',
    epilogue: `${ask}
      import { isMainThread } from 'node:worker_threads';
      import { createServer } from 'mi-httpd';
      import * as pbx from './program-5.mjs';
      const options = { threads: 1, modules: [pbx.default], httpd: { ip: '127.0.0.1', port: 0 } };
      const server = isMainThread ? await createServer(options).start() : { close() {} };
      if (isMainThread) console.log(await ask(server.urls[0], 'pbx:place'));`,
    output: /^\{"jsonrpc":"2\.0","result":1,"id":1\}\n$/,
  },
];

const lackingJq = spawnSync('jq', ['--version']).status !== 0 && 'jq is not installed';

describe('README and guides', () => {
  const written = blocks('js');

  test('every program in them is one of those below, in this order', () => {
    expect(written.map(({ page }) => page)).toStrictEqual(programs.map(({ page }) => page));
  });

  for (const [index, { page, title, epilogue, output }] of programs.entries()) {
    test(`${page}: ${title}`, async () => {
      const file = join(place, `program-${index}.mjs`);
      writeFileSync(file, `${written[index]?.text}\n${epilogue} await server.close();\n`);
      const { stdout } = await run(process.execPath, [file], { timeout: 100_000 });
      expect(stdout).toMatch(output);
    });
  }

  unless(lackingJq, test)('docs/guide/dumps.md: the lines of JSON are what jq reads', async ({ onTestFinished }) => {
    const [block] = blocks('sh', ['docs/guide/dumps.md']).filter(({ text }) => text.includes('\njq '));
    const [curl = '', jq = ''] = (block?.text ?? '').replaceAll('\\\n', '').split('\n');
    const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, usrloc: {} }).start();
    onTestFinished(() => server.close());
    for (const contact of ['sip:a@192.0.2.1', 'sip:a@192.0.2.2'])
      server.usrloc?.domain('location').save('alice', { contact, expires: 60 });
    server.usrloc?.domain('location').save('bob', { contact: 'sip:b@192.0.2.3', expires: 60 });
    await run('sh', ['-c', curl.replace('http://127.0.0.1:8888/mi', server.urls[0] ?? '')], { cwd: place });
    expect((await run('sh', ['-c', jq], { cwd: place })).stdout).toBe('alice\n');
  });

  test('the server of the README has ten lines at most', () => {
    expect((written[0]?.text ?? '').split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(10);
  });

  test('the TypeScript compiles, strictly, and its types are those it tells', async () => {
    const sources = blocks('ts');
    expect(sources.length).toBe(10);
    const told = '// trunk: string; capacity: number | undefined';
    const proof = 'const a: string = trunk; const b: number | undefined = capacity; void a; void b;';
    expect(sources.filter(({ text }) => text.includes(told)).length).toBe(1);
    const files = sources.map(({ text }, index) => {
      const file = join(place, `source-${index}.ts`);
      writeFileSync(file, text.replace(told, proof));
      return file;
    });
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    await run('node_modules/.bin/tsc', ['--ignoreConfig', ...options, ...files]);
  });

  test('the configurations are good', async () => {
    const configurations = blocks('text').filter(({ text }) => text.includes('loadmodule'));
    expect(configurations.length).toBeGreaterThan(1);
    writeFileSync(join(place, 'my-module.mjs'), readFileSync('examples/greeting-module.mjs'));
    for (const { text } of configurations) {
      writeFileSync(join(place, 'guide.cfg'), text);
      await run(process.execPath, ['dist/main.js', '-c', '-f', join(place, 'guide.cfg')]);
    }
  });

  test('the configuration that comes with the package has every parameter of httpd and mi_http, with its default if it has one', () => {
    const text = readFileSync('mi-httpd.cfg', 'utf8');
    for (const { name: module, parameters } of loadableModules.filter(({ name }) =>
      ['httpd', 'mi_http'].includes(name),
    )) {
      for (const [name, declaration] of Object.entries(parameters)) {
        if ('refused' in declaration) continue;
        const value = name === 'ip' ? '127.0.0.1' : declaration.type === 'list' ? undefined : declaration.default;
        if (value === undefined) {
          expect(text, `a comment that shows ${name}`).toContain(`\n# modparam("${module}", "${name}", "`);
          continue;
        }
        const line = `modparam("${module}", "${name}", ${JSON.stringify(value)})`;
        expect(text, line).toContain(`\n${line}\n`);
      }
    }
  });

  test('every dependency is named, and they are counted', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    const page = readFileSync('docs/guide/start.md', 'utf8');
    expect(Object.keys(dependencies).length).toBe(2);
    for (const name of Object.keys(dependencies)) expect(page, name).toContain(`\`${name}\``);
  });
});
