import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { createServer } from '#src/index.js';
import { call, callError, post, startServer } from '../support/mi-client.js';

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
  test('replies are those of OpenSIPS, byte for byte', async (t) => {
    const server = await startServer(t, { usrloc: {} });
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

    assert.equal(await ask('ul_dump'), domains(''));
    assert.equal(await ask('ul_add', add), result('"OK"'));
    assert.equal(await ask('usrloc:dump'), domains(`{"AOR":"mia","Contacts":[${first}]}`));
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
    assert.equal(await ask('usrloc:add', named), result('"OK"'));
    const record = `{"AOR":"mia","Contacts":[${second},${first}]}`;
    assert.equal(await ask('ul_show_contact', ['location', 'mia@elsewhere.example']), result(record));
    assert.equal(await ask('usrloc:show_contact', ['location', 'mia']), result(record));
    for (const brief of [undefined, [0], ['0'], { brief: 0 }]) {
      assert.equal(await ask('ul_dump', brief), domains(record), JSON.stringify(brief));
    }
    for (const brief of [[1], ['1'], [-3], { brief: 1 }]) {
      assert.equal(await ask('ul_dump', brief), domains('{"AOR":"mia"}'), JSON.stringify(brief));
    }
    assert.equal(await ask('ul_rm_contact', ['location', 'mia@x', 'sip:mia@192.0.2.4:5062']), result('"OK"'));
    assert.equal(await ask('ul_dump'), domains(`{"AOR":"mia","Contacts":[${second}]}`));
    assert.equal(await ask('ul_rm', ['location', 'mia@x']), result('"OK"'));
    assert.equal(await ask('ul_rm', { table_name: 'location', aor: 'mia@x' }), result('"OK"'), 'also when not there');
    assert.equal(await ask('ul_dump'), domains(''));
    assert.equal(await ask('ul_flush'), result('"OK"'));
  });

  test('errors have the codes and texts of OpenSIPS', async (t) => {
    const server = await startServer(t, { usrloc: {} });
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
    for (const [method, params, error] of refused) assert.deepEqual(await callError(server, method, params), error);

    for (const q of ['-1', 'zz', '1.1', '1.001', '', ' ', '0x0', '.', '1e0', '0.5 x', '00.5']) {
      const { code, message, data } = await callError(server, 'ul_add', add.with(4, q));
      assert.deepEqual([code, message], [400, 'Bad parameter value'], q);
      assert.match(data ?? '', /give 0 to 1/);
    }
    for (const [place, value] of [
      [1, '@example.com'],
      [1, 'x'.repeat(5000)],
      [3, 2 ** 31],
      [5, 2 ** 32],
      [7, -(2 ** 31) - 1],
    ] as const) {
      const { code, message } = await callError(server, 'ul_add', add.with(place, value));
      assert.deepEqual([code, message], [400, 'Bad parameter value'], String(value));
    }
    for (const contact of ['', 'alice', '<sip:a@192.0.2.1>', 'sip:a@192.0.2.1\r\nX: 1', `sip:${'a'.repeat(4096)}@x`]) {
      const { code, message, data } = await callError(server, 'ul_add', add.with(2, contact));
      assert.deepEqual([code, message], [500, 'Internal Error'], contact);
      assert.match(data ?? '', /^contact is /);
      const many = { table_name: 'location', contacts: [{ aor: 'a', contact, expires: 60 }] };
      const { added, rejected } = (await call(server, 'add_many', many)) as {
        added: number;
        rejected: { reason: string }[];
      };
      assert.equal(added, 0);
      assert.match(rejected[0]?.reason ?? '', /^contact is /);
      const told = { code: 404, message: 'Contact not found' };
      assert.deepEqual(await callError(server, 'ul_rm_contact', ['location', 'mia', contact]), told);
    }
    for (const method of ['ul_rm', 'ul_show_contact']) {
      const { code, message } = await callError(server, method, ['location', 'mia\r\nX: 1']);
      assert.deepEqual([code, message], [400, 'Bad parameter value']);
    }
    assert.match((await callError(server, 'ul_dump', ['brief'])).data ?? '', /^Bad type for parameter 'brief'/);
    assert.match((await callError(server, 'ul_dump', [1, 2])).data ?? '', /^Too few or too many parameters/);
    assert.match((await callError(server, 'ul_add', ['location', 'a'])).data ?? '', /^Too few or too many parameters/);
    assert.equal(((await call(server, 'ul_dump')) as Dump).Domains[0]?.AORs.length, 1, 'nothing was added');
  });

  test('values of ul_add: q with blanks and decimals, past and negative, masks and names of flags', async (t) => {
    const server = await startServer(t, { usrloc: { nat_bflag: 'NAT' } });
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
      assert.equal((await shown([4, q]))?.Q, text);
    }
    assert.equal((await shown([3, -5]))?.Expires, 'expired');
    assert.equal((await shown([3, '0']))?.Expires, 'permanent');
    const masked = await shown([5, -1], [6, 5], [7, -1]);
    assert.deepEqual([masked?.Flags, masked?.Cflags, masked?.Methods], [4294967295, 'NAT', 4294967295]);
    assert.equal((await shown([6, 4]))?.Cflags, '', 'bits without a name');
  });

  test('with use_domain, addresses keep and need their domain', async (t) => {
    const server = await startServer(t, { usrloc: { use_domain: 1, hash_size: 12, domains: 'location, gateways' } });
    await call(server, 'ul_add', add);
    const missing = { code: 400, message: 'Domain missing in AOR' };
    assert.deepEqual(await callError(server, 'ul_add', add.with(1, 'mia')), missing);
    assert.deepEqual(await callError(server, 'ul_rm', ['location', 'mia']), missing);
    assert.deepEqual(await callError(server, 'ul_rm_contact', ['location', 'mia', 'x']), missing);
    assert.deepEqual(await callError(server, 'ul_show_contact', ['location', 'mia']), missing);
    assert.deepEqual(await call(server, 'ul_dump', [1]), {
      Domains: [
        { name: 'gateways', hash_size: 4096, AORs: [] },
        { name: 'location', hash_size: 4096, AORs: [{ AOR: 'mia@sip.example' }] },
      ],
    });
  });

  test('which and statistics list what OpenSIPS lists', async (t) => {
    const server = await startServer(t, { usrloc: {} });
    const names = ['rm', 'rm_contact', 'dump', 'flush', 'add', 'show_contact', 'sync', 'cluster_sync', 'add_many'];
    assert.deepEqual(
      await call(server, 'which', ['usrloc:']),
      names.map((name) => `usrloc:${name}`),
    );
    assert.deepEqual(await call(server, 'which', ['ul_dump']), [[], ['brief']]);
    await call(server, 'ul_add', add);
    await call(server, 'ul_add', add.with(2, 'sip:other'));
    assert.equal(
      JSON.stringify(await call(server, 'get_statistics', [['usrloc:']])),
      '{"usrloc:registered_users":1,"usrloc:location-users":1,"usrloc:location-contacts":2,"usrloc:location-expires":0}',
    );
    assert.deepEqual(Object.values((await call(server, 'list_statistics', [['usrloc:']])) as object), [
      'non-incremental',
      'non-incremental',
      'non-incremental',
      'incremental',
    ]);
  });

  test('a bulk is added but for what is wrong, which is told by its place', async (t) => {
    const server = await startServer(t, { usrloc: { nat_bflag: 'NAT', mi_dump_kv_store: 1 } });
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
    assert.equal(added, 2);
    assert.deepEqual(
      rejected.map(({ index }) => index),
      wrong.map((_wrong, index) => index + 1),
    );
    for (const [index, [, reason]] of wrong.entries()) assert.match(rejected[index]?.reason ?? '', reason);
    assert.equal(
      settled(JSON.stringify(await call(server, 'ul_show_contact', ['location', 'b']))),
      '{"AOR":"b","Contacts":[{"Contact":"sip:b","ContactID":"#","Expires":"permanent","Q":"0.5","Callid":"c1",' +
        '"Cseq":2,"User-agent":"U","Received":"sip:r","Path":"<sip:p;lr>","State":"CS_NEW","Flags":1,' +
        '"Cflags":"NAT OTHER","Socket":"tcp:192.0.2.1:5060","Methods":1,"Attr":"z","SIP_instance":"<urn:x>",' +
        '"KV-Store":"{\\"a\\":\\"b\\",\\"n\\":1}"}]}',
    );
    assert.equal((await callError(server, 'usrloc:add_many', ['nope', [good]])).message, 'Table not found');
    assert.match((await callError(server, 'usrloc:add_many', ['location', [5]])).data ?? '', /^Bad type/);
  });

  test('a bulk of many is answered when all are there, and a dump of them is whole', async (t) => {
    const server = await startServer(t, {
      usrloc: {},
      httpd: { buf_size: 4096, receive_buf_size: 1 << 20 },
      mi_http: { max_values: 100_000 },
    });
    const contacts = Array.from({ length: 8000 }, (_none, i) => ({
      aor: `user${i}@example.com`,
      contact: `sip:user${i}@192.0.2.1`,
      expires: 600,
    }));
    assert.deepEqual(await call(server, 'usrloc:add_many', ['location', contacts]), { added: 8000, rejected: [] });
    const { Domains } = (await call(server, 'ul_dump')) as Dump;
    const aors = Domains[0]?.AORs ?? [];
    assert.equal(aors.length, 8000);
    assert.equal(new Set(aors.map(({ AOR }) => AOR)).size, 8000);
    assert.ok(aors.every(({ AOR, Contacts }) => Contacts[0]?.Contact === `sip:${AOR}@192.0.2.1`));
    const brief = (await call(server, 'ul_dump', [1])) as Dump;
    assert.deepEqual(new Set(brief.Domains[0]?.AORs.map(({ AOR }) => AOR)), new Set(aors.map(({ AOR }) => AOR)));
  });
});

