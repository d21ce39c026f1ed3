import { once } from 'node:events';
import { closeSync, constants, openSync, readdirSync, writeSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Spool } from '#src/modules/opensips/upstream/spool.js';
import type {
  TransportHealth,
  Upstream,
  UpstreamLimits,
  UpstreamStream,
} from '#src/modules/opensips/upstream/transport.js';
import { UnixDatagrams } from '#src/native/datagrams.js';
import { type DoubleOptions, OpensipsDouble } from '../support/opensips-double/index.js';
import { answer, changing, node, reading, wholeText } from '../support/upstream.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(options: DoubleOptions = {}): Promise<OpensipsDouble> {
  const double = await OpensipsDouble.start(options);
  open.push(double);
  return double;
}

type Kind = keyof OpensipsDouble['transports'];

function nodeOf(double: OpensipsDouble, kinds: readonly Kind[], limits: Partial<UpstreamLimits> = {}): Upstream {
  const upstream = node(
    kinds.map((kind) => double.transports[kind]),
    limits,
  );
  open.push(upstream);
  return upstream;
}

function health(upstream: Upstream, kind: Kind): TransportHealth | undefined {
  return upstream.health().transports.find((transport) => transport.kind === kind);
}

function stream(result: unknown): UpstreamStream {
  expect(result).toBeTypeOf('object');
  return result as UpstreamStream;
}

describe('datagrams that are lost', () => {
  test('are asked for again where the command only reads', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['udp', 'fifo']);
    await upstream.call(reading('version'));
    if (double.udp !== undefined) double.udp.loseReplies = 1;
    expect(await answer(upstream, reading('uptime'))).toHaveProperty('Now');
    expect(double.ran).toEqual(['version', 'uptime', 'uptime']);
  });

  test('are asked for again by the same way where there is no other', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['unix']);
    if (double.unix !== undefined) double.unix.loseRequests = 1;
    expect(await answer(upstream, reading('uptime'))).toHaveProperty('Now');
    expect(double.ran).toEqual(['uptime']);
  });

  test('are not sent again where the command changes something, and the error says that it may have run', async () => {
    const double = await start();
    double.state.addContacts(1);
    const upstream = nodeOf(double, ['udp', 'fifo', 'http']);
    if (double.udp !== undefined) double.udp.loseReplies = 1;
    await expect(upstream.call(changing('ul_rm', ['location', 'user000000'], { timeout: 200 }))).rejects.toMatchObject({
      kind: 'timeout',
      mayHaveRun: true,
      data: expect.stringContaining('may have run'),
    });
    expect(double.ran).toEqual(['ul_rm']);
  });

  test('as many calls as come are answered, sixteen at a time', async () => {
    const double = await start();
    for (const kind of ['udp', 'unix'] as const) {
      const upstream = nodeOf(double, [kind]);
      const results = await Promise.all(Array.from({ length: 500 }, () => answer(upstream, reading('version'))));
      expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
      expect(health(upstream, kind)).toMatchObject({ sent: 500, failed: 0 });
    }
  });
});

describe('a reply that is too long for a datagram', () => {
  test('is asked for by FIFO where the command only reads, and from then on at once', async () => {
    const double = await start();
    double.state.addContacts(1000);
    const upstream = nodeOf(double, ['udp', 'fifo']);
    expect(await answer(upstream, reading('ul_dump'))).toMatchObject({ Domains: [{ AORs: { length: 1000 } }] });
    expect(await answer(upstream, reading('ul_dump'))).toMatchObject({ Domains: [{ AORs: { length: 1000 } }] });
    expect(health(upstream, 'udp')).toMatchObject({ state: 'up', sent: 1, failed: 1 });
    expect(health(upstream, 'fifo')).toMatchObject({ sent: 2, failed: 0 });
  });

  test('is an error where the command changes something', async () => {
    const double = await start();
    double.state.addContacts(1000);
    const upstream = nodeOf(double, ['udp', 'fifo']);
    await expect(upstream.call(changing('ul_dump', undefined))).rejects.toMatchObject({
      kind: 'broken',
      mayHaveRun: true,
      data: expect.stringContaining('longer than a datagram'),
    });
    expect(double.ran).toEqual(['ul_dump']);
  });

  test('is told apart from the others that are under way', async () => {
    const double = await start({ children: 3 });
    double.state.addContacts(1000);
    const upstream = nodeOf(double, ['udp', 'http']);
    const calls = Array.from({ length: 60 }, (_, index) =>
      index % 7 === 3
        ? answer(upstream, reading('ul_dump'))
        : answer(upstream, changing('cache_store', ['local', `k${index}`, `${index}`])),
    );
    const results = await Promise.all(calls);
    for (const [index, result] of results.entries()) {
      if (index % 7 === 3) expect(result).toHaveProperty('Domains');
      else expect(result).toBe('OK');
    }
    expect(double.state.caches.size).toBe(results.length - 9);
  });
});

