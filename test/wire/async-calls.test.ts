import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'vitest';
import { type Call, command, defineModule } from '#src/index.js';
import { call, post, startServer, withResolvers } from '../support/mi-client.js';

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
  test('suspend their own connection and no other', async (t) => {
    const { module, waiting, enter } = gate();
    const server = await startServer(t, { modules: [module] });
    const first = post(server, wait(1));
    const second = post(server, wait(2));
    await enter(2);
    assert.ok(await call(server, 'version'));
    assert.deepEqual(await call(server, 'get_statistics', [['pending']]), { 'mi:pending': 2 });
    waiting[1]?.resolve('second');
    waiting[0]?.resolve('first');
    assert.deepEqual([(await first).status, (await second).status], [200, 200]);
    const bodies = [(await first).body, (await second).body].sort();
    assert.equal(bodies.filter((body) => body.includes('"id":1')).length, 1);
    assert.equal(bodies.filter((body) => body.includes('"id":2')).length, 1);
    assert.deepEqual(await call(server, 'get_statistics', [['pending', 'ids_held']]), {
      'mi:pending': 0,
      'mem:ids_held': 0,
    });
  });

  test('get 504 at their deadline, and the handler is told', async (t) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer(t, { modules: [module], mi_http: { mi_timeout: 1 } });
    const reply = post(server, wait(7));
    await enter(1);
    const [pending] = entered;
    assert.ok(pending !== undefined);
    await once(pending.signal, 'abort');
    const { status, body } = await reply;
    assert.equal(status, 504);
    const { error, id } = JSON.parse(body);
    assert.equal(id, 7);
    assert.equal(error.code, -32000);
    assert.match(error.data, /gate:wait .* 1 s.*mi_timeout/);
    waiting[0]?.resolve('too late');
    assert.ok(await call(server, 'version'));
  });

  test('over max_pending get 503 with Retry-After before they run; other commands go on', async (t) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer(t, { modules: [module], mi_http: { max_pending: 2 } });
    const held = [post(server, wait(1)), post(server, wait(2))];
    await enter(2);
    const refused = await post(server, wait(3));
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    assert.match(refused.body, /"data":".*max_pending.*"\},"id":3\}$/);
    assert.equal(entered.length, 2);
    assert.ok(await call(server, 'version'));
    for (const { resolve } of waiting) resolve('done');
    assert.deepEqual(
      (await Promise.all(held)).map(({ status }) => status),
      [200, 200],
    );
    const fourth = post(server, wait(4));
    await enter(3);
    waiting[2]?.resolve('done');
    assert.equal((await fourth).status, 200);
  });

  test('are aborted when the client leaves, and free what they held', async (t) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer(t, { modules: [module] });
    const body = wait(1);
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await enter(1);
    const [left] = entered;
    assert.ok(left !== undefined);
    const aborted = once(left.signal, 'abort');
    socket.destroy();
    await aborted;
    assert.match(String(left.signal.reason), /client left/);
    waiting[0]?.reject(new Error('nobody hears this'));
    assert.deepEqual(await call(server, 'get_statistics', [['ids_held', 'pending']]), {
      'mi:pending': 0,
      'mem:ids_held': 0,
    });
  });

  test('as notifications are accepted at once and go on running', async (t) => {
    const { module, entered, waiting, enter } = gate();
    const server = await startServer(t, { modules: [module] });
    const { status, body } = await post(server, '{"jsonrpc":"2.0","method":"gate:wait"}');
    assert.deepEqual([status, body], [202, '']);
    await enter(1);
    assert.equal(entered[0]?.signal.aborted, false);
    waiting[0]?.reject(new Error('nobody hears this'));
    assert.ok(await call(server, 'version'));
  });

  test('are finished when the server closes, new connections are refused', async (t) => {
    const { module, waiting, enter } = gate();
    const server = await startServer(t, { modules: [module] });
    const agent = new Agent({ keepAlive: true });
    t.onTestFinished(() => agent.destroy());
    const reply = post(server, wait(1), { agent });
    await enter(1);
    const closed = server.close();
    await assert.rejects(post(server, wait(2)), /ECONNREFUSED/);
    waiting[0]?.resolve('finished');
    const { status, headers, body } = await reply;
    assert.equal(status, 200);
    assert.equal(headers.connection, 'close');
    assert.equal(body, '{"jsonrpc":"2.0","result":"finished","id":1}');
    await closed;
  });

  test('get 503 when they outlast the time the server has to stop', async (t) => {
    const { module, entered, enter } = gate();
    const server = await startServer(t, { modules: [module] });
    const reply = post(server, wait(1));
    await enter(1);
    await server.close({ deadline: 0.05 });
    const { status, body } = await reply;
    assert.equal(status, 503);
    assert.match(body, /"data":"the server stops"\},"id":1\}$/);
    assert.equal(entered[0]?.signal.aborted, true);
  });
});
