// mi-httpd passwd and mi-httpd token: lines that a server takes, and secrets that nobody sees.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { tokenLine, userLine } from '../support/accounts.js';
import { command, mi } from '../support/daemon.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const hasShell = process.platform !== 'win32';
const hasScript = spawnSync('script', ['--version']).status === 0;

/** Quotes for a shell. */
const quoted = (text: string): string => `'${text}'`;

describe('mi-httpd passwd and token', () => {
  test('make lines that the server takes, and SIGHUP reads', async ({ temporaryFiles, runCommand, startDaemon }) => {
    const directory = temporaryFiles({
      users: userLine('bob', 'b', 'read'),
      tokens: tokenLine('other', 'mi_other', 'read'),
      'audit.log': '',
    });
    const [users, tokens] = [join(directory, 'users'), join(directory, 'tokens')];
    const passwd = await runCommand(['passwd', 'alice', '--level', 'operate'], {
      input: 'wonder land\r\nsecond line\n',
    });
    expect([passwd.status, passwd.stderr]).toStrictEqual([0, '']);
    expect(passwd.stdout).toMatch(/^alice:operate:scrypt\$16384\$8\$5\$[\w-]{22}\$[\w-]{43}\n$/);
    const token = await runCommand(['token', 'exporter']);
    expect(token.status).toBe(0);
    expect(token.stdout).toMatch(/^exporter:read:sha256\$[0-9a-f]{64}\n$/);
    const [, secret = ''] = /: (mi_[\w-]{43})\n$/.exec(token.stderr) ?? [];
    expect(token.stdout).not.toContain(secret);

    const input = [
      'loadmodule "httpd.so"',
      'modparam("httpd", "ip", "127.0.0.1")',
      `modparam("httpd", "auth_file", "${users}")`,
      `modparam("httpd", "auth_tokens", "${tokens}")`,
      'loadmodule "mi_http.so"\n',
    ].join('\n');
    const daemon = await startDaemon(['-f', '-', '-p', '0'], { input });
    const status = async (authorization: string): Promise<number> =>
      (
        await fetch(`${daemon.url.replace(/\/mi$/, '')}/healthz`, {
          headers: { Authorization: authorization, Connection: 'close' },
        })
      ).status;
    const basic = `Basic ${Buffer.from('alice:wonder land').toString('base64')}`;
    expect([await status(basic), await status(`Bearer ${secret}`)]).toStrictEqual([401, 401]);
    writeFileSync(users, passwd.stdout);
    writeFileSync(tokens, token.stdout);
    daemon.signal('SIGHUP');
    await daemon.line(/SIGHUP: reading/);
    await expect.poll(() => status(`Bearer ${secret}`)).toBe(200);
    expect(await status(basic)).toBe(200);
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
    expect((await daemon.ended).stdout).not.toMatch(/wonder|mi_|scrypt/);
  });

  test('a password is not shown by arg, and not by -c', async ({ runCommand }) => {
    const input = [
      'loadmodule "httpd.so"',
      'modparam("httpd", "ip", "127.0.0.1")',
      'modparam("httpd", "auth_password", "GEHEIM")',
      'loadmodule "mi_http.so"\n',
    ].join('\n');
    const checked = await runCommand(['-c', '-f', '-'], { input });
    expect(checked.status).toBe(255);
    expect(checked.stderr).toMatch(/auth_password is set without auth_username/);
    expect(checked.stderr).not.toMatch(/GEHEIM/);
    const wrong = await runCommand(['-c', '-f', '-'], { input: input.replace('"GEHEIM"', '4711') });
    expect(wrong.stderr).toMatch(/auth_password.*is a string/);
    expect(wrong.stderr).not.toMatch(/4711/);
  });

  test('a password in a file of its own counts, is read again on SIGHUP, and may not be empty', async ({
    temporaryFiles,
    runCommand,
    startDaemon,
  }) => {
    const file = join(temporaryFiles({ password: '' }), 'password');
    const input = [
      'loadmodule "httpd.so"',
      'modparam("httpd", "ip", "127.0.0.1")',
      'modparam("httpd", "auth_username", "alice")',
      `modparam("httpd", "auth_password_file", "${file}")`,
      'loadmodule "mi_http.so"\n',
    ].join('\n');
    for (const empty of ['', '\n', '\r\nsecond\n']) {
      writeFileSync(file, empty, { mode: 0o600 });
      const { status, stderr } = await runCommand(['-c', '-f', '-'], { input });
      expect(status).toBe(255);
      expect(stderr).toMatch(/first line of .*\/password: the password is empty/);
    }
    const both = `${input}modparam("httpd", "auth_password", "GEHEIM")\n`;
    const mixed = await runCommand(['-c', '-f', '-'], { input: both });
    expect(mixed.stderr).toMatch(/"auth_password_file" and "auth_password" of module httpd do not mix/);
    expect(mixed.stderr).not.toMatch(/GEHEIM/);

    writeFileSync(file, '\ufeff$(wonder) land\r\nsecond\n');
    const daemon = await startDaemon(['-f', '-', '-p', '0'], { input });
    const status = async (password: string): Promise<number> => {
      const headers = { Authorization: `Basic ${btoa(`alice:${password}`)}`, Connection: 'close' };
      return (await fetch(`${new URL(daemon.url).origin}/healthz`, { headers })).status;
    };
    expect(await status('$(wonder) land')).toBe(200);
    expect(await status('')).toBe(401);
    writeFileSync(file, 'looking glass\n');
    daemon.signal('SIGHUP');
    await daemon.line(/SIGHUP: reading/);
    await expect.poll(() => status('$(wonder) land')).not.toBe(200);
    expect(await status('looking glass')).toBe(200);
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
    expect((await daemon.ended).stdout).not.toMatch(/wonder|looking/);
  });

  test('wrong arguments are refused in one line', async ({ runCommand }) => {
    for (const [args, reason] of [
      [['passwd'], /takes one name, not 0; mi-httpd passwd --help/],
      [['token', 'a', 'b'], /takes one name, not 2; mi-httpd token --help/],
      [['passwd', 'a:b'], /"a:b" is not 1 to 128 printable ASCII/],
      [['passwd', 'ä'], /printable ASCII/],
      [['token', 'a', '--level', 'boss'], /--level is "boss"; give read, operate, admin/],
      [['token', 'a', '--lvel', 'read'], /--lvel/],
      [['passwd', 'a'], /the password is empty/],
    ] as const) {
      expect(await runCommand(args)).toRefuse(reason);
    }
    const long = await runCommand(['passwd', 'a'], { input: 'x'.repeat(5000) });
    expect(long).toRefuse(/longer than 4096/);
    for (const verb of ['passwd', 'token']) {
      const help = await runCommand([verb, '--help']);
      expect(help.stdout).toMatch(new RegExp(`^mi-httpd ${verb}: `));
    }
  });

  test('passwords of less than 8 characters are refused, whatever their bytes', async ({ runCommand }) => {
    for (const [input, found] of [
      ['\n', 'is empty'],
      ['x\n', 'has 1 character'],
      ['1234567\n', 'has 7 characters'],
      ['üüüüüüü\n', 'has 7 characters'],
      ['😀😀😀😀\n', 'has 4 characters'],
      [`${'\u200b'.repeat(12)}\n`, 'has 0 characters that can be seen'],
      [`a\u2060b\ufeff${'\u200d\u00ad'.repeat(5)}\n`, 'has 2 characters that can be seen'],
    ] as const) {
      const ended = await runCommand(['passwd', 'a'], { input });
      expect(ended).toRefuse(new RegExp(`the password ${found}; give one of 8 characters or more`));
      expect(ended.stdout).toBe('');
    }
    expect((await runCommand(['passwd', 'a'], { input: 'ÜÜÜÜÜÜÜÜ\n' })).status).toBe(0);
  });

  unless(!hasShell, test)(
    'a new file is for its owner alone, one that has lines keeps its mode',
    ({ temporaryFiles }) => {
      const directory = temporaryFiles({ old: '# users\n' });
      const [made, old] = [join(directory, 'made'), join(directory, 'old')];
      chmodSync(old, 0o640);
      for (const [verb, file, mode] of [
        ['passwd', made, 0o600],
        ['token', made, 0o600],
        ['passwd', old, 0o640],
      ] as const) {
        const line = `umask 022; ${[process.execPath, command, verb, 'alice'].map(quoted).join(' ')} >> ${quoted(file)}`;
        expect(spawnSync('sh', ['-c', line], { input: 'wonder land\n' }).status).toBe(0);
        expect(statSync(file).mode & 0o777, `${verb} ${file}`).toBe(mode);
      }
      expect(readFileSync(made, 'utf8').trimEnd().split('\n').length).toBe(2);
    },
  );

  unless(!hasScript, test)(
    'on a terminal the password is asked for twice and never shown',
    async ({ onTestFinished }) => {
      for (const [keys, isGood] of [
        ['GEHEIMEX\x7fS\r|GEHEIMES\r', true],
        ['GEHEIMES\rGEHEIMES\r', true],
        ['GEHEIMES\r|GEHEIMNS\r', false],
        ['GEHEIMES\x03', false],
      ] as const) {
        const line = [process.execPath, command, 'passwd', 'alice'].map(quoted).join(' ');
        const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: 'pipe' });
        onTestFinished(() => void child.kill('SIGKILL'));
        child.stdin.on('error', () => {});
        const [first = '', second] = keys.split('|');
        let shown = '';
        const status = await new Promise((resolve) => {
          child.stdout.setEncoding('utf8');
          child.stdout.on('data', (text: string) => {
            const before = shown;
            shown += text;
            if (!before.includes('alice: ') && shown.includes('alice: ')) child.stdin.write(first);
            if (!before.includes('more: ') && shown.includes('more: ') && second !== undefined)
              child.stdin.write(second);
          });
          child.on('close', resolve);
        });
        expect(status === 0, shown).toBe(isGood);
        expect(shown.includes('alice:read:scrypt$'), shown).toBe(isGood);
        expect(shown).not.toMatch(/GEHEI/);
      }
    },
  );
});

test('the audit log of the command is written to its end', async ({ temporaryFiles, startDaemon }) => {
  const directory = temporaryFiles({ x: '' });
  const file = join(directory, 'audit.log');
  const input = `loadmodule "httpd.so"\nmodparam("httpd", "ip", "127.0.0.1")\nmodparam("httpd", "audit_file", "${file}")\nloadmodule "mi_http.so"\n`;
  const daemon = await startDaemon(['-f', '-', '-p', '0'], { input });
  await mi(daemon.url, 'kill');
  expect((await daemon.ended).status).toBe(0);
  const { stdout } = spawnSync('cat', [file], { encoding: 'utf8' });
  expect(JSON.parse(stdout).command).toBe('core:kill');
});