describe('a text that is too long for the FIFO of OpenSIPS', () => {
  const long = { contact: `sip:${'x'.repeat(4200)}` };

  test('ends in an error, or by another way', async () => {
    const double = await start();
    double.state.addContacts(1, () => long);
    const show = reading('ul_show_contact', { params: ['location', 'user000000'], isLarge: true });
    await expect(nodeOf(double, ['fifo']).call(show)).rejects.toMatchObject({
      kind: 'broken',
      data: expect.stringContaining('4090 bytes'),
    });
    expect(await answer(nodeOf(double, ['fifo', 'http']), show)).toMatchObject({
      Contacts: [{ Contact: long.contact }],
    });
  });

  test('cuts a dump that has begun', async () => {
    const double = await start();
    double.state.addContacts(1000, (index) => (index === 900 ? long : {}));
    const upstream = nodeOf(double, ['fifo']);
    const result = await upstream.call(reading('ul_dump', { isLarge: true }));
    await expect(wholeText(stream(result))).rejects.toMatchObject({ kind: 'broken' });
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
  });
});

describe('a client that reads slowly', () => {
  test.for(['fifo', 'http'] as const)('keeps neither OpenSIPS nor others waiting by %s', async (kind) => {
    const double = await start();
    double.state.addContacts(5000);
    const upstream = nodeOf(double, [kind], { memory: 65536, spillFolder: double.folder });
    const results = await Promise.all([1, 2, 3].map(() => upstream.call(reading('ul_dump', { isLarge: true }))));
    // Nothing of them is read, and others are answered.
    for (let index = 0; index < 10; index++) {
      expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    }
    await expect.poll(() => health(upstream, kind)?.underWay).toBe(0);
    // What is beyond waits in files.
    for (const result of results) {
      await expect.poll(() => (stream(result) as Spool).inMemory).toBeLessThanOrEqual(65536);
    }
    // Files without names.
    expect(readdirSync(double.folder).filter((name) => name.startsWith('.mi-httpd'))).toEqual([]);
    const texts = await Promise.all(results.map((result) => wholeText(stream(result))));
    expect(new Set(texts).size).toBe(1);
    expect(JSON.parse(texts[0] ?? '')).toMatchObject({ Domains: [{ AORs: { length: 5000 } }] });
  });

  test('gets an error where its reply takes more room than there is', async () => {
    const double = await start();
    double.state.addContacts(5000);
    const upstream = nodeOf(double, ['fifo'], { memory: 65536, spill: 500_000 });
    const result = stream(await upstream.call(reading('ul_dump', { isLarge: true })));
    await expect.poll(() => health(upstream, 'fifo')?.underWay).toBe(0);
    await expect(wholeText(result)).rejects.toMatchObject({ kind: 'broken' });
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    // The room is there again.
    double.state.contacts.splice(500);
    const next = stream(await upstream.call(reading('ul_dump', { isLarge: true })));
    await expect.poll(() => health(upstream, 'fifo')?.underWay).toBe(0);
    expect(await wholeText(next)).toContain('user000499');
  });

  test('and leaves, does no harm', async () => {
    const double = await start();
    double.state.addContacts(5000);
    for (const kind of ['fifo', 'http'] as const) {
      const upstream = nodeOf(double, [kind]);
      for (let index = 0; index < 5; index++) {
        stream(await upstream.call(reading('ul_dump', { isLarge: true }))).release();
      }
      expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
      expect(health(upstream, kind)).toMatchObject({ state: 'up', underWay: 0 });
    }
    expect(double.died).toBeUndefined();
  });
});

