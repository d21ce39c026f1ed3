// The broker comes late, goes, and comes back; strangers and broken members speak on it.
import { once } from 'node:events';
import { type AddressInfo, connect as connectTo, createServer, type Socket } from 'node:net';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, vi } from 'vitest';
import type { Server } from '#src/index.js';
import { askFleet, Broker, here, Lab, membersOf, noBroker, resultsOf, startFleet } from '../support/fleet.js';
import { freePort } from '../support/free-port.js';
import type { Lifetime } from '../support/lifetime.js';
import { call, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const three = ['sip-01', 'sip-02', 'sip-03'];

const asking = '{"jsonrpc":"2.0","method":"fleet:call","params":["lab:who"],"id":1}';

async function stranger(t: Lifetime, broker: Broker): Promise<NatsConnection> {
  const connection = await connect({ servers: broker.url });
  t.onTestFinished(() => connection.close());
  return connection;
}

interface Told {
  name: string;
  instance: string;
  number: number;
  leaving: boolean;
}

const presence = (told: Partial<Told>): string =>
  JSON.stringify({
    v: 1,
    name: 'ghost',
    instance: 'one',
    number: 1,
    version: '1.0',
    tags: [],
    digest: 'x',
    ready: true,
    unready: [],
    opensips: [],
    leaving: false,
    ...told,
  });

async function count(server: Server, name: string): Promise<number> {
  return ((await call(server, 'statistics:get', [[name]])) as Record<string, number>)[`fleet:${name}`] ?? Number.NaN;
}

unless(noBroker, describe)('the broker of a fleet', () => {
  test('may be away at the start, and local calls are not touched', async ({ lifetime, startServer }) => {
    const port = await freePort();
    const server = [`nats://127.0.0.1:${port}`];
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const lab = new Lab('sip');
    const started = performance.now();
    const needing = await startServer({
      log,
      modules: [lab.module],
      fleet: { server, name: 'sip', fleet_required: 1 },
    });
    expect(performance.now() - started).toBeLessThan(60_000);
    const free = await startServer({ log, fleet: { server, name: 'gw', role: 'gather' } });
    expect(await call(needing, 'lab:who')).toBe('sip');
    const { status, body, headers } = await post(free, asking);
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('2');
    expect(JSON.parse(body).error.data).toContain(`the broker nats://127.0.0.1:${port} is`);
    for (const method of ['fleet:members', 'fleet:statistics'])
      expect((await post(free, JSON.stringify({ jsonrpc: '2.0', method, id: 1 }))).status).toBe(503);
    const ready = async (one: Server): Promise<number> =>
      (await post(one, '', { method: 'GET', path: '/readyz' })).status;
    expect([await ready(needing), await ready(free)]).toStrictEqual([503, 200]);
    const broker = await Broker.start(lifetime, '', port);
    await here(free, ['sip']);
    await expect.poll(() => ready(needing)).toBe(200);
    expect(resultsOf(await askFleet(free, { command: 'lab:who' }))).toStrictEqual({ sip: 'sip' });
    await broker.kill();
    await expect.poll(() => ready(needing)).toBe(503);
    expect(await ready(free)).toBe(200);
  });

  test('is started anew while a call is under way: nothing runs twice, and all comes back', async ({ lifetime }) => {
    const fleet = await startFleet(lifetime, { way: 'nats', members: three });
    const { gatherer, broker } = fleet;
    const asked = askFleet(gatherer, { command: 'lab:wait', timeout: 4 });
    await expect.poll(() => three.map((name) => fleet.lab(name).waiting)).toStrictEqual([1, 1, 1]);
    await broker?.kill();
    await expect.poll(async () => (await post(gatherer, asking)).status).toBe(503);
    expect(await call(gatherer, 'lab:who')).toBe('gatherer');
    await broker?.run();
    await here(gatherer, three);
    for (const name of three) fleet.lab(name).go();
    const answer = await asked;
    for (const name of three) {
      const told = answer.nodes[name]?.result ?? answer.why?.[name]?.outcome;
      expect(['late', 'unknown']).toContain(told);
    }
    expect(three.map((name) => fleet.lab(name).waiting)).toStrictEqual([1, 1, 1]);
    expect(Object.keys((await askFleet(gatherer, { command: 'lab:who' })).nodes)).toStrictEqual(three);
  });

  test('carries rubbish, which is counted, and nothing else comes of it', async ({ lifetime }) => {
    const fleet = await startFleet(lifetime, { way: 'nats', members: ['sip'], gathererFleet: { max_members: 3 } });
    const { gatherer } = fleet;
    const nats = await stranger(lifetime, fleet.broker as Broker);
    const before = await count(gatherer, 'fleet_malformed');
    const rubbish = [
      '',
      '{',
      '[]',
      'null',
      '{"v":1}',
      presence({ name: 'other' }),
      presence({ number: -1 }),
      presence({ name: 'a b' }),
      `${'['.repeat(3000)}${']'.repeat(3000)}`,
      ' '.repeat(100_000),
      '\ud800',
    ];
    for (const text of rubbish) nats.publish('mi.v1.default.presence.ghost', text);
    nats.publish('mi.v1.default.presence.ghost', Uint8Array.of(0xff, 0xfe, 0x7b));
    await nats.flush();
    await expect.poll(() => count(gatherer, 'fleet_malformed')).toBe(before + rubbish.length + 1);
    for (const text of ['', '{', '{"v":1,"kind":"call"}', '['.repeat(1000)])
      nats.publish('mi.v1.default.call.admin.node.sip', text, { reply: 'nobody' });
    await nats.flush();
    await expect.poll(() => count(fleet.server('sip'), 'fleet_malformed')).toBe(4);
    // Members beyond the limit are passed over.
    for (let n = 0; n < 10; n++) nats.publish(`mi.v1.default.presence.m${n}`, presence({ name: `m${n}` }));
    await nats.flush();
    await expect.poll(async () => (await membersOf(gatherer)).length).toBe(3);
    expect(resultsOf(await askFleet(gatherer, { command: 'lab:who', nodes: 'sip' }))).toStrictEqual({ sip: 'sip' });
  });

  test('carries an old presence again, and one of a server that has the same name', async ({ lifetime }) => {
    const fleet = await startFleet(lifetime, { way: 'nats', members: ['sip'] });
    const { gatherer } = fleet;
    const nats = await stranger(lifetime, fleet.broker as Broker);
    const tell = (told: Partial<Told>) => nats.publish('mi.v1.default.presence.ghost', presence(told));
    const state = async (): Promise<string | undefined> =>
      (await membersOf(gatherer)).find(({ name }) => name === 'ghost')?.state;
    tell({ number: 5 });
    await expect.poll(state).toBe('here');
    // Goodbyes of before, and of others, are none.
    tell({ number: 3, leaving: true });
    tell({ instance: 'other', number: 9, leaving: true });
    await nats.flush();
    await call(gatherer, 'fleet:members');
    expect(await state()).toBe('here');
    // Started anew: the one before is heard no more.
    tell({ instance: 'two' });
    tell({ instance: 'two', number: 2 });
    await nats.flush();
    expect(await state()).toBe('here');
    // Two at once.
    tell({ number: 6 });
    tell({ instance: 'two', number: 3 });
    await expect.poll(state).toBe('twice');
    const answer = await askFleet(gatherer, { command: 'lab:set', params: [1] });
    expect(answer.missing).toStrictEqual(['ghost']);
    expect(answer.why?.ghost).toStrictEqual({
      reason: 'two servers have this name: give one of them another',
      outcome: 'not run',
    });
    expect(resultsOf(answer)).toStrictEqual({ sip: 'OK' });
  });

  test('carries forged, repeated, huge and broken answers', async ({ lifetime }) => {
    const fleet = await startFleet(lifetime, {
      way: 'nats',
      members: ['sip'],
      gathererFleet: { max_answers: 1_048_576 },
    });
    const { gatherer } = fleet;
    const nats = await stranger(lifetime, fleet.broker as Broker);
    const answers: Record<string, (string | Uint8Array)[]> = {
      forged: ['{"v":1,"node":"sip","kind":"result","readOnly":true}\n"forged"'],
      broken: ['{"v":1,"node":"broken","kind":"result"}\n{"a":1},"x":{"result":2}'],
      empty: [''],
      bytes: [Uint8Array.of(0xc3, 0x28, 0x0a)],
      twice: ['{"v":1,"node":"twice","kind":"result"}\n1', '{"v":1,"node":"twice","kind":"result"}\n2'],
      deep: [`{"v":1,"node":"deep","kind":"result"}\n${'['.repeat(5000)}${']'.repeat(5000)}`],
      huge: [`{"v":1,"node":"huge","kind":"result"}\n"${'x'.repeat(1_000_000)}"`],
      error: ['{"v":1,"node":"error","kind":"error","error":{"code":"x","message":1}}\n'],
    };
    for (const [name, told] of Object.entries(answers)) {
      nats.publish(`mi.v1.default.presence.${name}`, presence({ name }));
      nats.subscribe(`mi.v1.default.call.*.node.${name}`, {
        callback: (_error, message) => {
          for (const one of told) message.respond(one);
        },
      });
    }
    await nats.flush();
    await here(gatherer, ['sip', ...Object.keys(answers)]);
    const answer = await askFleet(gatherer, { command: 'lab:who', timeout: 2 });
    expect(answer.nodes).toMatchObject({ sip: { result: 'sip' }, twice: { result: 1 } });
    expect(answer.why?.forged?.reason).toBe('it answers as sip');
    for (const name of ['broken', 'empty', 'bytes', 'deep', 'error'])
      expect(answer.why?.[name]?.reason, name).toBe('its answer is malformed');
    expect(Object.keys(answer.nodes).toSorted()).toStrictEqual(['huge', 'sip', 'twice']);
    const two = await Promise.all([1, 2, 3].map(() => askFleet(gatherer, { command: 'lab:who', nodes: 'huge' })));
    for (const { nodes } of two) expect(Object.keys(nodes)).toStrictEqual(['huge']);
    expect(await count(gatherer, 'fleet_held')).toBe(0);
  });

  test('carries a question twice, and to all, which each member runs once', async ({ lifetime }) => {
    const fleet = await startFleet(lifetime, { way: 'nats', members: three, fleet: () => ({ tags: 'edge' }) });
    const nats = await stranger(lifetime, fleet.broker as Broker);
    const question = (id: string, level: string) =>
      JSON.stringify({
        v: 1,
        kind: 'call',
        fleet: 'default',
        id,
        user: 'joe',
        at: 'cli',
        level,
        command: 'lab:set',
        params: [id],
        timeout: 1000,
      });
    const heard: string[] = [];
    nats.subscribe('answers', { callback: (_error, message) => void heard.push(message.string()) });
    for (const to of ['node.sip-01', 'node.sip-01', 'all', 'group.edge'])
      nats.publish(`mi.v1.default.call.operate.${to}`, question('one', 'operate'), { reply: 'answers' });
    await expect.poll(() => heard.length).toBe(3);
    nats.publish('mi.v1.default.call.operate.all', question('two', 'operate'), { reply: 'answers' });
    await expect.poll(() => heard.length).toBe(6);
    expect(three.map((name) => fleet.lab(name).values)).toStrictEqual([
      ['one', 'two'],
      ['one', 'two'],
      ['one', 'two'],
    ]);
    // A level that the subject does not grant.
    nats.publish('mi.v1.default.call.read.all', question('three', 'operate'), { reply: 'answers' });
    await expect.poll(() => heard.length).toBe(9);
    for (const text of heard.slice(6)) expect(text).toContain('-32003');
    expect(three.map((name) => fleet.lab(name).values.length)).toStrictEqual([2, 2, 2]);
  });

  test('carries a thousand calls at once: so many are made, and the rest is refused at once', async ({ lifetime }) => {
    const fleet = await startFleet(lifetime, { way: 'nats', members: three, gathererFleet: { max_calls: 50 } });
    const { gatherer } = fleet;
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, () =>
        gatherer.call('fleet:call', { command: 'lab:who' }).then(
          (told) => JSON.stringify(told).includes('sip-03'),
          (error: Error & { status?: number }) => error.status,
        ),
      ),
    );
    expect(outcomes.filter((one) => one === true).length).toBe(50);
    expect(outcomes.filter((one) => one === 503).length).toBe(950);
    expect(await count(gatherer, 'fleet_held')).toBe(0);
    // Members that never finish hold no more than these.
    const stuck = Array.from({ length: 50 }, () => gatherer.call('fleet:call', { command: 'lab:wait', timeout: 1 }));
    await expect(gatherer.call('fleet:call', { command: 'lab:who' })).rejects.toMatchObject({ status: 503 });
    await Promise.all(stuck);
    await expect.poll(() => three.map((name) => fleet.lab(name).left)).toStrictEqual([50, 50, 50]);
    expect(resultsOf(await askFleet(gatherer, { command: 'lab:who' }))['sip-01']).toBe('sip-01');
  });

  test('that denies a part is away, with its reason, until it does not', async ({ lifetime }) => {
    const broker = await Broker.start(lifetime, 'max_subscriptions: 3\n');
    const lines: string[] = [];
    const keep = (_fields: object, text: string): void => void lines.push(text);
    const log = { debug() {}, info: keep, warn: keep, error: keep };
    const gathererFleet = { role: 'both' };
    const fleet = await startFleet(lifetime, {
      way: 'nats',
      broker,
      members: ['sip'],
      member: () => ({ log: { debug() {}, info() {}, warn() {}, error() {} } }),
      gatherer: { log },
      gathererFleet,
      waits: false,
    });
    const { gatherer } = fleet;
    const problem = async (): Promise<unknown> => JSON.parse((await post(gatherer, asking)).body).error?.data;
    await expect.poll(problem).toMatch(/is away: maximum subscriptions exceeded/);
    // It is tried again and again, and told once. The broker numbers its clients, of which some are asked here.
    let own = 0;
    const tries = async (): Promise<number> => {
      const { info } = await stranger(lifetime, broker);
      own += 1;
      return (info?.client_id ?? 0) - own;
    };
    const before = await tries();
    await expect.poll(tries, { interval: 500, timeout: 60_000 }).toBeGreaterThan(before + 4);
    expect(lines.filter((line) => /is away|is connected/.test(line))).toStrictEqual([expect.stringMatching(/is away/)]);
    await broker.configure('');
    await here(gatherer, ['gw', 'sip']);
    expect(resultsOf(await askFleet(gatherer, { command: 'lab:who' }))).toStrictEqual({ gw: 'gatherer', sip: 'sip' });
  });

  test('may be several, of which one is enough', async ({ lifetime, startServer }) => {
    const [one = 0, two = 0, ...routes] = await Promise.all([1, 2, 3, 4].map(() => freePort()));
    const clustered = (own = 0, other = 0): string =>
      `cluster { name: c, listen: "127.0.0.1:${own}", routes: ["nats://127.0.0.1:${other}"] }\n`;
    const brokers = [
      await Broker.start(lifetime, clustered(routes[0], routes[1]), one),
      await Broker.start(lifetime, clustered(routes[1], routes[0]), two),
    ];
    const server = brokers.map(({ url }) => url);
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const common = { log, retry_interval: 1, presence_interval: 1 };
    const fleet = { server, presence_interval: common.presence_interval, retry_interval: common.retry_interval };
    await startServer({ log, modules: [new Lab('sip').module], fleet: { ...fleet, name: 'sip', role: 'member' } });
    const gatherer = await startServer({ log, fleet: { ...fleet, name: 'gw', role: 'gather' } });
    const works = async (): Promise<unknown> => {
      const { body } = await post(gatherer, asking);
      return JSON.parse(body).result?.nodes.sip?.result;
    };
    await expect.poll(works).toBe('sip');
    for (const broker of brokers) {
      await broker.kill();
      // Whoever had the other one has seen nothing of it.
      await expect.poll(works).toBe('sip');
      await here(gatherer, ['sip']);
      await broker.run();
    }
  });

  test('is nobody that says what NATS would not, or nothing: local calls are not touched, and the stop does not wait', async ({
    lifetime,
    startServer,
  }) => {
    const info = 'INFO {"server_id":"x","version":"2.9.0","max_payload":1048576,"proto":1}\r\n';
    for (const told of ['', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'INFO {"a":\r\n', info, '\xff'.repeat(100_000)]) {
      const sockets = new Set<Socket>();
      const broker = createServer((socket) => {
        sockets.add(socket.on('error', () => {}));
        socket.write(told, 'latin1');
      });
      lifetime.onTestFinished(() => {
        for (const socket of sockets) socket.destroy();
        broker.close();
      });
      broker.listen(0, '127.0.0.1');
      await once(broker, 'listening');
      const { port } = broker.address() as AddressInfo;
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const server = await startServer({
        log,
        modules: [new Lab('sip').module],
        fleet: { server: [`nats://127.0.0.1:${port}`], name: 'sip' },
      });
      await expect.poll(() => sockets.size).toBeGreaterThan(0);
      expect(await call(server, 'lab:who')).toBe('sip');
      const { status, body } = await post(server, asking);
      expect([status, JSON.parse(body).error.data]).toStrictEqual([503, expect.stringContaining('cannot be asked')]);
      // While it is still waited for.
      await server.close();
    }
  });

  test('that says what it should not amid all else is left, and comes back', async ({ lifetime }) => {
    const broker = await Broker.start(lifetime);
    const downs = new Set<Socket>();
    const way = createServer((down) => {
      const up = connectTo(broker.port, '127.0.0.1');
      downs.add(down);
      for (const [one, other] of [
        [down, up],
        [up, down],
      ] as const) {
        one.on('data', (bytes) => other.write(bytes));
        one.on('error', () => {});
        one.on('close', () => other.destroy());
      }
    });
    lifetime.onTestFinished(() => {
      for (const socket of downs) socket.destroy();
      way.close();
    });
    way.listen(0, '127.0.0.1');
    await once(way, 'listening');
    const server = [`nats://127.0.0.1:${(way.address() as AddressInfo).port}`];
    const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
    lifetime.onTestFinished(() => printed.mockRestore());
    const { gatherer } = await startFleet(lifetime, {
      way: 'nats',
      broker,
      members: ['sip'],
      gathererFleet: { server },
    });
    for (const rubbish of ['RUBBISH\r\n', 'MSG a 1 -5\r\n', 'INFO {"a"\r\n', '\xff'.repeat(70_000)]) {
      const before = new Set(downs);
      for (const socket of before) socket.write(rubbish, 'latin1');
      await expect.poll(() => [...before].every(({ destroyed }) => destroyed), { timeout: 20_000 }).toBe(true);
      await here(gatherer, ['sip']);
      expect(resultsOf(await askFleet(gatherer, { command: 'lab:who' }))).toStrictEqual({ sip: 'sip' });
    }
  });

  test('gets no subject of a name that is none', async ({ lifetime }) => {
    const { gatherer } = await startFleet(lifetime, { way: 'nats', members: ['sip'] });
    for (const nodes of ['a..b', '.', 'sip.', ['-', '.a'], 'a b', '>', Array.from({ length: 1001 }, () => 'a')]) {
      const { error } = JSON.parse(
        (
          await post(
            gatherer,
            JSON.stringify({ jsonrpc: '2.0', method: 'fleet:call', params: { command: 'lab:who', nodes }, id: 1 }),
          )
        ).body,
      );
      expect(error, JSON.stringify(nodes).slice(0, 40)).toMatchObject({ code: -32602 });
    }
    const many = Array.from({ length: 33 }, (_, n) => `*${n}`);
    await expect(gatherer.call('fleet:members', { nodes: many })).rejects.toMatchObject({ code: -32602 });
    // A pattern is no name that could be missing.
    await expect(gatherer.call('fleet:call', { command: 'lab:who', nodes: 'zz*' })).rejects.toMatchObject({
      code: 404,
    });
    expect(resultsOf(await askFleet(gatherer, { command: 'lab:who' }))).toStrictEqual({ sip: 'sip' });
  });

  test('has 200 members: their answers are merged as they came, and are held until the client has them', async ({
    lifetime,
  }) => {
    const most = 8_388_608;
    const fleet = await startFleet(lifetime, { way: 'nats', members: ['sip'], gathererFleet: { max_answers: most } });
    const { gatherer } = fleet;
    const nats = await stranger(lifetime, fleet.broker as Broker);
    const names = Array.from({ length: 200 }, (_, n) => `m${String(n).padStart(3, '0')}`);
    const text = 'ž😀'.repeat(4000);
    for (const name of names) {
      nats.publish(`mi.v1.default.presence.${name}`, presence({ name }));
      nats.subscribe(`mi.v1.default.call.*.node.${name}`, {
        callback: (_error, message) =>
          void message.respond(`{"v":1,"node":"${name}","readOnly":true,"kind":"result"}\n["${name}","${text}"]`),
      });
    }
    await nats.flush();
    await here(gatherer, [...names, 'sip']);
    const answer = await askFleet(gatherer, { command: 'lab:who', timeout: 60 });
    expect(Object.keys(answer.nodes)).toStrictEqual([...names, 'sip']);
    for (const name of names) expect(answer.nodes[name]).toStrictEqual({ result: [name, text] });
    expect(await count(gatherer, 'fleet_held')).toBe(0);
    // A client that does not read holds what it asked for, and no others get more than there is room for.
    const body = JSON.stringify({
      jsonrpc: '2.0',
      method: 'fleet:call',
      params: { command: 'lab:who', timeout: 60 },
      id: 1,
    });
    const slow = connectTo(gatherer.port, '127.0.0.1').pause();
    slow.write(
      `POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => count(gatherer, 'fleet_held')).toBeGreaterThan(most / 2);
    const other = await askFleet(gatherer, { command: 'lab:who', timeout: 60 });
    const errors = Object.values(other.nodes).filter(({ error }) => error !== undefined);
    expect(errors.length).toBeGreaterThan(50);
    expect(errors[0]?.error?.data).toMatch(/max_answers/);
    slow.destroy();
    await expect.poll(() => count(gatherer, 'fleet_held')).toBe(0);
  });
});
