// Calls that are copied to capture servers (HEP version 3). What comes is read by a reader of our own, and by hep-js.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, vi } from 'vitest';
import { command, createServer, defineModule, type Log, type Server, type ServerOptions } from '#src/index.js';
import { freePort } from '../support/free-port.js';
import { type HepPacket, type HepReceiver, streamCapture, udpCapture } from '../support/hep.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { call, callError, post, startServer } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { get } from '../support/web-client.js';

const lab = defineModule({
  name: 'lab',
  commands: [
    command({
      name: 'echo',
      aliases: ['lab_echo'],
      help: 'Gives back a text.',
      readOnly: true,
      recipes: [{ text: 'string' }, { text: 'string', more: 'json' }, { text: 'string', more: 'json', last: 'int' }],
      run: ({ text }) => text,
    }),
    command({
      name: 'login',
      help: 'Takes a secret.',
      recipes: [{ user: 'string', password: 'string' }],
      secrets: ['password'],
      run: () => 'OK',
    }),
    command({ name: 'nothing', help: 'Gives nothing.', run: () => undefined as unknown as string }),
  ],
});

interface Traced {
  readonly server: Server;
  /** The next request and its reply. */
  pair(): Promise<{ readonly asked: HepPacket; readonly told: HepPacket }>;
}

function traced(capture: Pick<HepReceiver, 'next'>, server: Server): Traced {
  return {
    server,
    pair: async () => {
      const [asked, told] = [await capture.next(), await capture.next()];
      expect(told.correlation).toBe(asked.correlation);
      return { asked, told };
    },
  };
}

/** A server that traces all calls by UDP, as JSON unless told otherwise. */
async function start(t: Lifetime, options: ServerOptions = {}, capture?: HepReceiver): Promise<Traced> {
  const receiver = capture ?? (await udpCapture(t));
  const transport = capture === undefined ? 'udp' : 'tcp';
  const server = await startServer(t, {
    modules: [lab],
    ...options,
    mi_http: { trace_destination: 'homer', ...options.mi_http },
    proto_hep: {
      hep_id: [`[homer] 127.0.0.1:${receiver.port}; transport=${transport}`],
      homer5_on: 0,
      ...options.proto_hep,
    },
  });
  return traced(receiver, server);
}

const shown = ({ payload }: HepPacket): unknown => JSON.parse(payload);

const dropped = async (server: Server): Promise<number> => {
  const found = (await call(server, 'get_statistics', [['trace_packets_dropped']])) as Readonly<Record<string, number>>;
  return found['proto_hep:trace_packets_dropped'] ?? Number.NaN;
};

