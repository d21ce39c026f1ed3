// What an embedded server does to, and tells of, the process that it is part of: nothing, unless it is given.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createServer, type Server, type ServerOptions } from '#src/index.js';
import { callError, withResolvers } from './mi-client.js';

/** Starts a server with these options alone, as a program does. */
async function embedded(t: TestContext, options: ServerOptions): Promise<Server> {
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, ...options }).start();
  t.after(() => server.close({ deadline: 0 }));
  return server;
}

test('kill, arg and pwd are refused, and the refusal names the option', async (t) => {
  const signals: string[] = [];
  const note = (): void => void signals.push('SIGTERM');
  process.on('SIGTERM', note);
  t.after(() => process.off('SIGTERM', note));
  const server = await embedded(t, {});
  const options = { kill: 'kill', arg: 'tellProcess', pwd: 'tellProcess' };
  for (const [command, option] of Object.entries(options)) {
    for (const name of [command, `core:${command}`]) {
      const { code, data } = await callError(server, name);
      assert.equal(code, -32003, name);
      assert.match(String(data), new RegExp(`^core:${command} is off: .* the option ${option}$`), name);
    }
  }
  await new Promise(setImmediate);
  assert.deepEqual(signals, []);
});

test('given their options they do what a program wants, for the level that it wants', async (t) => {
  const { promise, resolve } = withResolvers<void>();
  const listen = ['http:127.0.0.1:0;level=read', 'http:127.0.0.1:0'];
  const server = await embedded(t, { httpd: { listen }, kill: resolve, tellProcess: 'admin' });
  // The first listener is the one that gets the call.
  for (const command of ['arg', 'pwd', 'kill']) {
    assert.match(String((await callError(server, command)).data), /needs level admin; callers here have level read$/);
  }
  const body = (method: string): string => JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
  const asAdmin = async (method: string): Promise<unknown> => {
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    const response = await fetch(server.urls.at(-1) ?? '', { method: 'POST', headers, body: body(method) });
    return ((await response.json()) as { result: unknown }).result;
  };
  assert.deepEqual(await asAdmin('arg'), process.argv);
  assert.deepEqual(await asAdmin('pwd'), { WD: process.cwd() });
  assert.equal(await asAdmin('kill'), 'OK');
  await promise;
});
