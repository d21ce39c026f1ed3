// Modules of the user's own that each thread with listeners loads: their commands run where their calls come.
import { appendFileSync, readFileSync } from 'node:fs';
import { assert, describe, expect } from 'vitest';
import * as api from '#src/index.js';
import { createServer, defineModule, type Module, type Server, type ServerOptions } from '#src/index.js';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import { BusyHome } from '../support/busy-home.js';
import { isNode } from '../support/engine.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const folder = new URL('../data/threads/', import.meta.url);

async function counted(): Promise<Module> {
  const { default: make } = (await import(new URL('counted.mjs', folder).href)) as {
    readonly default: (given: typeof api) => Module;
  };
  return make(api);
}

interface Given {
  readonly greeting?: string;
  readonly journal?: string;
  readonly fault?: string;
}

async function prepared(threads: number, parameters: Given = {}, options: ServerOptions = {}): Promise<Server> {
  const module = await counted();
  const modules = [...(options.modules ?? []), { module, parameters }];
  const httpd = { ip: '127.0.0.1', port: 0, ...options.httpd };
  return createServer({ threads, log: silentLog, ...options, modules, httpd });
}

async function start(t: Lifetime, ...given: Parameters<typeof prepared>): Promise<Server> {
  const server = await prepared(...given);
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server.start();
}

interface Where {
  readonly thread: number;
  readonly greeting: string;
  readonly calls: number;
  readonly reloads: number;
}

async function where(server: Server): Promise<Where> {
  return (await call(server, 'counted:where')) as Where;
}

function steps(journal: string): readonly string[] {
  return readFileSync(journal, 'utf8').split('\n').filter(Boolean).sort();
}

/** Each step once in each thread. */
function inEach(threads: number, ...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => Array.from({ length: threads + 1 }, (_, thread) => `${name} ${thread}`)).sort();
}

