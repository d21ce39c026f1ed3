import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { command, mi, Running } from '../support/daemon.js';
import { engineName } from '../support/engine.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** Commands that log: `loud:say` at debug, `loud:fail` by throwing. */
const loudModule = `export default ({ defineModule, command }) => defineModule({
  name: 'loud',
  load: ({ log }) => ({ commands: [
    command({ name: 'say', help: 'x', recipes: [{ text: 'string' }],
      run: ({ text }) => { log.debug({ text }, 'said ' + text); return 'OK'; } }),
    command({ name: 'fail', help: 'x', recipes: [{ text: 'string' }], run: ({ text }) => { throw new Error(text); } }),
    command({ name: 'map', help: 'x', run: () => ({ map: new Map() }) }),
  ] }),
});`;

const loudConfig = (level: number): string => `log_level=${level}
loadmodule "httpd.so"
modparam("httpd", "ip", "127.0.0.1")
modparam("httpd", "port", 0)
loadmodule "mi_http.so"
loadmodule "./loud.mjs"
`;

describe('the log', () => {
  test('is JSON lines when standard output is no terminal, with level, time, pid, code and msg', async ({
    startDaemon,
  }) => {
    const daemon = await startDaemon(['-p', '0']);
    daemon.signal('SIGTERM');
    const { stderr } = await daemon.ended;
    expect(stderr).toBe('');
    expect(daemon.log.length).toBeGreaterThanOrEqual(3);
    for (const { level, time, pid, code, msg } of daemon.log) {
      expect(typeof level).toBe('number');
      expect(Math.abs(Date.parse(time) - Date.now()), time).toBeLessThan(60_000);
      expect(pid).toBe(daemon.child.pid);
      expect(code, msg).toMatch(/^[a-z]+(-[a-z0-9.]+)*$/);
      expect(msg).not.toBe('');
    }
    expect(daemon.log.map(({ code }) => code)).toStrictEqual(['started', 'serving', 'stopping']);
    for (const line of daemon.lines)
      expect(line).toMatch(/^\{"level":\d+,"time":"[^"]+","pid":\d+,"code":"[^"]+",.*"msg":/);
  });

  test('has a code with every line of the server; a module of the user gives one or none', async ({
    temporaryFiles,
    startDaemon,
  }) => {
    const directory = temporaryFiles({ 'loud.mjs': loudModule, 'loud.cfg': loudConfig(4) });
    const daemon = await startDaemon(['-f', join(directory, 'loud.cfg')]);
    await mi(daemon.url, 'loud:fail', ['broken']);
    await mi(daemon.url, 'loud:map');
    await mi(daemon.url, 'loud:say', ['nothing']);
    expect(JSON.parse(await daemon.line(/MI command loud:fail failed/))).toMatchObject({ code: 'command-failed' });
    expect(JSON.parse(await daemon.line(/MI command loud:map failed/))).toMatchObject({
      code: 'command-failed',
      err: { type: 'TypeError', code: 'ERR_RESULT' },
    });
    expect(JSON.parse(await daemon.line(/said nothing/))).not.toHaveProperty('code');
  });

  test('of the start tells every root, the configuration, the version and the engine', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-f', 'examples/greeting.cfg', '-p', '0']);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const { port } = daemon;
    await daemon.line(/serving .*\/greeting"/);
    const urls = daemon.log.flatMap(({ url }) => url ?? []);
    expect(urls).toStrictEqual([`http://127.0.0.1:${port}/mi`, `http://127.0.0.1:${port}/greeting`]);
    const [started] = daemon.log.filter(({ config }) => config !== undefined);
    expect(started?.config).toBe('examples/greeting.cfg');
    expect(String(started?.engine)).toMatch(engineName);
    expect(started?.msg).toBe(`mi-httpd ${version} on ${started?.engine}, configured by examples/greeting.cfg`);
  });

  test('of the start is the same whatever log_level is; then log_level counts', async ({
    temporaryFiles,
    startDaemon,
  }) => {
    const directory = temporaryFiles({ 'loud.mjs': loudModule, 'loud.cfg': loudConfig(-3) });
    const daemon = await startDaemon(['-f', join(directory, 'loud.cfg')]);
    const atStart = daemon.lines.length;
    expect(daemon.log.some(({ engine }) => engine !== undefined)).toBe(true);
    await mi(daemon.url, 'loud:fail', ['unheard']);
    await mi(daemon.url, 'loud:say', ['unheard']);
    daemon.signal('SIGTERM');
    await daemon.ended;
    expect(daemon.lines.slice(atStart)).toStrictEqual([]);
  });

  test('follows the MI command log_level', async ({ temporaryFiles, startDaemon }) => {
    const directory = temporaryFiles({ 'loud.mjs': loudModule, 'loud.cfg': loudConfig(1) });
    const daemon = await startDaemon(['-f', join(directory, 'loud.cfg')]);
    await mi(daemon.url, 'loud:say', ['before']);
    expect((await mi(daemon.url, 'log_level', [4])).result).toStrictEqual({ 'New global log level': 4 });
    await mi(daemon.url, 'loud:say', ['meanwhile']);
    await daemon.line(/said meanwhile/);
    await mi(daemon.url, 'log_level', [-1]);
    await mi(daemon.url, 'loud:say', ['after']);
    const { error } = await mi(daemon.url, 'loud:fail', ['broken']);
    expect(error?.code).toBe(-32000);
    const failure = JSON.parse(await daemon.line(/broken/)) as { level: number; err?: { stack?: string } };
    expect(failure.level).toBe(50);
    expect(failure.err?.stack ?? '', 'the stack names the line of the module').toMatch(/loud\.mjs:\d+/);
    expect(daemon.lines.join('\n')).not.toMatch(/said before|said after/);
  });

  const noScript = spawnSync('script', ['--version']).status === 0 ? false : 'script of util-linux is not here';
  unless(noScript, test)('is for people on a terminal', async ({ lifetime }) => {
    const line = `'${process.execPath}' '${command}' -p 0`;
    const env = { ...process.env, TERM: 'xterm', NO_COLOR: '1' };
    const terminal = new Running(lifetime, 'script', ['-qec', line, '/dev/null'], { env });
    const serving = await terminal.line(/serving http/);
    const url = /http:\/\/[0-9.:]+\/mi/.exec(serving)?.[0] ?? '';
    expect((await mi(url, 'kill')).result).toBe('OK');
    const { status, stdout } = await terminal.ended;
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split(/\r?\n/);
    expect(
      lines.some((text) => text.startsWith('{')),
      stdout,
    ).toBe(false);
    expect(stdout).toMatch(/^\S*\[?\d\d:\d\d:\d\d\.\d+\]?.*INFO.*: .*serving http.* \[serving\]\r?$/m);
  });

  test('may lose its reader: the server goes on', async ({ temporaryFiles, startDaemon }) => {
    const directory = temporaryFiles({ 'loud.mjs': loudModule, 'loud.cfg': loudConfig(4) });
    const loud = await startDaemon(['-f', join(directory, 'loud.cfg')]);
    loud.child.stdout?.destroy();
    // Each of these writes a line to the broken pipe.
    for (let i = 0; i < 3; i++) expect((await mi(loud.url, 'loud:say', ['x'])).result).toBe('OK');
    expect((await mi(loud.url, 'uptime')).status).toBe(200);
  });
});
