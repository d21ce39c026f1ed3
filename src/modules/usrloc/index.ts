import type { CodedLog } from '../../base/log.js';
import { defineBuiltIn } from '../../module.js';
import { usrlocCommands } from './commands.js';
import { PublishedEvents } from './events.js';
import { inertParameters, listedNames, type Parameters, parameters } from './parameters.js';
import { ExpiryTimer, Usrloc } from './usrloc.js';

/** The user location service: contacts by address of record, in memory. */
export const usrlocModule = defineBuiltIn({
  name: 'usrloc',
  parameters,
  load({ parameters: values, mi, log, events, facts }) {
    const options = {
      useDomain: values.use_domain === 1,
      newestFirst: values.desc_time_order === 1,
      keyValues: values.mi_dump_kv_store === 1,
      maxContacts: values.max_contacts,
      maxBytes: values.max_bytes || facts.sharedMemory,
    };
    const usrloc = new Usrloc(mi.statistics, log, options, new PublishedEvents(events, values.nat_bflag));
    for (const name of listedNames(values.domains)) usrloc.domain(name);
    const timer = new ExpiryTimer(() => usrloc.domains, values.timer_interval, values.max_contact_delete, log);
    return {
      api: usrloc,
      commands: usrlocCommands(usrloc, {
        hashSize: values.hash_size <= 1 ? 512 : 2 ** values.hash_size,
        firstFlag: values.nat_bflag,
      }),
      check: () => {
        tellInert(values, log);
        return [];
      },
      start: () => timer.start(),
      stop: () => timer.stop(),
    };
  },
});

/** Logged once, at the start: operators who set these may rely on their effect in a SIP server. */
function tellInert(values: Parameters, log: CodedLog): void {
  const { elsewhere, inert } = inertParameters(values);
  if (elsewhere.length > 0) {
    log.warn(
      { code: 'contacts-in-memory', parameters: elsewhere },
      `usrloc keeps contacts in memory only, and they are gone when the server ends: ${elsewhere.join(', ')} ` +
        'without effect here; mi-httpd load fills contacts in after a start',
    );
  }
  if (inert.length > 0) {
    log.info(
      { code: 'usrloc-parameters-unused', parameters: inert },
      `parameters of usrloc that are for a SIP server, without effect: ${inert.join(', ')}`,
    );
  }
}
