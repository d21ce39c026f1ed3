import { createSocket } from 'node:dgram';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { JsonValue } from '#src/base/json.js';
import type { Upstream, UpstreamCall } from '#src/modules/opensips/upstream/transport.js';
import { makeFifo } from '#src/native/datagrams.js';
import { silentLog } from '../support/log.js';
import { startDouble } from '../support/opensips-double/child.js';
import { OpensipsDouble, type Version } from '../support/opensips-double/index.js';
import { answer, changing, node, reading } from '../support/upstream.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(version: Version): Promise<OpensipsDouble> {
  const double = await OpensipsDouble.start({ version });
  open.push(double);
  return double;
}

function opened(upstream: Upstream): Upstream {
  open.push(upstream);
  return upstream;
}

/** Writes to the FIFO of a double as a client without care does. */
function writeFifo(double: OpensipsDouble, text: string): void {
  const fd = openSync(join(double.folder, 'fifo'), constants.O_WRONLY | constants.O_NONBLOCK);
  writeSync(fd, text);
  closeSync(fd);
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition).toBe(true);
}

function sendDatagram(double: OpensipsDouble, text: string): void {
  const [, port] = /:([0-9]+)$/.exec(double.transports.udp) ?? [];
  const socket = createSocket('udp4');
  socket.send(text, Number(port), '127.0.0.1', () => socket.close());
}

const withoutMethod = ['{}', '[]', '[{"jsonrpc":"2.0","method":"version","id":1}]', 'null', '5', '"x"', '{"method":5}'];

describe.for(['3.4', '4.0'] as const)('what stops OpenSIPS %s, as its double has it', (version) => {
  test.for(withoutMethod)('by FIFO: %s', async (json) => {
    const double = await start(version);
    writeFifo(double, `:no_such_reply:${json}`);
    // A reply FIFO that is not there: the request is not looked at.
    await until(() => double.log.some((line) => line.startsWith('no reply FIFO')));
    expect(double.died).toBeUndefined();
    writeFifo(double, `::${json}`);
    await until(() => double.died !== undefined);
    expect(double.died).toBe('MI FIFO: a request without a method');
  });

  test('by FIFO: an asynchronous command with an empty name', async () => {
    const double = await start(version);
    const params = { method: 'OPTIONS', ruri: 'sip:a@example.org', headers: '' };
    writeFifo(double, `::${JSON.stringify({ jsonrpc: '2.0', method: 't_uac_dlg', params, id: 1 })}`);
    await until(() => double.died !== undefined);
    expect(double.died).toContain('asynchronous');
  });

  test('by datagram: no method, 4.0 alone', async () => {
    const double = await start(version);
    sendDatagram(double, '[]');
    if (version === '4.0') await until(() => double.died !== undefined);
    else expect(await answer(opened(node([double.transports.udp])), reading('version'))).toBeTypeOf('object');
    expect(double.died).toBe(version === '4.0' ? 'MI Datagram: a request without a method' : undefined);
  });

  test('by FIFO: a request and the beginning of another in one write wedge it', async () => {
    const double = await start(version);
    writeFifo(double, '::{"jsonrpc":"2.0","method":"version","id":1}:y:{"jsonrpc":"2.0","id"');
    await until(() => double.log.includes('fifo is dead'));
    const upstream = opened(node([double.transports.fifo], { probeTimeout: 50 }));
    await expect(upstream.call(reading('version', { timeout: 200 }))).rejects.toMatchObject({ kind: 'timeout' });
    expect(double.died).toBeUndefined();
  });

  test('by FIFO: a request of more than 4096 bytes behind another is run with a hole', async () => {
    const double = await start(version);
    const contact = `sip:${'x'.repeat(4409)}`;
    const go = double.hold('uptime');
    writeFifo(double, '::{"jsonrpc":"2.0","method":"uptime","id":1}');
    writeFifo(double, '::{"jsonrpc":"2.0","method":"version","id":1}');
    const params = ['location', 'alice', contact, 60, '', '', 0, '', 0];
    writeFifo(double, `::${JSON.stringify({ jsonrpc: '2.0', method: 'ul_add', params, id: 1 })}`);
    go();
    await until(() => double.state.contacts.length === 1);
    expect(double.state.contacts[0]?.contact.length).toBeLessThan(contact.length);
  });
});

/** What a client may send in place of what the interface has: the face of clients gives whatever JSON has. */
const hostile: readonly (readonly [string, unknown, unknown])[] = [
  ['no method', undefined, undefined],
  ['a method that is a number', 5, undefined],
  ['a method that is an object', { toJSON: () => ({}) }, undefined],
  ['an empty method', '', undefined],
  ['a method with U+0000', 'version\0', undefined],
  ['params that are a text', 'version', 'all'],
  ['params that are null', 'version', null],
  ['params that print themselves', 'version', { toJSON: () => 5 }],
  ['params that are nested deeply', 'version', nested(2000)],
  ['a text with U+0000', 'cache_store', ['local', 'a', 'b\0c']],
  ['a name with U+0000', 'cache_store', { 'a\0': 1 }],
];

