// The reference pages are what the source declares and a server tells.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from 'vitest';
import { createServer } from '#src/index.js';
import { codes } from '#src/mi/errors.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';

const run = promisify(execFile);
const errors = readFileSync('docs/reference/errors.md', 'utf8').replaceAll(/\{[^{}]*\}/g, '{}');

describe('the reference', () => {
  test('is what the modules declare, the commands print, the source says and the table of differences has', async () => {
    await run(process.execPath, ['scripts/docs.mjs', '--check']);
  });

  test('has the usage of every command as it prints it', async () => {
    const page = readFileSync('docs/reference/cli.md', 'utf8');
    for (const verb of [[], ['load'], ['dump'], ['passwd'], ['token']]) {
      const { stdout } = await run(process.execPath, ['dist/main.js', ...verb, '--help']);
      expect(page, `run npm run docs: mi-httpd ${verb.join('')} --help`).toContain(`\`\`\`text\n${stdout}\`\`\``);
    }
  });

  test('has the statistics of a server, and no others', async ({ temporaryFiles }) => {
    const opensips = { nodes: ['sip-1 fifo:/nowhere/fifo'], local: '*', mirror: 'usrloc' };
    const httpd = { ip: '127.0.0.1', port: 0 };
    const log = silentLog;
    const usrloc = { persist: join(temporaryFiles({}), 'contacts') };
    const server = await createServer({
      httpd,
      usrloc,
      cachedb_local: {},
      proto_hep: {},
      fleet: { name: 'sip-01' },
      opensips,
      log,
    }).start();
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
    const [, table = ''] = /^(\| statistic [\s\S]*)/m.exec(readFileSync('docs/reference/statistics.md', 'utf8')) ?? [];
    const told = [...table.matchAll(/`([a-z_]+:[A-Za-z0-9_-]+)`/g)].map(([, name = '']) => name);
    const expected = told.flatMap((name) =>
      name.includes('COMMAND')
        ? commands.map((one) => name.replace('COMMAND', one))
        : [name.replace('DOMAIN', 'location')],
    );
    expect([...names].sort()).toStrictEqual(expected.sort());
  });

  test('errors: every code, and every status of the page on HTTP that a root gives', () => {
    for (const code of Object.values(codes)) expect(errors).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
    const statuses = [...readFileSync('docs/reference/http.md', 'utf8').matchAll(/^\| ([45]\d\d) \|/gm)];
    expect(statuses.length).toBeGreaterThan(8);
    for (const [, status = ''] of statuses) {
      // The engine gives this one by itself.
      if (status !== '431')
        expect(errors, status).toMatch(new RegExp(`^\\| -32\\d{3} \\| \`.* \\| ${status} \\|$`, 'm'));
    }
  });

  test('errors: texts of each kind that users have met', () => {
    for (const text of [
      '| 404 | `Table not found` | 200 |',
      '| -32000 | `{} calls are pending, which is the limit max_pending; try again` | 503 |',
      '| -32600 | `a body {} is over the limit of {} bytes; send less, or raise receive_buf_size` | 413 |',
      '| `login-failed` | `login from {} failed` | warn |',
      '| `command-failed` | `MI command {} failed` | error |',
      '| `ERR_PARAMETER` | `{} is an integer, not a string: {}` | 255 |',
      '| `EADDRINUSE, …` | `cannot listen on {}: ',
      '| `ERR_LISTEN` | `cannot listen on {}: ',
    ]) {
      expect(errors, text).toContain(text);
    }
  });
});
