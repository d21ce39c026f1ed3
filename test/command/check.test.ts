import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { assertNoStack, type Ended, isListening } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const good = `loadmodule "httpd.so"
modparam("httpd", "ip", "127.0.0.1")
modparam("httpd", "port", 0)
loadmodule "mi_http.so"
`;

/** Mistakes of different kinds, found by different steps. */
const bad = `loadmodule "httpd.so"
modparam("httpd", "prot", 8888)
modparam("httpd", "port", "8888")
  modparam("httpd", "post_buf_size", 1)
modparam("httpd", "tls_ciphers", "NORMAL:+FOO")
loadmodule "mi_http.so"
modparam("mi_html", "root", "mi")
log_level="high"
loadmodule "none.mjs"
loadmodule "./none.mjs"
modparam("httpd", "buf_size", 1)
`;

const badLines: readonly RegExp[] = [
  /^FILE:2:19: .*"?prot"?.*port/,
  /^FILE:3:27: .*port.*/,
  /^FILE:4:38: .*post_buf_size.*256/,
  /^FILE:5:34: .*tls_ciphers.*"\+FOO"/,
  /^FILE:7:10: .*mi_html/,
  /^FILE:8:11: log_level/,
  /^FILE:9:\d+: .*none\.mjs/,
  /^FILE:10:\d+: .*none\.mjs/,
  /^FILE:11:31: .*buf_size.*1024/,
];

function assertAllListed({ status, stdout, stderr }: Ended, file: string): void {
  expect(status, stderr).toBe(255);
  expect(stdout).toBe('');
  assertNoStack(stderr);
  const lines = stderr.trimEnd().split('\n');
  const summary = lines.pop();
  expect(lines.length, stderr).toBe(badLines.length);
  for (const [index, pattern] of badLines.entries()) {
    expect((lines[index] ?? '').replace(file, 'FILE')).toMatch(pattern);
  }
  expect(summary).toBe(`mi-httpd: bad configuration (${badLines.length} errors)`);
}

