import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { mi, Running, startDaemon } from '../support/daemon.js';

describe('examples/control-plane.mjs', () => {
  test('serves its commands and their errors, and ends when told to', async (t) => {
    const env = { ...process.env, PORT: '0' };
    const example = new Running(t, process.execPath, ['examples/control-plane.mjs'], { env });
    const url = /http:\S+/.exec(await example.line(/^serving /))?.[0] ?? '';

    const list = [
      { name: 'carrier-a', capacity: 30 },
      { name: 'carrier-b', capacity: 120 },
    ];
    assert.deepEqual((await mi(url, 'trunk_list')).result, list);
    assert.deepEqual((await mi(url, 'trunk:list')).result, list);

    assert.equal((await mi(url, 'trunk_resize', { name: 'carrier-a', capacity: 60 })).result, 'OK');
    assert.equal((await mi(url, 'trunk:resize', ['carrier-b', 7])).result, 'OK');
    assert.deepEqual((await mi(url, 'trunk_list')).result, [
      { name: 'carrier-a', capacity: 60 },
      { name: 'carrier-b', capacity: 7 },
    ]);
    assert.deepEqual((await mi(url, 'trunk_resize', ['nobody', 1])).error, { code: 404, message: 'Trunk not found' });
    assert.deepEqual((await mi(url, 'trunk_resize', ['carrier-a', 0])).error, {
      code: 400,
      message: 'Bad parameter value',
      data: 'capacity is 0; give 1 or more',
    });
    assert.equal((await mi(url, 'trunk_resize', ['carrier-a'])).error?.code, -32602);
    assert.equal((await mi(url, 'trunk_resize', ['carrier-a', 'many'])).error?.code, -32602);

    assert.deepEqual((await mi(url, 'trunk_probe', ['carrier-a'])).result, { name: 'carrier-a', alive: true });
    assert.deepEqual((await mi(url, 'trunk:probe', { name: 'nobody' })).result, { name: 'nobody', alive: false });
    assert.equal((await mi(url, 'trunk_close')).error?.code, -32601);

    example.signal('SIGTERM');
    const { status, stderr } = await example.ended;
    assert.deepEqual([status, stderr], [0, '']);
  });
});

describe('examples/greeting.cfg', () => {
  test('loads a module of its own: an MI command and a root path', async (t) => {
    const daemon = await startDaemon(t, ['-f', 'examples/greeting.cfg', '-p', '0']);
    assert.equal((await mi(daemon.url, 'greeting:greet')).result, 'Ahoj, world!');
    assert.equal((await mi(daemon.url, 'greeting:greet', { name: 'Jana' })).result, 'Ahoj, Jana!');
    assert.equal((await mi(daemon.url, 'greeting:greet', [1, 2])).error?.code, -32602);

    const greeting = `http://127.0.0.1:${daemon.port}/greeting`;
    const page = await fetch(`${greeting}?name=J%C3%A1n%26x`);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type') ?? '', /^text\/plain/);
    assert.equal(await page.text(), 'Ahoj, Ján&x!\n');
    assert.equal(await (await fetch(greeting)).text(), 'Ahoj, world!\n');

    const refused = await fetch(greeting, { method: 'POST', body: 'x' });
    assert.equal(refused.status, 405);
    assert.match(refused.headers.get('allow') ?? '', /GET/);
    await refused.arrayBuffer();
    daemon.signal('SIGTERM');
    assert.equal((await daemon.ended).status, 0);
  });
});
