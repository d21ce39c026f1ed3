// Finding contacts by a part of what is known about them.
import { expect } from 'vitest';
import type { Server, ServerOptions } from '#src/index.js';
import { call, callError } from '../support/mi-client.js';
import { test } from '../support/test.js';

interface Page {
  readonly records: readonly {
    readonly table: string;
    readonly AOR: string;
    readonly Contacts: readonly Record<string, unknown>[];
  }[];
  readonly cursor: string | null;
  readonly matched: number;
  readonly scanned: number;
}

function contact(index: number, more: object = {}): object {
  return {
    aor: `user${index}@sip.example`,
    contact: `sip:user${index}@192.0.2.${index % 250}`,
    expires: 600,
    user_agent: index % 10 === 7 ? 'Yealink SIP-T46S' : 'Grandstream GXP',
    ...more,
  };
}

async function startWithContacts(startServer: (options: ServerOptions) => Promise<Server>, count = 300) {
  const server = await startServer({ usrloc: { domains: 'location,trunks' } });
  const contacts = Array.from({ length: count }, (_none, index) => contact(index));
  for (let at = 0; at < count; at += 500)
    await call(server, 'usrloc:add_many', { table_name: 'location', contacts: contacts.slice(at, at + 500) });
  const find = async (params: object): Promise<Page> => (await call(server, 'usrloc:find', params)) as Page;
  return { server, find };
}

test('a contact is found by a part of its user agent, page by page', async ({ startServer }) => {
  const { find } = await startWithContacts(startServer);
  const seen: string[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await find({ text: 'yealink sip', limit: 8, ...(after === undefined ? {} : { after }) });
    expect(page.matched).toBe(30);
    for (const { table, AOR, Contacts } of page.records) {
      expect([table, Contacts.length, Contacts[0]?.['User-agent']]).toStrictEqual(['location', 1, 'Yealink SIP-T46S']);
      seen.push(AOR);
    }
    if (page.cursor === null) break;
    after = page.cursor;
  }
  expect([seen.length, new Set(seen).size]).toStrictEqual([30, 30]);
  expect(await find({ text: 'yealink', by: 'Contact' })).toMatchObject({ records: [], matched: 0, scanned: 300 });
  expect(await find({ text: 'yealink', table: 'trunks' })).toMatchObject({ matched: 0, scanned: 0 });
});

test('the address of record that a text names comes first', async ({ startServer }) => {
  const { server, find } = await startWithContacts(startServer);
  const trunk = { table_name: 'trunks', contacts: [contact(2), contact(1, { contact: 'sip:user2@192.0.2.9' })] };
  await call(server, 'usrloc:add_many', trunk);
  for (const text of ['user2', ' user2 ', 'sip:user2@sip.example', '<SIP:user2@other.example;x=y>']) {
    const { records, matched } = await find({ text, limit: 5 });
    expect(records.slice(0, 2).map(({ table, AOR }) => [table, AOR])).toStrictEqual([
      ['trunks', 'user2'],
      ['location', 'user2'],
    ]);
    expect(matched).toBe(text.includes('@') ? 2 : 113);
  }
  const first = await find({ text: 'user2', limit: 1 });
  const second = await find({ text: 'user2', limit: 1, after: first.cursor ?? '' });
  const third = await find({ text: 'user2', limit: 1, after: second.cursor ?? '' });
  expect([first, second, third].map(({ records }) => records.map(({ table, AOR }) => `${table} ${AOR}`))).toStrictEqual(
    [['trunks user2'], ['location user2'], ['trunks user1']],
  );
  expect([first.matched, second.matched, third.matched]).toStrictEqual([113, 113, 113]);
});

test('of an address of record those contacts are given that have the text', async ({ startServer }) => {
  const { server, find } = await startWithContacts(startServer, 1);
  const contacts = [contact(0, { contact: 'sip:user0@198.51.100.1', user_agent: 'Zoiper' })];
  await call(server, 'usrloc:add_many', { table_name: 'location', contacts });
  const uris = async (params: object) =>
    (await find(params)).records.flatMap(({ Contacts }) => Contacts.map(({ Contact }) => Contact));
  expect(await uris({ text: 'zoiper' })).toStrictEqual(['sip:user0@198.51.100.1']);
  expect((await uris({ text: 'user0' })).length).toBe(2);
});

