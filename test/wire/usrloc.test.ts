import { assert, describe, expect } from 'vitest';
import { createServer } from '#src/index.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

const add: readonly (string | number)[] = [
  'location',
  'mia@sip.example',
  'sip:mia@192.0.2.4:5062',
  1800,
  '0.25',
  0,
  0,
  5951,
];

interface ShownContact {
  readonly Contact: string;
  readonly Expires: number | string;
  readonly Cflags: string;
  readonly Flags: number;
  readonly Methods: number;
  readonly Q: string;
}

interface Dump {
  readonly Domains: readonly { name: string; hash_size: number; AORs: { AOR: string; Contacts: ShownContact[] }[] }[];
}

/** Text of a reply with what differs from run to run replaced. */
function settled(body: string): string {
  return body.replace(/"ContactID":"\d{1,19}"/g, '"ContactID":"#"').replace(/"Expires":(\d+)/g, (_all, left) => {
    return `"Expires":${Math.ceil(Number(left) / 100) * 100}`;
  });
}

function request(method: string, params?: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
}

describe('the commands of usrloc', () => {
  test('replies are those of OpenSIPS, byte for byte', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    const ask = async (method: string, params?: unknown): Promise<string> => {
      return settled((await post(server, request(method, params))).body);
    };
    const result = (text: string): string => `{"jsonrpc":"2.0","result":${text},"id":1}`;
    const origin =
      '"Callid":"dfjrewr12386fd6-343@opensips.mi","Cseq":1,"User-agent":"OpenSIPS MI Server","State":"CS_NEW"';
    const first =
      '{"Contact":"sip:mia@192.0.2.4:5062","ContactID":"#","Expires":1800,"Q":"0.25",' +
      `${origin},"Flags":0,"Cflags":"","Methods":5951}`;
    const second =
      '{"Contact":"sip:m2@192.0.2.5;a=\\"<&>\\"","ContactID":"#","Expires":"permanent","Q":"1",' +
      `${origin},"Flags":3,"Cflags":"","Methods":0}`;
    const domains = (aors: string): string => {
      return result(`{"Domains":[{"name":"location","hash_size":512,"AORs":[${aors}]}]}`);
    };

    expect(await ask('ul_dump')).toBe(domains(''));
    expect(await ask('ul_add', add)).toBe(result('"OK"'));
    expect(await ask('usrloc:dump')).toBe(domains(`{"AOR":"mia","Contacts":[${first}]}`));
    const named = {
      table_name: 'location',
      aor: 'mia@sip.example',
      contact: 'sip:m2@192.0.2.5;a="<&>"',
      expires: 0,
      q: '1',
      flags: 3,
      cflags: 0,
      methods: 0,
    };
    expect(await ask('usrloc:add', named)).toBe(result('"OK"'));
    const record = `{"AOR":"mia","Contacts":[${second},${first}]}`;
    expect(await ask('ul_show_contact', ['location', 'mia@elsewhere.example'])).toBe(result(record));
    expect(await ask('usrloc:show_contact', ['location', 'mia'])).toBe(result(record));
    for (const brief of [undefined, [0], ['0'], { brief: 0 }]) {
      expect(await ask('ul_dump', brief), JSON.stringify(brief)).toBe(domains(record));
    }
    for (const brief of [[1], ['1'], [-3], { brief: 1 }]) {
      expect(await ask('ul_dump', brief), JSON.stringify(brief)).toBe(domains('{"AOR":"mia"}'));
    }
    expect(await ask('ul_rm_contact', ['location', 'mia@x', 'sip:mia@192.0.2.4:5062'])).toBe(result('"OK"'));
    expect(await ask('ul_dump')).toBe(domains(`{"AOR":"mia","Contacts":[${second}]}`));
    expect(await ask('ul_rm', ['location', 'mia@x'])).toBe(result('"OK"'));
    expect(await ask('ul_rm', { table_name: 'location', aor: 'mia@x' }), 'also when not there').toBe(result('"OK"'));
    expect(await ask('ul_dump')).toBe(domains(''));
    expect(await ask('ul_flush')).toBe(result('"OK"'));
  });

  test('errors have the codes and texts of OpenSIPS', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    await call(server, 'ul_add', add);
    const table = { code: 404, message: 'Table not found' };
    const refused: readonly (readonly [method: string, params: unknown, error: object])[] = [
      ['ul_add', ['nope', 'a', 'sip:a', 60, '1', 0, 0, 0], table],
      ['ul_rm', ['nope', 'a'], table],
      ['ul_rm_contact', ['nope', 'a', 'sip:a'], table],
      ['ul_show_contact', ['nope', 'a'], table],
      ['ul_show_contact', ['location', 'nobody'], { code: 404, message: 'AOR not found' }],
      ['ul_rm_contact', ['location', 'nobody', 'sip:a'], { code: 404, message: 'AOR not found' }],
      ['ul_rm_contact', ['location', 'mia', 'sip:MIA@192.0.2.4:5062'], { code: 404, message: 'Contact not found' }],
      ['ul_sync', ['location'], { code: 200, message: 'Contacts already synced' }],
      ['ul_sync', ['nope'], { code: 200, message: 'Contacts already synced' }],
      ['ul_sync', ['location', 'mia'], { code: 200, message: 'Contacts already synced' }],
      ['ul_cluster_sync', undefined, { code: 400, message: 'Clustering not enabled' }],
    ];
    for (const [method, params, error] of refused) expect(await callError(server, method, params)).toStrictEqual(error);

    for (const q of ['-1', 'zz', '1.1', '1.001', '', ' ', '0x0', '.', '1e0', '0.5 x', '00.5']) {
      const { code, message, data } = await callError(server, 'ul_add', add.with(4, q));
      expect([code, message], q).toStrictEqual([400, 'Bad parameter value']);
      expect(data ?? '').toMatch(/give 0 to 1/);
    }
    for (const [place, value] of [
      [1, '@example.com'],
      [1, 'x'.repeat(5000)],
      [3, 2 ** 31],
      [5, 2 ** 32],
      [7, -(2 ** 31) - 1],
    ] as const) {
      const { code, message } = await callError(server, 'ul_add', add.with(place, value));
      expect([code, message], String(value)).toStrictEqual([400, 'Bad parameter value']);
    }
    for (const contact of ['', 'alice', '<sip:a@192.0.2.1>', 'sip:a@192.0.2.1\r\nX: 1', `sip:${'a'.repeat(4096)}@x`]) {
      const { code, message, data } = await callError(server, 'ul_add', add.with(2, contact));
      expect([code, message], contact).toStrictEqual([500, 'Internal Error']);
      expect(data ?? '').toMatch(/^contact is /);
      const many = { table_name: 'location', contacts: [{ aor: 'a', contact, expires: 60 }] };
      const { added, rejected } = (await call(server, 'add_many', many)) as {
        added: number;
        rejected: { reason: string }[];
      };
      expect(added).toBe(0);
      expect(rejected[0]?.reason ?? '').toMatch(/^contact is /);
      const told = { code: 404, message: 'Contact not found' };
      expect(await callError(server, 'ul_rm_contact', ['location', 'mia', contact])).toStrictEqual(told);
    }
    for (const method of ['ul_rm', 'ul_show_contact']) {
      const { code, message } = await callError(server, method, ['location', 'mia\r\nX: 1']);
      expect([code, message]).toStrictEqual([400, 'Bad parameter value']);
    }
    expect((await callError(server, 'ul_dump', ['brief'])).data ?? '').toMatch(/^Bad type for parameter 'brief'/);
    expect((await callError(server, 'ul_dump', [1, 2])).data ?? '').toMatch(/^Too few or too many parameters/);
    expect((await callError(server, 'ul_add', ['location', 'a'])).data ?? '').toMatch(
      /^Too few or too many parameters/,
    );
    expect(((await call(server, 'ul_dump')) as Dump).Domains[0]?.AORs.length, 'nothing was added').toBe(1);
  });

  test('values of ul_add: q with blanks and decimals, past and negative, masks and names of flags', async ({
    startServer,
  }) => {
    const server = await startServer({ usrloc: { nat_bflag: 'NAT' } });
    const shown = async (...changes: readonly (readonly [number, unknown])[]): Promise<ShownContact | undefined> => {
      const params = changes.reduce<unknown[]>((made, [place, value]) => made.with(place, value), [...add]);
      await call(server, 'ul_add', params);
      return ((await call(server, 'ul_show_contact', ['location', 'mia'])) as { Contacts: ShownContact[] }).Contacts[0];
    };
    for (const [q, text] of [
      ['0', '0'],
      ['0.0', '0'],
      ['.5', '0.5'],
      [' 0.75\t', '0.75'],
      ['0.1259', '0.125'],
      ['0.29', '0.29'],
      ['1', '1'],
      ['1.000', '1'],
      [0.5, '0.5'],
    ] as const) {
      expect((await shown([4, q]))?.Q).toBe(text);
    }
    expect((await shown([3, -5]))?.Expires).toBe('expired');
    expect((await shown([3, '0']))?.Expires).toBe('permanent');
    const masked = await shown([5, -1], [6, 5], [7, -1]);
    expect([masked?.Flags, masked?.Cflags, masked?.Methods]).toStrictEqual([4294967295, 'NAT', 4294967295]);
    expect((await shown([6, 4]))?.Cflags, 'bits without a name').toBe('');
  });

  test('with use_domain, addresses keep and need their domain', async ({ startServer }) => {
    const server = await startServer({ usrloc: { use_domain: 1, hash_size: 12, domains: 'location, gateways' } });
    await call(server, 'ul_add', add);
    const missing = { code: 400, message: 'Domain missing in AOR' };
    expect(await callError(server, 'ul_add', add.with(1, 'mia'))).toStrictEqual(missing);
    expect(await callError(server, 'ul_rm', ['location', 'mia'])).toStrictEqual(missing);
    expect(await callError(server, 'ul_rm_contact', ['location', 'mia', 'x'])).toStrictEqual(missing);
    expect(await callError(server, 'ul_show_contact', ['location', 'mia'])).toStrictEqual(missing);
    expect(await call(server, 'ul_dump', [1])).toStrictEqual({
      Domains: [
        { name: 'gateways', hash_size: 4096, AORs: [] },
        { name: 'location', hash_size: 4096, AORs: [{ AOR: 'mia@sip.example' }] },
      ],
    });
  });

  test('which and statistics list what OpenSIPS lists', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    const names = [
      'rm',
      'rm_contact',
      'dump',
      'flush',
      'add',
      'show_contact',
      'sync',
      'cluster_sync',
      'add_many',
      'find',
    ];
    expect(await call(server, 'which', ['usrloc:'])).toStrictEqual(names.map((name) => `usrloc:${name}`));
    expect(await call(server, 'which', ['ul_dump'])).toStrictEqual([[], ['brief']]);
    await call(server, 'ul_add', add);
    await call(server, 'ul_add', add.with(2, 'sip:other'));
    expect(JSON.stringify(await call(server, 'get_statistics', [['usrloc:']]))).toBe(
      '{"usrloc:registered_users":1,"usrloc:location-users":1,"usrloc:location-contacts":2,"usrloc:location-expires":0}',
    );
    expect(Object.values((await call(server, 'list_statistics', [['usrloc:']])) as object)).toStrictEqual([
      'non-incremental',
      'non-incremental',
      'non-incremental',
      'incremental',
    ]);
  });

  test('a bulk is added but for what is wrong, which is told by its place', async ({ startServer }) => {
    const server = await startServer({ usrloc: { nat_bflag: 'NAT', mi_dump_kv_store: 1 } });
    const good = { aor: 'a@x', contact: 'sip:a', expires: 60 };
    const whole = {
      aor: 'b@x',
      contact: 'sip:b',
      expires: '0',
      q: 0.5,
      callid: 'c1',
      cseq: 2,
      user_agent: 'U',
      received: 'sip:r',
      path: '<sip:p;lr>',
      flags: 1,
      cflags: 'NAT  OTHER',
      socket: 'tcp:192.0.2.1:5060',
      methods: 1,
      attr: 'z',
      sip_instance: '<urn:x>',
      kv_store: { a: 'b', n: 1 },
    };
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{}, /^aor is missing$/],
      [{ ...good, aor: 5 }, /^aor is 5; give a string$/],
      [{ aor: 'a', expires: 5 }, /^contact is missing$/],
      [{ aor: 'a', contact: 'sip:a' }, /^expires is missing$/],
      [{ ...good, expires: 1.5 }, /^expires is 1.5; give a whole number/],
      [{ ...good, expires: null }, /^expires is null/],
      [{ ...good, q: '2' }, /^q is "2"; give 0 to 1$/],
      [{ ...good, cflags: ['NAT'] }, /^cflags is \["NAT"\]; give a whole number/],
      [{ ...good, kv_store: { a: [] } }, /^kv_store.a is \[\]; give a string or a number$/],
      [{ ...good, exspires: 1 }, /^unknown member "exspires"; known: aor, contact, /],
      [{ ...good, aor: '@x' }, /^address of record is empty/],
      [{ ...good, user_agent: 'x', path: 7 }, /^path is 7/],
    ];
    const contacts = [good, ...wrong.map(([contact]) => contact), whole];
    const result = await call(server, 'usrloc:add_many', { table_name: 'location', contacts });
    const { added, rejected } = result as { added: number; rejected: { index: number; reason: string }[] };
    expect(added).toBe(2);
    expect(rejected.map(({ index }) => index)).toStrictEqual(wrong.map((_wrong, index) => index + 1));
    for (const [index, [, reason]] of wrong.entries()) expect(rejected[index]?.reason ?? '').toMatch(reason);
    expect(settled(JSON.stringify(await call(server, 'ul_show_contact', ['location', 'b'])))).toBe(
      '{"AOR":"b","Contacts":[{"Contact":"sip:b","ContactID":"#","Expires":"permanent","Q":"0.5","Callid":"c1",' +
        '"Cseq":2,"User-agent":"U","Received":"sip:r","Path":"<sip:p;lr>","State":"CS_NEW","Flags":1,' +
        '"Cflags":"NAT OTHER","Socket":"tcp:192.0.2.1:5060","Methods":1,"Attr":"z","SIP_instance":"<urn:x>",' +
        '"KV-Store":"{\\"a\\":\\"b\\",\\"n\\":1}"}]}',
    );
    expect((await callError(server, 'usrloc:add_many', ['nope', [good]])).message).toBe('Table not found');
    expect((await callError(server, 'usrloc:add_many', ['location', [5]])).data ?? '').toMatch(/^Bad type/);
  });

  test('a bulk of many is answered when all are there, and a dump of them is whole', async ({ startServer }) => {
    const server = await startServer({
      usrloc: {},
      httpd: { buf_size: 4096, receive_buf_size: 1 << 20 },
      mi_http: { max_values: 100_000 },
    });
    const contacts = Array.from({ length: 8000 }, (_none, i) => ({
      aor: `user${i}@example.com`,
      contact: `sip:user${i}@192.0.2.1`,
      expires: 600,
    }));
    expect(await call(server, 'usrloc:add_many', ['location', contacts])).toStrictEqual({ added: 8000, rejected: [] });
    const { Domains } = (await call(server, 'ul_dump')) as Dump;
    const aors = Domains[0]?.AORs ?? [];
    expect(aors.length).toBe(8000);
    expect(new Set(aors.map(({ AOR }) => AOR)).size).toBe(8000);
    expect(aors.every(({ AOR, Contacts }) => Contacts[0]?.Contact === `sip:${AOR}@192.0.2.1`)).toBe(true);
    const brief = (await call(server, 'ul_dump', [1])) as Dump;
    expect(new Set(brief.Domains[0]?.AORs.map(({ AOR }) => AOR))).toStrictEqual(new Set(aors.map(({ AOR }) => AOR)));
  });
});

