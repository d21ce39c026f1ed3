import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, vi } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { EventReader } from '../support/event-reader.js';
import { silentLog } from '../support/log.js';
import { call, callError, post, withResolvers } from '../support/mi-client.js';
import { SlowReader } from '../support/slow-reader.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

async function subscribed(server: Server, count: number): Promise<void> {
  await expect
    .poll(
      async () =>
        ((await call(server, 'get_statistics', [['event_subscribers']])) as object)['evi:event_subscribers' as never],
    )
    .toBe(count);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
}

describe('events as server-sent events', () => {
  test('those of this server come as they are raised, and values as they are', async ({ startServer }) => {
    const server = await startServer({});
    const event = server.events.declare('E_PBX_TRUNK_DOWN');
    const reader = await EventReader.open(server, '/live');
    expect(reader.response.statusCode).toBe(200);
    expect(reader.response.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const hostile = 'a\r\n\r\nid: 7\ndata: {}\n\n\u2028\u202e</script>';
    expect(event.raise({ trunk: hostile, calls: 12 })).toBe(1);
    expect(event.raise(['x', null])).toBe(1);
    expect(await reader.next()).toMatchObject({
      kind: 'message',
      data: { event: 'E_PBX_TRUNK_DOWN', params: { trunk: hostile, calls: 12 } },
    });
    expect(await reader.next()).toMatchObject({ data: { params: ['x', null] } });
    reader.close();
    await subscribed(server, 0);
  });

  test('lines of the log and calls come beside events where they are asked for, from where a page has got to', async ({
    startServer,
    temporaryFile,
  }) => {
    const noisy = defineModule({
      name: 'noisy',
      commands: [
        command({
          name: 'say',
          help: 'Says something.',
          recipes: [{ text: 'string' }],
          run: ({ text }, { log }) => {
            log.warn({ code: 'said' }, text);
            return 'OK';
          },
        }),
      ],
    });
    const httpd = { audit_file: temporaryFile('audit', '') };
    const server = await startServer({ modules: [noisy], httpd, log: silentLog });
    await call(server, 'noisy:say', ['before <b>']);
    const { body } = await get(server, '/mi/live?topic=log');
    expect(body).toContain('before &lt;b&gt;');
    expect(body).not.toContain('audit ');
    const [, log = '', audit = ''] = /data-log="(\d+)" data-audit="(\d+)"/.exec(body) ?? [];
    const reader = await EventReader.open(server, `/live?topic=log&topic=audit&log=${log}&audit=${audit}`);
    await call(server, 'noisy:say', ['after']);
    const told = [await reader.next(), await reader.next()];
    expect(told).toMatchObject([
      { kind: 'log', data: { what: 'log WARNING', details: expect.stringContaining('after'), isBad: true } },
      { kind: 'audit', data: { what: 'audit -', details: 'noisy:say ["after"]', isBad: false } },
    ]);
    reader.close();
    await subscribed(server, 0);
    // Events alone, as before, where nothing else is asked for.
    const event = server.events.declare('E_ONE');
    const plain = await EventReader.open(server, '/live');
    await call(server, 'noisy:say', ['nobody hears']);
    event.raise({});
    expect(await plain.next()).toMatchObject({ kind: 'message' });
    plain.close();
  });

  test('those who may not read them get neither lines of the log nor calls', async ({ startServer, temporaryFile }) => {
    const httpd = {
      audit_file: temporaryFile('audit', ''),
      deny_commands: 'core:log_recent, httpd:audit_recent',
    };
    const server = await startServer({ httpd, log: silentLog });
    const { body } = await get(server, '/mi/live?topic=log&topic=audit');
    expect(body).toContain('data-topics=""');
    expect(body).not.toMatch(/>log |>audit /);
  });

  test('names choose events, with * for the rest of one; a wrong one is refused', async ({ startServer }) => {
    const server = await startServer({});
    for (const name of ['E_A_ONE', 'E_A_TWO', 'E_B']) server.events.declare(name);
    const reader = await EventReader.open(server, '/live?events=E_A_*');
    for (const name of ['E_B', 'E_A_TWO', 'E_A_ONE']) server.events.raise(name, {});
    expect(await reader.next()).toMatchObject({ data: { event: 'E_A_TWO' } });
    expect(await reader.next()).toMatchObject({ data: { event: 'E_A_ONE' } });
    reader.close();
    const wrong = await EventReader.open(server, '/live?events=E_NONE');
    expect(wrong.response.statusCode).toBe(400);
  });

  test('a reader that comes again gets what it has missed', async ({ startServer }) => {
    const server = await startServer({});
    const event = server.events.declare('E_ONE');
    const reader = await EventReader.open(server, '/live');
    event.raise({ number: 1 });
    const first = await reader.next();
    reader.close();
    for (const number of [2, 3]) event.raise({ number });
    const again = await EventReader.open(server, '/live', { 'Last-Event-ID': first?.id ?? '' });
    expect(await again.next()).toMatchObject({ data: { params: { number: 2 } } });
    expect(await again.next()).toMatchObject({ data: { params: { number: 3 } } });
    const unknown = await EventReader.open(server, '/live?events=E_ONE&after=of-another-start');
    expect(await unknown.next()).toMatchObject({ data: { params: { number: 1 } } });
    for (const one of [again, unknown]) one.close();
  });

  test('a reader that comes again gets the contacts that changed while nobody was subscribed', async ({
    startServer,
  }) => {
    const server = await startServer({ usrloc: {} });
    const add = (aor: string): Promise<unknown> =>
      call(server, 'usrloc:add', ['location', aor, `sip:${aor}@192.0.2.1`, 600, 1, 0, 0, 0]);
    await add('before');
    const reader = await EventReader.open(server, '/live?events=E_UL_CONTACT_INSERT');
    await add('alice');
    const first = await reader.next();
    expect(first).toMatchObject({ data: { params: { aor: 'alice' } } });
    reader.close();
    await subscribed(server, 0);
    await add('bob');
    const again = await EventReader.open(server, '/live?events=E_UL_*', { 'Last-Event-ID': first?.id ?? '' });
    await add('carol');
    const names: unknown[] = [];
    for (const _ of [1, 2, 3]) names.push((await again.next())?.data);
    expect(names).toMatchObject([
      { event: 'E_UL_CONTACT_INSERT', params: { aor: 'bob' } },
      { event: 'E_UL_AOR_INSERT', params: { aor: 'carol' } },
      { event: 'E_UL_CONTACT_INSERT', params: { aor: 'carol' } },
    ]);
    again.close();
  });

  test('readers are subscribers, which are listed and ended', async ({ startServer }) => {
    const server = await startServer({});
    server.events.declare('E_ONE');
    const reader = await EventReader.open(server, '/live?events=E_ONE');
    const listed = (await call(server, 'subscribers_list', ['E_ONE'])) as {
      Event: { Subscribers: { socket: string; expire: string }[] };
    };
    const [{ socket = '', expire } = { expire: '' }] = listed.Event.Subscribers as [{ socket: string; expire: string }];
    expect([socket, expire]).toStrictEqual([expect.stringMatching(/^sse:1:-@127\.0\.0\.1$/), 'never']);
    expect(await callError(server, 'event_subscribe', ['E_ONE', 'sse:2:-@127.0.0.1'])).toMatchObject({ code: 400 });
    expect(await call(server, 'evi:end_subscriber', [socket])).toBe('OK');
    expect(await reader.next()).toBeUndefined();
    expect(await callError(server, 'evi:end_subscriber', [socket])).toMatchObject({ code: 400 });
    await subscribed(server, 0);
  });

  test('more streams than the limit are refused, and a place that is left is taken again', async ({ startServer }) => {
    const server = await startServer({ mi_http: { max_streams: 1 } });
    const first = await EventReader.open(server, '/live');
    const second = await EventReader.open(server, '/live');
    expect(second.response.statusCode).toBe(503);
    first.close();
    await subscribed(server, 0);
    const third = await EventReader.open(server, '/live');
    expect(third.response.statusCode).toBe(200);
    third.close();
  });

  test('a stop ends a hundred streams at once, and a reload ends them too', async ({ startServer }) => {
    const server = await startServer({ mi_http: { max_streams: 100 } });
    server.events.declare('E_ONE');
    const before = await EventReader.open(server, '/live');
    await server.reload();
    expect(await before.next()).toBeUndefined();
    const readers = await Promise.all(
      Array.from({ length: 100 }, () => EventReader.open(server, '/live?events=E_ONE')),
    );
    server.events.raise('E_ONE', {});
    const begun = performance.now();
    await server.close({ deadline: 60 });
    // Far from the deadline, however busy the machine is.
    expect(performance.now() - begun).toBeLessThan(30_000);
    for (const reader of readers) {
      expect(await reader.next()).toMatchObject({ data: { event: 'E_ONE' } });
      expect(await reader.next()).toBeUndefined();
    }
  });

  test('a reader that reads nothing costs a bounded queue, and is told what it has lost', async ({ startServer }) => {
    const server = await startServer({ httpd: { conn_timeout: 600 } });
    const event = server.events.declare('E_LARGE');
    const reader = await EventReader.open(server, '/live');
    reader.response.pause();
    const text = 'x'.repeat(100_000);
    for (let number = 0; number < 400; number += 1) {
      event.raise({ number, text });
      if (number % 20 === 0) await new Promise(setImmediate);
    }
    const dropped = (await call(server, 'get_statistics', [['events_dropped']])) as Record<string, number>;
    expect(dropped['evi:events_dropped']).toBeGreaterThan(100);
    reader.response.resume();
    // Each event is either got or told to be lost: it ends when all are.
    for (let told = 0; told < 400; ) {
      const one = await reader.next();
      told += one?.kind === 'dropped' ? (one.data as { dropped: number }).dropped : 1;
      expect(told).toBeLessThanOrEqual(400);
    }
    event.raise({ number: 400, text: '' });
    expect(await reader.next()).toMatchObject({ data: { params: { number: 400 } } });
    reader.close();
  });

  test('readers that read nothing of much that they have missed hold little each', async ({ startServer }) => {
    const server = await startServer({ httpd: { conn_timeout: 600, allowed_hosts: 'a' } });
    const event = server.events.declare('E_LARGE');
    const text = 'x'.repeat(40_000);
    for (let number = 0; number < 100; number += 1) event.raise({ number, text });
    const before = process.memoryUsage().arrayBuffers;
    const readers: SlowReader[] = [];
    for (let count = 1; count <= 20; count += 1) {
      const reader = await SlowReader.ask(Number(server.port), '/mi/live?after=of-another-start', undefined, [
        'Accept: text/event-stream',
      ]);
      reader.socket.pause();
      readers.push(reader);
      await subscribed(server, count);
    }
    collectGarbage();
    // Of 4 MB that each has missed.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000_000);
    for (const reader of readers) reader.socket.destroy();
    await subscribed(server, 0);
  });

  test('problems that are told at once keep no event back', async ({ startServer }) => {
    const server = await startServer({});
    const { promise, reject } = withResolvers<void>();
    for (const name of ['E_ONE', 'E_TWO']) server.events.declare(name).sources.add({ wanted: () => promise });
    const event = server.events.declare('E_THREE');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const reader = await EventReader.open(server, '/live?events=E_*');
      reject(new Error('OpenSIPS refuses it'));
      expect(await reader.next()).toMatchObject({ kind: 'problem', data: { event: 'E_ONE' } });
      expect(await reader.next()).toMatchObject({ kind: 'problem', data: { event: 'E_TWO' } });
      // The last one behind the sign of life that an idle stream would have had.
      for (const pause of [1000, 1000, 14_500]) {
        vi.advanceTimersByTime(pause);
        event.raise({ pause });
        expect(await reader.next()).toMatchObject({ kind: 'message', data: { params: { pause } } });
      }
      reader.close();
    } finally {
      vi.useRealTimers();
    }
  });

  test('pages of other sites open none', async ({ startServer }) => {
    const server = await startServer({});
    const status = async (headers: Record<string, string>): Promise<number | undefined> => {
      const reader = await EventReader.open(server, '/live', headers);
      reader.close();
      return reader.response.statusCode;
    };
    const here = `127.0.0.1:${server.port}`;
    expect(await status({ 'Sec-Fetch-Site': 'cross-site', Origin: 'https://other.example' })).toBe(403);
    expect(await status({ 'Sec-Fetch-Site': 'same-site' })).toBe(403);
    expect(await status({ Origin: 'http://127.0.0.1:1' })).toBe(403);
    expect(await status({ Origin: 'null' })).toBe(403);
    expect(await status({ 'Sec-Fetch-Site': 'same-origin' })).toBe(200);
    expect(await status({ Origin: `http://${here}` })).toBe(200);
    expect(await status({})).toBe(200);
  });

  test('HEAD opens none', async ({ startServer }) => {
    const server = await startServer({});
    server.events.declare('E_ONE');
    const headers = { Accept: 'text/event-stream' };
    const reply = await fetch(`${server.urls[0]}/live`, { method: 'HEAD', headers });
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('text/event-stream');
    await subscribed(server, 0);
  });

  test('those who may not read events follow none', async ({ startServer }) => {
    const server = await startServer({ httpd: { deny_commands: 'evi:recent' } });
    expect((await EventReader.open(server, '/live')).response.statusCode).toBe(403);
    expect(await (await fetch(`${server.urls[0]}/live`)).status).toBe(403);
  });

  test('limits of time for calls and replies end no stream', async ({ startServer }) => {
    const hangs = defineModule({
      name: 'pbx',
      load: () => ({ commands: [command({ name: 'hang', help: 'Hangs.', run: () => new Promise<string>(() => {}) })] }),
    });
    const server = await startServer({
      modules: [hangs],
      mi_http: { mi_timeout: 1 },
      httpd: { reply_timeout: 1, conn_timeout: 1 },
    });
    const event = server.events.declare('E_ONE');
    const reader = await EventReader.open(server, '/live');
    // Each takes as long as the limits are.
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'pbx:hang', id: 1 });
    for (let calls = 0; calls < 3; calls += 1) expect((await post(server, body)).status).toBe(504);
    event.raise({});
    expect(await reader.next()).toMatchObject({ data: { event: 'E_ONE' } });
    reader.close();
  });
});