test('what is wrong is refused', async ({ startServer }) => {
  const { server } = await startWithContacts(startServer, 1);
  const error = (params: object) => callError(server, 'usrloc:find', params);
  expect(await error({ text: 'x', table: 'none' })).toMatchObject({ code: 404, message: 'Table not found' });
  expect(await error({ text: 'x', limit: 0 })).toMatchObject({ code: 400, data: 'limit is 0; give 1 to 1000' });
  for (const after of ['x', 'location:0:x', 'location:0:1.2.3.4', 'none:0:1', ':x:0', ':0:-1']) {
    expect(await error({ text: 'x', after }), after).toMatchObject({ code: 400, message: 'Bad parameter value' });
  }
  expect(await error({ by: 'AOR' })).toMatchObject({
    code: -32602,
    data: expect.stringContaining('accepts (text), and by name table, by'),
  });
  expect(await error({ text: 'x', by: 'agent' })).toMatchObject({
    code: 400,
    data: expect.stringContaining('by is "agent"; give one of AOR, Contact'),
  });
  expect(await error({ text: 'x', limit: 'y' })).toMatchObject({
    code: -32602,
    data: expect.stringContaining("'limit'"),
  });
  expect(await error({ text: 'x', wrong: 1 })).toMatchObject({ code: -32602 });
});

test('an embedder finds contacts in its domain', async ({ startServer }) => {
  const { usrloc } = await startServer({ usrloc: {} });
  const location = usrloc?.domain('location');
  location?.save('alice', { contact: 'sip:alice@192.0.2.1', expires: 60, userAgent: 'Linphone' });
  expect((await location?.find('LINPHONE'))?.records).toMatchObject([['alice', { AOR: 'alice' }]]);
});

interface Dump {
  readonly Domains: readonly {
    readonly name: string;
    readonly AORs: readonly { AOR: string; Contacts?: object[] }[];
  }[];
  readonly cursor?: string | null;
}

test('a dump has those who are wanted, in pages if so wished', async ({ startServer }) => {
  const { server } = await startWithContacts(startServer, 2500);
  await call(server, 'usrloc:add_many', { table_name: 'trunks', contacts: [contact(3)] });
  const dump = async (params: object): Promise<Dump> => (await call(server, 'ul_dump', params)) as Dump;
  const aors = ({ Domains }: Dump) => Domains.flatMap(({ name, AORs }) => AORs.map(({ AOR }) => `${name} ${AOR}`));
  const whole = await dump({});
  const pages: Dump[] = [];
  do {
    const after = pages.at(-1)?.cursor;
    pages.push(await dump({ limit: 1000, ...(typeof after === 'string' ? { after } : {}) }));
  } while (pages.at(-1)?.cursor !== null);
  expect(pages.map((page) => aors(page).length)).toStrictEqual([1000, 1000, 501]);
  expect(pages.flatMap(aors).sort()).toStrictEqual(aors(whole).sort());
  const yealinks = await dump({ filter: 'YEALINK', by: 'User-agent', fields: ['Contact', 'Attr'] });
  expect([aors(yealinks).length, yealinks.cursor]).toStrictEqual([250, undefined]);
  const [first] = yealinks.Domains.find(({ name }) => name === 'location')?.AORs ?? [];
  expect(first?.Contacts).toStrictEqual([{ Contact: expect.stringMatching(/^sip:user\d*7@/) }]);
  const brief = await dump({ brief: 1, filter: 'user3' });
  expect(brief.Domains.find(({ name }) => name === 'trunks')?.AORs).toStrictEqual([{ AOR: 'user3' }]);
  expect(aors(brief).length).toBe(112);
});

test('a dump refuses what it does not know', async ({ startServer }) => {
  const { server } = await startWithContacts(startServer, 1);
  const error = (params: object) => callError(server, 'usrloc:dump', params);
  expect(await error({ fields: ['Agent'] })).toMatchObject({
    code: 400,
    data: expect.stringContaining('fields is "Agent"'),
  });
  expect(await error({ limit: 0 })).toMatchObject({ code: 400, data: 'limit is 0; give 1 to 1000' });
  expect(await error({ after: 'x' })).toMatchObject({ code: 400 });
  expect(await error({ brief: 1, limits: 1 })).toMatchObject({ code: -32602 });
});
