// The contacts of an OpenSIPS in the record tables of mi-httpd.
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { nodeLine, startDouble, startFront } from '../support/front.js';
import { call, callError, startServer } from '../support/mi-client.js';
import { type Contact, idOf, type State } from '../support/opensips-double/commands.js';
import { holds } from '../support/property.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

interface Dump {
  readonly Domains: readonly { readonly name: string; readonly AORs: readonly { readonly AOR: string }[] }[];
}

/** An address of record. */
interface Shown {
  readonly Contacts: readonly Record<string, unknown>[];
}

const options = { usrloc: {}, event_datagram: {}, opensips: { mirror: 'usrloc', mirror_interval: 1 } } as const;

/** Contacts as a dump tells of them, without what a mirror has of its own. */
async function contactsOf(server: Parameters<typeof call>[0], method: string): Promise<unknown> {
  const { Domains: domains } = (await call(server, method)) as Dump;
  return domains
    .flatMap(({ name, AORs: aors }) => aors.map((record) => ({ domain: name, ...record }) as Record<string, unknown>))
    .map(({ domain, AOR: aor, Contacts: contacts }) => ({
      domain,
      aor,
      contacts: (contacts as Record<string, unknown>[]).map(({ Contact, Callid, Socket }) => ({
        Contact,
        Callid,
        Socket,
      })),
    }))
    .toSorted((a, b) => String(a.aor).localeCompare(String(b.aor)));
}

describe.for(['3.4', '4.0'] as const)('the mirror of contacts of OpenSIPS %s', (version) => {
  test('has what OpenSIPS has, and follows its events', async ({ lifetime }) => {
    const mirrored = await startFront(lifetime, [version], options);
    const [one] = mirrored.sip;
    one?.state.addContacts(300, (index) => (index === 7 ? { contact: 'sip:{[\\"]}@192.0.2.1' } : {}));
    await expect
      .poll(() => contactsOf(mirrored.server, 'usrloc:dump'))
      .toStrictEqual(await contactsOf(mirrored.server, 'ul_dump'));
    const dumps = one?.ran.filter((name) => name === 'ul_dump' || name === 'usrloc:dump').length;
    expect(await call(mirrored.server, 'usrloc:find', { text: '{[\\"]}' })).toMatchObject({ matched: 1, scanned: 300 });

    const told = { domain: 'location', aor: 'alice', uri: 'sip:alice@192.0.2.9', received: null, callid: 'c', cseq: 3 };
    const expires = Math.floor(Date.now() / 1000) + 600;
    one?.state.raise('E_UL_CONTACT_INSERT', { ...told, qval: 5, socket: 'udp:192.0.2.9:5060', expires });
    await expect
      .poll(() => call(mirrored.server, 'usrloc:show_contact', ['location', 'alice']).catch(() => ({})))
      .toMatchObject({ Contacts: [{ Contact: told.uri, Callid: 'c', Cseq: 3, Q: '0.5' }] });
    one?.state.raise('E_UL_CONTACT_DELETE', told);
    await expect
      .poll(() => callError(mirrored.server, 'usrloc:show_contact', ['location', 'alice']).catch(() => ({})))
      .toMatchObject({ code: 404 });
    expect(one?.ran.filter((name) => name === 'ul_dump' || name === 'usrloc:dump').length).toBe(dumps);
  });

  test('has the ids, states and pairs of the original', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, [version], options);
    sip[0]?.state.addContacts(20, (index) => (index === 3 ? { keyValues: '{"tenant":"red"}' } : {}));
    await expect.poll(() => contactsOf(server, 'usrloc:dump')).toHaveProperty('length', 20);
    const { Domains: domains } = (await call(server, 'node:sip-1/ul_dump')) as Dump;
    for (const aor of ['user000003', 'user000019']) {
      const shown = (await call(server, 'usrloc:show_contact', ['location', aor])) as Shown;
      const original = domains[0]?.AORs.find(({ AOR }) => AOR === aor) as Shown | undefined;
      expect(shown.Contacts[0]).toStrictEqual({ ...original?.Contacts[0], Expires: expect.any(Number) });
      expect(shown.Contacts[0]).toMatchObject({ State: 'CS_SYNC' });
    }
  });

  test('has what OpenSIPS has of a contact that an event tells of, and keeps it', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, [version], options);
    const [one] = sip;
    one?.state.addContacts(3);
    await expect.poll(() => contactsOf(server, 'usrloc:dump')).toHaveProperty('length', 3);
    const uri = 'sip:alice@192.0.2.9';
    one?.state.addContacts(1, () => ({ aor: 'alice', contact: uri, keyValues: '{"tenant":"red"}' }));
    const told = { domain: 'location', aor: 'alice', uri, received: null, callid: 'c', cseq: 1, qval: -1, attr: null };
    const expires = Math.floor(Date.now() / 1000) + 3600;
    one?.state.raise('E_UL_CONTACT_INSERT', { ...told, socket: 'udp:192.0.2.9:5060', expires });
    const original = (await call(server, 'node:sip-1/ul_show_contact', ['location', 'alice'])) as Shown;
    const shown = { ...original.Contacts[0], Expires: expect.any(Number) };
    const show = (): Promise<unknown> => call(server, 'usrloc:show_contact', ['location', 'alice']).catch(() => ({}));
    await expect.poll(show).toStrictEqual({ AOR: 'alice', Contacts: [shown] });
    // An update does not tell the id, and none is asked for.
    const asked = one?.ran.length;
    const changed = { Callid: 'c', Cseq: 2, Received: 'sip:192.0.2.7' };
    one?.state.raise('E_UL_CONTACT_UPDATE', {
      ...told,
      cseq: 2,
      received: changed.Received,
      user_agent: original.Contacts[0]?.['User-agent'],
      socket: 'udp:192.0.2.9:5060',
      expires,
    });
    await expect.poll(show).toStrictEqual({ AOR: 'alice', Contacts: [{ ...shown, ...changed }] });
    expect(one?.ran.slice(asked)).not.toContain(version === '4.0' ? 'usrloc:show_contact' : 'ul_show_contact');
    expect(await call(server, 'usrloc:rm', ['location', 'alice'])).toBe('OK');
    await expect.poll(show).toStrictEqual({});
  });

  test('is loaded anew after a gap', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, [version], options);
    const [one] = sip;
    one?.state.addContacts(20);
    await expect.poll(() => contactsOf(server, 'usrloc:dump')).toHaveProperty('length', 20);
    // No event tells of these.
    one?.state.contacts.splice(0, 15);
    await expect.poll(() => contactsOf(server, 'usrloc:dump')).toHaveProperty('length', 5);
    expect(await call(server, 'mi-httpd:sr_get_status', ['opensips', 'sip-1:mirror'])).toMatchObject({
      Readiness: true,
    });
    expect(await call(server, 'get_statistics', [['mirror_age']])).toHaveProperty(['opensips:mirror_age']);
  });

  test('is not changed by commands, which OpenSIPS gets', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, [version], options);
    const [one] = sip;
    one?.state.addContacts(2);
    expect(await call(server, 'usrloc:rm', ['location', 'user000000'])).toBe('OK');
    expect(one?.state.contacts.length).toBe(1);
    expect(await callError(server, 'usrloc:add_many', { table_name: 'location', contacts: [] })).toMatchObject({
      code: -32601,
    });
  });
});