test('a reply that trickles keeps its FIFO from others no longer than one that stands still', async () => {
  const double = await start();
  double.state.addContacts(1000);
  double.trickleFrom(100_000);
  const upstream = nodeOf(double, ['fifo'], { standstill: 500 });
  const result = stream(await upstream.call(reading('ul_dump', { isLarge: true })));
  await expect(wholeText(result)).rejects.toMatchObject({ kind: 'timeout', reason: 'the reply comes too slowly' });
  expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
});

describe('a FIFO that is dead', () => {
  test('is found while nobody asks it anything', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['fifo', 'udp'], { probeTimeout: 1000, probeInterval: 20, retryInterval: 1e6 });
    expect(await upstream.probe()).toMatchObject({ isUp: true, transports: [{ state: 'up' }, { state: 'up' }] });
    const go = double.hold('version');
    await expect.poll(() => health(upstream, 'fifo')).toMatchObject({ state: 'down', needsRestart: true });
    go();
    await expect.poll(() => health(upstream, 'fifo')?.state).toBe('up');
  });

  test('is found, told, and left for the other transports until it answers again', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['fifo', 'http'], { probeTimeout: 100, retryInterval: 20 });
    const told: string[] = [];
    upstream.onHealth(({ kind, state, needsRestart }) => told.push(`${kind} ${state} ${needsRestart}`));
    const go = double.hold('uptime');
    await expect(upstream.call(reading('uptime', { isLarge: true, timeout: 100 }))).rejects.toMatchObject({
      kind: 'timeout',
    });
    go();
    const goOn = double.hold('version');
    double.fifo?.close();
    await expect.poll(() => health(upstream, 'fifo')?.state).toBe('down');
    goOn();
    expect(await answer(upstream, reading('ps', { isLarge: true }))).toHaveProperty('Processes');
    expect(upstream.health().isUp).toBe(true);
    expect(told).toContain('fifo down true');
  });

  test('alone, lets calls fail at once and saves none for later', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['fifo'], { probeTimeout: 50, retryInterval: 1e6 });
    const go = double.hold('uptime');
    await expect(upstream.call(changing('uptime', undefined, { timeout: 60 }))).rejects.toMatchObject({
      kind: 'timeout',
      mayHaveRun: true,
    });
    await expect.poll(() => health(upstream, 'fifo')).toMatchObject({ state: 'down', needsRestart: true });
    await expect(upstream.call(reading('ps'))).rejects.toMatchObject({ kind: 'down', mayHaveRun: false });
    expect(upstream.health().isUp).toBe(false);
    // It was busy, not dead: what it was asked is answered, and it is up again. The call that was given up is not run.
    go();
    await expect.poll(() => health(upstream, 'fifo')?.state).toBe('up');
    expect(await answer(upstream, reading('ps'))).toHaveProperty('Processes');
  });
});

test.for(['fifo', 'udp', 'unix', 'http'] as const)('that it is not there is told once by %s', async (kind) => {
  const double = await start();
  const gone = double.transports[kind];
  await double.close();
  const upstream = node([gone], { retryInterval: 5, probeTimeout: 1000 });
  open.push(upstream);
  const reasons: string[] = [];
  upstream.onHealth(({ reason }) => reasons.push(reason));
  await upstream.probe();
  await expect.poll(() => upstream.health().transports[0]?.sent).toBeGreaterThan(4);
  expect(reasons).toHaveLength(1);
});

/** Senders that were made, by which each has a name of its own. */
let fillers = 0;

/** Sends to a Unix socket until it takes no more; one sender may not send as much. */
function fillQueue(path: string): void {
  for (let sent = 1; sent > 0; fillers += 1) {
    const sender = new UnixDatagrams(`@mi-httpd-test-${process.pid}-${fillers}`, () => {});
    open.push({ close: async () => sender.close() });
    sender.connect(path);
    for (sent = 0; sender.send(Buffer.from('{"jsonrpc":"2.0","method":"uptime","id":1}')); sent += 1);
  }
}

