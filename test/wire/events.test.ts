import { execFile } from 'node:child_process';
import { Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, vi } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { bundleText } from '../../scripts/bundle.mjs';
import { unixReceiver } from '../support/event-receiver.js';
import { freePort } from '../support/free-port.js';
import { silentLog } from '../support/log.js';
import { call, callError, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

const run = promisify(execFile);
const badValue = 'Bad parameter value';

async function statistic(server: Server, name: string): Promise<number | undefined> {
  return ((await call(server, 'get_statistics', [[name]])) as Record<string, number>)[`evi:${name}`];
}

describe('commands about events', () => {
  test('events_list numbers the events in the order of their declaration', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    server.events.declare('E_PBX_TRUNK_DOWN');
    expect(await call(server, 'events_list')).toStrictEqual({
      Events: [
        { name: 'E_CORE_SR_STATUS_CHANGED', id: 0 },
        { name: 'E_CORE_THRESHOLD', id: 1 },
        { name: 'E_CORE_SHM_THRESHOLD', id: 2 },
        { name: 'E_CORE_PKG_THRESHOLD', id: 3 },
        { name: 'E_CORE_PROC_AUTO_SCALE', id: 4 },
        { name: 'E_CORE_TCP_DISCONNECT', id: 5 },
        { name: 'E_UL_AOR_INSERT', id: 6 },
        { name: 'E_UL_AOR_DELETE', id: 7 },
        { name: 'E_UL_CONTACT_INSERT', id: 8 },
        { name: 'E_UL_CONTACT_UPDATE', id: 9 },
        { name: 'E_UL_CONTACT_DELETE', id: 10 },
        { name: 'E_UL_CONTACT_REFRESH', id: 11 },
        { name: 'E_UL_LATENCY_UPDATE', id: 12 },
        { name: 'E_CORE_LOG', id: 13 },
        { name: 'E_PBX_TRUNK_DOWN', id: 14 },
      ],
    });
    expect(await call(server, 'evi:list')).toStrictEqual(await call(server, 'events_list'));
  });

  test('subscribers are listed, found, and expire', async ({ startServer }) => {
    const server = await startServer({ event_datagram: {} });
    server.events.declare('E_ONE');
    server.events.declare('E_TWO');
    const socket = 'udp:127.0.0.1:9';
    expect(await call(server, 'subscribers_list')).toStrictEqual({ Events: [] });
    expect(await call(server, 'subscribers_list', ['E_ONE'])).toStrictEqual({ Event: {} });
    expect(await call(server, 'event_subscribe', ['E_ONE', socket])).toBe('OK');
    expect(await call(server, 'event_subscribe', { event: 'E_TWO', socket, expire: 600 })).toBe('OK');
    const { Events } = (await call(server, 'subscribers_list')) as {
      Events: { name: string; id: number; Subscribers: { socket: string; expire: number; ttl: number }[] }[];
    };
    expect(
      Events.map(({ name, Subscribers }) => [name, Subscribers.map((one) => [one.socket, one.expire])]),
    ).toStrictEqual([
      ['E_ONE', [[socket, 3600]]],
      ['E_TWO', [[socket, 600]]],
    ]);
    for (const { Subscribers } of Events) {
      for (const { expire, ttl } of Subscribers)
        expect(ttl <= expire && ttl > expire - 20, `${ttl} of ${expire}`).toBe(true);
    }
    const { Event } = (await call(server, 'subscribers_list', ['E_TWO', socket])) as {
      Event: { name: string; id: number; Subscriber: { socket: string; expire: number } };
    };
    expect(Object.keys(Event)).toStrictEqual(['name', 'id', 'Subscriber']);
    expect(Event.Subscriber.expire).toBe(600);
    expect(await callError(server, 'subscribers_list', ['E_ONE', 'udp:127.0.0.1:10'])).toStrictEqual({
      code: 404,
      message: 'Subscriber does not exist',
    });
    expect(await callError(server, 'subscribers_list', ['E_NONE'])).toStrictEqual({
      code: 404,
      message: 'Event not published',
    });
    // Another spelling of the same socket sets the same subscription anew.
    expect(await call(server, 'event_subscribe', ['E_TWO', 'udp:127.0.0.1:09', 700])).toBe('OK');
    expect(await statistic(server, 'event_subscribers')).toBe(1);
    expect(await call(server, 'event_subscribe', ['E_TWO', socket, 0])).toBe('OK');
    const after = (await call(server, 'subscribers_list', ['E_TWO'])) as {
      Event: { Subscribers?: { ttl: unknown }[] };
    };
    // In the second in which it ends it is still listed.
    for (const { ttl } of after.Event.Subscribers ?? []) expect(ttl).toBe('expired');
    expect(server.events.raise('E_TWO', { a: 1 })).toBe(0);
  });

  test('a socket of the file system gets datagrams, and those that nothing reads are counted', async ({
    lifetime,
    startServer,
  }) => {
    const server = await startServer({ event_datagram: { folders: `${tmpdir()}/` } });
    const event = server.events.declare('E_ONE');
    const { path, next } = unixReceiver(lifetime);
    expect(await call(server, 'event_subscribe', ['E_ONE', `unix:${path}`])).toBe('OK');
    expect(await call(server, 'subscribers_list', ['E_ONE'])).toMatchObject({
      Event: { Subscribers: [{ socket: `unix:${path}` }] },
    });
    expect(event.raise({ a: 1 })).toBe(1);
    event.raise({ a: 'ü' });
    expect(await next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: { a: 1 } });
    expect(await next()).toMatchObject({ params: { a: 'ü' } });
    expect(await statistic(server, 'events_dropped')).toBe(0);
    await call(server, 'event_subscribe', ['E_ONE', `unix:${path}-none`]);
    event.raise({ a: 2 });
    expect(await next()).toMatchObject({ params: { a: 2 } });
    expect(await statistic(server, 'events_dropped')).toBe(1);
  });

  test('what cannot be subscribed is refused with the reason', async ({ startServer }) => {
    const server = await startServer({ event_datagram: {}, event_jsonrpc: {}, event_stream: {} });
    server.events.declare('E_ONE');
    const refusals: readonly (readonly [unknown[], RegExp])[] = [
      [['E_NONE', 'udp:127.0.0.1:9'], /event "E_NONE" does not exist; events_list lists all/],
      [['E_ONE', 'zzz'], /no event transport for socket "zzz"; give udp: or unix: or tcp: or jsonrpc:/],
      [['E_ONE', 'udp:127.0.0.1'], /is not udp:HOST:PORT/],
      [['E_ONE', 'udp:127.0.0.1:0'], /ports from 1 to 65535/],
      [['E_ONE', 'udp:127.0.0.1:65536'], /ports from 1 to 65535/],
      [['E_ONE', 'udp:::1:9'], /IPv6 goes in brackets/],
      [['E_ONE', 'udp:127.0.0.1:9/m'], /takes no method/],
      [['E_ONE', 'unix:tmp/x'], /is not unix:\/PATH of at most 107 bytes/],
      [['E_ONE', `unix:/tmp/${'x'.repeat(107)}`], /is not unix:\/PATH of at most 107 bytes/],
      [['E_ONE', 'unix:/dev/log'], /is in none of the folders of sockets of events, \/tmp\/, \/run\/opensips\//],
      [['E_ONE', 'unix:/tmp/../dev/log'], /is not the shortest way/],
      [
        ['E_ONE', 'udp:192.0.2.1:9'],
        /192\.0\.2\.1 is not among the destinations of events, 127\.0\.0\.0\/8, ::1; add its network/,
      ],
      [['E_ONE', 'tcp:192.0.2.1:9'], /is not among the destinations/],
      [['E_ONE', 'tcp:[2001:db8::1]:9'], /is not among the destinations/],
      [['E_ONE', 'tcp:[::ffff:192.0.2.1]:9'], /is not among the destinations/],
      [['E_ONE', 'jsonrpc:127.0.0.1:9/a b'], /method/],
      [['E_ONE', 'udp:127.0.0.1:9', 2147483648], /up to 2147483647 seconds/],
    ];
    for (const [params, reason] of refusals) {
      const { code, message, data } = await callError(server, 'event_subscribe', params);
      expect([code, message], JSON.stringify(params)).toStrictEqual([400, badValue]);
      expect(data ?? '').toMatch(reason);
    }
    expect(await callError(server, 'event_subscribe', ['E_ONE', 'udp:127.0.0.1:9', -1])).toStrictEqual({
      code: -32602,
      message: 'Invalid params',
      data: 'Negative expire value',
    });
    const name = `udp:no-such-host.invalid:9`;
    const { code, data } = await callError(server, 'event_subscribe', ['E_ONE', name]);
    expect(code).toBe(400);
    expect(data ?? '').toMatch(/no-such-host\.invalid cannot be resolved/);
    expect(await call(server, 'subscribers_list')).toStrictEqual({ Events: [] });
  });

  test('without a transport the remedy is told', async ({ startServer }) => {
    const server = await startServer();
    const { code, data } = await callError(server, 'event_subscribe', ['E_CORE_LOG', 'udp:127.0.0.1:9']);
    expect(code).toBe(400);
    expect(data ?? '').toMatch(/add loadmodule "event_datagram\.so"/);
  });

  test('who subscribes to an event that only a SIP server raises is told in the log', async ({ startServer }) => {
    const warnings: string[] = [];
    const log = {
      ...silentLog,
      warn: (_: object, message: string) => void warnings.push(message),
    };
    const server = await startServer({ event_datagram: {}, log });
    for (const expire of [10, 20]) {
      expect(await call(server, 'event_subscribe', ['E_CORE_THRESHOLD', 'udp:127.0.0.1:9', expire])).toBe('OK');
    }
    expect(await call(server, 'event_subscribe', ['E_CORE_LOG', 'udp:127.0.0.1:9'])).toBe('OK');
    expect(warnings).toStrictEqual(['somebody subscribed to E_CORE_THRESHOLD, which this server never raises']);
  });

  test('there is a limit of subscribers', async ({ startServer }) => {
    const server = await startServer({ event_datagram: { max_subscribers: 2 } });
    server.events.declare('E_ONE');
    server.events.declare('E_TWO');
    for (const event of ['E_ONE', 'E_TWO']) {
      for (const port of [11, 12]) await call(server, 'event_subscribe', [event, `udp:127.0.0.1:${port}`]);
    }
    const { code, data } = await callError(server, 'event_subscribe', ['E_ONE', 'udp:127.0.0.1:13']);
    expect(code).toBe(400);
    expect(data ?? '').toMatch(/2 sockets are subscribed by udp, the limit max_subscribers/);
    expect(await call(server, 'event_subscribe', ['E_ONE', 'udp:127.0.0.1:12', 5])).toBe('OK');
  });
});