/** A contact that is registered, or registered anew, or removed. */
const step = fc.record({
  domain: fc.constantFrom('location', 'mobile'),
  aor: fc.constantFrom('a', 'b', 'c'),
  contact: fc.constantFrom('sip:1@192.0.2.1', 'sip:2@192.0.2.1', 'tel:3'),
  isGone: fc.boolean(),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Does a step at OpenSIPS, and raises its events. */
function take(state: State, { domain, aor, contact, isGone }: Step, callid: string): void {
  const isSame = (one: Contact): boolean => one.domain === domain && one.aor === aor;
  const at = state.contacts.findIndex((one) => isSame(one) && one.contact === contact);
  const before = state.contacts[at];
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const told = {
    domain,
    aor,
    uri: contact,
    received: null,
    qval: -1,
    expires,
    callid,
    cseq: 1,
    user_agent: 'double/1.0',
  };
  const raise = (event: string, params: object): void =>
    state.raise(event, { ...params, socket: 'udp:192.0.2.9:5060' });
  if (isGone) {
    if (before === undefined) return;
    state.contacts.splice(at, 1);
    raise('E_UL_CONTACT_DELETE', told);
    if (!state.contacts.some(isSame)) raise('E_UL_AOR_DELETE', { domain, aor });
  } else if (before !== undefined) {
    state.contacts[at] = { ...before, callid };
    raise('E_UL_CONTACT_UPDATE', told);
  } else {
    if (!state.contacts.some(isSame)) raise('E_UL_AOR_INSERT', { domain, aor });
    state.addContacts(1, () => ({ domain, aor, contact, callid }));
    raise('E_UL_CONTACT_INSERT', told);
  }
}

test.for(['3.4', '2.4'] as const)(
  'whatever happens at OpenSIPS %s, the mirror comes to the same without another dump',
  async (version, { lifetime }) => {
    const opensips = { ...options.opensips, mirror_interval: 3600 };
    const { server, sip } = await startFront(lifetime, [version], { ...options, opensips });
    const [one] = sip;
    if (one === undefined) expect.unreachable();
    const { state } = one;
    // Both domains are there from the beginning.
    state.addContacts(2, (index) => ({ domain: index === 0 ? 'location' : 'mobile', aor: 'kept' }));
    const lines = (contacts: readonly (readonly unknown[])[]): string[] =>
      contacts.map((one_) => one_.join(' ')).sort();
    const mirrored = async (): Promise<string[]> => {
      const { Domains: domains } = (await call(server, 'usrloc:dump')) as Dump;
      const aors = domains.flatMap(({ name, AORs: found }) =>
        found.map((record) => [name, record as unknown as Shown & { AOR: string }] as const),
      );
      return lines(
        aors.flatMap(([name, { AOR: aor, Contacts: contacts }]) =>
          contacts.map((contact) => [name, aor, contact.Contact, contact.Callid, contact.State, contact.ContactID]),
        ),
      );
    };
    const original = (): string[] =>
      lines(
        state.contacts.map(({ id, domain, aor, contact, callid }) => [
          domain,
          aor,
          contact,
          callid,
          'CS_SYNC',
          idOf(id),
        ]),
      );
    await expect.poll(mirrored).toStrictEqual(original());
    const dumps = (): number => one.ran.filter((name) => name === 'ul_dump').length;
    const before = dumps();
    let count = 0;
    await holds(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
        for (const one_ of steps) {
          count += 1;
          take(state, one_, `call-${count}`);
        }
        await expect.poll(mirrored, { timeout: 10_000 }).toStrictEqual(original());
      }),
      { runs: 20 },
    );
    expect(dumps()).toBe(before);
  },
);