function nested(depth: number): JsonValue {
  let value: JsonValue = [];
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

const harmless: readonly (readonly [string, string, JsonValue[]])[] = [
  ['a method that looks like a request', '{"jsonrpc":"2.0"}', []],
  ['a method that looks like a reply name', ':x:[]', []],
  ['a method with quotes and lines', 'a"\r\n\r\n{}:y:[]', []],
  ['values that look like requests', 'cache_store', ['local', ':y:{}', '"}\n:z:[]']],
  ['a backslash in front of u0000', 'cache_store', ['local', 'k', '\\u0000']],
  ['halves of surrogate pairs', 'cache_store', ['local', 'k', '\ud800']],
  ['control characters', 'cache_store', ['local', 'k', '\u0001\u001f\u007f']],
];

describe.for(['3.4', '4.0'] as const)('nothing that is sent stops OpenSIPS %s', (version) => {
  test.for(['fifo', 'udp', 'unix', 'http'] as const)('by %s', async (kind) => {
    const double = await start(version);
    const upstream = opened(node([double.transports[kind]]));
    for (const [what, method, params] of hostile) {
      const call = { ...reading('version'), method, params } as UpstreamCall;
      await expect(upstream.call(call), what).rejects.toMatchObject({ kind: 'refused', mayHaveRun: false });
    }
    expect(double.ran).toEqual([]);
    for (const [what, method, params] of harmless) {
      const given = upstream.call(changing(method, params)).catch((error: { code: number }) => error.code);
      expect(await given, what).toBe(method === 'cache_store' ? '"OK"' : -32601);
    }
    for (const empty of [[], {}, undefined]) {
      expect(await answer(upstream, reading('version', { params: empty }))).toHaveProperty('Server');
    }
    expect(double.died).toBeUndefined();
    expect(double.log).toEqual([]);
  });

  test('requests of every length come whole or are refused', async () => {
    const double = await start(version);
    for (const [kind, limit] of [
      ['fifo', 4096],
      ['http', 16384],
      ['udp', 65457],
      ['unix', 65457],
    ] as const) {
      const upstream = opened(node([double.transports[kind]]));
      // A dump in front of it, so that it waits.
      const texts = [0, 300].map((less) => 'x'.repeat(limit - less - 100));
      for (const text of texts) {
        const first = upstream.call(reading('ul_dump'));
        const stored = upstream.call(changing('cache_store', ['local', kind, text])).then(
          () => true,
          (error: { kind: string }) => error.kind,
        );
        await first;
        const outcome = await stored;
        if (outcome === true) expect(double.state.caches.get(kind)).toBe(text);
        else expect(outcome).toBe('refused');
      }
      expect(double.state.caches.get(kind)?.length).toBe(limit - 400);
      await expect(upstream.call(changing('cache_store', ['local', kind, 'y'.repeat(limit)]))).rejects.toMatchObject({
        kind: 'refused',
        data: expect.stringContaining(`takes ${limit}`),
      });
    }
    expect(double.died).toBeUndefined();
    expect(double.http?.stalls).toBe(0);
  });

  test('an asynchronous command goes by datagram or HTTP, and never by FIFO', async () => {
    const double = await start(version);
    const long = 'x'.repeat(5000);
    const params = { method: 'OPTIONS', ruri: 'sip:a@example.org', headers: long };
    const call = changing('t_uac_dlg', params, { isAsynchronous: true });
    const fifo = opened(node([double.transports.fifo]));
    await expect(fifo.call(call)).rejects.toMatchObject({ kind: 'refused' });
    expect(double.ran).toEqual([]);
    const all = opened(node([double.transports.fifo, double.transports.http, double.transports.udp]));
    expect(await answer(all, call)).toEqual({ Status: '200 OK', Message: long });
    expect(double.http?.requests).toBe(0);
    const http = opened(node([double.transports.fifo, double.transports.http]));
    expect(await answer(http, call)).toEqual({ Status: '200 OK', Message: long });
    expect(double.died).toBeUndefined();
  });

  test('two clients by FIFO at once do each other no harm', async () => {
    const double = await start(version);
    const nodes = [1, 2, 3].map(() => opened(node([double.transports.fifo])));
    const calls = nodes.flatMap((upstream) =>
      Array.from({ length: 20 }, (_, index) =>
        answer(upstream, changing('cache_store', ['local', `k${index}`, 'v'.repeat(100 * index)])),
      ),
    );
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['OK']));
    expect(double.fifo?.waitsForReaders).toBe(0);
    expect(double.log).toEqual([]);
  });
});

test('the double in a process of its own dies as the original does, and is found to be dead', async () => {
  const double = await startDouble({ version: '4.0' });
  const { transports } = double;
  const upstream = opened(node([transports.udp, transports.http, transports.fifo], { retryInterval: 1e6 }));
  expect(await answer(upstream, reading('version'))).toHaveProperty('Server');
  const fd = openSync(join(double.folder, 'fifo'), constants.O_WRONLY | constants.O_NONBLOCK);
  writeSync(fd, '::{}');
  closeSync(fd);
  expect(await double.exit).toBe(139);
  await expect(upstream.call(reading('version'))).rejects.toMatchObject({ kind: 'down' });
  expect(upstream.health()).toMatchObject({ isUp: false, transports: [{ state: 'down' }, {}, {}] });
  rmSync(double.folder, { recursive: true });
});

