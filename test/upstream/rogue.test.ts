// An OpenSIPS that is broken, or not what it seems: whatever it sends, the server in front of it serves on.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect } from 'vitest';
import type { Server, ServerOptions } from '#src/index.js';
import { temporaryFile } from '../support/accounts.js';
import { startFront } from '../support/front.js';
import type { Lifetime } from '../support/lifetime.js';
import { call, callError, post, startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

/** Datagrams by method, made for the id of the request. */
type Replies = Readonly<Record<string, (id: number) => string | readonly string[]>>;

const result = (text: string) => (id: number) => `{"jsonrpc":"2.0","result":${text},"id":${id}}`;
const error = (text: string) => (id: number) => `{"jsonrpc":"2.0","error":${text},"id":${id}}`;

/** Starts a server in front of a UDP socket that replies as it is told, and has these commands alone. */
async function startRogue(lifetime: Lifetime, replies: Replies): Promise<Server> {
  const all: Replies = {
    version: result('{"Server":"OpenSIPS (3.4.18 (x86_64/linux))"}'),
    uptime: result('{"Now":"now","Up since":"then"}'),
    which: result(JSON.stringify(Object.keys(replies))),
    ...replies,
  };
  const socket = createSocket('udp4', (message, { port, address }) => {
    const { method, id } = JSON.parse(message.toString()) as { method: string; id: number };
    for (const reply of [all[method]?.(id) ?? []].flat()) socket.send(reply, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  lifetime.onTestFinished(() => {
    socket.close();
  });
  const node = `sip-1 datagram:udp:127.0.0.1:${socket.address().port}`;
  return startServer(lifetime, { opensips: { levels: '*=read', nodes: [node] } });
}

/** As {@link startRogue}, of replies that are too long for a datagram, in front of a server of HTTP. */
async function startLongRogue(lifetime: Lifetime, replies: Replies, options: ServerOptions = {}): Promise<Server> {
  const node = `sip-1 ${await longRogue(lifetime, replies)}`;
  return startServer(lifetime, { ...options, opensips: { levels: '*=read', nodes: [node], ...options.opensips } });
}

/** Starts a server of HTTP that replies as it is told. @returns its transport */
async function longRogue(lifetime: Lifetime, replies: Replies): Promise<string> {
  const all: Replies = {
    version: result('{"Server":"OpenSIPS (3.4.18 (x86_64/linux))"}'),
    uptime: result('{"Now":"now","Up since":"then"}'),
    which: result(JSON.stringify(Object.keys(replies))),
    ...replies,
  };
  const rogue = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { method, id } = JSON.parse(Buffer.concat(pieces).toString()) as { method: string; id: number };
    response.end([all[method]?.(id) ?? []].flat().join(''));
  });
  rogue.listen(0, '127.0.0.1');
  await once(rogue, 'listening');
  lifetime.onTestFinished(() => {
    rogue.closeAllConnections();
    rogue.close();
  });
  return `http://127.0.0.1:${(rogue.address() as AddressInfo).port}/mi`;
}

/** What came of a reply, and whether that was all of it. */
async function received(server: Server, body: string): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${server.port}/mi`, { method: 'POST', headers, body });
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const piece of response.body ?? []) text += decoder.decode(piece, { stream: true });
    return { text, isWhole: true };
  } catch {
    return { text, isWhole: false };
  }
}

const deep = '['.repeat(30_000) + ']'.repeat(30_000);

describe('an event', () => {
  test('of any bytes does no harm to the server, nor to the next one', async ({ lifetime, udpReceiver }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], { event_datagram: {} });
    const receiver = await udpReceiver();
    await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', `udp:127.0.0.1:${receiver.port}`]);
    const [, , port] = sip[0]?.state.subscriptions[0]?.socket.split(':') ?? [];
    const socket = createSocket('udp4');
    lifetime.onTestFinished(() => {
      socket.close();
    });
    for (const event of [
      `{"jsonrpc":"2.0","method":"E_UL_CONTACT_INSERT","params":{"a":${deep}}}`,
      `{"jsonrpc":"2.0","method":"E_UL_CONTACT_INSERT","params":[${deep}]}`,
      `{"jsonrpc":"2.0","method":"E_UL_CONTACT_INSERT","params":{"":${deep}}}`,
      deep,
      '{"method":"E_UL_CONTACT_INSERT","params":{"":"',
      '{"method":"E_UL_CONTACT_INSERT","params":{"":',
      '{"method":"E_UL_CONTACT_INSERT","params":5}',
      '{"method":"__proto__","params":{"":1,"":2}}',
      '{"method":"E_UL_CONTACT_INSERT","params":{"a":1e999,"__proto__":{"b":-1e999}}}',
      '{"method":"E_NONE"}',
      '\xff\0',
      '',
      '{"method":"E_UL_CONTACT_INSERT","params":{"aor":"alice"}}',
    ]) {
      await new Promise((resolve) => socket.send(event, Number(port), '127.0.0.1', resolve));
    }
    expect(await receiver.next()).toHaveProperty('params');
    expect(await receiver.next()).toMatchObject({ params: { aor: 'alice' } });
  });
});

const markup = '</script><img src=x onerror=alert(1)>';

describe('a reply', () => {
  test('with a result that is no JSON is an error, and tells nothing of other calls', async ({ lifetime }) => {
    const forged = '1,"id":1},{"jsonrpc":"2.0","result":2';
    const server = await startRogue(lifetime, { a: result('no json'), b: result('1,"result":2'), c: result(forged) });
    const batch = ['a', 'mi-httpd:version', 'b', 'c'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
    const { body } = await post(server, JSON.stringify(batch));
    const broken = { code: -32000, message: 'Server error', data: 'what came has a result that is no JSON' };
    expect(JSON.parse(body)).toStrictEqual([
      { jsonrpc: '2.0', error: broken, id: 0 },
      { jsonrpc: '2.0', result: { Server: expect.stringContaining('mi-httpd') }, id: 1 },
      { jsonrpc: '2.0', error: broken, id: 2 },
      { jsonrpc: '2.0', error: broken, id: 3 },
    ]);
  });

  const sound = (length: number): string => `["${'x'.repeat(length)}"`;
  const forged = '],"id":1},{"jsonrpc":"2.0","result":["forged"';

  test('that is long and no JSON is an error where nothing was sent, and tells nothing of other calls', async ({
    lifetime,
  }) => {
    const server = await startLongRogue(lifetime, {
      a: result(`${sound(10)}${forged},"${'x'.repeat(200_000)}"]`),
      b: result(`${sound(200_000)}]`),
      c: result(`[${'1,'.repeat(20_000)}01,${'1,'.repeat(100_000)}1]`),
    });
    const batch = ['a', 'b', 'c'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
    const { text, isWhole } = await received(server, JSON.stringify(batch));
    expect(isWhole).toBe(true);
    const data = expect.stringContaining('what came has a result that is no JSON');
    expect(JSON.parse(text)).toStrictEqual([
      { jsonrpc: '2.0', error: { code: -32000, message: 'Server error', data }, id: 0 },
      { jsonrpc: '2.0', result: ['x'.repeat(200_000)], id: 1 },
      { jsonrpc: '2.0', error: { code: -32000, message: 'Server error', data }, id: 2 },
    ]);
  });

  test('that turns out to be no JSON when it is being sent is cut there', async ({ lifetime }) => {
    const long = 'x'.repeat(5_000_000);
    const server = await startLongRogue(lifetime, {
      forging: result(`${sound(5_000_000)}${forged},"${long}"]`),
      open: result(sound(5_000_000)),
      much: result(`${sound(5_000_000)}],[]`),
      sound: result(`[${'"é\\u00e9",'.repeat(500_000)}-1.5e3]`),
    });
    for (const method of ['forging', 'open', 'much']) {
      for (const body of [
        { jsonrpc: '2.0', method, id: 0 },
        [method, 'uptime'].map((name, id) => ({ jsonrpc: '2.0', method: name, id })),
      ]) {
        const { text, isWhole } = await received(server, JSON.stringify(body));
        expect(isWhole, method).toBe(false);
        // A connection that is closed may lose what its client has not read yet.
        if (text !== '') expect(text, method).toContain('"result":["xxx');
        expect(/"xxx*"./.exec(text)?.[0] ?? '', method).toBe('');
      }
    }
    const { text } = await received(server, '{"jsonrpc":"2.0","method":"sound","id":1}');
    expect(JSON.parse(text)).toHaveProperty('result.length', 500_001);
  });

  test('that is nested deep, or has names of its own, comes as it is, or as an error', async ({ lifetime }) => {
    const server = await startRogue(lifetime, {
      a: result(deep.slice(20_000, 40_000)),
      b: error(`{"code":1,"message":"m","data":${deep.slice(20_000, 40_000)}}`),
      c: result('{"__proto__":{"polluted":1},"constructor":1}'),
      d: error('{"__proto__":{"polluted":1},"code":1,"message":"m"}'),
      e: error('[]'),
    });
    const { body: nested } = await post(server, '{"jsonrpc":"2.0","method":"a","id":1}');
    expect(nested).toContain(`"result":${deep.slice(20_000, 40_000)},`);
    expect(await callError(server, 'b')).toMatchObject({ code: -32000 });
    const { body } = await post(server, '{"jsonrpc":"2.0","method":"c","id":1}');
    expect(body).toContain('{"__proto__":{"polluted":1},"constructor":1}');
    expect(await callError(server, 'd')).toStrictEqual({ code: 1, message: 'm' });
    expect(await callError(server, 'e')).toMatchObject({ code: -32000 });
    expect({}).not.toHaveProperty('polluted');
  });

  test('is text on pages, whatever is in it', async ({ lifetime }) => {
    const server = await startRogue(lifetime, {
      a: result(JSON.stringify({ [markup]: markup })),
      b: error(JSON.stringify({ code: 1, message: markup, data: { [markup]: markup } })),
      help: result(JSON.stringify({ Help: markup, 'Exported by': markup })),
    });
    for (const path of ['/mi/sip-1/a?arg=', '/mi/sip-1/b?arg=', '/mi/sip-1', '/mi']) {
      const { body } = await get(server, path);
      expect(body, path).not.toMatch(/<img(?! class="state" )/);
      expect(body.split('</script>').length, path).toBe(body.split('<script').length);
    }
  });

  test('of another call, or one that comes twice, is taken for none', async ({ lifetime }) => {
    const other = 0x40000000;
    const server = await startRogue(lifetime, {
      a: (id) => ['', '<html>', result('"other"')(id ^ other), result('"a"')(id), result('"again"')(id)],
      b: result('"b"'),
    });
    const calls = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? 'a' : 'b'));
    for (const method of calls) expect(await call(server, method)).toBe(method);
    expect(await Promise.all(calls.map((method) => call(server, method)))).toStrictEqual(calls);
  });

  test('of statistics gives numbers alone', async ({ lifetime }) => {
    const values =
      '{"core:a":1,"core:b":"2","core:c":"x","core:d":null,"core:e":{},"core:f":1e999,"g":1,"__proto__:h":3}';
    const server = await startRogue(lifetime, { get_statistics: result(values) });
    const told = (await call(server, 'get_statistics', [['all']])) as Record<string, unknown>;
    expect(told).toMatchObject({ 'core:a': 1, 'core:b': 2, '__proto__:h': 3 });
    expect(Object.values(told).filter((value) => typeof value !== 'number')).toStrictEqual([]);
  });
});

describe('a client that only reads', () => {
  test('runs nothing else, by whatever name, path or form', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '4.0', '2.4'], {
      httpd: { listen: ['http:127.0.0.1:0;level=read'], ip: undefined, port: undefined },
    });
    for (const double of sip) double.state.addContacts(1);
    const names = [
      'ul_rm',
      'usrloc:rm',
      'rm',
      'UL_RM',
      'usrloc:ul_rm',
      'mi-httpd:ul_rm',
      ' ul_rm',
      'ul_rm\u0000',
    ].flatMap((name) => [
      name,
      ...['sip-1', 'sip-2', 'sip-3', 'SIP-1', 'sip-1/node:sip-2'].map((node) => `node:${node}/${name}`),
    ]);
    const values = ['location', 'user000000'];
    const params = [values, { table_name: 'location', aor: 'user000000' }, { node: 'sip-2' }];
    for (const method of names) {
      for (const given of params) {
        for (const id of [{ id: 1 }, {}]) {
          await post(server, JSON.stringify({ jsonrpc: '2.0', method, params: given, ...id }));
        }
      }
      await post(
        server,
        JSON.stringify([
          { jsonrpc: '2.0', method: 'version', id: 1 },
          { jsonrpc: '2.0', method, params: values },
        ]),
      );
    }
    for (const path of [
      'sip-1/ul_rm',
      'sip%2D1/ul%5Frm',
      'sip-2/usrloc:rm',
      'sip-2/usrloc%3Arm',
      'sip-1/node:sip-2%2Ful_rm',
      'sip-3/ul_rm',
    ]) {
      await get(server, `/mi/${path}?arg=location+user000000`);
      await postForm(server, `/mi/${path}`, 'arg=location+user000000');
    }
    expect(await call(server, 'version')).toHaveProperty('Server');
    for (const double of sip) {
      expect(double.ran.filter((name) => name.endsWith('rm'))).toStrictEqual([]);
      expect(double.state.contacts).toHaveLength(1);
    }
  });
});

describe('what a node tells of itself', () => {
  test('is kept as far as it has a use', async ({ lifetime }) => {
    const long = 'x'.repeat(1_000_000);
    const server = await startLongRogue(lifetime, {
      version: result(JSON.stringify({ Server: `OpenSIPS (3.4.18) ${long}` })),
      uptime: result(JSON.stringify({ 'Up since': long })),
      which: result(JSON.stringify(['version', 'uptime', 'which', 'help', 'events_list', 'ps', 'a'.repeat(200)])),
      help: result(JSON.stringify({ Help: long, 'Exported by': long })),
      events_list: result(
        JSON.stringify({ Events: Array.from({ length: 5000 }, (_, id) => ({ name: `E_X${id}`, id })) }),
      ),
    });
    await expect.poll(async () => (await get(server, '/mi/sip-1/ps')).body).toContain('xxx…');
    for (const path of ['/mi', '/mi/sip-1', '/mi/sip-1/ps', '/mi/status_report/status_report:reports'])
      expect((await get(server, path)).body.length, path).toBeLessThan(100_000);
    const { Events: events } = (await call(server, 'events_list')) as { Events: readonly object[] };
    expect(events.length).toBeLessThan(1200);
    expect(await call(server, 'which')).not.toContain('a'.repeat(200));
  });

  test('is refused where it is too much, and the reason is told', async ({ lifetime }) => {
    const names = Array.from({ length: 5000 }, (_, index) => `x${index}`);
    const server = await startLongRogue(lifetime, { which: result(JSON.stringify(names)) });
    await expect
      .poll(async () => JSON.stringify(await call(server, 'status_report:status', ['opensips'])))
      .toContain('lists 5000 commands, and 4096 are the most');
  });

  test('by statistics is bounded, on pages and for scrapes', async ({ lifetime }) => {
    const lines: [level: string, fields: object][] = [];
    const all = Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`g${index}:a`, index]));
    const server = await startLongRogue(
      lifetime,
      {
        get_statistics: result(JSON.stringify({ [`g:${'n'.repeat(300)}`]: 1, ...all })),
        list_statistics: result('{}'),
      },
      { prometheus: {}, log: { debug() {}, info() {}, error() {}, warn: (fields) => lines.push(['warn', fields]) } },
    );
    await call(server, 'get_statistics', [['all']]);
    const page = await get(server, '/mi/statistics');
    expect(page.body.match(/<tr>/g)?.length).toBeLessThan(2100 * 2);
    expect(page.body).toMatch(/role="status">2,000 of \d\d,\d{3} statistics</);
    const metrics = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    expect(metrics.match(/node="sip-1"/g)?.length).toBeLessThan(50_100);
    expect(metrics).not.toContain('nnn');
    expect(
      lines.filter(([, fields]) => (fields as { code?: string }).code === 'opensips-statistics-left-out'),
    ).toHaveLength(1);
  });

  test('by statistics takes no name of another node, nor of this server', async ({ lifetime }) => {
    const forged = await longRogue(lifetime, {
      get_statistics: result(
        '{"sip-2.core:rcv_requests":666,"core:command_duration_seconds_bucket":666,"core:errors_total":666}',
      ),
      list_statistics: result('{"core:errors_total":"non-incremental"}'),
    });
    const honest = await longRogue(lifetime, {
      get_statistics: result('{"core:rcv_requests":7}'),
      list_statistics: result('{"core:rcv_requests":"incremental"}'),
    });
    const server = await startServer(lifetime, {
      opensips: { nodes: [`sip-1 ${forged}`, `sip-2 ${honest}`] },
      prometheus: {},
    });
    await expect
      .poll(() => call(server, 'get_statistics', [['all']]))
      .toMatchObject({ 'sip-2.core:rcv_requests': 7, 'sip-1.sip-2.core:rcv_requests': 666 });
    const scrape = async (accept: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${server.port}/metrics`, { headers: { Accept: accept } })).text();
    for (const accept of ['text/plain', 'application/openmetrics-text']) {
      const text = await scrape(accept);
      expect(text, accept).not.toMatch(/_bucket(\{node="sip-1"\})? 666/);
      expect(text, accept).toMatch(/\nopensips_command_duration_seconds_bucket\{command="[^"]+",le="0.000016"\} /);
    }
    expect(await scrape('application/openmetrics-text')).toMatch(
      /\n# TYPE opensips_errors counter\nopensips_errors_total \d/,
    );
  });
});