test('a probe that waits is not sent when another reply has told what it asks', async () => {
  const double = await start();
  const upstream = nodeOf(double, ['unix']);
  await upstream.call(reading('version'));
  // The double may read before the probe is sent, which waits for nothing then: it is tried again until it does.
  for (let hasWaited = false; !hasWaited; ) {
    const told = upstream.call(reading('uptime'));
    fillQueue(join(double.folder, 'datagram'));
    const probed = upstream.probe();
    hasWaited = health(upstream, 'unix')?.waiting === 1;
    await told;
    await probed;
    expect(health(upstream, 'unix')).toMatchObject({ waiting: 0, underWay: 0 });
  }
});

test('an OpenSIPS that is not there is told at once, by each transport, and comes back', async () => {
  const double = await start();
  const gone = double.transports;
  await double.close();
  for (const kind of ['fifo', 'udp', 'unix', 'http'] as const) {
    const upstream = node([gone[kind]], { retryInterval: 1e6, probeTimeout: 1000 });
    open.push(upstream);
    await expect(upstream.call(reading('version')), kind).rejects.toMatchObject({ kind: 'down' });
    expect(upstream.health()).toMatchObject({ isUp: false, transports: [{ state: 'down' }] });
    expect((await upstream.probe()).isUp).toBe(false);
  }
});

test('an OpenSIPS that is started anew is found, by each transport', async () => {
  const former = await start();
  const upstreams = (['fifo', 'udp', 'unix', 'http'] as const).map((kind) => {
    const upstream = nodeOf(former, [kind], { retryInterval: 20, probeTimeout: 1000 });
    return { kind, upstream };
  });
  for (const { upstream } of upstreams) await upstream.call(reading('version'));
  former.stop();
  for (const { kind, upstream } of upstreams) {
    await expect(upstream.call(reading('version', { timeout: 5000 })), kind).rejects.toMatchObject({ kind: 'down' });
  }
  const double = await OpensipsDouble.start({ former });
  open.push(double);
  for (const { kind, upstream } of upstreams) {
    await expect.poll(() => health(upstream, kind)?.state, { message: kind }).toBe('up');
    expect(await answer(upstream, reading('uptime'))).toHaveProperty('Now');
  }
});

test('a connection that httpd has closed meanwhile is made anew', async () => {
  const double = await start();
  const upstream = nodeOf(double, ['http']);
  await Promise.all([1, 2, 3].map(() => upstream.call(reading('version'))));
  double.http?.closeIdle();
  await expect.poll(() => double.http?.connections).toBe(0);
  expect(await answer(upstream, changing('cache_store', ['local', 'a', 'b']))).toBe('OK');
  expect(health(upstream, 'http')).toMatchObject({ sent: 4, failed: 0 });
});

test('a FIFO that others have filled is waited for', async () => {
  const double = await start();
  const go = double.hold('uptime');
  const fifo = openSync(join(double.folder, 'fifo'), constants.O_WRONLY | constants.O_NONBLOCK);
  writeSync(fifo, '::{"jsonrpc":"2.0","method":"uptime","id":1}');
  const request = Buffer.from(`:gone:{"jsonrpc":"2.0","method":"version","params":["${'x'.repeat(4000)}"],"id":1}`);
  let isFull = false;
  while (!isFull) {
    try {
      writeSync(fifo, request);
    } catch {
      isFull = true;
    }
    await turn();
  }
  closeSync(fifo);
  const upstream = nodeOf(double, ['fifo']);
  const waiting = answer(upstream, changing('cache_store', ['local', 'a', 'b']));
  for (let index = 0; index < 20; index++) await turn();
  expect(double.state.caches.size).toBe(0);
  go();
  expect(await waiting).toBe('OK');
  expect(double.ran).toEqual(['uptime', 'cache_store']);
});

