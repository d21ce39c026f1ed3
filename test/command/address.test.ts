import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { assertNoStack, isListening, mi } from '../support/daemon.js';
import { occupy } from '../support/free-port.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const hasIPv6 = await occupy('::1').then(
  ({ server }) => server.close() !== undefined,
  () => false,
);
const noIPv6 = hasIPv6 ? false : 'this machine has no IPv6 loopback';

/** The file that comes with mi-httpd, with leave to be open to everybody. */
const open = readFileSync('mi-httpd.cfg', 'utf8').replace('"allow_unauthenticated", 0', '"allow_unauthenticated", 1');

const warning = /LISTENING ON .* WITHOUT AUTHENTICATION/;

describe('an address that cannot be listened on is refused in one line', () => {
  test('the port is in use by another program', async ({ onTestFinished, runCommand }) => {
    const { server, port } = await occupy();
    onTestFinished(() => void server.close());
    for (const ip of ['127.0.0.1', '*', '0.0.0.0']) {
      const ended = await runCommand(['-f', '-', '-l', ip, '-p', String(port)], { input: open });
      expect(ended).toRefuse(new RegExp(`^mi-httpd: cannot listen on ${ip.replace('*', '\\*')}:${port}: .*in use`));
    }
  });

  test('the port is in use by another mi-httpd, which goes on serving', async ({ startDaemon, runCommand }) => {
    const first = await startDaemon(['-p', '0']);
    for (const ip of ['127.0.0.1', '*']) {
      const ended = await runCommand(['-f', '-', '-l', ip, '-p', String(first.port)], { input: open });
      expect(ended).toRefuse(new RegExp(`cannot listen on .*:${first.port}: .*in use`));
    }
    // Had the two shared the port, about half of these would miss the first.
    for (let i = 0; i < 16; i++) {
      const { result } = await mi(first.url, 'ps');
      expect((result as { Processes: { PID: number }[] }).Processes[0]?.PID).toStrictEqual(first.child.pid);
    }
  });

  test('a mi-httpd on all addresses keeps one on a single address away', async ({ startDaemon, runCommand }) => {
    const first = await startDaemon(['-f', '-', '-l', '*', '-p', '0'], { input: open });
    const ended = await runCommand(['-p', String(first.port)]);
    expect(ended).toRefuse(new RegExp(`cannot listen on 127\\.0\\.0\\.1:${first.port}: .*in use`));
  });

  test('the address is not one of this machine', async ({ runCommand }) => {
    const ended = await runCommand(['-f', '-', '-l', '192.0.2.1', '-p', '0'], { input: open });
    expect(ended).toRefuse(/^mi-httpd: cannot listen on 192\.0\.2\.1:0: .*not one of this machine/);
  });

  test('the address stands in the file: the place is named, with or without -c', async ({ runCommand }) => {
    const input = 'loadmodule "httpd.so"\nmodparam("httpd", "ip", "localhost")\n';
    for (const option of [[], ['-c']]) {
      const { status, stderr } = await runCommand([...option, '-f', '-'], { input });
      expect(status).toBe(255);
      expect(stderr).toMatch(/^<stdin>:2:25: .*"localhost".*IPv4/);
      assertNoStack(stderr);
    }
  });
});

describe('the addresses that are listened on', () => {
  test('-l wins over the file, and -p too', async ({ startDaemon }) => {
    const input = 'loadmodule "httpd.so"\nmodparam("httpd", "ip", "192.0.2.1")\nloadmodule "mi_http.so"\n';
    const daemon = await startDaemon(['-f', '-', '-l', '127.0.0.1', '-p', '0'], { input });
    expect(daemon.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mi$/);
    expect(daemon.port).not.toBe(8888);
    expect((await mi(daemon.url, 'uptime')).status).toBe(200);
  });

  unless(noIPv6, test)('IPv6', async ({ startDaemon, runCommand }) => {
    const daemon = await startDaemon(['-l', '::1', '-p', '0']);
    expect(daemon.url).toMatch(/^http:\/\/\[::1\]:\d+\/mi$/);
    expect((await mi(daemon.url, 'uptime')).status).toBe(200);
    expect(await isListening(daemon.port, '127.0.0.1')).toBe(false);
    expect(daemon.lines.join('\n')).not.toMatch(warning);
    const second = await runCommand(['-l', '::1', '-p', String(daemon.port)]);
    expect(second).toRefuse(new RegExp(`cannot listen on \\[::1\\]:${daemon.port}: .*in use`));
  });

  unless(noIPv6, test)(
    '"*" is all addresses of both families, and nothing is none',
    async ({ startDaemon, runCommand }) => {
      const daemon = await startDaemon(['-f', '-', '-l', '*', '-p', '0'], { input: open });
      const { port } = daemon;
      expect((await mi(`http://127.0.0.1:${port}/mi`, 'uptime')).status).toBe(200);
      expect((await mi(`http://[::1]:${port}/mi`, 'uptime')).status).toBe(200);
      expect((await mi(daemon.url, 'uptime')).status, `the printed URL ${daemon.url} can be used`).toBe(200);
      expect(daemon.lines.join('\n')).toMatch(warning);
      const ended = await runCommand(['-f', '-', '-l', '', '-p', '0'], { input: open });
      expect(ended.status).not.toBe(0);
      expect(ended.stderr).toMatch(/option -l is empty; give an address, or \* for all/);
    },
  );
});

