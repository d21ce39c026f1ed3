import { expect, test } from 'vitest';
import { service } from '../../../test/support/usrloc-service.js';
import type { JsonObject, JsonValue } from '../../base/json.js';
import type { MiEvent } from '../../mi/events/events.js';
import { StatusReports } from '../../mi/status-reports.js';
import type { Usrloc } from '../usrloc/usrloc.js';
import type { NodeEvents } from './events.js';
import { ContactMirror } from './mirror.js';
import type { OpensipsNode } from './node.js';

/** A mirror of one domain, whose node is asked for addresses of record. */
async function mirrorOf(show: (aor: string) => Promise<JsonValue>) {
  const { usrloc, log } = service();
  let tell: (name: string, parameters: object) => void = () => {};
  const node = {
    name: 'sip-1',
    nameOf: () => undefined,
    upstream: {
      call: async () => JSON.stringify({ Domains: [{ name: 'location', AORs: [] }] }),
    },
    ask: (_method: string, [, aor]: [string, string]) => show(aor),
  };
  const status = new StatusReports({ raise: () => 0 } as unknown as MiEvent).add('opensips', {
    identifier: 'sip-1:mirror',
    status: -1,
  });
  const mirror = new ContactMirror({
    node: node as unknown as OpensipsNode,
    events: {
      follow: (_names: unknown, listener: typeof tell) => {
        tell = listener;
      },
      subscribeFollowed: async () => {},
    } as unknown as NodeEvents,
    usrloc,
    status,
    log,
    interval: 1e6,
    timeout: 1000,
    mostAsked: 2,
  });
  await mirror.load();
  return { mirror, usrloc, tell: (name: string, parameters: object) => tell(name, parameters) };
}

/** An address of record with one contact, as OpenSIPS shows it. */
function recordOf(aor: string, contactId: string): JsonObject {
  return { AOR: aor, Contacts: [{ Contact: `sip:${aor}@192.0.2.1`, ContactID: contactId, Expires: 60, Callid: 'c' }] };
}

test('an answer that is older than an event is not taken', async () => {
  const answers: ((told: JsonValue) => void)[] = [];
  const { mirror, usrloc, tell } = await mirrorOf(() => new Promise((resolve) => answers.push(resolve)));
  const told = { domain: 'location', aor: 'alice', uri: 'sip:alice@192.0.2.1', callid: 'c', cseq: 1, expires: 0 };
  const kept = (): unknown =>
    usrloc
      .find('location')
      ?.record('alice')
      ?.Contacts.map(({ ContactID: id }) => id);
  tell('E_UL_CONTACT_INSERT', told);
  await expect.poll(() => answers.length).toBe(1);
  tell('E_UL_CONTACT_DELETE', told);
  answers[0]?.(recordOf('alice', '7'));
  // It is asked for once more, and is what the last answer says.
  await expect.poll(() => answers.length).toBe(2);
  expect(kept()).toBeUndefined();
  tell('E_UL_CONTACT_INSERT', told);
  answers[1]?.(recordOf('alice', '8'));
  await expect.poll(() => answers.length).toBe(3);
  answers[2]?.(recordOf('alice', '9'));
  await expect.poll(kept).toStrictEqual(['9']);
  expect(answers).toHaveLength(3);
  mirror.close();
});

test('no more addresses of record wait to be asked for than may; the others have what events told', async () => {
  const answers: ((told: JsonValue) => void)[] = [];
  const { mirror, usrloc, tell } = await mirrorOf(() => new Promise((resolve) => answers.push(resolve)));
  const names = ['a', 'b', 'c', 'd'];
  for (const aor of names) {
    tell('E_UL_CONTACT_INSERT', {
      domain: 'location',
      aor,
      uri: `sip:${aor}@192.0.2.1`,
      callid: 'c',
      cseq: 1,
      expires: 0,
    });
  }
  for (const [index, aor] of names.slice(0, 3).entries()) {
    await expect.poll(() => answers.length).toBe(index + 1);
    answers[index]?.(recordOf(aor, String(index)));
  }
  const ids = (): unknown =>
    names.map((aor) =>
      usrloc
        .find('location')
        ?.record(aor)
        ?.Contacts.map(({ ContactID: id }) => id),
    );
  await expect.poll(ids).toStrictEqual([['0'], ['1'], ['2'], [expect.stringMatching(/^[0-9]{4,}$/)]]);
  expect(answers).toHaveLength(3);
  mirror.close();
});

test('more events than are kept while a dump is read are a gap, which is told', async () => {
  let tell: (name: string, parameters: object) => void = () => {};
  let asked = 0;
  let events = 4;
  const node = {
    name: 'sip-1',
    nameOf: () => undefined,
    upstream: {
      call: async () => {
        asked += 1;
        for (let index = 0; index < events; index += 1) tell('E_UL_AOR_DELETE', { domain: 'location', aor: 'alice' });
        return '{"Domains":[]}';
      },
    },
  };
  const told: object[] = [];
  const keep = (fields: object): void => void told.push(fields);
  const changed = { raise: () => 0 } as unknown as MiEvent;
  const status = new StatusReports(changed).add('opensips', { identifier: 'sip-1:mirror', status: -1 });
  const mirror = new ContactMirror({
    node: node as unknown as OpensipsNode,
    events: {
      follow: (_names: unknown, listener: typeof tell) => {
        tell = listener;
      },
      subscribeFollowed: async () => {},
    } as unknown as NodeEvents,
    usrloc: { find: () => undefined } as unknown as Usrloc,
    status,
    log: { debug: keep, info: keep, warn: keep, error: keep },
    interval: 1e6,
    timeout: 1000,
    mostEvents: 3,
  });
  await mirror.load();
  expect(told).toMatchObject([{ code: 'opensips-mirror-lost', node: 'sip-1' }]);
  expect(status.status).toBe(-2);
  events = 3;
  await mirror.load();
  expect([asked, told.length, status.status]).toStrictEqual([2, 1, 1]);
  mirror.close();
});

