// Descriptors: what event modules may open is left to them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

test('the limit of connections leaves event modules theirs', { skip: process.platform !== 'linux' }, async (t) => {
  const modules = ['httpd', 'mi_http', 'event_jsonrpc'].map((name) => `loadmodule "${name}.so"\n`).join('');
  const limited = 'ulimit -n 512; exec "$0" dist/main.js -f - -l 127.0.0.1 -p 0';
  const child = spawn('sh', ['-c', limited, process.execPath], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  child.stdin.end(modules);
  while (!/serving http/.test(log)) await once(child.stdout, 'data');
  assert.match(log, /max_connections 10000 lowered to 348: the limit of open files is 512/);
});
