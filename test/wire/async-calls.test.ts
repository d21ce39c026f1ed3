import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { assert, describe, expect } from 'vitest';
import { type Call, command, defineModule } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, post, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

/** A command that answers when the test says so. */
function gate() {
  const entered: Call[] = [];
  const waiting: { resolve: (value: string) => void; reject: (reason: unknown) => void }[] = [];
  let arrived = withResolvers<void>();
  const module = defineModule({
    name: 'gate',
    commands: [
      command({
        name: 'wait',
        help: 'Waits.',
        run: (_parameters, call) => {
          const { promise, resolve, reject } = withResolvers<string>();
          entered.push(call);
          waiting.push({ resolve, reject });
          arrived.resolve();
          arrived = withResolvers<void>();
          return promise;
        },
      }),
    ],
  });
  const enter = async (count: number): Promise<void> => {
    while (entered.length < count) await arrived.promise;
  };
  return { module, entered, waiting, enter };
}

const wait = (id: number): string => `{"jsonrpc":"2.0","method":"gate:wait","id":${id}}`;

describe('commands that answer later', () => {
  test('suspend their own connection and no other', async ({ startServer }) => {
    const { module, waiting, enter } = gate();
    const server = await startServer({ modules: [module] });
    const first = post(server, wait(1));
    const second = post(server, wait(2));
    await enter(2);
    expect(await call(server, 'version')).toBeTruthy();
    expect(await call(server, 'get_statistics', [['pending']])).toStrictEqual({ 'mi:pending': 2 });
    waiting[1]?.resolve('second');
    waiting[0]?.resolve('first');
    expect([(await first).status, (await second).status]).toStrictEqual([200, 200]);
    const bodies = [(await first).body, (await second).body].sort();
    expect(bodies.filter((body) => body.includes('"id":1')).length).toBe(1);
    expect(bodies.filter((body) => body.includes('"id":2')).length).toBe(1);
    expect(await call(server, 'get_statistics', [['pending', 'ids_held']])).toStrictEqual({
      'mi:pending': 0,
      'mem:ids_held': 0,
    });
  });

  test('get 504 at their deadline, and the handler is told', async ({ startServer }) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer({ modules: [module], mi_http: { mi_timeout: 1 } });
    const reply = post(server, wait(7));
    await enter(1);
    const [pending] = entered;
    assert(pending !== undefined);
    await once(pending.signal, 'abort');
    const { status, body } = await reply;
    expect(status).toBe(504);
    const { error, id } = JSON.parse(body);
    expect(id).toBe(7);
    expect(error.code).toBe(-32000);
    expect(error.data).toMatch(/gate:wait .* 1 s.*mi_timeout/);
    waiting[0]?.resolve('too late');
    expect(await call(server, 'version')).toBeTruthy();
  });

  test('at their deadline are told in the log, once a minute for each command, and counted', async ({
    startServer,
  }) => {
    const lines: [fields: object, text: string][] = [];
    const warn = (fields: object, text: string): void => void lines.push([fields, text]);
    const never = () => new Promise<string>(() => {});
    const commands = ['one', 'other'].map((name) => command({ name, help: 'Waits.', readOnly: true, run: never }));
    const server = await startServer({
      modules: [defineModule({ name: 'stuck', commands })],
      mi_http: { mi_timeout: 1 },
      mi_json: { mi_timeout: 1 },
      log: { ...silentLog, warn, error: warn },
    });
    const call = (name: string, id = ',"id":1'): string => `{"jsonrpc":"2.0","method":"stuck:${name}"${id}}`;
    const replies = await Promise.all([
      ...[call('one'), call('one'), `[${call('one')}]`, call('other')].map((body) => post(server, body)),
      ...['/mi/stuck/stuck:one?arg=', '/json/stuck:one'].map((path) => post(server, '', { method: 'GET', path })),
    ]);
    assert.deepEqual(
      replies.map(({ status }) => status),
      [504, 504, 200, 504, 504, 504],
    );
    const text = (name: string): string =>
      `MI command stuck:${name} gave no result within 1 s, the limit mi_timeout, and is given up: ` +
      'find out what it waits for, or raise mi_timeout';
    assert.deepEqual(
      lines.sort(([, a], [, b]) => (a < b ? -1 : 1)),
      ['one', 'other'].map((name) => [{ code: 'command-timeout', command: `stuck:${name}`, seconds: 1 }, text(name)]),
    );
    const { body } = await post(server, '{"jsonrpc":"2.0","method":"get_statistics","params":[["timeouts"]],"id":1}');
    assert.deepEqual(JSON.parse(body).result, { 'httpd:timeouts': 5 });
  });

  test('over max_pending get 503 with Retry-After before they run; other commands go on', async ({ startServer }) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer({ modules: [module], mi_http: { max_pending: 2 } });
    const held = [post(server, wait(1)), post(server, wait(2))];
    await enter(2);
    const refused = await post(server, wait(3));
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(refused.body).toMatch(/"data":".*max_pending.*"\},"id":3\}$/);
    expect(entered.length).toBe(2);
    expect(await call(server, 'version')).toBeTruthy();
    for (const { resolve } of waiting) resolve('done');
    expect((await Promise.all(held)).map(({ status }) => status)).toStrictEqual([200, 200]);
    const fourth = post(server, wait(4));
    await enter(3);
    waiting[2]?.resolve('done');
    expect((await fourth).status).toBe(200);
  });

  test('are aborted when the client leaves, and free what they held', async ({ startServer }) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer({ modules: [module] });
    const body = wait(1);
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await enter(1);
    const [left] = entered;
    assert(left !== undefined);
    const aborted = once(left.signal, 'abort');
    socket.destroy();
    await aborted;
    expect(String(left.signal.reason)).toMatch(/client left/);
    waiting[0]?.reject(new Error('nobody hears this'));
    expect(await call(server, 'get_statistics', [['ids_held', 'pending']])).toStrictEqual({
      'mi:pending': 0,
      'mem:ids_held': 0,
    });
  });

  test('as notifications are accepted at once and go on running', async ({ startServer }) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer({ modules: [module] });
    const { status, body } = await post(server, '{"jsonrpc":"2.0","method":"gate:wait"}');
    expect([status, body]).toStrictEqual([202, '']);
    await enter(1);
    expect(entered[0]?.signal.aborted).toBe(false);
    waiting[0]?.reject(new Error('nobody hears this'));
    expect(await call(server, 'version')).toBeTruthy();
  });

  test('are finished when the server closes, new connections are refused', async ({ startServer, onTestFinished }) => {
    const { module, waiting, enter } = gate();
    const server = await startServer({ modules: [module] });
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const reply = post(server, wait(1), { agent });
    await enter(1);
    const closed = server.close();
    await expect(post(server, wait(2))).rejects.toThrow(/ECONNREFUSED/);
    waiting[0]?.resolve('finished');
    const { status, headers, body } = await reply;
    expect(status).toBe(200);
    expect(headers.connection).toBe('close');
    expect(body).toBe('{"jsonrpc":"2.0","result":"finished","id":1}');
    await closed;
  });

  test('get 503 when they outlast the time the server has to stop', async ({ startServer }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module] });
    const reply = post(server, wait(1));
    await enter(1);
    await server.close({ deadline: 0.05 });
    const { status, body } = await reply;
    expect(status).toBe(503);
    expect(body).toMatch(/"data":"the server stops"\},"id":1\}$/);
    expect(entered[0]?.signal.aborted).toBe(true);
  });
});