unless(isNode, describe)('modules that each thread loads', () => {
  for (const threads of [0, 1, 2]) {
    const places = threads === 0 ? [0] : Array.from({ length: threads }, (_, index) => index + 1);

    test(`run their commands where the calls come, with ${threads} threads`, async ({ lifetime }) => {
      const server = await start(lifetime, threads, { greeting: 'hi' });
      const all: Where[] = [];
      for (let round = 0; round < 12; round++) all.push(await where(server));
      for (const { thread, greeting } of all) expect([places.includes(thread), greeting]).toStrictEqual([true, 'hi']);
      // Each thread has state of its own, and all of them have statistics together.
      for (const thread of places) {
        const counts = all.filter((one) => one.thread === thread).map(({ calls }) => calls);
        expect(counts).toStrictEqual(counts.map((_, index) => index + 1));
      }
      expect(await server.call('get_statistics', [['asked', 'where-calls']])).toStrictEqual({
        'counted:asked': 12,
        'mi:where-calls': 12,
      });
      expect(places).toContain(await call(server, 'counted:later'));
      const busy = threads === 0 ? 'Busy in home' : 'Busy in a thread';
      expect(await callError(server, 'counted:refuse')).toMatchObject({ code: 480, message: busy });
      const trunk = JSON.stringify({ jsonrpc: '2.0', method: 'counted:trunk', id: 1 });
      expect((await post(server, trunk, { headers: { 'X-Trunk': 'north' } })).body).toContain('"north"');
      // Of what threads do not have, and what comes without a connection, thread 0 runs the calls.
      expect(await call(server, 'counted:home')).toBe(0);
      expect(await server.call('counted:where')).toMatchObject({ thread: 0 });
    });

    test(`are started, loaded anew, stopped and finished in each of ${threads} threads`, async ({ lifetime }) => {
      const journal = temporaryFile(lifetime, 'journal', '');
      const server = await start(lifetime, threads, { journal });
      expect(steps(journal)).toStrictEqual(inEach(threads, 'load', 'start'));
      expect(await server.reload()).toBe(true);
      expect((await where(server)).reloads).toBe(1);
      appendFileSync(journal, 'bad\n');
      expect(await server.reload()).toBe(false);
      expect((await where(server)).reloads).toBe(1);
      await server.close();
      const all = inEach(threads, 'load', 'start', 'reload', 'reload', 'stop', 'finish');
      expect(steps(journal)).toStrictEqual([...all, 'bad'].sort());
    });

    test(`answer calls that are waited for when the server stops, with ${threads} threads`, async ({ lifetime }) => {
      const journal = temporaryFile(lifetime, 'journal', '');
      const server = await start(lifetime, threads, { journal });
      const waiting = Array.from({ length: 6 }, () => post(server, '{"jsonrpc":"2.0","method":"never","id":1}'));
      await expect.poll(() => steps(journal).filter((step) => step.startsWith('never'))).toHaveLength(6);
      // A call is pending once its handler has returned.
      await expect.poll(() => server.call('get_statistics', [['pending']])).toStrictEqual({ 'mi:pending': 6 });
      await server.close({ deadline: 0 });
      for (const { status, body } of await Promise.all(waiting)) {
        expect([status, JSON.parse(body).id]).toStrictEqual([503, 1]);
      }
      expect(steps(journal).filter((step) => step.startsWith('stop'))).toStrictEqual(inEach(threads, 'stop'));
    });
  }

  test('run while home is busy', async ({ lifetime }) => {
    const home = new BusyHome();
    const server = await start(lifetime, 2, {}, { modules: [home.module] });
    const calls = ['where', 'later', 'refuse', 'trunk'].map((name) => ({ method: `counted:${name}` }));
    const [at, later, refused, trunk] = await home.calls(server.port, calls);
    expect([1, 2]).toContain((at?.result as Where | undefined)?.thread);
    expect([1, 2]).toContain(later?.result);
    expect([refused?.error?.code, trunk?.result]).toStrictEqual([480, 'none']);
  });

  test('are loaded anew in a thread that has died, which starts again', async ({ lifetime }) => {
    const journal = temporaryFile(lifetime, 'journal', '');
    const lost: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void lost.push(fields) };
    const server = await start(lifetime, 1, { journal }, { log });
    await where(server);
    expect((await where(server)).calls).toBe(2);
    // Its reply may have left before.
    await call(server, 'counted:die').catch(() => {});
    await expect.poll(() => steps(journal).filter((step) => step === 'start 1')).toHaveLength(2);
    await expect.poll(() => server.threads.every(({ isServing }) => isServing)).toBe(true);
    expect(await where(server)).toMatchObject({ thread: 1, calls: 1 });
    expect(lost).toMatchObject([{ code: 'thread-lost', thread: 1, err: { message: 'it died' } }]);
    expect(await server.call('get_statistics', [['asked']])).toStrictEqual({ 'counted:asked': 3 });
  });

  test('write to the log of the server, whatever they write', async ({ lifetime }) => {
    const lines: object[] = [];
    const log = { ...silentLog, warn: (fields: object, text: string) => void lines.push({ ...fields, text }) };
    const server = await start(lifetime, 1, {}, { log });
    expect(await call(server, 'counted:say', ['so'])).toBe('OK');
    await expect.poll(() => lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ said: 'so', odd: expect.stringContaining('unction'), text: 'it was said' });
  });

  test('are held to levels, and what they change is among the calls that are kept', async ({ lifetime }) => {
    const auth_file = temporaryFile(
      lifetime,
      'users',
      userLine('bob', 'pw', 'operate') + userLine('eve', 'pw', 'read'),
    );
    const server = await start(lifetime, 1, {}, { httpd: { auth_file }, usrloc: {} });
    const ask = async (who: string, method: string, params?: unknown): Promise<number | undefined> => {
      const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
      const reply = await post(server, body, { headers: { Authorization: basic(who, 'pw') } });
      return JSON.parse(reply.body).error?.code;
    };
    for (const [who, code] of [
      ['bob', undefined],
      ['eve', -32003],
    ] as const) {
      for (let round = 0; round < 3; round++) expect(await ask(who, 'counted:later')).toBe(code);
    }
    expect(await ask('bob', 'ul_add', ['location', 'a', 'sip:a@192.0.2.1', 0, '0.5', 0, 0, 0])).toBe(undefined);
    const { Calls } = (await server.call('httpd:audit_recent')) as { Calls: { who: string; command: string }[] };
    expect(Calls.map(({ who, command }) => `${who} ${command}`).sort()).toStrictEqual([
      ...Array.from({ length: 3 }, () => 'bob counted:later'),
      'bob usrloc:add',
      ...Array.from({ length: 3 }, () => 'eve counted:later'),
    ]);
  });

  for (const [fault, reason] of [
    ['load', /^module counted failed to load: no load here$/],
    ['start', /^module counted failed to start: no start here$/],
    ['events', /^module counted failed to load: module counted asks for events in thread 1, which thread 0 alone has/],
    ['more', /^command counted:more is there in thread 1, and not in thread 0; declare it in both alike$/],
    ['twice', /^command counted:later is there twice in thread 1;/],
    ['level', /^command counted:where is another one in thread 1 than in thread 0;/],
  ] as const) {
    test(`refuses to start when they fail in a thread: ${fault}`, async ({ lifetime }) => {
      const journal = temporaryFile(lifetime, 'journal', '');
      const server = await prepared(2, { fault, journal });
      lifetime.onTestFinished(() => server.close({ deadline: 0 }));
      const error = await server.start().then(
        () => undefined,
        (cause: unknown) => cause,
      );
      assert(error instanceof Error);
      expect(error.message).toMatch(reason);
      expect(error).toMatchObject({ code: 'ERR_MODULE' });
      expect(steps(journal).filter((step) => step.startsWith('stop 0'))).toHaveLength(1);
    });
  }

  for (const [file, reason] of [
    ['nowhere.mjs', /^module counted cannot be loaded in thread 1 from file:.*nowhere\.mjs: .*nowhere\.mjs/],
    ['other-name.mjs', /^module counted cannot be .*: the module there is named other; give both one name$/],
    ['no-module.mjs', /^module counted cannot be .*: its default export is neither defineModule\(…\) nor a function/],
  ] as const) {
    test(`refuses to start with a file that has no such module: ${file}`, async ({ lifetime }) => {
      const module = defineModule({ name: 'counted', perThread: new URL(file, folder) });
      const httpd = { ip: '127.0.0.1', port: 0 };
      const server = createServer({ threads: 1, log: silentLog, modules: [module], httpd });
      lifetime.onTestFinished(() => server.close({ deadline: 0 }));
      await expect(server.start()).rejects.toThrow(reason);
    });
  }

  test('have the URL of a file', () => {
    for (const perThread of ['./x.mjs', 'https://example.com/x.mjs', new URL('data:text/javascript,1')]) {
      expect(() => defineModule({ name: 'x', perThread })).toThrow(
        /^perThread of module x is .*; give the URL of a file, such as import\.meta\.url$/,
      );
    }
  });

  test('leave calls to home where it has to see each one', async ({ lifetime }) => {
    const server = await start(lifetime, 2, {}, { around: (_, next) => next() });
    for (let round = 0; round < 4; round++) expect((await where(server)).thread).toBe(0);
  });
});
