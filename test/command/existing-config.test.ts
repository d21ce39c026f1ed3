import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { command, Daemon, type LogLine, mi } from '../support/daemon.js';
import { test } from '../support/test.js';

const file = 'test/data/command/opensips.cfg';
const text = readFileSync(file, 'utf8');
const known = new Set(['httpd', 'mi_http', 'usrloc']);

test('a grown opensips.cfg is checked without complaint', async ({ runCommand }) => {
  const { status, stderr } = await runCommand(['-c', '-f', file]);
  expect([status, stderr]).toStrictEqual([0, '']);
});

test('it serves MI, and all modules of SIP are told as ignored, in one line', async ({ lifetime }) => {
  const daemon = new Daemon(lifetime, process.execPath, [command, '-f', file, '-p', '0']);
  const serving = JSON.parse(await daemon.line(/serving http/)) as LogLine;
  const url = String(serving.url);
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/opensips_mi$/);
  expect((await mi(url, 'httpd_list_root_path')).result).toStrictEqual([
    { http_root: 'opensips_mi', module: 'mi_http' },
  ]);

  const expected = text.split('\n').flatMap((line) => {
    const name = /^loadmodule "(.*)\.so"$/.exec(line)?.[1];
    return name === undefined || known.has(name) ? [] : [name];
  });
  const ignored = daemon.log.filter(({ msg }) => msg.includes('ignored'));
  expect(ignored.map(({ modules }) => modules)).toStrictEqual([expected]);
  expect(
    daemon.log.filter(({ level }) => level > 30).map(({ parameters }) => parameters),
    'no error, and no warning but of contacts that are expected in a database',
  ).toStrictEqual([['db_url', 'working_mode_preset']]);
});

test('a file that loads no module with a root path is told to serve nothing', async ({ lifetime }) => {
  const input = 'loadmodule "httpd.so"\nmodparam("httpd", "ip", "127.0.0.1")\nloadmodule "mi_fifo.so"\n';
  const daemon = new Daemon(lifetime, process.execPath, [command, '-f', '-', '-p', '0'], { input });
  const warning = JSON.parse(await daemon.line(/no root path/)) as LogLine;
  expect(warning.level).toBe(40);
  expect(warning.msg).toMatch(/404; add loadmodule "mi_http\.so"/);
});
