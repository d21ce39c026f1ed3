// The README tells the truth: its programs run, its configuration is good, its texts are what the software says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { createServer } from '#src/index.js';
import { loadableModules } from '#src/modules/index.js';

const run = promisify(execFile);
const readme = readFileSync('README.md', 'utf8');
const place = resolve('build/readme');
mkdirSync(place, { recursive: true });

/** The fenced blocks of a language, in order. */
function blocks(language: string): readonly string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, text]) => text ?? '',
  );
}

/** Runs a program of the README with a few lines behind it that use what it made. */
async function runProgram(name: string, program: string, epilogue: string): Promise<string> {
  const file = join(place, name);
  writeFileSync(file, `${program}\n${epilogue}\n`);
  const { stdout } = await run(process.execPath, [file], { timeout: 20_000 });
  return stdout;
}

const ask = `
async function ask(url, method) {
  const headers = { 'Content-Type': 'application/json', Connection: 'close' };
  const body = JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
  return (await fetch(url, { method: 'POST', headers, body })).text();
}
`;

describe('README', { timeout: 60_000 }, () => {
  const [embedding, records, registrar, publisher, roots] = blocks('js');

  test('the server of "Embed" starts in ten lines and serves its command', async () => {
    assert.ok(embedding !== undefined);
    assert.ok(embedding.split('\n').filter((line) => line.trim() !== '').length <= 10);
    const output = await runProgram(
      'embed.mjs',
      embedding,
      `${ask}console.log(await ask(server.urls[0], 'pbx:calls')); await server.close();`,
    );
    const [url, reply] = output.trim().split('\n');
    assert.match(url ?? '', /^http:\/\/127\.0\.0\.1:\d+\/mi$/);
    assert.equal(reply, '{"jsonrpc":"2.0","result":{"active":3},"id":1}');
  });

  test('the table of "Large results" is dumped', async () => {
    assert.ok(records !== undefined);
    const output = await runProgram(
      'records.mjs',
      records,
      `${ask}console.log(await ask(server.urls[0], 'pbx:calls')); await server.close();`,
    );
    assert.match(
      output,
      /"count":1,"calls":\[\{"caller":"sip:alice@example\.com","state":"ringing","timeout":\d\d\}\]/,
    );
  });

  test('the registrar of "Contacts" finds its contact, and so does ul_dump', async () => {
    assert.ok(registrar !== undefined);
    const output = await runProgram(
      'registrar.mjs',
      registrar,
      `${ask}console.log(await ask(server.urls[0], 'ul_dump')); await server.close();`,
    );
    const [contact, dump] = output.trim().split('\n');
    assert.equal(contact, 'sip:alice@192.0.2.7:5060');
    assert.match(dump ?? '', /"AORs":\[\{"AOR":"alice","Contacts":\[\{"Contact":"sip:alice@192\.0\.2\.7:5060"/);
  });

  test('the event of "Events" is declared and raised', async () => {
    assert.ok(publisher !== undefined);
    const output = await runProgram(
      'events.mjs',
      publisher,
      `${ask}console.log(await ask(server.urls[0], 'events_list')); await server.close();`,
    );
    const [told, events] = output.trim().split('\n');
    assert.equal(told, '0');
    assert.match(events ?? '', /"name":"E_PBX_TRUNK_DOWN"/);
  });

  test('the root of "Root paths" is flushed', async () => {
    assert.ok(roots !== undefined);
    const output = await runProgram(
      'roots.mjs',
      roots,
      `const text = await (await fetch(server.urls[1], { headers: { Connection: 'close' } })).text();
       console.log(text.length, text.slice(0, 10)); await server.close();`,
    );
    assert.match(output, /\/reports\n1\d{6} line at 0/);
  });

  test('the TypeScript compiles, strictly, and its types are those it tells', async () => {
    const [source, module] = blocks('ts');
    assert.ok(source !== undefined && module !== undefined);
    const file = join(place, 'resize.ts');
    writeFileSync(join(place, 'module.ts'), module);
    const typed = source.replace(
      '// trunk: string; capacity: number | undefined',
      'const a: string = trunk; const b: number | undefined = capacity; void a; void b;',
    );
    assert.notEqual(typed, source);
    writeFileSync(file, typed);
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    await run('node_modules/.bin/tsc', ['--ignoreConfig', ...options, file, join(place, 'module.ts')]);
  });

  test('the configurations are good', async () => {
    const configurations = blocks('text').filter((text) => text.includes('loadmodule'));
    assert.ok(configurations.length > 1);
    writeFileSync(join(place, 'my-module.mjs'), readFileSync('examples/greeting-module.mjs'));
    for (const configuration of configurations) {
      writeFileSync(join(place, 'readme.cfg'), configuration);
      await run(process.execPath, ['dist/main.js', '-c', '-f', join(place, 'readme.cfg')]);
    }
  });

  test('the usage is that of --help', async () => {
    const { stdout } = await run(process.execPath, ['dist/main.js', '--help']);
    assert.ok(readme.includes(`\`\`\`text\n${stdout}\`\`\``), 'run node scripts/readme-tables.mjs');
  });

  test('the tables are what the modules declare', async () => {
    await run(process.execPath, ['scripts/readme-tables.mjs', '--check']);
  });

  test('its table of statistics is what a server has', async () => {
    const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, usrloc: {}, cachedb_local: {} }).start();
    const listed = async (method: string, params: unknown): Promise<readonly string[]> => {
      const headers = { 'Content-Type': 'application/json', Connection: 'close' };
      const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
      const response = await fetch(server.urls[0] ?? '', { method: 'POST', headers, body });
      const { result } = (await response.json()) as { result: object };
      return Array.isArray(result) ? result : Object.keys(result);
    };
    const names = await listed('get_statistics', [['all']]);
    const commands = (await listed('which', [])).filter((name) => !name.includes(':'));
    await server.close();
    const [table = ''] = /^## Statistics$[\s\S]*?^## /m.exec(readme) ?? [];
    const told = [...table.matchAll(/`([a-z_]+:[A-Za-z0-9_-]+)`/g)].map(([, name = '']) => name);
    const expected = told.flatMap((name) =>
      name.includes('COMMAND')
        ? commands.map((one) => name.replace('COMMAND', one))
        : [name.replace('DOMAIN', 'location')],
    );
    assert.deepEqual([...names].sort(), expected.sort());
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
          assert.ok(text.includes(`\n# modparam("${module}", "${name}", "`), `a comment that shows ${name}`);
          continue;
        }
        const line = `modparam("${module}", "${name}", ${JSON.stringify(value)})`;
        assert.ok(text.includes(`\n${line}\n`), line);
      }
    }
  });

  test('every file and folder that it links to exists', () => {
    for (const [, target] of readme.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)) readOrList(target ?? '');
  });

  test('every anchor that it links to is a heading', () => {
    const anchors = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title
        ?.toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, anchor] of readme.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(anchors.includes(anchor), anchor);
  });

  test('it names every dependency, and counts them', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    assert.equal(Object.keys(dependencies).length, 5);
    for (const name of Object.keys(dependencies)) assert.ok(readme.includes(`\`${name}\``), name);
  });
});

function readOrList(path: string): void {
  try {
    readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    readdirSync(path);
  }
}
