// Random operations on a domain, compared with a model that keeps the same in plain objects.
import fc from 'fast-check';
import { expect } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { test } from '../../../test/support/test.js';
import { dumped, service, start } from '../../../test/support/usrloc-service.js';
import { ExpiryTimer } from './usrloc.js';

interface ModelContact {
  readonly contact: string;
  readonly at: number;
  readonly q: number | undefined;
}

const aors = fc.constantFrom('a', 'b@x', 'ž"\\', '__proto__');
const contacts = fc.constantFrom('sip:1', 'sip:2', 'sip:3', 'SIP:1');
const qs = fc.constantFrom(undefined, 0, 0.5, 1);
const expires = fc.oneof(fc.constant('permanent' as const), fc.integer({ min: 1, max: 50 }));

const operations = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('save' as const), aor: aors, contact: contacts, q: qs, expires }),
    fc.record({ do: fc.constant('remove' as const), aor: aors, contact: fc.option(contacts, { nil: undefined }) }),
    fc.record({ do: fc.constant('advance' as const), seconds: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ do: fc.constant('expire' as const) }),
  ),
  { maxLength: 80, size: 'max' },
);

for (const newestFirst of [false, true]) {
  test(`a domain is what its model is, newestFirst ${newestFirst}`, async ({ stopClock }) => {
    const clock = stopClock();
    let now = start;
    await holds(
      fc.asyncProperty(operations, async (list) => {
        const { usrloc, log, location, statistic } = service({ newestFirst });
        const timer = new ExpiryTimer(() => usrloc.domains, 60, 3, log);
        const model = new Map<string, ModelContact[]>();
        let expired = 0;
        for (const operation of list) {
          if (operation.do === 'advance') {
            clock.advance(operation.seconds);
            now += operation.seconds;
          } else if (operation.do === 'expire') {
            await timer.run();
            for (const [key, kept] of model) {
              const left = kept.filter(({ at }) => at === 0 || at > now);
              expired += kept.length - left.length;
              put(model, key, left);
            }
          } else if (operation.do === 'remove') {
            const key = keyOf(operation.aor);
            const kept = model.get(key) ?? [];
            const left = kept.filter(({ contact }) => operation.contact !== undefined && contact !== operation.contact);
            expect(location.remove(operation.aor, operation.contact)).toBe(kept.length - left.length);
            put(model, key, left);
          } else {
            const { aor, contact, q } = operation;
            location.save(aor, { contact, q, expires: operation.expires });
            const at = operation.expires === 'permanent' ? 0 : now + operation.expires;
            put(model, keyOf(aor), saved(model.get(keyOf(aor)) ?? [], { contact, at, q }, newestFirst));
          }
          const shown = new Map(dumped(location).map(({ AOR, Contacts }) => [AOR, Contacts]));
          expect([...shown.keys()].sort()).toStrictEqual([...model.keys()].sort());
          for (const [key, kept] of model) {
            expect(shown.get(key)?.map(({ Contact, Expires, Q }) => [Contact, Expires, Q])).toStrictEqual(
              kept.map(({ contact, at, q }) => [contact, left(at, now), q === undefined ? '' : String(q)]),
            );
          }
          const count = [...model.values()].reduce((sum, kept) => sum + kept.length, 0);
          expect([location.users, location.contacts, statistic('location-expires')]).toStrictEqual([
            model.size,
            count,
            expired,
          ]);
        }
      }),
      { runs: 150 },
    );
  });
}

function keyOf(aor: string): string {
  return aor.split('@', 1)[0] ?? '';
}

function put(model: Map<string, ModelContact[]>, key: string, contacts: ModelContact[]): void {
  if (contacts.length === 0) model.delete(key);
  else model.set(key, contacts);
}

/** By a stable sort of what is in order of age, where the domain looks for a place. */
function saved(kept: ModelContact[], contact: ModelContact, newestFirst: boolean): ModelContact[] {
  const same = kept.find((one) => one.contact === contact.contact);
  if (newestFirst) return [contact, ...kept.filter((one) => one !== same)];
  const inAge =
    same?.q === contact.q && same !== undefined
      ? kept.map((one) => (one === same ? contact : one))
      : [...kept.filter((one) => one !== same), contact];
  return inAge.sort((a, b) => (b.q ?? -1) - (a.q ?? -1));
}

function left(at: number, now: number): number | string {
  if (at === 0) return 'permanent';
  return at > now ? at - now : 'expired';
}
