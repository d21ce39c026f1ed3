import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../../../test/support/test.js';
import { type Service, service } from '../../../test/support/usrloc-service.js';
import { Events } from '../../mi/events/events.js';
import { Statistics } from '../../mi/statistics.js';
import { StatusReports } from '../../mi/status-reports.js';
import { ContactDatabase } from './contact-database.js';
import { ExpiryTimer, keepContacts } from './usrloc.js';

/** A user location service whose contacts are kept. */
async function kept(path: string, interval = 60_000): Promise<Service & { database: ContactDatabase }> {
  const made = service();
  const statistics = new Statistics();
  const status = new StatusReports(new Events(made.log, statistics).declare('E_CORE_SR_STATUS_CHANGED'));
  const options = { path, interval, maxPending: 1_048_576 };
  const database = new ContactDatabase(options, made.log, status.add('usrloc'), statistics);
  await database.open(made.usrloc.domains, (name) => made.usrloc.domain(name));
  keepContacts(made.usrloc, database);
  return { ...made, database };
}

describe('contacts in a file', () => {
  test('go on in the next process for the time that they have left; those that have expired are not loaded', async ({
    stopClock,
    temporaryFiles,
  }) => {
    const clock = stopClock();
    const path = join(temporaryFiles({}), 'contacts');
    const first = await kept(path);
    first.location.save('alice', { contact: 'sip:short', expires: 10 });
    first.location.save('alice', { contact: 'sip:long', expires: 100, q: 0.5, cflags: ['NAT'], attr: 'x' });
    first.location.save('alice', { contact: 'sip:ever', expires: 'permanent' });
    first.location.save('bob', { contact: 'sip:bob', expires: 10 });
    first.usrloc.domain('gateways').save('gw', { contact: 'sip:gw', expires: 'permanent' });
    first.location.save('gone', { contact: 'sip:gone', expires: 100 });
    first.location.remove('gone');
    const before = first.location.lookup('alice').filter(({ contact }) => contact !== 'sip:short');
    await first.database.close();
    clock.advance(40);

    const second = await kept(path);
    const told: string[] = [];
    second.location.on('expire', (aor) => void told.push(aor));
    const left = before.map((one) => ({
      ...one,
      expires: one.expires === 'permanent' ? one.expires : one.expires - 40,
    }));
    expect(second.location.lookup('alice')).toStrictEqual(left);
    expect([second.location.users, second.location.contacts]).toStrictEqual([1, 2]);
    expect(second.usrloc.find('gateways')?.lookup('gw').length).toBe(1);
    clock.advance(100);
    await new ExpiryTimer(() => second.usrloc.domains, 60, 10, second.log).run();
    expect(told).toStrictEqual(['alice']);
    await second.usrloc.flush();
    await second.database.close();

    // What has expired in memory is gone from the file, too, whatever the clock says then.
    clock.set(-1000);
    const third = await kept(path);
    expect(third.location.lookup('alice').map(({ contact }) => contact)).toStrictEqual(['sip:ever']);
    expect(third.errors).toStrictEqual([]);
    await third.database.close();
  });
});