describe('many calls', () => {
  test('small ones go before large ones that wait, and large ones come to their turn', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['fifo']);
    const go = double.hold('uptime');
    const order: string[] = [];
    const call = (method: string, isLarge: boolean): Promise<unknown> =>
      upstream.call(reading(method, { isLarge })).then(() => order.push(method));
    const first = call('uptime', false);
    const calls = [
      call('ps', true),
      call('events_list', true),
      ...Array.from({ length: 20 }, () => call('version', false)),
    ];
    go();
    await Promise.all([first, ...calls]);
    expect(order.slice(0, 2)).toEqual(['uptime', 'version']);
    expect(order.indexOf('ps')).toBeGreaterThan(10);
    expect(order.indexOf('ps')).toBeLessThan(20);
    expect(order).toHaveLength(23);
  });

  test('are refused beyond max_pending', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['udp'], { maxPending: 20 });
    const go = double.hold('uptime');
    const calls = Array.from({ length: 20 }, () => upstream.call(reading('uptime')));
    await expect(upstream.call(reading('version'))).rejects.toMatchObject({ kind: 'busy', mayHaveRun: false });
    go();
    await Promise.all(calls);
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
  });

  test('of one node do not wait for another that hangs', async () => {
    const [hanging, healthy] = [await start(), await start()];
    const [slow, quick] = [nodeOf(hanging, ['udp', 'http', 'fifo']), nodeOf(healthy, ['udp', 'http', 'fifo'])];
    hanging.hold('uptime');
    let isAnswered = false;
    const waiting = Array.from({ length: 100 }, () =>
      slow.call(changing('uptime', undefined, { timeout: 30_000 })).then(
        () => {
          isAnswered = true;
        },
        () => {},
      ),
    );
    for (let index = 0; index < 200; index++) await quick.call(reading('version'));
    expect(isAnswered).toBe(false);
    expect(quick.health().transports[0]).toMatchObject({ sent: 200, failed: 0 });
    await slow.close();
    await Promise.all(waiting);
  });

  test('end in time, those that wait and those that are sent', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['http']);
    const go = double.hold('uptime');
    const calls = Array.from({ length: 8 }, () =>
      upstream.call(changing('uptime', undefined, { timeout: 100 })).catch((error: unknown) => error),
    );
    const errors = await Promise.all(calls);
    const kinds = errors.map((error) => {
      const { kind, mayHaveRun } = error as { kind: string; mayHaveRun: boolean };
      return `${kind} ${mayHaveRun}`;
    });
    expect(new Set(kinds)).toEqual(new Set(['timeout true', 'timeout false']));
    // Those that waited have run as little as they say.
    go();
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    const sent = kinds.filter((kind) => kind === 'timeout true').length;
    expect(double.ran.filter((method) => method === 'uptime').length).toBeLessThanOrEqual(sent);
  });

  test('that are given up are not sent, or not waited for', async () => {
    const double = await start();
    const upstream = nodeOf(double, ['fifo']);
    const go = double.hold('uptime');
    const told: unknown[] = [];
    const owner = { answered: (result: unknown) => told.push(result), failed: (error: unknown) => told.push(error) };
    const sent = upstream.begin(changing('uptime', undefined), owner);
    const waiting = upstream.begin(changing('cache_store', ['local', 'a', 'b']), owner);
    sent?.giveUp();
    waiting?.giveUp();
    expect(told).toMatchObject([{ kind: 'closed', mayHaveRun: true }, { kind: 'closed' }]);
    // What is over is told nothing more.
    sent?.giveUp();
    expect(told).toHaveLength(2);
    go();
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    expect(double.state.caches.size).toBe(0);
  });

  test('replies that overtake each other come to their calls', async () => {
    const double = await start({ children: 3 });
    const upstream = nodeOf(double, ['udp']);
    const go = double.hold('uptime');
    const slow = answer(upstream, reading('uptime'));
    for (let index = 0; index < 2; index++) {
      expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    }
    go();
    expect(await slow).toHaveProperty('Now');
  });
});

test.for(['fifo', 'udp', 'unix', 'http'] as const)('bytes that are no UTF-8 are mended by %s', async (kind) => {
  const double = await start();
  // What SIP sent in Latin-1 is printed as it is.
  const raw = Buffer.from('sip:mäx@example.org', 'latin1').toString('latin1');
  double.printsLatin1();
  double.state.addContacts(kind === 'fifo' || kind === 'http' ? 2000 : 2, () => ({ contact: raw }));
  const upstream = nodeOf(double, [kind]);
  const text = await wholeText(await upstream.call(reading('ul_dump', { isLarge: true })));
  expect(text).toContain('sip:m\ufffdx@example.org');
  expect(text).not.toContain('ä');
  expect(JSON.parse(text)).toHaveProperty('Domains');
});