describe('raise_event', () => {
  test('sends texts by position and members by name', async ({ udpReceiver, startServer }) => {
    const receiver = await udpReceiver();
    const server = await startServer({ event_datagram: {} });
    server.events.declare('E_MI_TEST');
    await call(server, 'event_subscribe', ['E_MI_TEST', `udp:127.0.0.1:${receiver.port}`]);
    const raised: readonly (readonly [unknown[], unknown])[] = [
      [['E_MI_TEST'], []],
      [['E_MI_TEST', []], []],
      [
        ['E_MI_TEST', ['a', 2]],
        ['a', '2'],
      ],
      [['E_MI_TEST', '{"a":1,"b":"x","c":[1],"d":true,"e":null}'], { a: 1, b: 'x', c: '[1]', d: 'true', e: 'null' }],
    ];
    for (const [given, params] of raised) {
      expect(await call(server, 'raise_event', given)).toBe('OK');
      expect(await receiver.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_MI_TEST', params });
    }
    expect(await statistic(server, 'events_raised')).toBe(raised.length);
  });

  test('refuses with the codes of OpenSIPS', async ({ startServer }) => {
    const server = await startServer({ event_datagram: {} });
    expect(await callError(server, 'raise_event', ['E_MI_TEST'])).toStrictEqual({
      code: 404,
      message: 'Event not registered',
    });
    server.events.declare('E_MI_TEST');
    expect(await callError(server, 'raise_event', ['E_MI_TEST'])).toStrictEqual({
      code: 480,
      message: 'Temporarily Unavailable',
    });
    await call(server, 'event_subscribe', ['E_MI_TEST', 'udp:127.0.0.1:9']);
    const refusals: readonly (readonly [unknown, string])[] = [
      [5, 'No Params'],
      [null, 'No Params'],
      ['x', 'Bad Params'],
      ['[1]', 'Bad Params'],
      [[[1]], 'Bad Params'],
      [[true], 'Bad Params'],
    ];
    for (const [params, expected] of refusals) {
      const { code, message } = await callError(server, 'raise_event', { event: 'E_MI_TEST', params });
      expect([code, message], JSON.stringify(params)).toStrictEqual([400, expected]);
    }
  });
});

describe('events of modules and embedders', () => {
  test('a module declares and raises; members of any kind arrive', async ({ udpReceiver, startServer }) => {
    const receiver = await udpReceiver();
    const pbx = defineModule({
      name: 'pbx',
      load: ({ events }) => {
        const down = events.declare('E_PBX_DOWN');
        return {
          commands: [command({ name: 'down', help: 'Raises.', run: () => down.raise({ trunk: 'n', calls: 3 }) })],
        };
      },
    });
    const server = await startServer({ event_datagram: {}, modules: [pbx] });
    expect(await call(server, 'pbx:down')).toBe(0);
    await call(server, 'event_subscribe', ['E_PBX_DOWN', `udp:127.0.0.1:${receiver.port}`]);
    expect(await call(server, 'pbx:down')).toBe(1);
    expect(await receiver.next()).toStrictEqual({
      jsonrpc: '2.0',
      method: 'E_PBX_DOWN',
      params: { trunk: 'n', calls: 3 },
    });
  });

  test('wrong names are refused where they are written', async ({ startServer }) => {
    const server = await startServer();
    expect(() => server.events.declare('MY_EVENT')).toThrow(/"MY_EVENT" is no name of an event; give E_/);
    server.events.declare('E_MY_EVENT');
    expect(() => server.events.declare('E_MY_EVENT')).toThrow(/E_MY_EVENT is declared already/);
    expect(() => server.events.raise('E_MY_EVNT')).toThrow(/did you mean E_MY_EVENT\?/);
  });

  test('usrloc raises the events of OpenSIPS', async ({ udpReceiver, startServer }) => {
    const receiver = await udpReceiver();
    const server = await startServer({ event_datagram: {}, usrloc: { nat_bflag: 'NAT' } });
    for (const name of ['AOR_INSERT', 'CONTACT_INSERT', 'CONTACT_UPDATE', 'CONTACT_DELETE', 'AOR_DELETE']) {
      await call(server, 'event_subscribe', [`E_UL_${name}`, `udp:127.0.0.1:${receiver.port}`]);
    }
    const location = server.usrloc?.domain('location');
    const saved = location?.save('alice', { contact: 'sip:a@192.0.2.1', expires: 60, q: 0.5, cflags: ['NAT'] });
    location?.save('alice', { contact: 'sip:a@192.0.2.1', expires: 90, cseq: 2, userAgent: 'phone' });
    location?.remove('alice');
    const aor = { domain: 'location', aor: 'alice' };
    const contact = {
      ...aor,
      uri: 'sip:a@192.0.2.1',
      received: '',
      path: '',
      qval: 5,
      user_agent: '',
      socket: '',
      bflags: 1,
      expires: saved?.expiresAt,
      callid: 'mi-httpd',
      cseq: 1,
      attr: '',
      latency: 0,
      shtag: '',
    };
    const next = async (): Promise<{ method: string; params: Record<string, unknown> }> =>
      (await receiver.next()) as { method: string; params: Record<string, unknown> };
    expect(await next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_UL_AOR_INSERT', params: aor });
    expect(await next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_UL_CONTACT_INSERT', params: contact });
    const update = await next();
    expect(update.method).toBe('E_UL_CONTACT_UPDATE');
    expect([update.params.cseq, update.params.qval, update.params.user_agent]).toStrictEqual([2, -1, 'phone']);
    expect((await next()).method).toBe('E_UL_CONTACT_DELETE');
    expect(await next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_UL_AOR_DELETE', params: aor });
  });

  test('an event that is too long for a datagram is dropped and counted', async ({ udpReceiver, startServer }) => {
    const receiver = await udpReceiver();
    const server = await startServer({ event_datagram: {} });
    const event = server.events.declare('E_LONG');
    await call(server, 'event_subscribe', ['E_LONG', `udp:127.0.0.1:${receiver.port}`]);
    event.raise({ text: 'x'.repeat(70_000) });
    event.raise({ text: 'short' });
    expect(await receiver.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_LONG', params: { text: 'short' } });
    expect(await statistic(server, 'events_dropped')).toBe(1);
  });

  test('the last event of a server that stops still leaves', async ({ udpReceiver, tcpReceiver, startServer }) => {
    const datagrams = await udpReceiver();
    const lines = await tcpReceiver();
    const server = await startServer({ event_datagram: {}, event_stream: {} });
    for (const socket of [`udp:127.0.0.1:${datagrams.port}`, `tcp:127.0.0.1:${lines.port}`]) {
      await call(server, 'event_subscribe', ['E_CORE_SR_STATUS_CHANGED', socket]);
    }
    // A connection is made with the first event.
    server.status.add('pbx').set(2);
    for (const receiver of [datagrams, lines]) await receiver.next();
    await server.close();
    const params = { group: 'core', identifier: 'main', status: -2, details: 'terminating', old_status: 1 };
    const expected = { jsonrpc: '2.0', method: 'E_CORE_SR_STATUS_CHANGED', params };
    expect(await datagrams.next()).toStrictEqual(expected);
    expect(await lines.next()).toStrictEqual(expected);
  });

  test('a name is resolved, and its address has to be a destination', async ({ udpReceiver, startServer }) => {
    const receiver = await udpReceiver();
    const server = await startServer({ event_datagram: { destinations: '127.0.0.1' } });
    server.events.declare('E_ONE');
    expect(await call(server, 'event_subscribe', ['E_ONE', `udp:LocalHost:${receiver.port}`])).toBe('OK');
    expect(await call(server, 'event_subscribe', ['E_ONE', `udp:localhost:${receiver.port}`])).toBe('OK');
    expect(server.events.raise('E_ONE', ['x'])).toBe(1);
    expect(await receiver.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: ['x'] });
    const narrow = await startServer({ event_datagram: { destinations: '192.0.2.0/24' } });
    const { data } = await callError(narrow, 'event_subscribe', ['E_CORE_LOG', 'udp:localhost:9']);
    expect(data ?? '').toMatch(
      /localhost resolves to nothing that is among the destinations of events, 192\.0\.2\.0\/24/,
    );
  });
});

describe('events by TCP', () => {
  test('one connection serves all events of a subscriber', async ({ tcpReceiver, startServer }) => {
    const receiver = await tcpReceiver();
    const server = await startServer({ event_jsonrpc: {}, event_stream: { event_param: 'event' } });
    for (const name of ['E_ONE', 'E_TWO']) {
      server.events.declare(name);
      await call(server, 'event_subscribe', [name, `jsonrpc:127.0.0.1:${receiver.port}`]);
    }
    for (let i = 0; i < 20; i += 1) server.events.raise(i % 2 === 0 ? 'E_ONE' : 'E_TWO', { i });
    for (let i = 0; i < 20; i += 1) {
      const method = i % 2 === 0 ? 'E_ONE' : 'E_TWO';
      expect(await receiver.next()).toStrictEqual({ jsonrpc: '2.0', method, params: { i } });
    }
    expect(receiver.connections).toBe(1);
    await call(server, 'event_subscribe', ['E_ONE', `tcp:127.0.0.1:${receiver.port}/handle`]);
    server.events.raise('E_ONE', { a: 'b' });
    const both = [await receiver.next(), await receiver.next()];
    const own = { jsonrpc: '2.0', method: 'handle', params: { event: 'E_ONE', a: 'b' } };
    expect(
      both.some((one) => JSON.stringify(one) === JSON.stringify(own)),
      JSON.stringify(both),
    ).toBe(true);
  });

  test('events wait while the subscriber is away, and it is found again', async ({ tcpReceiver, startServer }) => {
    const first = await tcpReceiver();
    const logged: string[] = [];
    const log = (_: object, message: string): void => void logged.push(message);
    const server = await startServer({
      event_jsonrpc: {},
      log: { ...silentLog, info: log, warn: log, error: log },
    });
    const event = server.events.declare('E_ONE');
    await call(server, 'event_subscribe', ['E_ONE', `jsonrpc:127.0.0.1:${first.port}`]);
    event.raise(['1']);
    expect(await first.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: ['1'] });
    await first.close();
    const second = await tcpReceiver(first.port);
    const found = second.next();
    // What was written before the server learnt of the end is lost, as it is with TCP.
    for (let isFound = false; !isFound; ) {
      event.raise(['2']);
      isFound = await Promise.race([found.then(() => true), setTimeout(10, false)]);
    }
    expect(await found).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: ['2'] });
  });

  test('a subscriber that is not there is told of once, and gets what waited when it comes', async ({
    tcpReceiver,
    startServer,
  }) => {
    const gone = await tcpReceiver();
    await gone.close();
    const { promise, resolve } = withResolvers<string>();
    const warnings: string[] = [];
    const server = await startServer({
      event_jsonrpc: {},
      log: {
        ...silentLog,
        warn: (_fields, message) => {
          warnings.push(message);
          resolve(message);
        },
      },
    });
    const event = server.events.declare('E_ONE');
    await call(server, 'event_subscribe', ['E_ONE', `jsonrpc:127.0.0.1:${gone.port}`]);
    event.raise(['1']);
    event.raise(['2']);
    expect(await promise).toMatch(/event subscriber jsonrpc:127\.0\.0\.1:\d+ cannot be reached; its events wait/);
    const back = await tcpReceiver(gone.port);
    expect(await back.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: ['1'] });
    expect(await back.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: ['2'] });
    expect(warnings.length).toBe(1);
    expect(await statistic(server, 'events_dropped')).toBe(0);
  });

  test('a burst to a subscriber that reads loses nothing', async ({ tcpReceiver, startServer }) => {
    const receiver = await tcpReceiver();
    const server = await startServer({ event_jsonrpc: { queue_size: 20_000 } });
    const event = server.events.declare('E_ONE');
    await call(server, 'event_subscribe', ['E_ONE', `jsonrpc:127.0.0.1:${receiver.port}`]);
    event.raise([0]);
    await receiver.next();
    for (let i = 1; i <= 500; i += 1) event.raise([i]);
    for (let i = 1; i <= 500; i += 1) {
      expect(await receiver.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: [i] });
    }
    expect(await statistic(server, 'events_dropped')).toBe(0);
  });

  test('what waits is bounded, and the rest is counted', async ({ onTestFinished, startServer }) => {
    const stalled = createTcpServer((socket: Socket) => void socket.pause());
    const { promise: port, resolve } = withResolvers<number>();
    stalled.listen(0, '127.0.0.1', () => resolve((stalled.address() as { port: number }).port));
    onTestFinished(() => void stalled.close());
    const server = await startServer({ event_jsonrpc: { queue_size: 20_000 } });
    const event = server.events.declare('E_ONE');
    await call(server, 'event_subscribe', ['E_ONE', `jsonrpc:127.0.0.1:${await port}`]);
    const text = 'x'.repeat(5000);
    for (let i = 0; i < 10; i += 1) event.raise([text]);
    expect(await statistic(server, 'events_dropped')).toBe(7);
    await server.close({ deadline: 0 });
  });

  test('closing the server closes its connections', async ({ tcpReceiver, startServer }) => {
    const receiver = await tcpReceiver();
    const server = await startServer({ event_jsonrpc: {} });
    const event = server.events.declare('E_ONE');
    await call(server, 'event_subscribe', ['E_ONE', `jsonrpc:127.0.0.1:${receiver.port}`]);
    event.raise([]);
    await receiver.next();
    const closed = receiver.allClosed();
    await server.close();
    await closed;
    expect(event.raise([])).toBe(0);
  });

  test('an ended subscription closes its connection', async ({ tcpReceiver, startServer }) => {
    const receiver = await tcpReceiver();
    const server = await startServer({ event_jsonrpc: {} });
    const event = server.events.declare('E_ONE');
    const socket = `jsonrpc:127.0.0.1:${receiver.port}`;
    await call(server, 'event_subscribe', ['E_ONE', socket]);
    event.raise([]);
    await receiver.next();
    const closed = receiver.allClosed();
    await call(server, 'event_subscribe', ['E_ONE', socket, 0]);
    await closed;
  });

  test('a subscriber that is away keeps no process alive, nor does a server that is closed', async () => {
    const program = `
      import { createServer } from '#src/index.js';
      const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, event_jsonrpc: {}, event_datagram: {} }).start();
      const event = server.events.declare('E_ONE');
      server.events.subscribe(event, 'jsonrpc:127.0.0.1:9', undefined);
      server.events.subscribe(event, 'udp:127.0.0.1:9', 60);
      console.log(event.raise([1]));
      await server.close();`;
    const { stdout } = await run(process.execPath, [bundleText(program)], { timeout: 100_000 });
    expect(stdout).toBe('2\n');
  });

  test('requests with replies are refused', async ({ startServer }) => {
    const start = (options: object) => () => startServer(options);
    await Promise.all([
      expect(start({ event_jsonrpc: { sync_mode: 1 } })).rejects.toThrow(
        /sync_mode.*and 0, notifications, is what there is/,
      ),
      expect(start({ event_stream: { reliable_mode: 1 } })).rejects.toThrow(
        /reliable_mode.*and 0, notifications, is what there is/,
      ),
      expect(start({ event_datagram: { destinations: '127.0.0.1/33' } })).rejects.toThrow(
        /"127\.0\.0\.1\/33" has the prefix length "33"/,
      ),
    ]);
  });
});

