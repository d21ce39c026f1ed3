// Commands about contacts and caches run in the threads that have the listeners, over the same tables as at home.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { assert, describe, expect } from 'vitest';
import { createServer, type Domain, type Server, type ServerOptions } from '#src/index.js';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import { BusyHome, type CallMade } from '../support/busy-home.js';
import { isNode } from '../support/engine.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { call, callError, post } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

async function start(t: Lifetime, options: ServerOptions = {}): Promise<Server> {
  const server = createServer({
    threads: 3,
    log: silentLog,
    usrloc: {},
    ...options,
    httpd: { ip: '127.0.0.1', port: 0, ...options.httpd },
  });
  await server.start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server;
}

function domainOf(server: Server, name = 'location'): Domain {
  assert(server.usrloc !== undefined);
  return server.usrloc.domain(name);
}

const always = [0, '0.5', 0, 0, 0] as const;

function adding(aor: string, contact: string, table = 'location'): CallMade {
  return { method: 'ul_add', params: [table, aor, contact, ...always] };
}

interface Aor {
  readonly AOR: string;
  readonly Contacts: readonly { readonly Contact: string; readonly ContactID: string }[];
}

interface Dump {
  readonly Domains: readonly { readonly name: string; readonly AORs: readonly Aor[] }[];
}

/** The contacts of a dump by address of record, each of which it has once. */
function contactsOf(dump: unknown, name = 'location'): Map<string, readonly string[]> {
  const { AORs = [] } = (dump as Dump).Domains.find((one) => one.name === name) ?? {};
  const all = new Map(AORs.map(({ AOR, Contacts }) => [AOR, Contacts.map(({ Contact }) => Contact)]));
  expect(all.size).toBe(AORs.length);
  return all;
}

async function statistic(server: Server, name: string): Promise<unknown> {
  return Object.values((await server.call('get_statistics', [[name]])) as Record<string, number>)[0];
}