test('an address of record whose contacts cannot be kept fills neither the log nor the time of others', async () => {
  const contacts = Array.from({ length: 1000 }, (_, index) => ({ Contact: `sip:${index}@192.0.2.1`, Expires: 60 }));
  let puts = 0;
  const domain = {
    lookup: () => [],
    has: () => true,
    put: () => {
      puts += 1;
      throw new Error('it has too many contacts');
    },
  };
  const lines: object[] = [];
  const note = (fields: object): void => void lines.push(fields);
  const mirror = new ContactMirror({
    node: {
      name: 'sip-1',
      nameOf: () => undefined,
      upstream: {
        call: async () =>
          JSON.stringify({
            Domains: [{ name: 'location', AORs: ['alice', 'bob'].map((AOR) => ({ AOR, Contacts: contacts })) }],
          }),
      },
    } as unknown as OpensipsNode,
    events: { follow: () => {}, subscribeFollowed: async () => {} } as unknown as NodeEvents,
    usrloc: { find: () => domain, domain: () => domain } as unknown as Usrloc,
    status: new StatusReports({ raise: () => 0 } as unknown as MiEvent).add('opensips', { status: -1 }),
    log: { debug: note, info: note, warn: note, error: note },
    interval: 1e6,
    timeout: 1000,
  });
  await mirror.load();
  await mirror.load();
  mirror.close();
  expect(puts).toBeLessThan(100);
  expect(lines).toMatchObject([{ code: 'opensips-contact-not-mirrored', node: 'sip-1', aor: 'alice' }]);
});

test('a dump of very many domains does not make them all', async () => {
  const domain = { lookup: () => [], has: () => true, put: () => {} };
  const made = new Map<string, typeof domain>();
  const usrloc = {
    find: (name: string) => made.get(name),
    domain: (name: string) => {
      made.set(name, domain);
      return domain;
    },
  };
  const all = Array.from({ length: 500 }, (_, index) => ({
    name: `d${index}`,
    AORs: [{ AOR: 'alice', Contacts: [{ Contact: 'sip:a@192.0.2.1', Expires: 60 }] }],
  }));
  const lines: object[] = [];
  const note = (fields: object): void => void lines.push(fields);
  const mirror = new ContactMirror({
    node: {
      name: 'sip-1',
      nameOf: () => undefined,
      upstream: { call: async () => JSON.stringify({ Domains: all }) },
    } as unknown as OpensipsNode,
    events: { follow: () => {}, subscribeFollowed: async () => {} } as unknown as NodeEvents,
    usrloc: usrloc as unknown as Usrloc,
    status: new StatusReports({ raise: () => 0 } as unknown as MiEvent).add('opensips', { status: -1 }),
    log: { debug: note, info: note, warn: note, error: note },
    interval: 1e6,
    timeout: 1000,
  });
  await mirror.load();
  mirror.close();
  expect(made.size).toBe(64);
  expect(lines).toMatchObject([{ code: 'opensips-contact-not-mirrored' }]);
});

test.for(['contacts of one address of record', 'events that came meanwhile'])(
  'many %s are taken in turns',
  async (what) => {
    const hasEvents = what.startsWith('events');
    const domain = {
      lookup: () => [],
      record: () => undefined,
      has: () => true,
      put: () => {
        // As long as the encoding of a large record may take.
        for (const begun = performance.now(); performance.now() - begun < 1; );
      },
    };
    const contacts = Array.from({ length: 100 }, (_, index) => ({ Contact: `sip:${index}@192.0.2.1`, Expires: 60 }));
    let tell: (name: string, parameters: object) => void = () => {};
    const quiet = (): void => {};
    const mirror = new ContactMirror({
      node: {
        name: 'sip-1',
        nameOf: () => undefined,
        ask: async () => ({}),
        upstream: {
          call: async () => {
            for (const { Contact: uri } of hasEvents ? contacts : [])
              tell('E_UL_CONTACT_INSERT', { domain: 'location', aor: 'bob', uri });
            const aors = hasEvents ? [] : [{ AOR: 'alice', Contacts: contacts }];
            return JSON.stringify({ Domains: [{ name: 'location', AORs: aors }] });
          },
        },
      } as unknown as OpensipsNode,
      events: {
        follow: (_names: unknown, listener: typeof tell) => {
          tell = listener;
        },
        subscribeFollowed: async () => {},
      } as unknown as NodeEvents,
      usrloc: { find: () => domain, domain: () => domain } as unknown as Usrloc,
      status: new StatusReports({ raise: () => 0 } as unknown as MiEvent).add('opensips', { status: -1 }),
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      interval: 1e6,
      timeout: 1000,
    });
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await mirror.load();
    isOver = true;
    mirror.close();
    expect(turns).toBeGreaterThan(20);
  },
);