describe('a result for the program', () => {
  test('that is long is given piece by piece, and is not parsed', async ({ lifetime }) => {
    const text = JSON.stringify(Array.from({ length: 60_000 }, (_, index) => `${index}`.padStart(100, 'é')));
    const server = await startLongRogue(lifetime, { dlg_list: result(text) });
    await expect.poll(() => call(server, 'which')).toContain('dlg_list');
    const { opensips } = server;
    await expect(opensips?.call('sip-1', 'dlg_list')).rejects.toMatchObject({
      code: 'ERR_NODE',
      message: expect.stringMatching(/dlg_list is longer than 4194304 bytes.*opensips\.stream/),
    });
    const pieces: Uint8Array[] = [];
    for await (const piece of opensips?.stream('sip-1', 'dlg_list') ?? []) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(10);
    expect(Buffer.concat(pieces).toString()).toBe(text);
    for await (const piece of opensips?.stream('sip-1', 'dlg_list') ?? []) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(opensips?.health('sip-1').isUp).toBe(true);
    await expect(opensips?.stream('sip-1', 'none').next()).rejects.toMatchObject({ code: -32000 });
  });
});

test('a result that breaks on its way is told in the log with its reason', async ({ lifetime }) => {
  const lines: string[] = [];
  const broken = `["${'x'.repeat(5_000_000)}",}`;
  const server = await startLongRogue(
    lifetime,
    { dlg_list: result(broken) },
    { log: { debug() {}, info() {}, warn() {}, error: (_fields, message) => lines.push(message) } },
  );
  await expect.poll(() => call(server, 'which')).toContain('dlg_list');
  const { isWhole } = await received(server, '{"jsonrpc":"2.0","method":"dlg_list","id":1}');
  expect(isWhole).toBe(false);
  await expect.poll(() => lines).toContainEqual(expect.stringMatching(/dlg_list, failed: .*result that is no JSON/));
});

