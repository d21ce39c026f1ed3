import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { command, mi, Running, startDaemon, temporaryFiles } from '../support/daemon.js';
import { unless } from '../support/unless.js';

/** Commands that log: `loud:say` at debug, `loud:fail` by throwing. */
const loudModule = `export default ({ defineModule, command }) => defineModule({
  name: 'loud',
  load: ({ log }) => ({ commands: [
    command({ name: 'say', help: 'x', recipes: [{ text: 'string' }],
      run: ({ text }) => { log.debug({ text }, 'said ' + text); return 'OK'; } }),
    command({ name: 'fail', help: 'x', recipes: [{ text: 'string' }], run: ({ text }) => { throw new Error(text); } }),
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
  test('is JSON lines when standard output is no terminal, with level, time, pid and msg', async (t) => {
    const daemon = await startDaemon(t, ['-p', '0']);
    daemon.signal('SIGTERM');
    const { stderr } = await daemon.ended;
    assert.equal(stderr, '');
    assert.ok(daemon.log.length >= 3);
    for (const { level, time, pid, msg } of daemon.log) {
      assert.equal(typeof level, 'number');
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
      assert.equal(pid, daemon.child.pid);
      assert.notEqual(msg, '');
    }
  });

  test('of the start tells every root, the configuration, the version and the engine', async (t) => {
    const daemon = await startDaemon(t, ['-f', 'examples/greeting.cfg', '-p', '0']);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const { port } = daemon;
    await daemon.line(/serving .*\/greeting"/);
    const urls = daemon.log.flatMap(({ url }) => url ?? []);
    assert.deepEqual(urls, [`http://127.0.0.1:${port}/mi`, `http://127.0.0.1:${port}/greeting`]);
    const [started] = daemon.log.filter(({ config }) => config !== undefined);
    assert.equal(started?.config, 'examples/greeting.cfg');
    assert.match(String(started?.engine), /^uWebSockets\.js 20\.\d+\.\d+$/);
    assert.equal(started?.msg, `mi-httpd ${version} on ${started?.engine}, configured by examples/greeting.cfg`);
  });

  test('of the start is the same whatever log_level is; then log_level counts', async (t) => {
    const directory = temporaryFiles(t, { 'loud.mjs': loudModule, 'loud.cfg': loudConfig(-3) });
    const daemon = await startDaemon(t, ['-f', join(directory, 'loud.cfg')]);
    const atStart = daemon.lines.length;
    assert.ok(daemon.log.some(({ engine }) => engine !== undefined));
    await mi(daemon.url, 'loud:fail', ['unheard']);
    await mi(daemon.url, 'loud:say', ['unheard']);
    daemon.signal('SIGTERM');
    await daemon.ended;
    assert.deepEqual(daemon.lines.slice(atStart), []);
  });

  test('follows the MI command log_level', async (t) => {
    const directory = temporaryFiles(t, { 'loud.mjs': loudModule, 'loud.cfg': loudConfig(1) });
    const daemon = await startDaemon(t, ['-f', join(directory, 'loud.cfg')]);
    await mi(daemon.url, 'loud:say', ['before']);
    assert.deepEqual((await mi(daemon.url, 'log_level', [4])).result, { 'New global log level': 4 });
    await mi(daemon.url, 'loud:say', ['meanwhile']);
    await daemon.line(/said meanwhile/);
    await mi(daemon.url, 'log_level', [-1]);
    await mi(daemon.url, 'loud:say', ['after']);
    const { error } = await mi(daemon.url, 'loud:fail', ['broken']);
    assert.equal(error?.code, -32000);
    const failure = JSON.parse(await daemon.line(/broken/)) as { level: number; err?: { stack?: string } };
    assert.equal(failure.level, 50);
    assert.match(failure.err?.stack ?? '', /loud\.mjs:\d+/, 'the stack names the line of the module');
    assert.doesNotMatch(daemon.lines.join('\n'), /said before|said after/);
  });

  const noScript = spawnSync('script', ['--version']).status === 0 ? false : 'script of util-linux is not here';
  unless(noScript, test)('is for people on a terminal', async (t) => {
    const line = `'${process.execPath}' '${command}' -p 0`;
    const env = { ...process.env, TERM: 'xterm', NO_COLOR: '1' };
    const terminal = new Running(t, 'script', ['-qec', line, '/dev/null'], { env });
    const serving = await terminal.line(/serving http/);
    const url = /http:\/\/[0-9.:]+\/mi/.exec(serving)?.[0] ?? '';
    assert.equal((await mi(url, 'kill')).result, 'OK');
    const { status, stdout } = await terminal.ended;
    assert.equal(status, 0);
    const lines = stdout.trimEnd().split(/\r?\n/);
    assert.ok(!lines.some((text) => text.startsWith('{')), stdout);
    assert.match(stdout, /^\S*\[?\d\d:\d\d:\d\d\.\d+\]?.*INFO.*: .*serving http/m);
  });

  test('may lose its reader: the server goes on', async (t) => {
    const directory = temporaryFiles(t, { 'loud.mjs': loudModule, 'loud.cfg': loudConfig(4) });
    const loud = await startDaemon(t, ['-f', join(directory, 'loud.cfg')]);
    loud.child.stdout?.destroy();
    // Each of these writes a line to the broken pipe.
    for (let i = 0; i < 3; i++) assert.equal((await mi(loud.url, 'loud:say', ['x'])).result, 'OK');
    assert.equal((await mi(loud.url, 'uptime')).status, 200);
  });
});
