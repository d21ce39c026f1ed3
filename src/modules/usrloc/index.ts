import type { CodedLog } from '../../base/log.js';
import { defineBuiltIn } from '../../module.js';
import { usrlocCommands } from './commands.js';
import { ContactDatabase } from './contact-database.js';
import { PublishedEvents } from './events.js';
import type { ContactsGiven } from './here.js';
import { inertParameters, listedNames, type Parameters, parameters } from './parameters.js';
import { ExpiryTimer, keepContacts, sharedDomains, Usrloc } from './usrloc.js';

/** The user location service: contacts by address of record, in memory, and in a file that keeps them. */
export const usrlocModule = defineBuiltIn({
  name: 'usrloc',
  parameters,
  load({ parameters: values, mi, log, events, facts, status }) {
    const options = {
      useDomain: values.use_domain === 1,
      newestFirst: values.desc_time_order === 1,
      keyValues: values.mi_dump_kv_store === 1,
      maxContacts: values.max_contacts,
      maxBytes: values.max_bytes || facts.sharedMemory,
    };
    const usrloc = new Usrloc(mi.statistics, log, options, new PublishedEvents(events, values.nat_bflag));
    for (const name of listedNames(values.domains)) usrloc.domain(name);
    const database =
      values.persist === undefined
        ? undefined
        : new ContactDatabase(
            { path: values.persist, interval: values.persist_interval, maxPending: values.persist_pending },
            log,
            status.add('usrloc', { identifier: 'persist', status: -1, details: 'not loaded yet' }),
            mi.statistics,
          );
    const timer = new ExpiryTimer(() => usrloc.domains, values.timer_interval, values.max_contact_delete, log);
    const answers = {
      hashSize: values.hash_size <= 1 ? 512 : 2 ** values.hash_size,
      firstFlag: values.nat_bflag,
    };
    return {
      api: usrloc,
      commands: usrlocCommands(usrloc, { ...answers, database }),
      forThreads: (): ContactsGiven => ({ ...sharedDomains(usrloc), answers }),
      check: () => {
        database?.check();
        tellInert(values, log);
        return [];
      },
      start: async () => {
        await database?.open(usrloc.domains, (name) => usrloc.domain(name));
        if (database !== undefined) keepContacts(usrloc, database);
        timer.start();
      },
      stop: () => timer.stop(),
      finish: () => database?.close(),
    };
  },
});

/** Logged once, at the start: operators who set these may rely on their effect in a SIP server. */
function tellInert(values: Parameters, log: CodedLog): void {
  const { elsewhere, inert } = inertParameters(values);
  if (elsewhere.length > 0) {
    const where =
      values.persist === undefined
        ? 'usrloc keeps contacts in memory only, and they are gone when the server ends'
        : `usrloc keeps contacts in ${values.persist}`;
    const remedy = values.persist === undefined ? '; set persist, a file that keeps them' : '';
    log.warn(
      { code: 'contacts-in-memory', parameters: elsewhere },
      `${where}: ${elsewhere.join(', ')} without effect here${remedy}`,
    );
  }
  if (inert.length > 0) {
    log.info(
      { code: 'usrloc-parameters-unused', parameters: inert },
      `parameters of usrloc that are for a SIP server, without effect: ${inert.join(', ')}`,
    );
  }
}