unless(isNode, describe)('threads run the commands about tables', () => {
  test('reads, changes and dumps are answered while home is busy', async ({ lifetime }) => {
    const home = new BusyHome();
    const server = await start(lifetime, { modules: [home.module], cachedb_local: {} });
    for (let at = 0; at < 5000; at++) {
      domainOf(server).save(`user${at}`, { contact: `sip:user${at}@192.0.2.1`, expires: 3600 });
    }
    const calls: CallMade[] = [];
    for (let round = 0; round < 8; round++) {
      calls.push(
        adding('new', `sip:new@192.0.2.${round}`),
        { method: 'ul_show_contact', params: ['location', 'new'] },
        { method: 'usrloc:find', params: { text: 'user4999' } },
        { method: 'ul_dump' },
        { method: 'ul_rm', params: ['location', `user${round}`] },
        { method: 'ul_rm_contact', params: { table_name: 'location', aor: 'user9', contact: 'sip:none' } },
        { method: 'cache_store', params: ['local', 'k', `v${round}`] },
        { method: 'cache_fetch', params: ['local', 'k'] },
        { method: 'cache_remove', params: ['local', 'k'] },
        { method: 'cache_fetch', params: ['local', 'k'] },
      );
    }
    const replies = await home.calls(server.port, calls);
    for (let round = 0; round < 8; round++) {
      const [added, shown, found, dump, removed, none, stored, fetched, taken, gone] = replies.slice(round * 10);
      expect([added, removed, stored, taken].map((reply) => reply?.result)).toStrictEqual(['OK', 'OK', 'OK', 'OK']);
      expect((shown?.result as Aor | undefined)?.Contacts).toHaveLength(round + 1);
      expect(found?.result).toMatchObject({ records: [{ AOR: 'user4999' }], matched: 1 });
      expect(contactsOf(dump?.result).size).toBe(5001 - round);
      expect([none?.error?.code, gone?.error?.code]).toStrictEqual([404, 400]);
      expect(fetched?.result).toStrictEqual({ key: 'k', value: `v${round}` });
    }
    // At home they are seen, too, and counted once.
    expect(domainOf(server).lookup('new')).toHaveLength(8);
    expect(await statistic(server, 'location-contacts')).toBe(5000);
    expect(await statistic(server, 'ul_add-calls')).toBe(8);
    expect(await statistic(server, 'ul_dump-calls')).toBe(8);
    expect(await statistic(server, 'cache_fetch-calls')).toBe(16);
  });

  test('batches, lines of JSON and requests of up to 32 KiB are answered while home is busy', async ({ lifetime }) => {
    const home = new BusyHome();
    const server = await start(lifetime, { modules: [home.module], cachedb_local: {} });
    for (let at = 0; at < 200; at++) {
      domainOf(server).save(`user${at}`, { contact: `sip:user${at}@192.0.2.1`, expires: 'permanent' });
    }
    const element = (method: string, params: unknown, id?: unknown): object => ({
      jsonrpc: '2.0',
      method,
      params,
      ...(id === undefined ? {} : { id }),
    });
    const long = 'v'.repeat(30_000);
    const batch = [
      element('cache_store', ['local', 'b', 'of a batch']),
      ...Array.from({ length: 100 }, (_, at) => element('ul_show_contact', ['location', `user${at}`], at)),
      element('cache_fetch', ['local', 'b'], 'last'),
      element('version', undefined, null),
    ];
    const body = JSON.stringify(batch);
    const store = JSON.stringify(element('cache_store', ['local', 'long', long], 7));
    const dump = JSON.stringify(element('ul_dump', undefined, 8));
    const replies = await home.requests(server.port, [
      { body },
      { body, pieces: 3 },
      { body: store },
      { body: store, pieces: 7 },
      { body: JSON.stringify(element('cache_fetch', ['local', 'long'], 7)) },
      { body: dump, headers: { Accept: 'application/x-ndjson' } },
      { body: JSON.stringify([element('version', undefined)]) },
    ]);
    const [first = '', second = '', stored, again, fetched = '', lines = '', nothing] = replies;
    const answers = JSON.parse(first) as { id: unknown; result: Record<string, unknown> }[];
    expect(answers.map(({ id }) => id)).toStrictEqual([...Array.from({ length: 100 }, (_, at) => at), 'last', null]);
    expect(answers[42]?.result).toMatchObject({ AOR: 'user42' });
    expect(answers[100]?.result).toStrictEqual({ key: 'b', value: 'of a batch' });
    expect(JSON.parse(second)).toStrictEqual(answers);
    expect([stored, again]).toStrictEqual(Array(2).fill('{"jsonrpc":"2.0","result":"OK","id":7}'));
    expect(JSON.parse(fetched).result.value).toBe(long);
    expect(
      lines
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).AOR)
        .sort(),
    ).toStrictEqual(Array.from({ length: 200 }, (_, at) => `user${at}`).sort());
    expect(nothing).toBe('');
    expect(await statistic(server, 'batches')).toBe(3);
  });

  test('batches that have a call of home alone have their replies in order', async ({ lifetime }) => {
    const server = await start(lifetime);
    const calls = ['version', 'ps', 'uptime', 'nothing', 'which'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
    for (const body of [calls, [calls[0], 7, calls[2]], [calls[0], adding('a', 'sip:a@192.0.2.1')]]) {
      const given = body.map((one) => (typeof one === 'object' ? { jsonrpc: '2.0', id: 0, ...one } : one));
      for (let round = 0; round < 4; round++) {
        const replies = JSON.parse((await post(server, JSON.stringify(given))).body) as { id: unknown }[];
        const ids = given.map((one) => (typeof one === 'object' ? one.id : null));
        expect(replies.map(({ id }) => id)).toStrictEqual(ids);
      }
    }
    for (const refused of ['[]', '[1', `[${Array(1001).fill('1')}]`]) {
      const { error } = JSON.parse((await post(server, refused)).body);
      expect([-32600, -32700]).toContain(error.code);
    }
    expect(domainOf(server).lookup('a')).toHaveLength(1);
  });

  test('tells listeners of each change that batches make', async ({ lifetime }) => {
    const server = await start(lifetime);
    const heard: string[] = [];
    domainOf(server).on('insert', (aor) => heard.push(aor));
    for (let round = 0; round < 6; round++) {
      const batch = Array.from({ length: 3 }, (_, at) => ({
        jsonrpc: '2.0',
        id: at,
        ...adding(`a${round}.${at}`, 'sip:a@192.0.2.1'),
      }));
      const replies = JSON.parse((await post(server, JSON.stringify(batch))).body) as { result: string }[];
      expect(replies.map(({ result }) => result)).toStrictEqual(['OK', 'OK', 'OK']);
      expect(heard.slice(round * 3)).toStrictEqual([0, 1, 2].map((at) => `a${round}.${at}`));
    }
  });

  test('what was acknowledged is seen by every later call, on any thread', async ({ lifetime }) => {
    const server = await start(lifetime);
    const location = domainOf(server);
    for (let round = 0; round < 40; round++) {
      const aor = `a${round % 4}`;
      const contact = `sip:${round}@192.0.2.1`;
      expect(await call(server, 'ul_add', adding(aor, contact).params)).toBe('OK');
      const seen = (await call(server, 'ul_show_contact', ['location', aor])) as Aor;
      expect(seen.Contacts.some((one) => one.Contact === contact)).toBe(true);
      expect(location.lookup(aor).some((one) => one.contact === contact)).toBe(true);
      location.remove(aor, contact);
      expect(await callError(server, 'ul_rm_contact', ['location', aor, contact])).toMatchObject({ code: 404 });
    }
    expect(location.contacts).toBe(0);
  });

  test('changes of one address of record by several threads at once are all there', async ({ lifetime }) => {
    const server = await start(lifetime);
    const location = domainOf(server);
    const all = Array.from({ length: 90 }, (_, at) => `sip:c${at}@192.0.2.1`);
    const byHome = Array.from({ length: 30 }, (_, at) => `sip:h${at}@192.0.2.1`);
    const calls = all.map((contact) => call(server, 'ul_add', adding('busy', contact).params));
    for (const contact of byHome) {
      location.save('busy', { contact, expires: 600 });
      await new Promise(setImmediate);
    }
    expect(new Set(await Promise.all(calls))).toStrictEqual(new Set(['OK']));
    const { Contacts } = (await call(server, 'ul_show_contact', ['location', 'busy'])) as Aor;
    expect(Contacts.map(({ Contact }) => Contact).sort()).toStrictEqual([...all, ...byHome].sort());
    expect(new Set(Contacts.map(({ ContactID }) => ContactID)).size).toBe(120);
    const removing = all.map((contact) => call(server, 'ul_rm_contact', ['location', 'busy', contact]));
    for (const contact of byHome) {
      location.remove('busy', contact);
      await new Promise(setImmediate);
    }
    await Promise.all(removing);
    expect(await callError(server, 'ul_show_contact', ['location', 'busy'])).toMatchObject({ code: 404 });
    expect([location.contacts, location.users]).toStrictEqual([0, 0]);
  });

  test('dumps beside changes on other threads are whole: nothing is lost, nothing double', async ({ lifetime }) => {
    const server = await start(lifetime);
    const lasting = Array.from({ length: 1500 }, (_, at) => `lasting${at}`);
    for (const aor of lasting) {
      domainOf(server).save(aor, { contact: `sip:${aor}@192.0.2.1`, expires: 'permanent' });
    }
    let isOver = false;
    let dumps = 0;
    const dumping = Array.from({ length: 3 }, async () => {
      while (!isOver || dumps === 0) {
        const seen = contactsOf(await call(server, 'ul_dump'));
        expect(lasting.filter((aor) => seen.get(aor)?.includes(`sip:${aor}@192.0.2.1`) !== true)).toStrictEqual([]);
        dumps += 1;
      }
    });
    const writing = Array.from({ length: 6 }, async (_, writer) => {
      for (let at = 0; at < 40; at++) {
        const aor = `w${writer}.${at}`;
        expect(await call(server, 'ul_add', adding(aor, `sip:1@192.0.2.${writer}`).params)).toBe('OK');
        await call(server, 'ul_add', adding(lasting[at] ?? '', `sip:more${writer}@192.0.2.1`).params);
        if (at % 2 === 1) expect(await call(server, 'ul_rm', ['location', aor])).toBe('OK');
      }
    });
    await Promise.all(writing);
    isOver = true;
    await Promise.all(dumping);
    expect(dumps).toBeGreaterThan(0);
    const all = contactsOf(await call(server, 'ul_dump'));
    expect(all.size).toBe(1500 + 6 * 20);
    expect(all.get('lasting39')).toHaveLength(7);
    expect(await statistic(server, 'location-contacts')).toBe(1500 + 6 * 20 + 6 * 40);
    expect(await statistic(server, 'registered_users')).toBe(1500 + 6 * 20);
  });

  test('a dump that is being read when the server stops is sent whole', async ({ lifetime }) => {
    const server = await start(lifetime);
    for (let at = 0; at < 20_000; at++) {
      domainOf(server).save(`user${at}`, { contact: `sip:user${at}@192.0.2.1`, expires: 3600 });
    }
    const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(server.port)));
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'ul_dump', id: 1 });
    const begun = clients.map(({ socket }) => once(socket, 'data'));
    const dumps = clients.map(async (client) => {
      client.request('POST', '/mi', body, ['Content-Type: application/json']);
      return JSON.parse((await client.response()).text).result;
    });
    await Promise.all(begun);
    const closed = server.close();
    for (const dump of await Promise.all(dumps)) expect(contactsOf(dump).size).toBe(20_000);
    await closed;
  });

  test('holds callers to their rights, and tells who is denied', async ({ lifetime }) => {
    const line = (name: string, level: 'read' | 'operate'): string => userLine(name, 'pw', level);
    const auth_file = temporaryFile(lifetime, 'users', line('alice', 'read') + line('bob', 'operate'));
    const server = await start(lifetime, { cachedb_local: {}, httpd: { auth_file, deny_commands: 'ul_rm' } });
    const ask = async (who: string, method: string, params: unknown): Promise<unknown> => {
      const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
      const reply = JSON.parse((await post(server, body, { headers: { Authorization: basic(who, 'pw') } })).body);
      return reply.error?.code ?? reply.result;
    };
    for (let round = 0; round < 8; round++) {
      expect(await ask('alice', 'ul_add', adding('a', 'sip:a@192.0.2.1').params)).toBe(-32003);
      expect(await ask('bob', 'ul_add', adding('a', 'sip:a@192.0.2.1').params)).toBe('OK');
      expect(await ask('alice', 'ul_show_contact', ['location', 'a'])).toMatchObject({ AOR: 'a' });
      expect(await ask('bob', 'ul_rm', ['location', 'a'])).toBe(-32003);
      expect(await ask('alice', 'cache_store', ['local', 'k', 'v'])).toBe(-32003);
      expect(await ask('alice', 'cache_fetch', ['local', 'k'])).toBe(400);
    }
    expect(await statistic(server, 'denied')).toBe(24);
  });

  test('has domains that are made after the threads, in the order of home', async ({ lifetime }) => {
    const server = await start(lifetime);
    for (let round = 0; round < 12; round++) {
      const name = `later${round}`;
      expect(await callError(server, 'ul_show_contact', [name, 'a'])).toMatchObject({ message: 'Table not found' });
      domainOf(server, name);
      expect(await call(server, 'ul_add', adding('a', 'sip:a@192.0.2.1', name).params)).toBe('OK');
      const { Domains } = (await call(server, 'ul_dump')) as Dump;
      const names = Array.from({ length: round + 1 }, (_, at) => `later${round - at}`);
      expect(Domains.map((one) => one.name)).toStrictEqual([...names, 'location']);
      expect(domainOf(server, name).lookup('a')).toHaveLength(1);
    }
  });

  test('tells listeners and subscribers of each change, from the moment on that they are there', async ({
    lifetime,
  }) => {
    const server = await start(lifetime);
    const location = domainOf(server);
    await call(server, 'ul_add', adding('before', 'sip:a@192.0.2.1').params);
    const heard: string[] = [];
    location.on('insert', (aor) => heard.push(`insert ${aor}`)).on('delete', (aor) => heard.push(`delete ${aor}`));
    const expected: string[] = [];
    for (let round = 0; round < 12; round++) {
      await call(server, 'ul_add', adding(`a${round}`, 'sip:a@192.0.2.1').params);
      expected.push(`insert a${round}`);
      expect(heard).toStrictEqual(expected);
      await call(server, 'ul_rm', ['location', `a${round}`]);
      expected.push(`delete a${round}`);
      expect(heard).toStrictEqual(expected);
    }
  });

  test('raises the events of each change for subscribers', async ({ lifetime }) => {
    const server = await start(lifetime);
    const told: string[] = [];
    server.events.addTransport({
      protocol: 'test',
      maxSubscribers: 10,
      canonical: (socket) => socket,
      open: () => ({
        send: (event, parameters) => told.push(`${event} ${(parameters as { aor: string }).aor}`),
        close: () => {},
      }),
    });
    await call(server, 'ul_add', adding('before', 'sip:a@192.0.2.1').params);
    await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', 'test:1']);
    const expected: string[] = [];
    for (let round = 0; round < 12; round++) {
      await call(server, 'ul_add', adding(`a${round}`, 'sip:a@192.0.2.1').params);
      expected.push(`E_UL_CONTACT_INSERT a${round}`);
      expect(told).toStrictEqual(expected);
    }
  });

  test('writes each change to the file that keeps contacts', async ({ lifetime }) => {
    const persist = temporaryFile(lifetime, 'contacts', '');
    rmSync(persist);
    const usrloc = { persist, persist_interval: 0 };
    const server = await start(lifetime, { usrloc });
    const adds = Array.from({ length: 30 }, (_, at) =>
      call(server, 'ul_add', adding(`a${at}`, 'sip:a@192.0.2.1').params),
    );
    expect(new Set(await Promise.all(adds))).toStrictEqual(new Set(['OK']));
    await call(server, 'ul_rm', ['location', 'a7']);
    await server.close();
    const again = await start(lifetime, { usrloc });
    const kept = contactsOf(await call(again, 'ul_dump'));
    expect([kept.size, kept.has('a7')]).toStrictEqual([29, false]);
  });

  test('deletes contacts that expire, whichever thread has added them', async ({ lifetime }) => {
    const server = await start(lifetime, { usrloc: { timer_interval: 1 } });
    for (let round = 0; round < 12; round++) {
      const params = ['location', `a${round}`, 'sip:a@192.0.2.1', 1, '1', 0, 0, 0];
      expect(await call(server, 'ul_add', params)).toBe('OK');
    }
    await expect.poll(() => statistic(server, 'location-expires')).toBe(12);
    expect(await call(server, 'ul_dump')).toMatchObject({ Domains: [{ AORs: [] }] });
  });

  test('holds the limits of contacts over all threads', async ({ lifetime }) => {
    const server = await start(lifetime, { usrloc: { max_contacts: 20 } });
    let refused = 0;
    for (let round = 0; round < 32; round++) {
      const body = JSON.stringify({ jsonrpc: '2.0', ...adding(`a${round}`, 'sip:a@192.0.2.1'), id: 1 });
      const { error } = JSON.parse((await post(server, body)).body);
      if (error !== undefined) refused += 1;
    }
    expect([refused, await statistic(server, 'usrloc_refused')]).toStrictEqual([12, 12]);
    expect(await statistic(server, 'location-contacts')).toBe(20);
  });

  test('caches are one for all threads, and count exactly', async ({ lifetime }) => {
    const server = await start(lifetime, { cachedb_local: { max_entries: 50 } });
    const keys = Array.from({ length: 10 }, (_, at) => `k${at}`);
    await Promise.all(
      Array.from({ length: 6 }, async (_, writer) => {
        for (let round = 0; round < 40; round++) {
          const key = keys[(round + writer) % keys.length] ?? '';
          await call(server, 'cache_store', ['local', key, 'x'.repeat(1 + ((round * 7 + writer) % 30))]);
          if (round % 3 === 0) await call(server, 'cache_remove', ['local', key]);
        }
      }),
    );
    for (const key of keys) await call(server, 'cache_store', ['local', key, key]);
    for (const key of keys)
      expect(await call(server, 'cache_fetch', ['local', key])).toStrictEqual({ key, value: key });
    expect(await statistic(server, 'cache_entries')).toBe(10);
    expect(await statistic(server, 'cache_bytes')).toBe(10 * (2 * 4 + 128));
    for (let more = 0; more < 40; more++) await call(server, 'cache_store', ['local', `more${more}`, 'v']);
    expect(await callError(server, 'cache_store', ['local', 'last', 'v'])).toMatchObject({ code: 500 });
    expect(await statistic(server, 'cache_entries')).toBe(50);
  });

  test('entries of caches end in all threads at once, with any key', async ({ lifetime }) => {
    const server = await start(lifetime, { cachedb_local: { cache_clean_period: 1 } });
    const keys = ['plain', '<"\\>', 'ä€😀', '\u0000'];
    for (const key of keys) {
      expect(await call(server, 'cache_store', ['local', key, `v${key}`, 1])).toBe('OK');
      expect(await call(server, 'cache_fetch', ['local', key])).toStrictEqual({ key, value: `v${key}` });
    }
    await expect.poll(() => statistic(server, 'cache_entries')).toBe(0);
    for (const key of keys) expect(await callError(server, 'cache_fetch', ['local', key])).toMatchObject({ code: 400 });
    expect(await statistic(server, 'cache_bytes')).toBe(0);
  });

  test('asks home for caches that programs bring', async ({ lifetime }) => {
    const server = await start(lifetime, { cachedb_local: {} });
    for (let round = 0; round < 8; round++) {
      const refused = await callError(server, 'cache_fetch', ['mine', 'k']);
      expect(refused).toMatchObject({ code: 500, data: expect.stringContaining('there is local') });
    }
  });
});