describe('the warning of an open address', () => {
  test('stands with 0.0.0.0, names the danger and the remedy', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-f', '-', '-l', '0.0.0.0', '-p', '0'], { input: open });
    const [warned] = daemon.log.filter(({ level }) => level === 40);
    expect(warned?.msg ?? '').toMatch(warning);
    expect(warned?.msg ?? '').toMatch(/0\.0\.0\.0:\d+.*modparam\("httpd", "ip", "127\.0\.0\.1"\)/);
    expect((await mi(`http://127.0.0.1:${daemon.port}/mi`, 'uptime')).status).toBe(200);
  });

  test('stands even when the file silences all but alerts', async ({ startDaemon }) => {
    const input = `log_level=-3\n${open.replace('log_level=3', '')}`;
    const daemon = await startDaemon(['-f', '-', '-l', '0.0.0.0', '-p', '0'], { input });
    expect(daemon.lines.join('\n')).toMatch(warning);
  });

  test('is not there on loopback', async ({ startDaemon }) => {
    for (const ip of ['127.0.0.1', '127.0.0.2']) {
      const daemon = await startDaemon(['-l', ip, '-p', '0']);
      expect(daemon.log.filter(({ level }) => level >= 40)).toStrictEqual([]);
    }
  });
});

describe('a listener that is open to everybody is refused', () => {
  const modules = 'loadmodule "httpd.so"\nloadmodule "mi_http.so"\n';

  test('with or without -c, and the lines to add are told', async ({ runCommand }) => {
    for (const ip of ['0.0.0.0', '*', '192.0.2.1', '::']) {
      const ended = await runCommand(['-c', '-f', '-', '-l', ip], { input: modules });
      expect(ended.status, ip).toBe(255);
      expect(ended.stderr).toMatch(/^<stdin>: listener http:\S+:8888 can be reached by other machines/);
      for (const line of ['"auth_file", "FILE"', '"ip", "127.0.0.1"', '"allow_unauthenticated", 1']) {
        expect(ended.stderr, line).toContain(`modparam("httpd", ${line})`);
      }
      // OpenSIPS would not start with most of these lines in a file that both read.
      expect(ended.stderr).toMatch(
        /in a file of its own, \/etc\/mi-httpd\/mi-httpd\.cfg; .* begin with the line include_file "\/etc\/opensips\/opensips\.cfg" \[ERR_LISTENER\]$/m,
      );
    }
    const ended = await runCommand(['-f', '-', '-l', '*', '-p', '0'], { input: modules });
    expect(ended).toRefuse(/listener http:\*:0 can be reached by other machines/);
  });

  test('a login, a Unix socket, or leave to be open makes it good; a list of addresses does not', async ({
    temporaryFiles,
    runCommand,
  }) => {
    const login = 'modparam("httpd", "auth_username", "a")\nmodparam("httpd", "auth_password", "b")\n';
    const cases: readonly (readonly [string, number])[] = [
      [login, 0],
      ['modparam("httpd", "allow_unauthenticated", 1)\n', 0],
      [`modparam("httpd", "listen", "unix:${join(temporaryFiles({}), 'x.sock')}")\n`, 0],
      ['modparam("httpd", "ip", "0.0.0.0")\nmodparam("httpd", "allow_from", "192.0.2.0/24")\n', 255],
      ['modparam("httpd", "ip", "")\n', 255],
      ['modparam("httpd", "ip", "*")\n', 255],
      ['modparam("httpd", "listen", "http:*:8888")\n', 255],
      [`${login}modparam("httpd", "listen", "http:*:8888;auth=off")\n`, 255],
      [`${login}modparam("httpd", "listen", "http:*:8888;auth=off;level=read")\n`, 255],
      [`${login}modparam("httpd", "listen", "http:127.0.0.1:8888;auth=off")\n`, 0],
    ];
    for (const [lines, status] of cases) {
      const ended = await runCommand(['-c', '-f', '-'], { input: modules + lines });
      expect(ended.status, `${lines}${ended.stderr}`).toBe(status);
    }
  });
});
