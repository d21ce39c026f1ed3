// The life of an embedded server: each step is taken once, whenever and however often it is asked for.
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'vitest';
import { createServer, defineModule, type ServerOptions } from '#src/index.js';
import { call, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

const httpd = { ip: '127.0.0.1', port: 0 } as const;

/** A module that notes what is done with it, and whose start takes until it is let go. */
function slowModule() {
  const noted: string[] = [];
  const { promise: isStarting, resolve: begun } = withResolvers<void>();
  const { promise: held, resolve: letGo } = withResolvers<void>();
  const module = defineModule({
    name: 'slow',
    load: () => ({
      start: async () => {
        noted.push('start');
        begun();
        await held;
        noted.push('started');
      },
      stop: () => void noted.push('stop'),
    }),
  });
  return { module, noted, isStarting, letGo };
}

test('a server that runs is not harmed by being started again, once or at once', async ({ onTestFinished }) => {
  const { module, noted, letGo } = slowModule();
  const server = createServer({ httpd, modules: [module] });
  onTestFinished(() => server.close({ deadline: 0 }));
  const starts = [server.start(), server.start()];
  letGo();
  expect(await Promise.all(starts)).toStrictEqual([server, server]);
  expect(await server.start()).toBe(server);
  expect(noted).toStrictEqual(['start', 'started']);
  await call(server, 'version');
});

test('a server that has been closed says so when it is started, and stays closed', async () => {
  for (const wasRunning of [false, true]) {
    const server = createServer({ httpd });
    if (wasRunning) await server.start();
    const { port } = server;
    await Promise.all([server.close(), server.close()]);
    await server.close();
    await expect(server.start()).rejects.toThrow(
      expect.objectContaining({
        name: 'Error',
        message: expect.stringMatching(/^the server has been closed; a server starts once, so make another/),
      }),
    );
    if (!wasRunning) continue;
    const [error] = (await once(
      connect(port, '127.0.0.1').on('connect', () => expect.unreachable()),
      'error',
    )) as [Error];
    expect(error.message).toMatch(/ECONNREFUSED/);
  }
});

test('a server that is closed while it starts gives up the start, then stops its modules', async () => {
  const { module, noted, isStarting, letGo } = slowModule();
  const later = defineModule({ name: 'later', load: () => ({ start: () => void noted.push('later') }) });
  const server = createServer({ httpd, modules: [module, later] });
  const failed = expect(server.start()).rejects.toThrow(
    expect.objectContaining({
      name: 'Error',
      message: expect.stringMatching(/^the server was closed before it listened$/),
    }),
  );
  await isStarting;
  const closed = server.close();
  // The end of a server without connections takes fewer turns.
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect(noted).toStrictEqual(['start']);
  letGo();
  await failed;
  await closed;
  expect(noted).toStrictEqual(['start', 'started', 'stop']);
  expect(server.close()).toBe(closed);
});

test('a module that never gets done with its start does not keep the server from being closed', async () => {
  const { module, noted, isStarting } = slowModule();
  const server = createServer({ httpd, modules: [module] });
  server.start().catch(() => {});
  await isStarting;
  await server.close({ deadline: 0.01 });
  expect(noted).toStrictEqual(['start', 'stop']);
});

test('a start that fails frees the address, and says the same when it is asked again', async ({ onTestFinished }) => {
  const first = await createServer({ httpd }).start();
  onTestFinished(() => first.close({ deadline: 0 }));
  const { module, noted, letGo } = slowModule();
  letGo();
  const options: ServerOptions = { httpd: { ...httpd, port: first.port }, modules: [module] };
  const second = createServer(options);
  const reasons = await Promise.all([second.start(), second.start()].map((start) => start.catch(String)));
  reasons.push(await second.start().catch(String));
  expect(new Set(reasons).size).toBe(1);
  expect(String(reasons[0])).toMatch(/in use|EADDRINUSE|already/);
  expect(noted).toStrictEqual(['start', 'started', 'stop']);
  await second.close();
  await call(first, 'version');
});
