// The real clients, opensips-cli and python-opensips, from PyPI, against a real server.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { userLine } from '../support/accounts.js';
import { cli, installClients, python } from '../support/client/opensips-clients.js';
import { freePort } from '../support/free-port.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const run = promisify(execFile);
const reason = installClients();

unless(reason ?? false, describe)('opensips-cli', () => {
  const home = mkdtempSync(join(tmpdir(), 'mi-httpd-cli-'));

  /** Runs `opensips-cli -x mi ARGS`; gives its exit code and what it printed. */
  function mi(server: Server, ...args: string[]): Promise<{ code: number; output: string }> {
    const options = ['-o', 'communication_type=http', '-o', `url=http://127.0.0.1:${server.port}/mi`, '-x', 'mi'];
    return runCli(options, args);
  }

  async function runCli(
    options: readonly string[],
    args: readonly string[],
  ): Promise<{ code: number; output: string }> {
    // The configuration of a machine's own opensips-cli, if there is one, must not take part.
    const env = { PATH: process.env.PATH, HOME: home, TERM: 'dumb' };
    try {
      const { stdout, stderr } = await run(cli, [...options, ...args], { env, timeout: 100_000 });
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, output: stdout + stderr };
    }
  }

  beforeAll(() => expect(existsSync(cli)).toBe(true));

  test('runs commands by the names of 3.x', async ({ startServer }) => {
    const server = await startServer();
    const roots = await mi(server, 'httpd_list_root_path');
    expect([roots.code, JSON.parse(roots.output)]).toStrictEqual([0, [{ http_root: 'mi', module: 'mi_http' }]]);
    const ps = await mi(server, 'ps');
    expect(JSON.parse(ps.output).Processes[0].PID).toBe(process.pid);
    const statistics = await mi(server, 'get_statistics', 'core:', 'pending');
    expect(JSON.parse(statistics.output)['mi:pending'], statistics.output).toBe(0);
  });

  test('runs commands by the names of 4.0', async ({ startServer }) => {
    const server = await startServer();
    const uptime = await mi(server, 'core:uptime');
    expect([uptime.code, Object.keys(JSON.parse(uptime.output))]).toStrictEqual([0, ['Now', 'Up since', 'Up time']]);
    const level = await mi(server, 'core:log_level', 'level=2');
    expect(JSON.parse(level.output)).toStrictEqual({ 'New global log level': 2 });
  });

  test('shows errors as it does with OpenSIPS', async ({ startServer }) => {
    const server = await startServer();
    const unknown = await mi(server, 'no_such_command');
    expect(unknown.code).not.toBe(0);
    const wrong = await mi(server, 'ps', 'x');
    expect(wrong.code).not.toBe(0);
    expect(wrong.output).toMatch(/-32602: Invalid params \(Too few or too many parameters; ps accepts \(\)\)/);
  });

  test('gets into a server for production by the listener that docs/guide/production.md gives it, and no further', async ({
    onTestFinished,
    startDaemon,
  }) => {
    const page = readFileSync('docs/guide/production.md', 'utf8');
    const block = (language: string): string =>
      new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1] ?? '';
    const [own, config] = [block('conf'), block('properties')];
    expect(own).toMatch(/"listen", "http:127\.0\.0\.1:8891;auth=off;level=operate"/);
    expect(config).toMatch(/^url: http:\/\/127\.0\.0\.1:8891\/mi$/m);

    const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-cli-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const open = await freePort();
    const audit = join(folder, 'audit.log');
    const users = join(folder, 'users');
    writeFileSync(users, userLine('alice', 'wonderland', 'admin'), { mode: 0o600 });
    const input =
      `loadmodule "httpd.so"\nmodparam("httpd", "listen", "http:127.0.0.1:0;level=read")\n${own.replace('8891', String(open))}` +
      `modparam("httpd", "auth_file", "${users}")\nmodparam("httpd", "audit_file", "${audit}")\nloadmodule "mi_http.so"\n` +
      'loadmodule "usrloc.so"\n';
    const daemon = await startDaemon(['-f', '-'], { input });
    await daemon.line(new RegExp(`serving http://127\\.0\\.0\\.1:${open}/mi`));
    const file = join(folder, 'opensips-cli.cfg');
    const run_ = (port: number, ...args: string[]): Promise<{ code: number; output: string }> => {
      writeFileSync(file, config.replace('8891', String(port)));
      return runCli(['-f', file, '-x', 'mi'], args);
    };

    const uptime = await run_(open, 'uptime');
    expect(uptime.code, uptime.output).toBe(0);
    expect(Object.keys(JSON.parse(uptime.output))).toStrictEqual(['Now', 'Up since', 'Up time']);
    const flush = await run_(open, 'ul_flush');
    expect(flush.code, flush.output).toBe(0);
    const level = await run_(open, 'log_level', '4');
    expect(level.code).not.toBe(0);
    // Where there is a login, it does not get in.
    const refused = await run_(daemon.port, 'uptime');
    expect(refused.code).not.toBe(0);
    expect(refused.output).toMatch(/401|Unauthorized/);
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
    const lines = readFileSync(audit, 'utf8').trimEnd().split('\n');
    const calls = lines.map((line) => JSON.parse(line) as { who: unknown; command: string; listener: string });
    expect(calls.some(({ command }) => command === 'core:uptime')).toBe(true);
    for (const { who, listener } of calls) expect([who, listener]).toStrictEqual(['-', `http:127.0.0.1:${open}`]);
  });
});

unless(reason ?? false, describe)('python-opensips', () => {
  test('executes commands and raises on errors', async ({ startServer }) => {
    const server = await startServer();
    const script = `
import json
from opensips.mi import OpenSIPSMI, OpenSIPSMIException
mi = OpenSIPSMI('http', url='http://127.0.0.1:${server.port}/mi')
assert mi.valid()[0]
print(json.dumps(mi.execute('get_statistics', {'statistics': ['mi:']})))
print(json.dumps(mi.execute('which', {'command': 'log_level'})))
try:
    mi.execute('nope')
except OpenSIPSMIException as e:
    print(json.dumps(str(e)))
`;
    const { stdout } = await run(python, ['-c', script], { timeout: 100_000 });
    const [statistics, recipes, error] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(statistics['mi:calls'] >= 1).toBe(true);
    expect(recipes).toStrictEqual([[], ['level'], ['level', 'pid']]);
    expect(error).toMatch(/-32601/);
  });
});