describe('HTTP', () => {
  test('asks with the login that it is given, and says so without', async () => {
    const double = await start({ version: '4.0' });
    if (double.http !== undefined) double.http.login = 'front:secret:2';
    const given = double.transports.http.replace('http://', 'http://front:secret%3A2@');
    const upstream = node([given]);
    open.push(upstream);
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    expect(upstream.health().transports[0]?.name).toBe(double.transports.http);
    await expect(nodeOf(double, ['http']).call(changing('ul_rm', ['location', 'x']))).rejects.toMatchObject({
      kind: 'down',
      data: expect.stringContaining('asks for a login'),
      mayHaveRun: false,
    });
    expect(double.ran).toEqual(['version']);
  });

  test('tells of a reply that does not fit the buffer of httpd, and waits for no end of it', async () => {
    const double = await start();
    double.state.addContacts(1000);
    if (double.http !== undefined) double.http.bufferSize = 100_000;
    await expect(nodeOf(double, ['http']).call(reading('ul_dump', { isLarge: true }))).rejects.toMatchObject({
      kind: 'broken',
      data: expect.stringContaining('500'),
    });
    const both = nodeOf(double, ['http', 'fifo']);
    expect(await answer(both, reading('ul_dump', { isLarge: true }))).toHaveProperty('Domains');
  });

  test('finds that the root is another one', async () => {
    const double = await start();
    const upstream = node([double.transports.http.replace(/mi$/, 'other')]);
    open.push(upstream);
    await expect(upstream.call(reading('version'))).rejects.toMatchObject({ kind: 'down' });
  });
});

test('a Unix socket with a file for its replies needs no abstract name', async () => {
  const double = await start();
  const upstream = node([`${double.transports.unix};reply_dir=${double.replyFolder}`]);
  expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
  expect(readdirSync(double.folder).filter((name) => name.startsWith('mi-httpd'))).toHaveLength(1);
  await upstream.close();
  expect(readdirSync(double.folder).filter((name) => name.startsWith('mi-httpd'))).toEqual([]);
});

test('a node that is closed answers no more, and leaves nothing behind', async () => {
  const double = await start();
  const upstream = nodeOf(double, ['fifo', 'udp', 'unix', 'http']);
  double.hold('uptime');
  const calls = [true, false].map((isLarge) =>
    upstream.call(changing('uptime', undefined, { isLarge })).catch((error: unknown) => error),
  );
  await upstream.close();
  for (const error of await Promise.all(calls)) expect(error).toMatchObject({ kind: 'closed' });
  await expect(upstream.call(reading('version'))).rejects.toMatchObject({ kind: 'closed' });
  expect(readdirSync(double.folder).filter((name) => name.startsWith('mi-httpd'))).toEqual([]);
});

describe('a proxy in front of OpenSIPS', () => {
  /** Sends what the double sends in chunks. @param damage what it makes of the last one */
  async function proxyOf(double: OpensipsDouble, damage?: (response: ServerResponse) => void): Promise<string> {
    const proxy = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const headers = { 'Content-Type': 'application/json' };
      const body = Buffer.concat(pieces);
      const reply = await fetch(double.transports.http, { method: 'POST', headers, body });
      for await (const piece of reply.body ?? []) response.write(piece);
      if (damage === undefined) response.end();
      else damage(response);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    open.push({
      close: async () => {
        proxy.closeAllConnections();
        proxy.close();
      },
    });
    return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/mi`;
  }

  test('may send replies in chunks', async () => {
    const double = await start();
    double.state.addContacts(5000);
    const upstream = node([await proxyOf(double)]);
    open.push(upstream);
    for (let index = 0; index < 5; index++) expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
    const dump = await upstream.call(reading('ul_dump', { isLarge: true }));
    expect(JSON.parse(await wholeText(stream(dump)))).toMatchObject({ Domains: [{ AORs: { length: 5000 } }] });
    expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
  });

  test('that loses the end of a reply gives none', async () => {
    const double = await start();
    double.state.addContacts(1);
    for (const damage of [
      (response: ServerResponse) => response.socket?.destroy(),
      (response: ServerResponse) => response.socket?.end('zz\r\n'),
    ]) {
      const upstream = node([await proxyOf(double, damage)]);
      open.push(upstream);
      await expect(upstream.call(changing('ul_rm', ['location', 'user000000']))).rejects.toMatchObject({
        mayHaveRun: true,
      });
    }
  });
});