describe('-c checks a configuration', () => {
  test('a good file: exit 0', async ({ temporaryFiles, runCommand }) => {
    const file = join(temporaryFiles({ 'good.cfg': good }), 'good.cfg');
    const { status, stdout, stderr } = await runCommand(['-c', '-f', file]);
    expect([status, stdout, stderr]).toStrictEqual([0, `${file}: good\n`, '']);
  });

  test('-C, as OpenSIPS has it, is -c', async ({ temporaryFiles, runCommand }) => {
    const file = join(temporaryFiles({ 'good.cfg': good }), 'good.cfg');
    for (const args of [
      ['-C', '-f', file],
      ['-Cf', file],
    ]) {
      expect((await runCommand(args)).stdout).toBe(`${file}: good\n`);
    }
  });

  test('a good text on standard input: exit 0', async ({ runCommand }) => {
    const { status, stderr } = await runCommand(['-c', '-f', '-'], { input: good });
    expect([status, stderr]).toStrictEqual([0, '']);
  });

  test('the file that comes with the package, and its example', async ({ runCommand }) => {
    expect((await runCommand(['-c'])).status).toBe(0);
    expect((await runCommand(['-cf', 'mi-httpd.cfg'])).status).toBe(0);
    expect((await runCommand(['--check', '--file=examples/greeting.cfg'])).status).toBe(0);
  });

  test('a bad file: every error at its place, exit 255', async ({ temporaryFiles, runCommand }) => {
    const file = join(temporaryFiles({ 'bad.cfg': bad }), 'bad.cfg');
    assertAllListed(await runCommand(['-c', '-f', file]), file);
  });

  test('a bad text on standard input likewise', async ({ runCommand }) => {
    assertAllListed(await runCommand(['-c', '-f', '-'], { input: bad }), '<stdin>');
  });

  test('a syntax error, a module that lacks what it needs, no module at all: exit 255 with the place', async ({
    runCommand,
  }) => {
    const inputs: readonly (readonly [string, RegExp])[] = [
      ['loadmodule "httpd.so"\nmodparam("httpd" "port", 1)\n', /^<stdin>:2:18: /],
      [
        'loadmodule "htttpd.so"\nloadmodule "mi_http.so"\n',
        /^<stdin>:2:\d+: module mi_http needs httpd: add loadmodule "httpd\.so"; "htttpd" at <stdin>:1:\d+ is no module of mi-httpd \[ERR_MODULE\]$/m,
      ],
      [
        'loadmodule "htpd.so"\n',
        /module httpd is not loaded.*; "htpd" at <stdin>:1:\d+ is no module of mi-httpd \[ERR_MODULE\]$/m,
      ],
      ['# nothing but\nloadmodule "mi_http.so"\n', /^<stdin>:2:\d+: .*needs httpd.*loadmodule "httpd\.so"/],
      ['', /^<stdin>:1:1: .*httpd.*loadmodule "httpd\.so"/],
      ['loadmodule "./none.mjs"\nloadmodule "httpd.so"\n', /^<stdin>:1:\d+: .*none\.mjs/],
      ['loadmodule "httpd.so"\ninclude_file "none.cfg"\n', /^<stdin>:2:\d+: .*none\.cfg/],
      [`${good}modparam("mi_http", "root", "a/b")\n`, /^<stdin>:5:29: parameter "root" of module mi_http is "a\/b": /],
    ];
    for (const [input, expected] of inputs) {
      const { status, stderr } = await runCommand(['-c', '-f', '-'], { input });
      expect(status, stderr).toBe(255);
      expect(stderr).toMatch(expected);
      assertNoStack(stderr);
    }
  });

  test('a module of the user that fails: exit 255 with the place and the reason', async ({
    temporaryFiles,
    runCommand,
  }) => {
    const directory = temporaryFiles({
      'broken.mjs': `throw new Error('no licence');`,
      'empty.mjs': 'export default 5;',
      'twice.mjs': `export default ({ defineModule, command }) => defineModule({ name: 'twice', commands: [
        command({ name: 'x', help: 'x', run: () => 1 }), command({ name: 'x', help: 'x', run: () => 1 })] });`,
      'late.mjs': `export default ({ defineModule }) => defineModule({ name: 'late', load: async () => ({ commands: [] }) });`,
      'core.mjs': `export default ({ defineModule }) => defineModule({ name: 'core' });`,
      'plain.mjs': `export default { name: 'plain', load: () => undefined };`,
      'type.mjs': `export default ({ defineModule, command }) => defineModule({ name: 'type', commands: [
        command({ name: 'x', help: 'x', recipes: [{ size: 'number' }], run: () => 1 })] });`,
      'idle.mjs': `export default ({ defineModule, command }) => defineModule({ name: 'idle', commands: [
        command({ name: 'x', help: 'x' })] });`,
    });
    for (const [name, reason] of [
      ['broken', /:2:1: .*no licence/],
      ['nope', /:2:1: module "\S*nope\.mjs" cannot be loaded: there is no file \S*nope\.mjs \[ERR_MODULE\]$/m],
      ['empty', /:2:1: .*defineModule/],
      ['twice', /twice:x/],
      ['late', /^<stdin>: module late: load gives a promise.* start \[ERR_MODULE\]$/m],
      ['core', /two modules are named core/],
      ['plain', /:2:1: .*defineModule/],
      ['type', /:2:1: .*"size" has the type "number"; give int, string/],
      ['idle', /:2:1: .*command x has no function run/],
    ] as const) {
      const file = join(directory, `${name}.cfg`);
      const input = `loadmodule "httpd.so"\nloadmodule "${join(directory, `${name}.mjs`)}"\n`;
      const { status, stderr } = await runCommand(['-c', '-f', '-'], { input });
      expect(status, `${file}: ${stderr}`).toBe(255);
      expect(stderr).toMatch(reason);
      assertNoStack(stderr);
    }
  });

  test('a module that holds a timer does not keep the check from ending', async ({ temporaryFiles, runCommand }) => {
    const directory = temporaryFiles({
      'busy.mjs': `setInterval(() => {}, 1000);
        export default ({ defineModule }) => defineModule({ name: 'busy', parameters: {} });`,
      'good.cfg': `${good}loadmodule "./busy.mjs"\n`,
      'bad.cfg': `${good}loadmodule "./busy.mjs"\nmodparam("busy", "x", 1)\n`,
    });
    expect((await runCommand(['-c', '-f', join(directory, 'good.cfg')])).status).toBe(0);
    expect((await runCommand(['-c', '-f', join(directory, 'bad.cfg')])).status).toBe(255);
    expect((await runCommand(['-f', join(directory, 'bad.cfg')])).status).toBe(255);
  });

  test('-p and -l are checked too, and blamed on the command line', async ({ runCommand }) => {
    expect(await runCommand(['-c', '-p', '80'])).toRefuse(/port 80 is reserved/);
  });
});

describe('starting with a bad configuration', () => {
  test('lists every error, exits 255, and nothing listens', async ({ temporaryFiles, runCommand }) => {
    const port = await freePort();
    const file = join(temporaryFiles({ 'bad.cfg': bad }), 'bad.cfg');
    const ended = runCommand(['-f', file, '-p', String(port)]);
    assertAllListed(await ended, file);
    expect(await isListening(port)).toBe(false);
  });
});

describe('a configuration that cannot be read', () => {
  test('a missing file', async ({ runCommand }) => {
    for (const option of [[], ['-c']]) {
      const ended = await runCommand([...option, '-f', '/nonexistent/opensips.cfg']);
      expect(ended).toRefuse(/^mi-httpd: cannot read the configuration file \/nonexistent\/opensips\.cfg: /);
    }
  });

  test('a directory', async ({ temporaryFiles, runCommand }) => {
    const directory = temporaryFiles({});
    mkdirSync(join(directory, 'd.cfg'));
    const ended = await runCommand(['-f', join(directory, 'd.cfg')]);
    expect(ended).toRefuse(/^mi-httpd: cannot read the configuration file .*d\.cfg: .*directory/);
  });

  const root = process.getuid?.() === 0 ? 'root may read every file' : false;
  unless(root, test)('a file without permission', async ({ temporaryFiles, runCommand }) => {
    const file = join(temporaryFiles({ 'secret.cfg': good }), 'secret.cfg');
    chmodSync(file, 0);
    expect(await runCommand(['-f', file])).toRefuse(/secret\.cfg: .*permission/i);
  });
});