test('a command that a node does not describe has no secret in the audit log', async ({ lifetime }) => {
  const file = temporaryFile(lifetime, 'audit.log', '');
  const server = await startLongRogue(lifetime, { reg_upsert: result('"OK"') }, { httpd: { audit_file: file } });
  await expect.poll(() => call(server, 'which')).toContain('reg_upsert');
  const params = { aor: 'alice', auth_password: 'GEHEIM', Token: 'GEHEIM' };
  expect(await call(server, 'reg_upsert', params)).toBe('OK');
  await expect.poll(() => readFileSync(file, 'utf8')).toContain('"aor":"alice"');
  expect(readFileSync(file, 'utf8')).toContain('"auth_password":"(secret)","Token":"(secret)"');
  expect(readFileSync(file, 'utf8')).not.toContain('GEHEIM');
});

test('a result with half of a surrogate pair, which many decoders do not take, is broken', async ({ lifetime }) => {
  const server = await startLongRogue(lifetime, {
    half: result('{"a":"x\\ud800y"}'),
    second: result('["\\udc00"]'),
    pair: result('{"a":"\\ud83d\\ude00"}'),
    long: result(`["${'x'.repeat(5_000_000)}","\\ud83d"]`),
  });
  await expect.poll(() => call(server, 'which')).toContain('half');
  for (const name of ['half', 'second']) {
    expect(await callError(server, name), name).toMatchObject({
      code: -32000,
      data: expect.stringContaining('half of a surrogate pair'),
    });
  }
  expect(await call(server, 'pair')).toStrictEqual({ a: '\u{1f600}' });
  const { isWhole } = await received(server, '{"jsonrpc":"2.0","method":"long","id":1}');
  expect(isWhole).toBe(false);
});
