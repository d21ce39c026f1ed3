import { describe, expect } from 'vitest';
import { mi, Running } from '../support/daemon.js';
import { test } from '../support/test.js';

describe('examples/control-plane.mjs', () => {
  test('serves its commands and their errors, and ends when told to', async ({ lifetime }) => {
    const env = { ...process.env, PORT: '0' };
    const example = new Running(lifetime, process.execPath, ['examples/control-plane.mjs'], { env });
    const url = /http:\S+/.exec(await example.line(/^serving /))?.[0] ?? '';

    const list = [
      { name: 'carrier-a', capacity: 30 },
      { name: 'carrier-b', capacity: 120 },
    ];
    expect((await mi(url, 'trunk_list')).result).toStrictEqual(list);
    expect((await mi(url, 'trunk:list')).result).toStrictEqual(list);

    expect((await mi(url, 'trunk_resize', { name: 'carrier-a', capacity: 60 })).result).toBe('OK');
    expect((await mi(url, 'trunk:resize', ['carrier-b', 7])).result).toBe('OK');
    expect((await mi(url, 'trunk_list')).result).toStrictEqual([
      { name: 'carrier-a', capacity: 60 },
      { name: 'carrier-b', capacity: 7 },
    ]);
    expect((await mi(url, 'trunk_resize', ['nobody', 1])).error).toStrictEqual({
      code: 404,
      message: 'Trunk not found',
    });
    expect((await mi(url, 'trunk_resize', ['carrier-a', 0])).error).toStrictEqual({
      code: 400,
      message: 'Bad parameter value',
      data: 'capacity is 0; give 1 or more',
    });
    expect((await mi(url, 'trunk_resize', ['carrier-a'])).error?.code).toBe(-32602);
    expect((await mi(url, 'trunk_resize', ['carrier-a', 'many'])).error?.code).toBe(-32602);

    expect((await mi(url, 'trunk_probe', ['carrier-a'])).result).toStrictEqual({ name: 'carrier-a', alive: true });
    expect((await mi(url, 'trunk:probe', { name: 'nobody' })).result).toStrictEqual({ name: 'nobody', alive: false });
    expect((await mi(url, 'trunk_close')).error?.code).toBe(-32601);

    example.signal('SIGTERM');
    const { status, stderr } = await example.ended;
    expect([status, stderr]).toStrictEqual([0, '']);
  });
});

describe('examples/greeting.cfg', () => {
  test('loads a module of its own: an MI command and a root path', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-f', 'examples/greeting.cfg', '-p', '0']);
    expect((await mi(daemon.url, 'greeting:greet')).result).toBe('Ahoj, world!');
    expect((await mi(daemon.url, 'greeting:greet', { name: 'Jana' })).result).toBe('Ahoj, Jana!');
    expect((await mi(daemon.url, 'greeting:greet', [1, 2])).error?.code).toBe(-32602);

    const greeting = `http://127.0.0.1:${daemon.port}/greeting`;
    const page = await fetch(`${greeting}?name=J%C3%A1n%26x`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type') ?? '').toMatch(/^text\/plain/);
    expect(await page.text()).toBe('Ahoj, Ján&x!\n');
    expect(await (await fetch(greeting)).text()).toBe('Ahoj, world!\n');

    const refused = await fetch(greeting, { method: 'POST', body: 'x' });
    expect(refused.status).toBe(405);
    expect(refused.headers.get('allow') ?? '').toMatch(/GET/);
    await refused.arrayBuffer();
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
  });
});
