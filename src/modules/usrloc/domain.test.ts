import { setImmediate } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { test } from '../../../test/support/test.js';
import { dumped, service, start } from '../../../test/support/usrloc-service.js';
import type { Contact, ContactInput } from '../../index.js';

/** Every member, given. */
const whole = {
  contact: 'sip:alice@192.0.2.1:5060',
  expires: 600,
  q: 0.29,
  callId: 'a84b4c76e66710',
  cseq: 7,
  userAgent: 'Phone 1.0',
  received: 'sip:198.51.100.7:40000',
  path: '<sip:edge.example.com;lr>',
  flags: 4,
  cflags: ['NAT', 'SIP_PING'],
  socket: 'udp:203.0.113.1:5060',
  methods: 5951,
  attr: 'blue',
  sipInstance: '<urn:uuid:00000000-0000-1000-8000-000a95a0e128>',
  pingLatency: 1500,
  keyValues: { tenant: 'red', level: 3 },
} as const satisfies ContactInput;

function uris(contacts: readonly Contact[]): readonly string[] {
  return contacts.map(({ contact }) => contact);
}

describe('a domain of usrloc', () => {
  test('keeps every member, and shows them in the order of ul_dump', ({ stopClock }) => {
    stopClock();
    const { location } = service({ keyValues: true });
    const saved = location.save('alice@example.com', whole);
    expect(saved).toStrictEqual({ ...whole, contactId: saved.contactId, expiresAt: start + 600 });
    expect(location.lookup('alice@elsewhere.example')).toStrictEqual([saved]);
    expect(JSON.stringify(location.record('alice'))).toBe(
      `{"AOR":"alice","Contacts":[{"Contact":"${whole.contact}","ContactID":"${saved.contactId}","Expires":600,` +
        `"Q":"0.29","Callid":"a84b4c76e66710","Cseq":7,"User-agent":"Phone 1.0","Received":"${whole.received}",` +
        `"Path":"${whole.path}","State":"CS_NEW","Flags":4,"Cflags":"NAT SIP_PING","Socket":"${whole.socket}",` +
        `"Methods":5951,"Attr":"blue","SIP_instance":"${whole.sipInstance}","Ping-Latency":1500,` +
        '"KV-Store":"{\\"tenant\\":\\"red\\",\\"level\\":3}"}]}',
    );
  });

  test('leaves out what is not known or empty', ({ stopClock }) => {
    stopClock();
    const { location } = service();
    const { contactId } = location.save('bob', { contact: 'sip:b', expires: 'permanent', userAgent: '', path: '' });
    expect(JSON.stringify(location.record('bob'))).toBe(
      `{"AOR":"bob","Contacts":[{"Contact":"sip:b","ContactID":"${contactId}","Expires":"permanent","Q":"",` +
        '"Callid":"mi-httpd","Cseq":1,"State":"CS_NEW","Flags":0,"Cflags":"","Methods":4294967295}]}',
    );
  });

  for (const set of [86_400, -86_400]) {
    test(`keeps contacts for their time when the clock of the machine is set by ${set} s`, ({ stopClock }) => {
      const clock = stopClock();
      const { location } = service();
      location.save('alice', { contact: 'sip:1', expires: 3600 });
      clock.advance(10);
      clock.set(set);
      location.save('alice', { contact: 'sip:2', expires: 3600 });
      const told = () =>
        location.lookup('alice').map(({ contact, expires, expiresAt }) => [contact, expires, expiresAt]);
      // Dates are those of the clock as it is set now.
      const date = start + set + 3600;
      expect(told()).toStrictEqual([
        ['sip:1', 3590, date],
        ['sip:2', 3600, date + 10],
      ]);
      expect(dumped(location)[0]?.Contacts?.map(({ Expires }) => Expires)).toStrictEqual([3590, 3600]);
      clock.advance(3590);
      expect(told()).toStrictEqual([['sip:2', 10, date + 10]]);
      clock.advance(10);
      expect(told()).toStrictEqual([]);
    });
  }

  test('counts down what is left, in dumps and look-ups, and keeps the end', ({ stopClock }) => {
    const clock = stopClock();
    const { location } = service();
    location.save('alice', { contact: 'sip:1', expires: 10 });
    clock.advance(3);
    expect(dumped(location)[0]?.Contacts?.[0]?.Expires).toBe(7);
    // Writing the record again must not move what was there.
    location.save('alice', { contact: 'sip:2', expires: 100 });
    clock.advance(4);
    const [first, second] = location.lookup('alice');
    expect([first?.expires, first?.expiresAt, second?.expires]).toStrictEqual([3, start + 10, 96]);
    clock.advance(3);
    expect(dumped(location)[0]?.Contacts?.[0]?.Expires).toBe('expired');
    expect(uris(location.lookup('alice'))).toStrictEqual(['sip:2']);
  });

  test('orders by q, highest first, equals by age; a new q is a new place, the same keeps it', () => {
    const { location } = service();
    for (const [contact, q] of [
      ['sip:none', undefined],
      ['sip:low', 0],
      ['sip:a', 0.5],
      ['sip:high', 1],
      ['sip:b', 0.5],
    ] as const) {
      location.save('alice', { contact, q, expires: 60 });
    }
    expect(uris(location.lookup('alice'))).toStrictEqual(['sip:high', 'sip:a', 'sip:b', 'sip:low', 'sip:none']);
    location.update('alice', 'sip:a', { expires: 90 });
    expect(uris(location.lookup('alice'))).toStrictEqual(['sip:high', 'sip:a', 'sip:b', 'sip:low', 'sip:none']);
    location.update('alice', 'sip:high', { q: 0.5 });
    expect(uris(location.lookup('alice'))).toStrictEqual(['sip:a', 'sip:b', 'sip:high', 'sip:low', 'sip:none']);
  });

  test('orders newest first with desc_time_order, whatever q is; an update is new', () => {
    const { location } = service({ newestFirst: true });
    for (const [contact, q] of [
      ['sip:1', 1],
      ['sip:2', 0.1],
      ['sip:3', 0.5],
    ] as const) {
      location.save('alice', { contact, q, expires: 60 });
    }
    expect(uris(location.lookup('alice'))).toStrictEqual(['sip:3', 'sip:2', 'sip:1']);
    location.update('alice', 'sip:1', { expires: 61 });
    expect(uris(location.lookup('alice'))).toStrictEqual(['sip:1', 'sip:3', 'sip:2']);
  });

  test('gives ids that say which record and which contact, and that stay', () => {
    const { location } = service();
    const first = location.save('alice', { contact: 'sip:1', expires: 60 });
    const second = location.save('alice', { contact: 'sip:2', expires: 60 });
    const other = location.save('bob', { contact: 'sip:1', expires: 60 });
    const bits = (id: string, from: bigint, count: bigint): bigint => (BigInt(id) >> from) & ((1n << count) - 1n);
    expect(bits(first.contactId, 14n, 48n), 'record and hash').toBe(bits(second.contactId, 14n, 48n));
    expect(bits(first.contactId, 14n, 32n), 'record').not.toBe(bits(other.contactId, 14n, 32n));
    expect(bits(first.contactId, 46n, 16n), 'hash').not.toBe(bits(other.contactId, 46n, 16n));
    expect((bits(first.contactId, 0n, 14n) + 1n) % 16384n).toBe(bits(second.contactId, 0n, 14n));
    expect(BigInt(first.contactId)).toBeLessThan(1n << 62n);
    expect(location.save('alice', { contact: 'sip:1', expires: 5, q: 1 }).contactId).toBe(first.contactId);
    location.remove('alice', 'sip:2');
    expect(location.save('alice', { contact: 'sip:2', expires: 5 }).contactId).not.toBe(second.contactId);
  });

  test('insert refuses what is there, update what is not, remove tells how many', () => {
    const { location } = service();
    location.insert('alice', { contact: 'sip:1', expires: 60, q: 0.5, attr: 'x' });
    expect(() => location.insert('alice', { contact: 'sip:1', expires: 60 })).toThrow(
      /sip:1 of alice is there already/,
    );
    expect(location.update('alice', 'sip:2', { expires: 60 })).toBe(undefined);
    expect(location.update('bob', 'sip:1', { expires: 60 })).toBe(undefined);
    const updated = location.update('alice', 'sip:1', { q: 1, attr: undefined });
    expect([updated?.q, updated?.attr, updated?.expires]).toStrictEqual([1, 'x', 60]);
    expect(location.remove('alice', 'sip:2')).toBe(0);
    expect(location.remove('alice', 'SIP:1'), 'compared as text').toBe(0);
    location.insert('alice', { contact: 'sip:2', expires: 60 });
    expect(location.remove('alice', 'sip:1')).toBe(1);
    expect(location.remove('alice')).toBe(1);
    expect(location.remove('alice')).toBe(0);
    expect([location.users, location.contacts, location.has('alice')]).toStrictEqual([0, 0, false]);
  });

  test('knows addresses of record by their user, or with their domain', () => {
    const plain = service().location;
    plain.save('alice@a.example', { contact: 'sip:1', expires: 60 });
    plain.save('alice@b.example', { contact: 'sip:2', expires: 60 });
    plain.save('alice', { contact: 'sip:3', expires: 60 });
    expect([plain.users, plain.contacts]).toStrictEqual([1, 3]);
    const qualified = service({ useDomain: true }).location;
    qualified.save('alice@a.example', { contact: 'sip:1', expires: 60 });
    qualified.save('alice@b.example', { contact: 'sip:2', expires: 60 });
    expect(() => qualified.lookup('alice')).toThrow(
      expect.objectContaining({ name: 'DomainMissingError', message: 'Domain missing in AOR' }),
    );
    expect(dumped(qualified, true).sort((a, b) => (a.AOR < b.AOR ? -1 : 1))).toStrictEqual([
      { AOR: 'alice@a.example' },
      { AOR: 'alice@b.example' },
    ]);
  });

  test('tells its listeners of every change, and outlives them', ({ stopClock }) => {
    stopClock();
    const { location, errors } = service();
    const told: string[] = [];
    for (const event of ['insert', 'update', 'delete'] as const) {
      location.on(
        event,
        (aor, { contact, expires, q }) => void told.push(`${event} ${aor} ${contact} ${expires} ${q}`),
      );
    }
    location.on('delete', () => {
      throw new Error('no');
    });
    const silent = (): void => void told.push('silent');
    location.on('insert', silent).off('insert', silent);
    location.save('alice@x', { contact: 'sip:1', expires: 60 });
    location.save('alice@x', { contact: 'sip:2', expires: 'permanent', q: 1 });
    location.save('alice', { contact: 'sip:1', expires: 70 });
    location.remove('alice', 'sip:3');
    location.remove('alice');
    expect(told).toStrictEqual([
      'insert alice sip:1 60 undefined',
      'insert alice sip:2 permanent 1',
      'update alice sip:1 70 undefined',
      'delete alice sip:2 permanent 1',
      'delete alice sip:1 70 undefined',
    ]);
    expect(errors).toStrictEqual(Array(2).fill('listener of usrloc for "delete" failed'));
    expect(location.users).toBe(0);
    expect(() => location.on('constructor' as 'insert', silent)).toThrow(TypeError);
  });

  test('a listener that rejects later is logged, too', async () => {
    const { location, errors } = service();
    location.on('insert', async () => {
      throw new Error('no');
    });
    location.save('alice', { contact: 'sip:1', expires: 60 });
    await setImmediate();
    expect(errors).toStrictEqual(['listener of usrloc for "insert" failed']);
  });

  test('inserts a contact again that has expired but has not been deleted yet', ({ stopClock }) => {
    const clock = stopClock();
    const { location } = service();
    location.insert('alice', { contact: 'sip:1', expires: 10 });
    expect(() => location.insert('alice', { contact: 'sip:1', expires: 10 })).toThrow(/is there already/);
    clock.advance(10);
    expect(location.update('alice', 'sip:1', { expires: 10 })).toBe(undefined);
    expect(location.insert('alice', { contact: 'sip:1', expires: 30 }).expires).toBe(30);
    expect([location.contacts, location.lookup('alice').length]).toStrictEqual([1, 1]);
  });

  test('listeners may change the domain they are told about', () => {
    const { location } = service();
    location.on('insert', (aor, { contact }) => {
      if (contact === 'sip:1') location.save(aor, { contact: 'sip:2', expires: 60 });
    });
    location.save('alice', { contact: 'sip:1', expires: 60 });
    expect(uris(location.lookup('alice'))).toStrictEqual(['sip:1', 'sip:2']);
  });

  test('refuses what it cannot keep, and stays as it was', () => {
    const { location } = service();
    const wrong: readonly (readonly [ContactInput, RegExp])[] = [
      [{ contact: 'sip:1', expires: 0 }, /expires is 0; give a whole number from 1 to 2147483647/],
      [{ contact: 'sip:1', expires: Number.NaN }, /expires is/],
      [{ contact: 'sip:1', expires: 60, q: 1.001 }, /q is 1.001; give 0 to 1/],
      [{ contact: 'sip:1', expires: 60, q: Number.NaN }, /q is/],
      [{ contact: 'sip:1', expires: 60, flags: -1 }, /flags is -1/],
      [{ contact: 'sip:1', expires: 60, methods: 2 ** 32 }, /methods is 4294967296/],
      [{ contact: 'sip:1', expires: 60, cflags: ['a b'] }, /cflags has "a b"/],
      [{ contact: 'sip:1', expires: 60, keyValues: {} }, /set mi_dump_kv_store to 1/],
    ];
    for (const [input, reason] of wrong) {
      expect(() => location.save('alice', input)).toThrow(
        expect.objectContaining({ name: 'RangeError', message: expect.stringMatching(reason) }),
      );
    }
    expect(() => location.save('alice', { contact: '', expires: 60 })).toThrow(
      expect.objectContaining({ name: 'ContactUriError', message: expect.stringMatching(/contact is empty/) }),
    );
    const good = { contact: 'sip:1', expires: 60 };
    expect(() => location.save('@example.com', good)).toThrow(/address of record is empty/);
    expect(() => location.save('a'.repeat(4097), good)).toThrow(/has 4097 characters; give 4096 at most/);
    expect(() => location.save('a\ud800', good)).toThrow(/half of a surrogate pair/);
    expect(location.users).toBe(0);
    location.save('ž'.repeat(4096), good);
    expect(location.users).toBe(1);
  });

  test('keeps 128 contacts of one address of record and no more', () => {
    const { location } = service();
    const ids = new Set<string>();
    for (let i = 0; i < 128; i++) {
      ids.add(location.save('alice', { contact: `sip:${i}`, expires: 'permanent' }).contactId);
    }
    expect(ids.size).toBe(128);
    expect(() => location.save('alice', { contact: 'sip:x', expires: 60 })).toThrow(/alice has 128 contacts/);
    location.save('alice', { contact: 'sip:7', expires: 60 });
    expect(location.contacts).toBe(128);
  });

  test('has statistics; names are unique in any case', () => {
    const { usrloc, location, statistic } = service();
    const other = usrloc.domain('gate-ways.2');
    expect(usrloc.domain('gate-ways.2')).toBe(other);
    location.save('a', { contact: 'sip:1', expires: 60 });
    location.save('a', { contact: 'sip:2', expires: 60 });
    other.save('b', { contact: 'sip:1', expires: 60 });
    expect(
      ['registered_users', 'location-users', 'location-contacts', 'gate-ways.2-users'].map(statistic),
    ).toStrictEqual([2, 1, 2, 1]);
    expect(
      usrloc.domains.map(({ name }) => name),
      'newest first',
    ).toStrictEqual(['gate-ways.2', 'location']);
    expect(() => usrloc.domain('Location')).toThrow(/location-users/);
    for (const name of ['', 'a b', 'a:b', 'ž', 'a'.repeat(65)]) expect(() => usrloc.domain(name)).toThrow(RangeError);
    expect(usrloc.find('nothing')).toBe(undefined);
  });
});
