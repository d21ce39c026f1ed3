import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Running } from './daemon.js';

test('two servers in one process answer apart, close, and let the process end', { timeout: 20_000 }, async (t) => {
  const { status, signal, stdout, stderr } = await new Running(t, process.execPath, [
    '--trace-warnings',
    'test/data/command/two-servers.mjs',
  ]).ended;
  assert.deepEqual([status, signal, stderr], [0, null, '']);
  const reply = (result: string): object => ({ jsonrpc: '2.0', result, id: 7 });
  const { urls, replies, refused } = JSON.parse(stdout) as Record<string, unknown[] | string>;
  assert.equal(new Set(urls).size, 2);
  assert.deepEqual(replies, [reply('first'), reply('second'), reply('second')]);
  assert.equal(refused, 'ECONNREFUSED');
});