describe('packets of calls', () => {
  test('have the chunks of OpenSIPS, the right addresses and one correlation id', async ({ lifetime }) => {
    const before = Date.now();
    const { server, pair } = await start(lifetime, { proto_hep: { hep_capture_id: 2026 } as never });
    expect(await call(server, 'lab_echo', { text: 'hello' })).toBe('hello');
    const { asked, told } = await pair();
    expect(asked.types).toStrictEqual([1, 2, 7, 8, 9, 10, 11, 12, 3, 4, 15, 17]);
    expect(asked).toMatchObject({ family: 2, protocol: 6, kind: 0x57, captureId: 2026, destinationPort: server.port });
    expect([asked.source, asked.destination]).toStrictEqual(['127.0.0.1', '127.0.0.1']);
    expect(told).toMatchObject({ sourcePort: server.port, destinationPort: asked.sourcePort, captureId: 2026 });
    expect(asked.correlation).toMatch(/^MICORR[A-Za-z0-9+/]{27}=$/);
    for (const { time } of [asked, told]) {
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(Date.now());
    }
    expect(shown(asked)).toStrictEqual({ command: 'lab_echo', backend: 'json', parameters: 'hello' });
    expect(shown(told)).toStrictEqual({ reply: '{"jsonrpc":"2.0","result":"hello","id":1}' });
    await call(server, 'lab:echo', ['again']);
    const next = await pair();
    expect(next.asked.correlation).not.toBe(asked.correlation);
    expect(shown(next.asked)).toMatchObject({ command: 'lab:echo', parameters: 'again' });
  });

  test('of IPv6 have its addresses, and go to capture servers of IPv6', async ({ lifetime }) => {
    for (const transport of ['udp', 'tcp'] as const) {
      const capture = await (transport === 'udp'
        ? udpCapture(lifetime, '::1')
        : streamCapture(lifetime, { host: '::1' }));
      const hep_id = [`[homer] [::1]:${capture.port}; transport=${transport}`];
      const httpd = { ip: '::1' } as never;
      const { server, pair } = await start(lifetime, { httpd, proto_hep: { hep_id, homer5_on: 0 } }, capture);
      const client = await RawClient.connect(server.port, '::1');
      const body = '{"jsonrpc":"2.0","method":"lab_echo","params":["six"],"id":1}';
      client.request('POST', '/mi', body, ['Content-Type: application/json']);
      expect((await client.response()).status).toBe(200);
      const { asked, told } = await pair();
      expect(asked.types).toStrictEqual([1, 2, 7, 8, 9, 10, 11, 12, 5, 6, 15, 17]);
      const loopback = `${'0'.repeat(31)}1`;
      expect(asked).toMatchObject({
        family: 10,
        source: loopback,
        destination: loopback,
        destinationPort: server.port,
      });
      expect(told).toMatchObject({ family: 10, sourcePort: server.port, destinationPort: asked.sourcePort });
      expect(shown(asked)).toMatchObject({ command: 'lab_echo', parameters: 'six' });
      const { rcinfo } = decapsulated(asked.bytes);
      expect(rcinfo).toMatchObject({ protocolFamily: 10, srcPort: asked.sourcePort, dstPort: server.port });
      client.close();
    }
  });

  test('are read by hep-js, too', async ({ lifetime }) => {
    const { server, pair } = await start(lifetime);
    await call(server, 'lab_echo', ['hello']);
    const { asked } = await pair();
    const { rcinfo, payload } = decapsulated(asked.bytes);
    expect(rcinfo).toMatchObject({
      protocolFamily: 2,
      protocol: 6,
      srcIp: '127.0.0.1',
      dstIp: '127.0.0.1',
      srcPort: asked.sourcePort,
      dstPort: server.port,
      payloadType: 0x57,
      captureId: 1,
      correlation_id: asked.correlation,
    });
    expect(JSON.parse(String(payload))).toStrictEqual(shown(asked));
  });

  test('hold parameters without names, and what is a number or a text alone', async ({ lifetime }) => {
    const { server, pair } = await start(lifetime);
    await call(server, 'lab:echo', { text: 'a', more: { deep: ['x'] }, last: 7 });
    expect(shown((await pair()).asked)).toMatchObject({ parameters: 'a,7' });
    await call(server, 'uptime');
    expect(shown((await pair()).asked)).toStrictEqual({ command: 'uptime', backend: 'json' });
    // 127 bytes at most, and no character in two.
    await call(server, 'lab:echo', ['é'.repeat(100)]);
    const { asked, told } = await pair();
    expect(shown(asked)).toMatchObject({ parameters: 'é'.repeat(63) });
    const { reply } = shown(told) as { reply: string };
    expect('{"jsonrpc":"2.0","result":"'.concat('é'.repeat(100)).startsWith(reply)).toBe(true);
    expect(Buffer.byteLength(reply)).toBe(127);
  });

  test('hold no secrets, by whatever name or place they are given', async ({ lifetime }) => {
    const { server, pair } = await start(lifetime, { mi_json: { trace_destination: 'homer' } });
    const said: string[] = [];
    await call(server, 'lab:login', { user: 'ann', password: 'hunter2' });
    said.push((await pair()).asked.payload);
    await call(server, 'lab:login', ['ann', 'hunter2']);
    said.push((await pair()).asked.payload);
    await callError(server, 'lab:login', { user: 'ann', pasword: 'hunter2' });
    said.push((await pair()).asked.payload);
    await callError(server, 'lab:log_in', { user: 'ann', password: 'hunter2' });
    said.push((await pair()).asked.payload);
    await post(server, '', { method: 'GET', path: '/json/lab:login?params=ann,hunter2' });
    said.push((await pair()).asked.payload);
    expect(said.join('\n')).not.toContain('hunter2');
    expect(said.slice(0, 2).map((text) => (JSON.parse(text) as { parameters: string }).parameters)).toStrictEqual([
      'ann,(secret)',
      'ann,(secret)',
    ]);
  });

  test('tell of what is no call, and of replies without a body', async ({ lifetime }) => {
    const { server, pair } = await start(lifetime, { mi_http: { trace_bwlist: 'w: lab:echo' } });
    const replyTo = async (body: string): Promise<unknown[]> => {
      await post(server, body);
      const { asked, told } = await pair();
      return [(shown(asked) as { command: string }).command, (shown(told) as { reply: string }).reply];
    };
    expect(await replyTo('')).toStrictEqual(['unknown', expect.stringMatching(/^\{"jsonrpc":"2.0","error":/)]);
    expect(await replyTo('{"jsonrpc":')).toStrictEqual(['unknown', expect.stringContaining('-32700')]);
    expect(await replyTo('{"jsonrpc":"2.0","id":1}')).toStrictEqual(['unknown', expect.stringContaining('-32600')]);
    expect(await replyTo('{"jsonrpc":"2.0","method":"no_such","id":1}')).toStrictEqual([
      'no_such',
      expect.stringContaining('-32601'),
    ]);
    expect(await replyTo('{"jsonrpc":"2.0","method":"lab:echo","params":["x"]}')).toStrictEqual([
      'lab:echo',
      '202 Accepted',
    ]);
  });

  test('of a batch are one for each call, and one reply', async ({ lifetime }) => {
    const capture = await udpCapture(lifetime);
    const { server } = await start(lifetime, {
      proto_hep: { hep_id: [`[homer] 127.0.0.1:${capture.port};transport=udp`], homer5_on: 0 },
    });
    const one = (id: number) => ({ jsonrpc: '2.0', method: 'lab:echo', params: [`n${id}`], id });
    await post(server, JSON.stringify([one(1), one(2), 7]));
    const packets = [await capture.next(), await capture.next(), await capture.next(), await capture.next()];
    expect(new Set(packets.map(({ correlation }) => correlation)).size).toBe(1);
    expect(packets.map(shown)).toStrictEqual([
      { command: 'lab:echo', backend: 'json', parameters: 'n1' },
      { command: 'lab:echo', backend: 'json', parameters: 'n2' },
      { command: 'unknown', backend: 'json' },
      { reply: expect.stringContaining('"result":"n1"') },
    ]);
  });

  test('of pages and of mi_json tell the result', async ({ lifetime }) => {
    const capture = await udpCapture(lifetime);
    const { server, pair } = await start(lifetime, {
      mi_html: { root: 'web', trace_destination: 'homer' },
      mi_json: { trace_destination: 'homer' },
      proto_hep: { hep_id: [`[homer] 127.0.0.1:${capture.port}; transport=udp`], homer5_on: 0 },
    });
    void pair;
    const { pair: next } = traced(capture, server);
    await get(server, '/web/lab/echo?arg=shown');
    let { asked, told } = await next();
    expect(shown(asked)).toStrictEqual({ command: 'lab:echo', backend: 'http', parameters: 'shown' });
    expect(shown(told)).toStrictEqual({ reply: '"shown"' });
    await post(server, '', { method: 'GET', path: '/json/lab_echo?params=old' });
    ({ asked, told } = await next());
    expect(shown(asked)).toStrictEqual({ command: 'lab_echo', backend: 'json', parameters: 'old' });
    expect((shown(told) as { reply: string }).reply).toContain('old');
  });

  test('are texts with colons unless homer5_on is 0', async ({ lifetime }) => {
    const capture = await udpCapture(lifetime);
    const hep_id = [`[homer] 127.0.0.1:${capture.port};transport=udp;`];
    const { server } = await start(lifetime, { proto_hep: { hep_id, homer5_on: 1 } });
    const { pair } = traced(capture, server);
    await call(server, 'lab_echo', ['a']);
    const { asked, told } = await pair();
    expect(asked.payload).toBe('lab_echo:json:a');
    expect(told.payload).toBe('{"jsonrpc":"2.0","result":"a","id":1}');
  });

  test('of a long result and of one that is streamed have its beginning', async ({ lifetime }) => {
    const { server, pair } = await start(lifetime, { usrloc: {} });
    const long = 'x'.repeat(60_000);
    expect(await call(server, 'lab:echo', [long])).toBe(long);
    expect(shown((await pair()).told)).toStrictEqual({ reply: `{"jsonrpc":"2.0","result":"${'x'.repeat(101)}` });
    await call(server, 'ul_dump');
    expect((shown((await pair()).told) as { reply: string }).reply).toMatch(
      /^\{"jsonrpc":"2\.0","result":\{"Domains":/,
    );
  });
});

describe('trace_bwlist', () => {
  const commandsOf = async (lifetime: Lifetime, list: string): Promise<readonly string[]> => {
    const capture = await udpCapture(lifetime);
    const hep_id = [`[homer] 127.0.0.1:${capture.port};transport=udp`];
    const { server } = await start(lifetime, { mi_http: { trace_bwlist: list }, proto_hep: { hep_id, homer5_on: 1 } });
    await call(server, 'ps');
    await call(server, 'lab_echo', ['1']);
    await call(server, 'which');
    // Always traced: it ends the wait.
    await callError(server, 'last_one');
    const seen: string[] = [];
    for (;;) {
      const [name = ''] = (await capture.next()).payload.split(':json');
      await capture.next();
      if (name === 'last_one') return seen;
      seen.push(name);
    }
  };

  for (const [list, wanted] of [
    ['b: ps, which', ['lab_echo']],
    ['B:lab:echo', ['ps', 'which']],
    ['w: lab:echo ,core:ps,', ['ps', 'lab_echo']],
    [' W : which', ['which']],
    ['b: dr_reload', ['ps', 'lab_echo', 'which']],
  ] as const) {
    test(`${JSON.stringify(list)} lets ${wanted.join(', ')} through`, async ({ lifetime }) => {
      expect(await commandsOf(lifetime, list)).toStrictEqual(wanted);
    });
  }

  for (const [list, problem] of [
    ['ps', /it has no type/],
    ['x: ps', /its type is neither b/],
    ['bw: ps', /its type is neither b/],
    ['w:', /it has no command/],
    ['w: a,,b', /between two commas there is no command/],
    ['w: \tps', /"\\tps" is not the name of one command/],
    ['w: no_such', /"no_such" is not the name of one command: no MI command/],
    ['w: get', /"get" is not the name of one command|cache/],
  ] as const) {
    test(`${JSON.stringify(list)} keeps the server from starting`, async () => {
      const server = createServer({
        httpd: { ip: '127.0.0.1', port: 0 },
        mi_http: { trace_destination: 'homer', trace_bwlist: list },
        cachedb_local: {},
        usrloc: {},
        modules: [defineModule({ name: 'other', commands: [command({ name: 'get', help: 'Gets.', run: () => 1 })] })],
        proto_hep: { hep_id: ['[homer] 127.0.0.1:9; transport=udp'] },
      });
      await expect(server.start()).rejects.toThrow(problem);
    });
  }

  test('without its destination it is not looked at, and a notice tells so', async ({ lifetime }) => {
    const warned: string[] = [];
    const log: Log = { ...silentLog, warn: (_fields, message) => void warned.push(message) };
    const server = await startServer(lifetime, { log, mi_http: { trace_destination: 'homer', trace_bwlist: 'x' } });
    expect(await call(server, 'uptime')).toBeTypeOf('object');
    expect(warned.join('\n')).toMatch(
      /trace_destination "homer" of module mi_http is no capture server: load proto_hep/,
    );
  });

  test('a destination of version 1 or 2 has no room for calls', async ({ lifetime }) => {
    const warned: string[] = [];
    const log: Log = { ...silentLog, warn: (_fields, message) => void warned.push(message) };
    const hep_id = ['[homer] 127.0.0.1:9; version=2'];
    const server = await startServer(lifetime, { log, mi_http: { trace_destination: 'homer' }, proto_hep: { hep_id } });
    await call(server, 'ps');
    expect(warned.join('\n')).toMatch(/is sent to by version 2 of HEP, which has no room for calls/);
  });
});

describe('capture servers', () => {
  test('by TCP get packets over one connection', async ({ lifetime }) => {
    const capture = await streamCapture(lifetime);
    const { server, pair } = await start(lifetime, {}, capture);
    for (let at = 0; at < 20; at += 1) await call(server, 'lab_echo', [`n${at}`]);
    for (let at = 0; at < 20; at += 1) expect(shown((await pair()).asked)).toMatchObject({ parameters: `n${at}` });
  });

  test.skipIf(noOpenssl)('by TLS are judged by their certificate', async ({ lifetime, files }) => {
    const certificate = files.make('capture');
    const capture = await streamCapture(lifetime, { tls: certificate });
    const hep_id = [`[homer] 127.0.0.1:${capture.port}; transport=tls`];
    const proto_hep = { hep_id, homer5_on: 0, tls_ca_file: certificate.certFile };
    const { server } = await start(lifetime, { proto_hep });
    const { pair } = traced(capture, server);
    await call(server, 'lab_echo', ['sealed']);
    expect(shown((await pair()).asked)).toMatchObject({ parameters: 'sealed' });

    const warned: unknown[] = [];
    const log: Log = { ...silentLog, warn: (fields) => void warned.push(fields) };
    const stranger = await start(lifetime, { log, proto_hep: { hep_id } });
    await call(stranger.server, 'lab_echo', ['for nobody']);
    await vi.waitUntil(() => warned.length > 0, { timeout: 60_000 });
    expect(warned[0]).toMatchObject({ code: 'trace-destination-unreachable', destination: 'homer' });
    expect(capture.waiting).toBe(0);
  });

  test('that are down get what has waited when they are up', async ({ lifetime }) => {
    const port = await freePort();
    const told: unknown[] = [];
    const write = (fields: object) => void told.push((fields as { code?: unknown }).code);
    const { server } = await start(lifetime, {
      log: { debug: write, info: write, warn: write, error: write },
      proto_hep: { hep_id: [`[homer] 127.0.0.1:${port}`], homer5_on: 0 },
    });
    await call(server, 'lab_echo', ['early']);
    await vi.waitUntil(() => told.includes('trace-destination-unreachable'), { timeout: 60_000 });
    const capture = await streamCapture(lifetime, { port });
    const { pair } = traced(capture, server);
    expect(shown((await pair()).asked)).toMatchObject({ parameters: 'early' });
    expect(told).toContain('trace-destination-back');
    // It goes, and comes back.
    await capture.close();
    const again = await streamCapture(lifetime, { port });
    const late = traced(again, server);
    await vi.waitUntil(
      async () => {
        await call(server, 'lab_echo', ['late']);
        return again.waiting > 1;
      },
      { timeout: 60_000, interval: 20 },
    );
    expect(shown((await late.pair()).asked)).toMatchObject({ parameters: 'late' });
  });

  test('that are down for long cost packets, which are counted, and no call', async ({ lifetime }) => {
    const port = await freePort();
    const lost: unknown[] = [];
    const log: Log = { ...silentLog, warn: (fields) => void lost.push((fields as { code?: unknown }).code) };
    const { server } = await start(lifetime, {
      log,
      proto_hep: { hep_id: [`[homer] 127.0.0.1:${port}`], queue_size: 2048 },
    });
    for (let at = 0; at < 50; at += 1) expect(await call(server, 'lab_echo', [`n${at}`])).toBe(`n${at}`);
    expect(await dropped(server)).toBeGreaterThan(80);
    expect(lost.filter((code) => code === 'trace-packets-lost')).toStrictEqual(['trace-packets-lost']);
  });

  test('that read nothing cost packets, and no call', async ({ lifetime }) => {
    const capture = await streamCapture(lifetime, { reads: false });
    const { server } = await start(lifetime, { proto_hep: { queue_size: 4096 } as never }, capture);
    const long = 'x'.repeat(120);
    // What the buffers of both sides hold comes first.
    await vi.waitUntil(
      async () => {
        const one = { jsonrpc: '2.0', method: 'lab:echo', params: [long] };
        const batch = JSON.stringify(new Array(1000).fill(one).map((each, id) => ({ ...each, id })));
        for (let at = 0; at < 8; at += 1) await post(server, batch);
        return (await dropped(server)) > 0;
      },
      { timeout: 120_000, interval: 1 },
    );
    expect(await call(server, 'lab_echo', ['still'])).toBe('still');
  });

  test('get what waits before a server has stopped', async ({ lifetime }) => {
    for (const transport of ['udp', 'tcp'] as const) {
      const capture = transport === 'udp' ? await udpCapture(lifetime) : await streamCapture(lifetime);
      const hep_id = [`[homer] 127.0.0.1:${capture.port}; transport=${transport}`];
      const { server } = await start(lifetime, { proto_hep: { hep_id, homer5_on: 0 } });
      await Promise.all(Array.from({ length: 30 }, (_, at) => call(server, 'lab_echo', [`n${at}`])));
      await server.close();
      const seen: string[] = [];
      for (let at = 0; at < 60; at += 1) seen.push((await capture.next()).payload);
      expect(seen.filter((text) => text.includes('"command"')).length).toBe(30);
    }
  });

  test('by a name are found by it', async ({ lifetime }) => {
    const capture = await streamCapture(lifetime);
    const hep_id = [`[homer] localhost:${capture.port}; transport=tcp`];
    const { server } = await start(lifetime, { proto_hep: { hep_id, homer5_on: 0 } });
    await call(server, 'lab_echo', ['named']);
    expect(shown(await capture.next())).toMatchObject({ parameters: 'named' });
  });

  test('two of one name keep the server from being made', () => {
    const hep_id = ['[a] 127.0.0.1', '[ a ] 127.0.0.2'];
    expect(() => createServer({ proto_hep: { hep_id } })).toThrow(/hep_id of module proto_hep has "a" twice/);
  });

  test('a file of CAs that is none keeps the server from starting', async ({ lifetime, files }) => {
    const file = files.write('none.pem', 'nothing\n');
    const server = createServer({ httpd: { ip: '127.0.0.1', port: 0 }, proto_hep: { tls_ca_file: file } });
    lifetime.onTestFinished(() => server.close());
    await expect(server.check()).rejects.toThrow(
      /tls_ca_file .*none\.pem of module proto_hep cannot be used: it has no cert/,
    );
    expect(existsSync(file)).toBe(true);
  });
});

/** What hep-js makes of a packet. */
function decapsulated(bytes: Buffer): { readonly rcinfo: object; readonly payload: unknown } {
  const { decapsulate } = createRequire(import.meta.url)('hep-js') as {
    decapsulate(bytes: Buffer): { readonly rcinfo: object; readonly payload: unknown };
  };
  return decapsulate(bytes);
}