test('raise_event takes an object of named parameters, as it is or as its text', async ({
  startServer,
  udpReceiver,
}) => {
  const server = await startServer({ event_datagram: {} });
  server.events.declare('E_MI_TEST');
  const receiver = await udpReceiver();
  await call(server, 'event_subscribe', ['E_MI_TEST', `udp:127.0.0.1:${receiver.port}`]);
  const params = { a: 1, b: 'x', c: { d: [null] } };
  for (const given of [params, JSON.stringify(params)]) {
    expect(await call(server, 'raise_event', { event: 'E_MI_TEST', params: given })).toBe('OK');
    const told = { jsonrpc: '2.0', method: 'E_MI_TEST', params: { a: 1, b: 'x', c: '{"d":[null]}' } };
    expect(await receiver.next()).toStrictEqual(told);
  }
});

test('an event is printed once for each form, and not for subscribers whose queue is full', async ({ startServer }) => {
  const server = await startServer({
    event_datagram: { max_subscribers: 100, queue_size: 1024 },
    event_stream: { max_subscribers: 200, queue_size: 1024, event_param: 'name' },
  });
  const event = server.events.declare('E_BIG');
  const port = await freePort();
  for (let i = 0; i < 100; i++) {
    await call(server, 'event_subscribe', ['E_BIG', `udp:127.0.0.1:${10_000 + i}`]);
    await call(server, 'event_subscribe', ['E_BIG', `tcp:127.0.0.${i + 1}:${port}`]);
  }
  await call(server, 'event_subscribe', ['E_BIG', `tcp:127.0.0.1:${port}/own`]);
  await call(server, 'event_subscribe', ['E_BIG', `tcp:127.0.0.2:${port}/own`]);
  const stringify = vi.spyOn(JSON, 'stringify');
  const printed = (): number => {
    return stringify.mock.calls.filter(([value]) => Object.hasOwn(Object(value), 'jsonrpc')).length;
  };
  event.raise({ text: 'x'.repeat(250_000) });
  expect(printed(), 'a datagram, a line, a line with a method').toBe(3);
  for (let i = 0; i < 10; i++) event.raise({});
  const before = printed();
  event.raise({ text: 'x'.repeat(250_000) });
  expect(printed() - before, 'datagrams alone').toBeLessThanOrEqual(1);
});