test('a file in place of the FIFO is not written to', async () => {
  const double = await start('3.4');
  const path = join(double.folder, 'fifo');
  rmSync(path);
  writeFileSync(path, '');
  const upstream = opened(node([double.transports.fifo]));
  await expect(upstream.call(reading('version'))).rejects.toMatchObject({
    kind: 'down',
    data: expect.stringContaining('it is no FIFO'),
    mayHaveRun: false,
  });
  expect(readFileSync(path, 'utf8')).toBe('');
  rmSync(path);
  await expect(upstream.call(reading('version'))).rejects.toMatchObject({ kind: 'down' });
});

test('a FIFO that nothing reads is told at once', async () => {
  const double = await start('3.4');
  double.fifo?.close();
  makeFifo(join(double.folder, 'fifo'), 0o600);
  const upstream = opened(node([double.transports.fifo]));
  await expect(upstream.call(changing('ul_rm', ['location', 'x']))).rejects.toMatchObject({
    kind: 'down',
    data: expect.stringContaining('no OpenSIPS reads it'),
    mayHaveRun: false,
  });
});

test("a FIFO that is another user's than it was is not written to", async () => {
  const double = await start('3.4');
  const uid = process.geteuid?.() ?? 0;
  const upstream = opened(node([`${double.transports.fifo};owner=${uid}`]));
  expect(await answer(upstream, reading('uptime'))).toHaveProperty('Now');
  const other = opened(node([`${double.transports.fifo};owner=${uid + 1}`]));
  await expect(other.call(reading('uptime'))).rejects.toMatchObject({
    kind: 'down',
    mayHaveRun: false,
    data: expect.stringContaining(`its owner is user ${uid} now`),
  });
  expect(double.ran).toEqual(['uptime']);
});

/** Mode and group of the reply FIFO of the call that is under way. */
function replyFifo(double: OpensipsDouble): readonly [mode: number, group: number] {
  const [name = ''] = readdirSync(double.folder).filter((one) => one.startsWith('mi-httpd-'));
  const { mode, gid } = statSync(join(double.folder, name));
  return [mode & 0o777, gid];
}

describe('a reply FIFO is written to', () => {
  test('by no other user, where OpenSIPS has the same', async () => {
    const double = await start('3.4');
    const upstream = opened(node([double.transports.fifo]));
    const told = answer(upstream, reading('uptime'));
    expect(replyFifo(double)[0]).toBe(0o600);
    expect(await told).toHaveProperty('Now');
  });

  test.runIf(process.getuid?.() === 0)('by the group of its own FIFO, where it has not', async () => {
    const double = await start('3.4');
    chownSync(join(double.folder, 'fifo'), 1, 65534);
    const upstream = opened(node([double.transports.fifo]));
    const told = answer(upstream, reading('uptime'));
    expect(replyFifo(double)).toStrictEqual([0o620, 65534]);
    expect(await told).toHaveProperty('Now');
  });

  test.runIf(process.getuid?.() === 0)('by all where nothing else goes, which is told once', async () => {
    const double = await start('3.4');
    const warnings: object[] = [];
    const keep = (fields: object): void => void warnings.push(fields);
    const log = { ...silentLog, warn: keep, error: keep };
    chownSync(join(double.folder, 'fifo'), 2, 65534);
    chmodSync(join(double.folder, 'fifo'), 0o666);
    chmodSync(double.folder, 0o777);
    const upstream = opened(node([double.transports.fifo], {}, log));
    process.seteuid?.(1);
    try {
      for (const method of ['uptime', 'uptime']) {
        const told = answer(upstream, reading(method));
        expect(replyFifo(double)[0]).toBe(0o622);
        expect(await told).toHaveProperty('Now');
      }
    } finally {
      process.seteuid?.(0);
    }
    expect(warnings).toMatchObject([{ code: 'transport-replies-open', node: 'sip-1' }]);
  });
});

test('head and body in two writes stand still, as httpd has it, and one write does not', async () => {
  const double = await start('3.4');
  const [, port] = /:([0-9]+)\//.exec(double.transports.http) ?? [];
  const body = '{"jsonrpc":"2.0","method":"version","id":1}';
  const client = connect(Number(port), '127.0.0.1');
  client.write(`POST /mi HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`);
  await until(() => double.http?.stalls === 1);
  client.write(body);
  for (let index = 0; index < 20; index++) await turn();
  expect(double.ran).toEqual([]);
  const upstream = opened(node([double.transports.http]));
  expect(await answer(upstream, reading('uptime'))).toHaveProperty('Now');
  // Traffic of another connection has let it go on.
  await until(() => double.ran.includes('version'));
  client.destroy();
  for (let index = 0; index < 200; index++) await upstream.call(reading('version'));
  await Promise.all(Array.from({ length: 200 }, () => upstream.call(reading('version'))));
  expect(double.http?.stalls).toBe(1);
  expect(double.http?.connections).toBeLessThanOrEqual(5);
});