describe('a registrar in the same process', () => {
  test('sees what commands change, and they see what it changes', async ({ startServer }) => {
    const server = await startServer({ usrloc: {} });
    const location = server.usrloc?.domain('location');
    assert(location !== undefined);
    const told: string[] = [];
    location.on('insert', (aor, { contact }) => void told.push(`${aor} ${contact}`));
    await call(server, 'ul_add', add);
    expect(told).toStrictEqual(['mia sip:mia@192.0.2.4:5062']);
    const [contact] = location.lookup('mia@sip.example');
    expect([contact?.q, contact?.methods, contact?.userAgent]).toStrictEqual([0.25, 5951, 'OpenSIPS MI Server']);
    server.usrloc?.domain('gateways').insert('trunk', { contact: 'sip:t', expires: 'permanent' });
    const { Domains } = (await call(server, 'ul_dump', [1])) as Dump;
    expect(Domains.map(({ name, AORs }) => [name, AORs.length])).toStrictEqual([
      ['gateways', 1],
      ['location', 1],
    ]);
    expect(await call(server, 'get_statistics', [['registered_users']])).toStrictEqual({
      'usrloc:registered_users': 2,
    });
  });

  test('usrloc is not there unless it is asked for', async ({ startServer }) => {
    const server = await startServer();
    expect(server.usrloc).toBe(undefined);
    expect((await callError(server, 'ul_dump')).code).toBe(-32601);
  });

  test('what is set without effect is told once, at start', async ({ startServer }) => {
    const lines: string[] = [];
    const write =
      (level: string) =>
      (_fields: object, message: string): void => {
        if (message.includes('usrloc')) lines.push(`${level} ${message}`);
      };
    const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
    await startServer({
      log,
      usrloc: {
        db_url: 'mysql://u:secret@db.example/x',
        cluster_mode: 'none',
        working_mode_preset: 'single-instance-no-db',
        matching_mode: 1,
        cseq_delay: 20,
        user_column: 'username',
      },
    });
    expect(lines.length, lines.join('\n')).toBe(2);
    expect(lines[0] ?? '').toMatch(/^warn usrloc keeps contacts in memory only.*: db_url without effect/);
    expect(lines[1] ?? '').toMatch(/^info .*without effect: matching_mode, user_column$/);
    expect(lines.join()).not.toMatch(/secret/);
  });

  test('wrong parameters are refused', () => {
    for (const [usrloc, reason] of [
      [{ hash_size: 17 }, /hash_size/],
      [{ timer_interval: 0 }, /timer_interval/],
      [{ domains: 'a,b c' }, /"b c" is no name of a domain/],
      [{ domains: 'a,A' }, /named twice/],
      [{ use_domain: 2 }, /use_domain/],
    ] as const) {
      expect(() => createServer({ usrloc })).toThrow(reason);
    }
  });
});