test('a subscriber that accepts and closes is connected to at growing intervals', async ({
  onTestFinished,
  startServer,
}) => {
  const accepted: number[] = [];
  const closing = createTcpServer((socket) => {
    accepted.push(performance.now());
    socket.on('error', () => {});
    socket.destroy();
  });
  closing.listen(0, '127.0.0.1');
  await once(closing, 'listening');
  onTestFinished(() => void closing.close());
  const server = await startServer({ event_stream: {} });
  const event = server.events.declare('E_TICK');
  await call(server, 'event_subscribe', ['E_TICK', `tcp:127.0.0.1:${(closing.address() as AddressInfo).port}`]);
  while (accepted.length < 5) {
    event.raise({});
    await setTimeout(2);
  }
  const gaps = accepted.slice(1).map((at, index) => at - (accepted[index] ?? 0));
  for (const [index, gap] of gaps.entries()) {
    // 100, 200, 400, 800 ms; accepting may be late, which shortens the next gap.
    expect(gap, `gap ${index} is ${gap} ms`).toBeGreaterThan(50 * 2 ** index);
  }
});

test('an event for hundreds of subscribers is written in turns of the event loop', async ({
  tcpReceiver,
  udpReceiver,
  startServer,
}) => {
  const receiver = await tcpReceiver();
  const { port: udpPort } = await udpReceiver();
  const server = await startServer({
    event_datagram: { max_subscribers: 200 },
    event_stream: { max_subscribers: 200, destinations: '127.0.0.0/8' },
  });
  const event = server.events.declare('E_BIG');
  const subscribers = 100;
  for (let i = 0; i < subscribers; i += 1) {
    // A method of its own for each: one receiver, and as many sockets.
    await call(server, 'event_subscribe', ['E_BIG', `tcp:127.0.0.1:${receiver.port}/m${i}`]);
    await call(server, 'event_subscribe', ['E_BIG', `udp:127.0.0.${i + 1}:${udpPort}`]);
  }
  event.raise(['first']);
  for (let i = 0; i < subscribers; i += 1) await receiver.next();
  let written = 0;
  for (const prototype of [Socket.prototype, DatagramSocket.prototype] as { write?: unknown; send?: unknown }[]) {
    const name = prototype === Socket.prototype ? 'write' : 'send';
    const original = prototype[name] as (...given: unknown[]) => unknown;
    vi.spyOn(prototype as Record<'write' | 'send', (...given: unknown[]) => unknown>, name).mockImplementation(
      function (this: unknown, ...given: unknown[]) {
        written += 1;
        return original.apply(this, given);
      },
    );
  }
  const text = 'x'.repeat(60_000);
  event.raise([text]);
  const atOnce = written;
  expect(atOnce, `${atOnce} of ${2 * subscribers} in one go`).toBeLessThan(2 * subscribers);
  for (let i = 0; i < subscribers; i += 1) {
    expect((await receiver.next()) as object).toStrictEqual({ jsonrpc: '2.0', method: `m${i}`, params: [text] });
  }
  expect(await statistic(server, 'events_dropped')).toBe(0);
});

test('an event that is too long for a line is dropped and counted, as for a datagram', async ({
  tcpReceiver,
  startServer,
}) => {
  const receiver = await tcpReceiver();
  const server = await startServer({ event_stream: {} });
  const event = server.events.declare('E_ONE');
  await call(server, 'event_subscribe', ['E_ONE', `tcp:127.0.0.1:${receiver.port}`]);
  event.raise(['x'.repeat(65_536)]);
  event.raise(['y']);
  expect(await receiver.next()).toStrictEqual({ jsonrpc: '2.0', method: 'E_ONE', params: ['y'] });
  expect(await statistic(server, 'events_dropped')).toBe(1);
});
