// What -c says is what the start does: it finds what the start would fail on, and prints what the start would log.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { checkConfig, createConfiguredServer } from '#src/cli/configured-server.js';
import { formatDiagnostic } from '#src/config/config-file.js';
import { parseConfig } from '#src/config/statements.js';
import { tokenLine, userLine } from '../support/accounts.js';
import { command, Daemon, type Ended, mi, type RunOptions, runCommand, temporaryFiles } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { generatedConfigs } from '../support/generated-configs.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { count } from '../support/long.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const modules = 'loadmodule "httpd.so"\nloadmodule "mi_http.so"\n';
const local = 'modparam("httpd", "ip", "127.0.0.1")\nmodparam("httpd", "port", 0)\n';
const listen = (...places: readonly string[]): string =>
  places.map((place) => `modparam("httpd", "listen", "${place}")\n`).join('');

/** What is told, and why it fails, if it does. */
interface Outcome {
  readonly told: readonly string[];
  readonly error?: string;
}

/** Checks or starts in this process, by what the command calls: a process for each takes its time. */
async function outcomeHere(input: string, step: 'check' | 'start'): Promise<Outcome> {
  const checked = await checkConfig(parseConfig(input, { file: '<stdin>' }));
  if (checked.errors.length > 0) return { told: [], error: checked.errors.map(formatDiagnostic).join('\n') };
  const told = checked.notices.map(({ text }) => text);
  const keep = (_fields: object, message: string): void => void told.push(message);
  const log = { ...silentLog, info: keep, warn: keep, error: keep };
  try {
    const server = createConfiguredServer(checked, { log });
    if (step === 'check') told.push(...(await server.check()));
    else await (await server.start()).close({ deadline: 0 });
    return { told };
  } catch (error) {
    return { told, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Every one of so many, or all in the long form. */
function some<T>(list: readonly T[], every: number): readonly T[] {
  return list.filter((_, index) => index % count(every, 1) === 0);
}

/** Says what -c prints, without the name of the file, and fails when it is not good. */
async function notesOf(t: Lifetime, input: string): Promise<readonly string[]> {
  const { status, stdout, stderr } = await runCommand(t, ['-c', '-f', '-'], { input });
  expect([status, stderr], input).toStrictEqual([0, '']);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.pop()).toBe('<stdin>: good');
  return lines.map((line) => {
    expect(line).toMatch(/^<stdin>: note: .* \[[a-z0-9.-]+\]$/);
    return line.slice('<stdin>: note: '.length);
  });
}

/** What the start logs that somebody should know, but for what is so once it listens. */
async function toldAtStart(t: Lifetime, input: string): Promise<readonly string[]> {
  const daemon = new Daemon(t, process.execPath, [command, '-f', '-'], { input });
  await daemon.line(/mi-httpd [\d.]+ on |"msg":"serving /);
  daemon.signal('SIGTERM');
  expect((await daemon.ended).status).toBe(0);
  const own = /^(?:serving |mi-httpd |SIGTERM)/;
  return daemon.log.filter(({ msg }) => !own.test(msg)).map(({ msg, code }) => `${msg} [${code}]`);
}

/** The end of a start that has to fail; one that serves would never end. */
function failedStart(t: Lifetime, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const daemon = new Daemon(t, process.execPath, [command, ...args], options);
  const serves = daemon.line(/"msg":"serving /).then(
    (line) => expect.unreachable(`it starts: ${line}`),
    () => daemon.ended,
  );
  return Promise.race([serves, daemon.ended]);
}

/** Ports that the system chose differ from run to run. */
const withoutPorts = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => line.replace(/:\d+\b/g, ':N'));

/** What is told is the same, once or more, and fits the patterns; nothing where there are none. */
function assertTold(notes: readonly string[], told: readonly string[], expected: readonly RegExp[]): void {
  const known = (lines: readonly string[]): readonly string[] => [...new Set(withoutPorts(lines))].sort();
  expect(known(notes)).toStrictEqual(known(told));
  for (const pattern of expected)
    expect(
      notes.some((note) => pattern.test(note)),
      `${pattern}: ${notes}`,
    ).toBe(true);
  if (expected.length === 0) expect(notes).toStrictEqual([]);
}

describe('what the start logs, -c prints', () => {
  const generated = generatedConfigs().filter(({ name }) => /residential_(?:2\.4|4\.0)/.test(name));
  const corpus: readonly (readonly [name: string, text: (t: Lifetime) => string, told: readonly RegExp[]])[] = [
    ['nothing to tell', () => modules + local, []],
    [
      'modules that serve paths of their own',
      () => `${modules}${local}loadmodule "http2d.so"\nloadmodule "pi_http.so"\n`,
      [
        /module http2d at .* ignored, so that its paths are 404/,
        /module pi_http at .* ignored, so that its paths are 404/,
      ],
    ],
    [
      'a module that is nearly one of ours',
      () => `${modules}${local}loadmodule "usrlc.so"\n`,
      [/did you mean "usrloc"\?/],
    ],
    ...['x', '1234567', 'CHANGEME', 'change-me', '__PASSWORD__', '<password>'].map(
      (password): (typeof corpus)[number] => [
        `the password ${password}`,
        () =>
          `${modules}${local}modparam("httpd", "auth_username", "a")\nmodparam("httpd", "auth_password", "${password}")\n`,
        [
          /^auth_password (?:has fewer than 8 characters|stands where a password was to be filled in).*: choose a longer one/,
        ],
      ],
    ),
    [
      'a password of 8 characters',
      () =>
        `${modules}${local}modparam("httpd", "auth_username", "a")\nmodparam("httpd", "auth_password", "12345678")\n`,
      [],
    ],
    [
      'a short password in a file',
      (t) => {
        const file = join(temporaryFiles(t, { password: 'x\n' }), 'password');
        chmodSync(file, 0o600);
        return `${modules}${local}modparam("httpd", "auth_username", "a")\nmodparam("httpd", "auth_password_file", "${file}")\n`;
      },
      [/^the password in auth_password_file \S+ has fewer than 8 characters/],
    ],
    [
      'contacts in memory only',
      () =>
        `${modules}${local}loadmodule "usrloc.so"\nmodparam("usrloc", "db_mode", 2)\nmodparam("usrloc", "matching_mode", 1)\n`,
      [/usrloc keeps contacts in memory only/, /parameters of usrloc that are for a SIP server/],
    ],
    [
      'parameters that OpenSIPS alone has a use for',
      () =>
        `${modules}${local}loadmodule "proto_hep.so"\nmodparam("proto_hep", "hep_port", 9060)\nmodparam("proto_hep", "hep_async", 1)\n`,
      [/only calls of the .* are traced, .*; without effect: hep_port of proto_hep at .*, hep_async of /],
    ],
    [
      'a capture server that is not there',
      () =>
        `${modules}${local}modparam("mi_http", "trace_destination", "hep")\nmodparam("mi_http", "trace_bwlist", "b: ps")\n`,
      [/trace_destination "hep" of module mi_http is no capture server: load proto_hep/],
    ],
    ['no root path', () => `loadmodule "httpd.so"\n${local}`, [/no root path is registered/]],
    ['no address', () => `${modules}modparam("httpd", "port", 0)\n`, [/no ip is set and nobody has to log in/]],
    [
      'an open address',
      () => `${modules}${listen('http:*:0')}modparam("httpd", "allow_unauthenticated", 1)\n`,
      [/LISTENING ON \*:\d+ WITHOUT AUTHENTICATION/],
    ],
    [
      'a login without TLS',
      (t) => {
        const users = join(temporaryFiles(t, { users: userLine('alice', 'wonderland', 'read') }), 'users');
        chmodSync(users, 0o644);
        return `${modules}${listen('http:*:0')}modparam("httpd", "auth_file", "${users}")\n`;
      },
      [/readable by everybody/, /without TLS/],
    ],
    [
      'more connections than descriptors',
      () => `${modules}${local}modparam("httpd", "max_connections", 1000000)\n`,
      [/max_connections 1000000 lowered/],
    ],
    [
      'a file to import that is not there',
      () => `${modules}${local}import_file "/nonexistent/x.cfg"\n`,
      [/import_file .* is passed over/],
    ],
    [
      'files of TLS that nobody uses',
      () => `${modules}${listen('http:127.0.0.1:0')}modparam("httpd", "tls_cert_file", "/x")\n`,
      [/no listener speaks TLS/],
    ],
    ...generated.map(
      ({ name, text }) => [name, () => text.replace('"port", 8888', '"port", 0'), [/\d+ modules ignored/]] as const,
    ),
  ];
  for (const [name, text, expected] of corpus) {
    test(name, async ({ lifetime }) => {
      const input = text(lifetime);
      const [checked, started] = [await outcomeHere(input, 'check'), await outcomeHere(input, 'start')];
      expect([checked.error, started.error]).toStrictEqual([undefined, undefined]);
      assertTold(checked.told, started.told, expected);
    });
  }

  for (const [name, text, expected] of some(corpus, 6)) {
    test(`by the command: ${name}`, async ({ lifetime }) => {
      const input = text(lifetime);
      const [notes, told] = await Promise.all([notesOf(lifetime, input), toldAtStart(lifetime, input)]);
      assertTold(notes, told, expected);
    });
  }

  unless(noOpenssl, test)('warnings of certificates and ciphers', async ({ files, lifetime }) => {
    const { certFile, keyFile } = files.make('soon', { days: 5 });
    chmodSync(keyFile, 0o644);
    const input = `${modules}${listen(`https:127.0.0.1:0;cert=${certFile};key=${keyFile}`)}modparam("httpd", "tls_ciphers", "SUITEB128")\n`;
    const notes = await notesOf(lifetime, input);
    expect([...withoutPorts(notes)].sort()).toStrictEqual([...withoutPorts(await toldAtStart(lifetime, input))].sort());
    expect(notes.join('\n')).toMatch(/expires on[\s\S]*chmod o-r|chmod o-r[\s\S]*expires on/);
  });
});

describe('what the start fails on, -c finds, in the same words', () => {
  const cases: readonly (readonly [name: string, text: (folder: string, port: number) => string, reason: RegExp])[] = [
    [
      'audit_file in a folder that is not there',
      (folder) => `${local}modparam("httpd", "audit_file", "${folder}/none/audit.log")\n`,
      /audit_file .*\/none\/audit\.log cannot be written: ENOENT/,
    ],
    [
      'audit_file that is a folder',
      (folder) => `${local}modparam("httpd", "audit_file", "${folder}")\n`,
      /audit_file .* cannot be written: EISDIR/,
    ],
    [
      'audit_file below a file',
      (folder) => `${local}modparam("httpd", "audit_file", "${folder}/file/audit.log")\n`,
      /audit_file .* cannot be written: ENOTDIR/,
    ],
    [
      'a Unix socket in a folder that is not there',
      (folder) => listen(`unix:${folder}/none/x.sock`),
      /there is no folder .*\/none; make one/,
    ],
    [
      'a Unix socket twice, through a folder that is a link',
      (folder) => listen(`unix:${folder}/x.sock`, `unix:${folder}/link/x.sock`),
      /unix:.*x\.sock and unix:.*link\/x\.sock are one path/,
    ],
    [
      'a Unix socket that is a folder',
      (folder) => listen(`unix:${folder}/x.sock/`),
      /that of a folder: give one of a file/,
    ],
    [
      'a Unix socket where nothing can be made',
      () => listen('unix:/proc/x.sock'),
      /cannot listen on unix:\/proc\/x\.sock: (?:nothing can be made|no permission) in \/proc; make one/,
    ],
    [
      'audit_file where nothing can be made',
      () => `${local}modparam("httpd", "audit_file", "/proc/x.log")\n`,
      /audit_file \/proc\/x\.log cannot be written: E/,
    ],
    ...['auth_file', 'auth_tokens'].map((parameter): (typeof cases)[number] => [
      `audit_file that is ${parameter}`,
      (folder) =>
        `${local}modparam("httpd", "${parameter}", "${folder}/${parameter}")\nmodparam("httpd", "audit_file", "${folder}/link/${parameter}")\n`,
      new RegExp(
        `audit_file \\S*/link/${parameter} and ${parameter} \\S*/${parameter} are one file: give the audit log`,
      ),
    ]),
    [
      'audit_file that is the password',
      (folder) =>
        `${local}modparam("httpd", "auth_username", "a")\nmodparam("httpd", "auth_password_file", "${folder}/auth_file")\n` +
        `modparam("httpd", "audit_file", "${folder}/auth_file")\n`,
      /audit_file \S*file and auth_password_file \S*file are one file/,
    ],
    ...(
      [
        ['certificate', 'cert=FILE;key=/y'],
        ['key', 'cert=/x;key=FILE'],
        ['passphrase', 'cert=/x;key=/y;passphrase_file=FILE'],
      ] as const
    ).map(([what, options]): (typeof cases)[number] => [
      `audit_file that is a ${what}`,
      (folder) =>
        `${listen(`https:127.0.0.1:0;${options.replace('FILE', `${folder}/file`)}`)}modparam("httpd", "audit_file", "${folder}/link/file")\n`,
      new RegExp(`audit_file \\S*file and the ${what} of listener https:127\\.0\\.0\\.1:0, \\S*file are one file`),
    ]),
    ...['tls_cert_file', 'tls_key_file', 'tls_key_passphrase_file'].map((parameter): (typeof cases)[number] => [
      `audit_file that is ${parameter}`,
      (folder) => {
        const set = (name: string, file: string): string => `modparam("httpd", "${name}", "${file}")\n`;
        const others = ['tls_cert_file', 'tls_key_file'].filter((name) => name !== parameter);
        const lines = [set(parameter, `${folder}/file`), ...others.map((name) => set(name, '/x'))];
        return `${local}${lines.join('')}${set('audit_file', `${folder}/link/file`)}`;
      },
      new RegExp(`audit_file \\S*/link/file and ${parameter} \\S*/file are one file`),
    ]),
    [
      'audit_file that is a Unix socket',
      (folder) => `${listen(`unix:${folder}/x.sock`)}modparam("httpd", "audit_file", "${folder}/link/x.sock")\n`,
      /audit_file \S*x\.sock and listener \S*x\.sock are one file/,
    ],
    ['a Unix socket where a file is', (folder) => listen(`unix:${folder}/file`), /there is a file of another kind/],
    [
      'a Unix socket twice, by other words',
      (folder) => listen(`unix:${folder}/x.sock`, `unix:${folder}//./x.sock`),
      /unix:.*x\.sock and unix:.*x\.sock are one path/,
    ],
    [
      'an address of another machine',
      () => `${listen('http:192.0.2.1:8888;level=read')}modparam("httpd", "allow_unauthenticated", 1)\n`,
      /cannot listen on 192\.0\.2\.1:8888: the address is not one of this machine/,
    ],
    [
      'one listener twice',
      (_, port) => listen(`http:127.0.0.1:${port}`, `http:127.0.0.1:${port}`),
      /listener http:127\.0\.0\.1:\d+ is given twice/,
    ],
    [
      'http and https on one address',
      (_, port) => listen(`http:127.0.0.1:${port}`, `https:127.0.0.1:${port};cert=/x;key=/y`),
      /http:127\.0\.0\.1:\d+ and https:127\.0\.0\.1:\d+ cannot both be open, for they have one address and port/,
    ],
    [
      '* and 127.0.0.1',
      (_, port) => listen(`http:*:${port}`, `http:127.0.0.1:${port}`),
      /http:\*:\d+ and http:127\.0\.0\.1:\d+ cannot both be open, for http:\*:\d+ takes what comes to http:127/,
    ],
    [
      '127.0.0.1 and [::]',
      (_, port) => listen(`http:127.0.0.1:${port}`, `http:[::]:${port}`),
      /cannot both be open, for http:\[::\]:\d+ takes what comes to http:127/,
    ],
    [
      '0.0.0.0 and 127.0.0.1',
      (_, port) => listen(`http:0.0.0.0:${port}`, `http:127.0.0.1:${port}`),
      /cannot both be open, for http:0\.0\.0\.0/,
    ],
    [
      '[::] and [::1]',
      (_, port) => listen(`http:[::]:${port}`, `http:[::1]:${port}`),
      /cannot both be open, for http:\[::\]/,
    ],
    [
      'one IPv6 address in two forms',
      (_, port) => listen(`http:[::1]:${port}`, `http:[0:0::0:1]:${port}`),
      /http:\[::1\]:\d+ and http:\[0:0::0:1\]:\d+ cannot both be open, for they have one address/,
    ],
    [
      'an IPv4 address in IPv6',
      (_, port) => listen(`http:127.0.0.1:${port}`, `http:[::ffff:127.0.0.1]:${port}`),
      /cannot both be open, for they have one address/,
    ],
    [
      'both families with other options',
      (_, port) => listen(`http:0.0.0.0:${port}`, `http:[::]:${port};level=read`),
      /http:0\.0\.0\.0:\d+ and http:\[::\]:\d+ cannot both be open, for the socket of \[::\] takes IPv4 too: give both the same options/,
    ],
    [
      'both families with other kinds',
      (_, port) => listen(`http:0.0.0.0:${port}`, `https:[::]:${port};cert=/x;key=/y`),
      /http:0\.0\.0\.0:\d+ and https:\[::\]:\d+ cannot both be open/,
    ],
  ];
  /** What a case needs, and its text. */
  async function made(t: Lifetime, text: (typeof cases)[number][1]): Promise<{ folder: string; input: string }> {
    const folder = temporaryFiles(t, {
      file: '',
      auth_file: userLine('a', 'wonderland', 'read'),
      auth_tokens: tokenLine('a', 'wonderland', 'read'),
    });
    symlinkSync('.', join(folder, 'link'));
    return { folder, input: modules + text(folder, await freePort()) };
  }

  const unchanged = ['auth_file', 'auth_tokens', 'file', 'link'];
  for (const [name, text, reason] of cases) {
    test(name, async ({ lifetime }) => {
      const { folder, input } = await made(lifetime, text);
      const [checked, started] = [await outcomeHere(input, 'check'), await outcomeHere(input, 'start')];
      expect(checked.error ?? '').toMatch(reason);
      expect(started.error).toBe(checked.error);
      expect(readdirSync(folder).sort()).toStrictEqual(unchanged);
    });
  }

  for (const [name, text, reason] of some(cases, 7)) {
    test(`by the command: ${name}`, async ({ lifetime, runCommand }) => {
      const { folder, input } = await made(lifetime, text);
      const [checked, started] = await Promise.all([
        runCommand(['-c', '-f', '-'], { input }),
        failedStart(lifetime, ['-f', '-'], { input }),
      ]);
      expect(checked.status, checked.stdout).toBe(255);
      expect(checked.stderr).toMatch(reason);
      expect(started.status).not.toBe(0);
      const first = (text_: string): string => (text_.split('\n')[0] ?? '').replace(/^(?:<stdin>|mi-httpd): /, '');
      expect(first(checked.stderr)).toBe(first(started.stderr));
      expect(readdirSync(folder).sort()).toStrictEqual(unchanged);
    });
  }

  test('audit_file that is the configuration, or a file that it includes', async ({ temporaryFiles, lifetime }) => {
    const folder = temporaryFiles({});
    writeFileSync(join(folder, 'own.cfg'), `include_file "other.cfg"\n${modules}${local}`);
    for (const file of ['own.cfg', 'other.cfg']) {
      const text = `modparam("httpd", "audit_file", "${join(folder, file)}")\n`;
      writeFileSync(join(folder, 'other.cfg'), `loadmodule "httpd.so"\n${text}`);
      writeFileSync(join(folder, 'own.cfg'), `include_file "other.cfg"\nloadmodule "mi_http.so"\n${local}`);
      const runs = [['-c'], []].map((check) => failedStart(lifetime, [...check, '-f', join(folder, 'own.cfg')]));
      for (const { status, stderr } of await Promise.all(runs)) {
        expect(status).not.toBe(0);
        expect(stderr).toMatch(new RegExp(`audit_file \\S*${file} and the configuration \\S*${file} are one file`));
      }
    }
  });

  test('a module of the user that does not start is named by the start; -c does not start it', async ({
    temporaryFiles,
    lifetime,
    runCommand,
  }) => {
    const folder = temporaryFiles({
      'x.mjs': `export default ({ defineModule }) => defineModule({ name: 'own', load: () => ({
        start: () => { throw new Error('no database'); } }) });`,
      'y.mjs': `export default ({ defineModule }) => defineModule({ name: 'own', load: () => ({
        check: () => { throw new Error('no database'); } }) });`,
    });
    const reason = /^(?:<stdin>|mi-httpd): module own failed to (?:start|check): no database \[ERR_MODULE\]$/m;
    const input = (file: string): string => `${modules}${local}loadmodule "${join(folder, file)}"\n`;
    expect(await failedStart(lifetime, ['-f', '-'], { input: input('x.mjs') })).toRefuse(reason);
    expect((await runCommand(['-c', '-f', '-'], { input: input('x.mjs') })).status).toBe(0);
    expect((await runCommand(['-c', '-f', '-'], { input: input('y.mjs') })).stderr).toMatch(reason);
  });

  test('-c prints its notes beside errors too', async ({ runCommand }) => {
    for (const [wrong, error] of [
      ['modparam("httpd", "audit_file", "/none/x")\n', /^<stdin>: audit_file \/none/],
      ['modparam("httpd", "prot", 1)\n', /^<stdin>:5:\d+: /],
    ] as const) {
      const input = `${modules}${local}${wrong}loadmodule "pi_http.so"\n`;
      const { status, stdout, stderr } = await runCommand(['-c', '-f', '-'], { input });
      expect([status, stdout]).toStrictEqual([255, '']);
      expect(stderr).toMatch(error);
      expect(stderr).toMatch(/^<stdin>: note: module pi_http at .* ignored/m);
      expect(stderr).toMatch(/\nmi-httpd: bad configuration \(1 error\)\n$/);
    }
  });

  test("two listeners in each other's way, with the file and line of both", async ({ temporaryFiles, lifetime }) => {
    const port = await freePort();
    const folder = temporaryFiles({
      'other.cfg': `${modules}# a line\n${listen(`http:127.0.0.1:${port}`)}`,
      'own.cfg': `include_file "other.cfg"\n${listen('http:127.0.0.1:0', `http:127.0.0.1:${port}`)}`,
      'pair.cfg':
        modules + listen(`http:0.0.0.0:${port}`, `http:[::]:${port}`, `https:127.0.0.1:${port};cert=/x;key=/y`),
    });
    const column = 'modparam("httpd", "listen", "'.length;
    const cases: readonly (readonly [file: string, one: string, other: string])[] = [
      ['own.cfg', `other.cfg:4:${column}`, `own.cfg:3:${column}`],
      // The first two have become one listener.
      ['pair.cfg', `pair.cfg:3:${column}`, `pair.cfg:5:${column}`],
    ];
    for (const [file, one, other] of cases) {
      const path = join(folder, file);
      const places = `(${join(folder, one)} and ${join(folder, other)})`;
      const runs = [['-c'], []].map((check) => failedStart(lifetime, [...check, '-f', path]));
      for (const { status, stderr } of await Promise.all(runs)) {
        expect(status).not.toBe(0);
        expect(stderr, `${places}: ${stderr}`).toContain(places);
      }
    }
  });

  unless(noOpenssl, test)(
    'a certificate that the engine alone does not take',
    async ({ files, runCommand, lifetime }) => {
      const one = files.make('one');
      const keyFile = files.encrypt(one, 'secret', '-scrypt');
      const passphrase = files.write('passphrase', 'secret\n');
      const input = `${modules}${listen(`https:127.0.0.1:0;cert=${one.certFile};key=${keyFile};passphrase_file=${passphrase}`)}`;
      const checked = await runCommand(['-c', '-f', '-'], { input });
      expect(checked.status).toBe(255);
      expect(checked.stderr).toMatch(/encrypted with scrypt/);
      expect(await failedStart(lifetime, ['-f', '-'], { input })).toRefuse(/encrypted with scrypt/);
    },
  );
});

describe('the pair 0.0.0.0 and [::] of one port', () => {
  test('is one listener for both families, in either order', async ({ lifetime, startDaemon }) => {
    const hasIPv6 = await new Promise((resolve) => {
      const probe = createServer().on('error', () => resolve(false));
      probe.listen(0, '::1', () => probe.close(() => resolve(true)));
    });
    const open = 'modparam("httpd", "allow_unauthenticated", 1)\n';
    for (const order of [
      ['0.0.0.0', '[::]'],
      ['[::]', '0.0.0.0'],
    ]) {
      const port = await freePort();
      const input = `${modules}${open}${listen(...order.map((address) => `http:${address}:${port};level=read`))}`;
      expect((await notesOf(lifetime, input)).length).toBe(1);
      const daemon = await startDaemon(['-f', '-'], { input });
      for (const host of ['127.0.0.1', ...(hasIPv6 ? ['[::1]'] : [])]) {
        expect((await mi(`http://${host}:${port}/mi`, 'uptime')).status).toBe(200);
        expect((await mi(`http://${host}:${port}/mi`, 'kill')).error?.message ?? '').toMatch(
          /denied|level|permission/i,
        );
      }
      daemon.signal('SIGTERM');
      expect((await daemon.ended).status).toBe(0);
    }
  });
});

test('-c disturbs no server that runs, and leaves nothing behind', async ({
  temporaryFiles,
  startDaemon,
  lifetime,
  runCommand,
}) => {
  const folder = temporaryFiles({ 'audit.log': 'a line\n' });
  mkdirSync(join(folder, 'empty'));
  const port = await freePort();
  const path = join(folder, 'mi.sock');
  const audit = join(folder, 'audit.log');
  const config = (file: string): string =>
    `${modules}${listen(`http:127.0.0.1:${port}`, `unix:${path}`)}modparam("httpd", "audit_file", "${file}")\n`;
  const daemon = await startDaemon(['-f', '-'], { input: config(audit) });
  await mi(daemon.url, 'uptime');
  const socket = statSync(path).ino;
  expect(await notesOf(lifetime, config(audit))).toStrictEqual([]);
  expect(await notesOf(lifetime, config(join(folder, 'empty/new.log')))).toStrictEqual([]);
  expect(statSync(path).ino).toBe(socket);
  expect(readdirSync(join(folder, 'empty'))).toStrictEqual([]);
  expect((await mi(daemon.url, 'uptime')).status).toBe(200);
  daemon.signal('SIGTERM');
  expect((await daemon.ended).status).toBe(0);
  expect(readFileSync(audit, 'utf8')).toMatch(/^a line\n\{.*uptime.*\}\n\{.*uptime.*\}\n$/);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, '');
  const checked = await runCommand(['-c', '-f', '-'], { input: config(audit) });
  expect(checked.status).toBe(255);
});

describe('a file of its own that includes the one of OpenSIPS', () => {
  const shared = generatedConfigs().find(({ name }) => name === 'opensips_residential_3.4.cfg')?.text ?? '';

  test('mends what the advice about an open listener says, and leaves the other file alone', async ({
    temporaryFiles,
    runCommand,
  }) => {
    const open = shared.replace('modparam("httpd", "port", 8888)', '$&\nmodparam("httpd", "ip", "0.0.0.0")');
    const folder = temporaryFiles({ 'opensips.cfg': open, users: userLine('alice', 'wonderland', 'read') });
    const [theirs, own, users] = ['opensips.cfg', 'mi-httpd.cfg', 'users'].map((name) => join(folder, name));
    chmodSync(users ?? '', 0o600);
    const refused = await runCommand(['-c', '-f', theirs ?? '']);
    expect(refused.status).toBe(255);
    // Every line of the advice that OpenSIPS does not know goes into the other file.
    const advice = refused.stderr.split('\n')[0] ?? '';
    const lines = [...advice.matchAll(/modparam\("httpd", "(\w+)", [^)]*\)/g)];
    expect(lines.map(([, name]) => name)).toStrictEqual(['ip', 'auth_file', 'allow_unauthenticated']);
    for (const [line] of lines) {
      const text = `include_file "opensips.cfg"\n${line.replace('"FILE"', `"${users}"`)}\n`;
      writeFileSync(own ?? '', text);
      const { status, stderr } = await runCommand(['-c', '-f', own ?? '']);
      expect([status, stderr], text).toStrictEqual([0, '']);
    }
    expect(readFileSync(theirs ?? '', 'utf8')).toBe(open);
  });

  test('may give listeners in place of ip and port of the other; the other way round they do not mix', async ({
    temporaryFiles,
    startDaemon,
    runCommand,
  }) => {
    const port = await freePort();
    const line = `modparam("httpd", "listen", "http:127.0.0.1:${port};level=read")\n`;
    const folder = temporaryFiles({
      'opensips.cfg': shared,
      'own.cfg': `include_file "opensips.cfg"\n${line}`,
      'part.cfg': line,
      'mixed.cfg': `${modules}modparam("httpd", "port", 8888)\ninclude_file "part.cfg"\n`,
      'alone.cfg': `${modules}modparam("httpd", "port", 8888)\n${line}`,
    });
    const daemon = await startDaemon(['-f', join(folder, 'own.cfg')]);
    expect(daemon.port).toBe(port);
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
    for (const name of ['mixed.cfg', 'alone.cfg']) {
      const { status, stderr } = await runCommand(['-c', '-f', join(folder, name)]);
      expect(status).toBe(255);
      expect(stderr).toMatch(/parameters "listen" and "port" of module httpd do not mix/);
    }
  });
});