test('nodes that are named are mirrored, each beside the others', async ({ lifetime }) => {
  const { server, sip } = await startFront(lifetime, ['3.4', '3.4', '4.0'], {
    ...options,
    opensips: { ...options.opensips, mirror: 'usrloc=sip-2, sip-3' },
  });
  for (const [index, { state }] of sip.entries()) state.addContacts(10 + index);
  await expect.poll(() => contactsOf(server, 'usrloc:dump')).toHaveProperty('length', 11 + 12);
  const { Domains: domains } = (await call(server, 'usrloc:dump')) as Dump;
  expect(domains.map(({ name, AORs: { length } }) => [name, length]).toSorted()).toStrictEqual([
    ['location', 11],
    ['sip-3.location', 12],
  ]);
  sip[2]?.state.raise('E_UL_AOR_DELETE', { domain: 'location', aor: 'user000001' });
  await expect
    .poll(() => callError(server, 'usrloc:show_contact', ['sip-3.location', 'user000001']).catch(() => ({})))
    .toMatchObject({
      code: 404,
    });
  expect(await call(server, 'usrloc:show_contact', ['location', 'user000001'])).toHaveProperty('AOR');
  // What changes contacts goes to the node whose table is named, else to the first of them.
  expect(await call(server, 'usrloc:rm', ['location', 'user000002'])).toBe('OK');
  expect(sip.map(({ state }) => state.contacts.length)).toStrictEqual([10, 10, 12]);
  expect(await call(server, 'usrloc:rm', ['sip-3.location', 'user000003'])).toBe('OK');
  expect(await call(server, 'ul_rm', { table_name: 'sip-3.location', aor: 'user000004' })).toBe('OK');
  expect(sip.map(({ state }) => state.contacts.length)).toStrictEqual([10, 10, 10]);
});

test('a node that is not there is not mirrored', async ({ lifetime }) => {
  await expect(startFront(lifetime, ['3.4'], { ...options, opensips: { mirror: 'usrloc=sip-7' } })).rejects.toThrow(
    'names "sip-7", and there is no such node',
  );
  await expect(startFront(lifetime, ['3.4'], { ...options, opensips: { mirror: 'dialog' } })).rejects.toThrow(
    'give usrloc',
  );
});