describe('a registrar in the same process', () => {
  test('sees what commands change, and they see what it changes', async (t) => {
    const server = await startServer(t, { usrloc: {} });
    const location = server.usrloc?.domain('location');
    assert.ok(location !== undefined);
    const told: string[] = [];
    location.on('insert', (aor, { contact }) => void told.push(`${aor} ${contact}`));
    await call(server, 'ul_add', add);
    assert.deepEqual(told, ['mia sip:mia@192.0.2.4:5062']);
    const [contact] = location.lookup('mia@sip.example');
    assert.deepEqual([contact?.q, contact?.methods, contact?.userAgent], [0.25, 5951, 'OpenSIPS MI Server']);
    server.usrloc?.domain('gateways').insert('trunk', { contact: 'sip:t', expires: 'permanent' });
    const { Domains } = (await call(server, 'ul_dump', [1])) as Dump;
    assert.deepEqual(
      Domains.map(({ name, AORs }) => [name, AORs.length]),
      [
        ['gateways', 1],
        ['location', 1],
      ],
    );
    assert.deepEqual(await call(server, 'get_statistics', [['registered_users']]), { 'usrloc:registered_users': 2 });
  });

  test('usrloc is not there unless it is asked for', async (t) => {
    const server = await startServer(t);
    assert.equal(server.usrloc, undefined);
    assert.equal((await callError(server, 'ul_dump')).code, -32601);
  });

  test('what is set without effect is told once, at start', async (t) => {
    const lines: string[] = [];
    const write =
      (level: string) =>
      (_fields: object, message: string): void => {
        if (message.includes('usrloc')) lines.push(`${level} ${message}`);
      };
    const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
    await startServer(t, {
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
    assert.equal(lines.length, 2, lines.join('\n'));
    assert.match(lines[0] ?? '', /^warn usrloc keeps contacts in memory only.*: db_url without effect/);
    assert.match(lines[1] ?? '', /^info .*without effect: matching_mode, user_column$/);
    assert.doesNotMatch(lines.join(), /secret/);
  });

  test('wrong parameters are refused', () => {
    for (const [usrloc, reason] of [
      [{ hash_size: 17 }, /hash_size/],
      [{ timer_interval: 0 }, /timer_interval/],
      [{ domains: 'a,b c' }, /"b c" is no name of a domain/],
      [{ domains: 'a,A' }, /named twice/],
      [{ use_domain: 2 }, /use_domain/],
    ] as const) {
      assert.throws(() => createServer({ usrloc }), reason);
    }
  });
});
