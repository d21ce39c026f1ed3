// Modules of a program at the ends of the life of a server: one that fails or hangs is named, and keeps nobody else from anything.
import { assert, expect } from 'vitest';
import { createServer, defineModule, type ModuleInstance, type Server } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';

const httpd = { ip: '127.0.0.1', port: 0 } as const;
const forever = () => new Promise<void>(() => {});

function fails(reason: string) {
  return (): never => {
    throw new Error(reason);
  };
}

function log() {
  const lines: string[] = [];
  const note = (_: object, message: string): void => void lines.push(message);
  return { lines, log: { ...silentLog, warn: note, error: note } };
}

/** A server with modules `first`, `second` and so on. */
function serverOf(...instances: readonly ModuleInstance[]) {
  const { lines, log: given } = log();
  const modules = instances.map((instance, index) =>
    defineModule({ name: ['first', 'second', 'third'][index] ?? 'more', load: () => instance }),
  );
  return { server: createServer({ httpd, log: given, modules }), lines };
}

for (const step of ['stop', 'finish'] as const) {
  test(`a ${step} that never ends is given up by the deadline, named, and the next modules have theirs`, async () => {
    const ended: string[] = [];
    const { server, lines } = serverOf(
      { [step]: () => void ended.push('first') },
      { [step]: forever },
      { [step]: () => void ended.push('third') },
    );
    await server.start();
    await server.close({ deadline: 0.1 });
    expect(ended.sort()).toStrictEqual(['first', 'third']);
    expect(lines.length).toBe(1);
    expect(lines[0] ?? '').toMatch(new RegExp(`^module second did not ${step} within [0-9.]+ s; the server goes on$`));
  });

  test(`a ${step} that throws, at once or later, is named, and keeps nothing from being closed`, async () => {
    const ended: string[] = [];
    const { server, lines } = serverOf(
      { [step]: fails('now') },
      { [step]: async () => fails('later')() },
      { [step]: () => void ended.push('third') },
    );
    await server.start();
    await server.close({ deadline: 0 });
    expect(ended).toStrictEqual(['third']);
    expect(lines.sort()).toStrictEqual([`module first failed to ${step}`, `module second failed to ${step}`]);
  });
}

test('a start that fails names its module, whatever its other steps do', async () => {
  const { server, lines } = serverOf({ start: fails('no trunk'), stop: fails('stop'), finish: fails('finish') });
  await expect(server.start()).rejects.toThrow(
    expect.toSatisfy((error) => {
      assert(error instanceof Error && error.cause instanceof Error);
      expect([error.message, error.cause.message]).toStrictEqual([
        'module first failed to start: no trunk',
        'no trunk',
      ]);
      return true;
    }),
  );
  await server.close();
  expect(lines).toStrictEqual(['module first failed to stop', 'module first failed to finish']);
});

test('a check that fails names its module', async ({ onTestFinished }) => {
  const { server } = serverOf({ check: fails('no file') });
  onTestFinished(() => server.close({ deadline: 0 }));
  await expect(server.check()).rejects.toThrow(
    expect.objectContaining({
      name: 'Error',
      message: expect.stringMatching(/^module first failed to check: no file$/),
    }),
  );
});

test('a reload that fails names its module, and the others have theirs', async ({ onTestFinished }) => {
  const reloaded: string[] = [];
  const { server, lines } = serverOf({ reload: fails('bad file') }, { reload: () => void reloaded.push('second') });
  onTestFinished(() => server.close({ deadline: 0 }));
  expect(await server.reload()).toBe(false);
  expect(lines).toStrictEqual(['reload of module first failed, what was there stays: bad file']);
  expect(reloaded).toStrictEqual(['second']);
});

test('waiting for the server within a step of a module is an error, and no deadlock', async () => {
  const made: { server?: Server } = {};
  const told: string[] = [];
  const attempt = async (what: 'start' | 'close'): Promise<void> => {
    await new Promise(setImmediate);
    await made.server?.[what]().then(
      () => told.push(`${what} is done`),
      (error: Error) => told.push(error.message),
    );
  };
  const { server } = serverOf({ start: () => attempt('start'), stop: () => attempt('close') });
  made.server = server;
  await server.start();
  await call(server, 'version');
  await server.close();
  expect(told).toStrictEqual([
    'start is called within start of module first, for which it waits; do not wait for it there',
    'close is called within stop of module first, for which it waits; do not wait for it there',
  ]);
});

test('a module closes its server from within its start when it does not wait for that', async () => {
  const made: { server?: Server } = {};
  const { server } = serverOf({ start: () => void made.server?.close() });
  made.server = server;
  await expect(server.start()).rejects.toThrow(
    expect.objectContaining({
      name: 'Error',
      message: expect.stringMatching(/^the server was closed before it listened$/),
    }),
  );
  await server.close();
});

test('what the start of one module has begun may close the server within the start of another, and wait for it', async () => {
  const made: { server?: Server } = {};
  const { promise, resolve } = withClosed();
  const { server } = serverOf(
    // Once this start is over.
    { start: () => void setImmediate(() => void made.server?.close().then(resolve, resolve)) },
    { start: () => new Promise((started) => setTimeout(started, 20)) },
  );
  made.server = server;
  await expect(server.start()).rejects.toThrow(/^the server was closed before it listened$/);
  expect(await promise).toBeUndefined();
});

test('what the start has begun may close the server later, and wait for it', async () => {
  const made: { server?: Server } = {};
  const { promise, resolve } = withClosed();
  const started = withClosed();
  const { server } = serverOf({
    start: () => void started.promise.then(() => made.server?.close()).then(resolve, resolve),
  });
  made.server = server;
  await server.start();
  started.resolve();
  expect(await promise).toBe(undefined);
});

function withClosed() {
  let resolve: (outcome?: unknown) => void = () => {};
  const promise = new Promise<unknown>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