describe('the mirror of contacts of OpenSIPS 2.4', () => {
  test.for([['fifo', 'udp'], ['http']] as const)(
    'is loaded by %s, and follows its events',
    async (kinds, { lifetime }) => {
      const double = await startDouble(lifetime, '2.4');
      double.state.addContacts(300);
      const nodes = [nodeLine('sip-1', double, ...kinds)];
      const server = await startServer(lifetime, { ...options, opensips: { ...options.opensips, nodes } });
      await expect.poll(() => contactsOf(server, 'usrloc:dump')).toHaveProperty('length', 300);
      const shown = { AOR: 'user000007', Contacts: [{ ContactID: expect.any(String), State: 'CS_SYNC', Cseq: 1 }] };
      expect(await call(server, 'usrloc:show_contact', ['location', 'user000007'])).toMatchObject(shown);
      expect(await call(server, 'mi-httpd:sr_get_status', ['opensips', 'sip-1:mirror'])).toMatchObject({
        Readiness: true,
      });
      const uri = 'sip:alice@192.0.2.9;x="a"';
      double.state.addContacts(1, () => ({ aor: 'alice', contact: uri, userAgent: 'phone a=b c=d' }));
      const expires = Math.floor(Date.now() / 1000) + 3600;
      const told = { aor: 'alice', uri, received: null, qval: -1, callid: '000300-4711@192.0.2.1', cseq: 1, expires };
      const dumps = double.ran.filter((name) => name === 'ul_dump').length;
      const show = (): Promise<unknown> => call(server, 'usrloc:show_contact', ['location', 'alice']).catch(() => ({}));
      double.state.raise('E_UL_CONTACT_INSERT', told);
      // It has what events of 2.x do not tell.
      await expect.poll(show).toMatchObject({
        Contacts: [{ Contact: uri, State: 'CS_SYNC', 'User-agent': 'phone a=b c=d', Socket: 'udp:192.0.2.9:5060' }],
      });
      double.state.raise('E_UL_CONTACT_UPDATE', { ...told, cseq: 7, socket: 'udp:192.0.2.9:5060' });
      await expect
        .poll(show)
        .toMatchObject({ Contacts: [{ Cseq: 7, State: 'CS_SYNC', 'User-agent': 'phone a=b c=d' }] });
      expect(await call(server, 'usrloc:rm', ['location', 'alice'])).toBe('OK');
      await expect.poll(show).toStrictEqual({});
      expect(double.ran.filter((name) => name === 'ul_dump').length).toBe(dumps);
    },
  );

  test('asks in which of several tables a contact is', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['2.4'], options);
    const [one] = sip;
    one?.state.addContacts(6, (index) => (index < 2 ? { domain: 'mobile' } : {}));
    await expect.poll(() => contactsOf(server, 'usrloc:dump')).toHaveProperty('length', 6);
    const dumps = one?.ran.filter((name) => name === 'ul_dump').length;
    const add = (aor: string, domain: string): void => {
      const uri = `sip:${aor}@192.0.2.9`;
      one?.state.addContacts(1, () => ({ aor, domain, contact: uri }));
      one?.state.raise('E_UL_CONTACT_INSERT', { aor, uri, cseq: 1 });
    };
    add('alice', 'mobile');
    add('bob', 'location');
    const domainsOf = async (): Promise<unknown> =>
      ((await contactsOf(server, 'usrloc:dump')) as { domain: string; aor: string }[])
        .filter(({ aor }) => !aor.startsWith('user'))
        .map(({ domain, aor }) => `${aor} ${domain}`);
    await expect.poll(domainsOf).toStrictEqual(['alice mobile', 'bob location']);
    one?.state.contacts.splice(6, 1);
    one?.state.raise('E_UL_CONTACT_DELETE', { aor: 'alice', uri: 'sip:alice@192.0.2.9' });
    await expect.poll(domainsOf).toStrictEqual(['bob location']);
    expect(one?.ran.filter((name) => name === 'ul_dump').length).toBe(dumps);
  });
});

test('without module usrloc the parameter is an error', async ({ lifetime }) => {
  await expect(startFront(lifetime, ['3.4'], { opensips: { mirror: 'usrloc' } })).rejects.toThrow(
    'parameter mirror of module opensips needs usrloc; add loadmodule "usrloc.so"',
  );
});

test('the overview tells of a mirror that is not in step, which is no transport', async ({ lifetime }) => {
  const { server, sip } = await startFront(lifetime, ['3.4'], options);
  const [one] = sip;
  await expect.poll(async () => (await get(server, '/mi')).body).toMatch(/It answers, OpenSIPS \(3\.4[^<]*<\/p>/);
  one?.state.lacks.add('ul_dump');
  one?.state.addContacts(5);
  await expect
    .poll(async () => (await get(server, '/mi')).body)
    .toMatch(/It answers, [^<]* Its contacts are not mirrored: <bdi>/);
  expect((await get(server, '/mi')).body).not.toMatch(/transports (is|are) down/);
});

test('the overview tells reasons to those alone who may read the status', async ({ lifetime }) => {
  const { server, sip } = await startFront(lifetime, ['3.4'], { httpd: { deny_commands: 'status_report:*' } });
  sip[0]?.stop();
  await expect.poll(async () => (await get(server, '/mi')).body).toMatch(/It does not answer since [^:]*<time/);
  expect((await get(server, '/mi')).body).not.toMatch(/fifo:|ECONNREFUSED|does not work/);
});
