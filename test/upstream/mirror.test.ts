// The contacts of an OpenSIPS in the record tables of mi-httpd.
import { describe, expect } from 'vitest';
import { startFront } from '../support/front.js';
import { call, callError } from '../support/mi-client.js';
import { test } from '../support/test.js';

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
  // What changes contacts goes to the first of them.
  expect(await call(server, 'usrloc:rm', ['location', 'user000002'])).toBe('OK');
  expect(sip.map(({ state }) => state.contacts.length)).toStrictEqual([10, 10, 12]);
});

test('a node that is not there, or of 2.x, is not mirrored', async ({ lifetime }) => {
  await expect(startFront(lifetime, ['3.4'], { ...options, opensips: { mirror: 'usrloc=sip-7' } })).rejects.toThrow(
    'names "sip-7", and there is no such node',
  );
  await expect(startFront(lifetime, ['3.4'], { ...options, opensips: { mirror: 'dialog' } })).rejects.toThrow(
    'give usrloc',
  );
  const { server } = await startFront(lifetime, ['2.4'], options);
  await expect
    .poll(() => call(server, 'mi-httpd:sr_get_status', ['opensips', 'sip-1:mirror']))
    .toMatchObject({ Readiness: false, Details: expect.stringContaining('2.x') });
});

test('without module usrloc the parameter is an error', async ({ lifetime }) => {
  await expect(startFront(lifetime, ['3.4'], { opensips: { mirror: 'usrloc' } })).rejects.toThrow(
    'parameter mirror of module opensips needs usrloc; add loadmodule "usrloc.so"',
  );
});