describe('the events that were raised last', () => {
  test('are listed, by name, by count, and from one on', async ({ startServer }) => {
    const server = await startServer({});
    const one = server.events.declare('E_ONE');
    const two = server.events.declare('E_TWO');
    for (let number = 0; number < 1001; number += 1) one.raise({ number });
    two.raise(['a']);
    const recent = async (params?: object): Promise<{ id: string; event: string; params: unknown }[]> =>
      ((await call(server, 'evi:recent', params)) as { Events: { id: string; event: string; params: unknown }[] })
        .Events;
    const all = await recent();
    expect(all).toHaveLength(1000);
    expect(all.at(-1)).toMatchObject({ event: 'E_TWO', params: ['a'] });
    expect(all[0]).toMatchObject({ event: 'E_ONE', params: { number: 2 } });
    expect(await recent({ count: 1 })).toStrictEqual(all.slice(-1));
    expect(await recent({ count: 0 })).toStrictEqual([]);
    expect(await recent({ events: ['E_TWO'] })).toStrictEqual(all.slice(-1));
    expect(await recent({ after: all[997]?.id })).toStrictEqual(all.slice(998));
    expect(await callError(server, 'evi:recent', { events: ['E_NONE'] })).toMatchObject({ code: 400 });
  });
});

test('a request of fetch without a socket gets a stream, and leaves it', async ({ startServer }) => {
  const server = await startServer({ listen: false });
  const event = server.events.declare('E_ONE');
  const leaving = new AbortController();
  const response = await server.inject(
    new Request('http://localhost/mi/live', { headers: { Accept: 'text/event-stream' }, signal: leaving.signal }),
  );
  expect(response.status).toBe(200);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toBe('retry: 3000\n\n');
  event.raise({ a: 1 });
  expect((await reader?.read())?.value).toContain('"params":{"a":1}');
  await reader?.cancel();
  await expect.poll(() => event.hasSubscribers).toBe(false);
});
