import { currentSecond } from '../../base/clock.js';
import { reasonOf, shorten } from '../../base/text.js';
import { type Command, shapedCommand as command, type ParameterAbout } from '../../mi/commands/command.js';
import { either, list, never, nothing, object, ok, oneOf, text, whole } from '../../mi/commands/shape.js';
import { MiAnswer } from '../../mi/errors.js';
import { addMany } from './bulk.js';
import { type ContactInput, ContactUriError, parseQ } from './contact.js';
import type { ContactDatabase } from './contact-database.js';
import { AorError, ContactLimitError, type Domain, DomainMissingError, writeAorAgain } from './domain.js';
import { dumpPage, dumpSome } from './dump.js';
import { findAors } from './find.js';

/** The domains that the commands are about. */
export interface Contacts {
  /** Newest first. */
  readonly domains: readonly Domain[];
  find(name: string): Domain | undefined;
}

/** How the commands answer. */
export interface CommandOptions {
  /** The size of every domain that `dump` reports. */
  readonly hashSize: number;
  /** Name of the branch flag of bit 0. */
  readonly firstFlag: string | undefined;
  /** The file that keeps the contacts, if any. */
  readonly database: ContactDatabase | undefined;
}

/** The fields by which OpenSIPS marks contacts of its management interface; clients recognize them by these. */
const ofCommand = {
  callId: 'dfjrewr12386fd6-343@opensips.mi',
  cseq: 1,
  userAgent: 'OpenSIPS MI Server',
} as const satisfies Partial<ContactInput>;

/** Members that every contact has, and those that some have. */
const always = {
  Contact: text,
  ContactID: text,
  Expires: either(whole, oneOf('permanent', 'expired')),
  Q: text,
  Callid: text,
  Cseq: whole,
  State: text,
  Flags: whole,
  Cflags: text,
  Methods: whole,
};
const sometimes = {
  'User-agent': text,
  Received: text,
  Path: text,
  Socket: text,
  Attr: text,
  SIP_instance: text,
  'Ping-Latency': whole,
  'KV-Store': text,
};

const contactMembers = [...Object.keys(always), ...Object.keys(sometimes)];

/** A contact as it is shown. */
const contactShape = object(always, sometimes);

const recordShape = object({ AOR: text, Contacts: list(contactShape) });

/** With fields, a contact has those of its members alone. */
const partShape = object({ AOR: text, Contacts: list(object({}, { ...always, ...sometimes })) });

/** With brief, an address of record has its name alone. */
const domainShape = object({
  name: text,
  hash_size: whole,
  AORs: list(either(recordShape, partShape, object({ AOR: text }))),
});

/**
 * The MI commands of usrloc, in the order in which OpenSIPS lists them. Those that change contacts run anywhere as long as home has
 * not to see each change: see SharedContacts of here.ts.
 */
export function usrlocCommands(
  usrloc: Contacts,
  { hashSize, firstFlag, database }: CommandOptions,
): readonly Command[] {
  /** The result of a call that changed contacts: with `persist_interval` 0 once they are written. */
  const kept = <T>(result: T): T | Promise<T> => (database?.isImmediate === true ? written(database, result) : result);
  const flagNames = (mask: number): readonly string[] => {
    return firstFlag === undefined || firstFlag === '' || mask % 2 === 0 ? [] : [firstFlag];
  };
  const tables: ParameterAbout = {
    help: 'A table of contacts.',
    suggest: () => usrloc.domains.map(({ name }) => name),
  };
  const addresses: ParameterAbout = { help: 'An address of record, as it was registered.' };
  return [
    command({
      name: 'rm',
      where: 'anywhere',
      destructive: true,
      aliases: ['ul_rm'],
      help: 'Deletes an address of record with all of its contacts; one that is not there is no error.',
      recipes: [{ table_name: 'string', aor: 'string' }],
      parameters: { table_name: tables, aor: addresses },
      result: ok,
      run: ({ table_name: table, aor }) => {
        const domain = domainOf(usrloc, table);
        refusing(() => domain.remove(aor));
        return kept('OK' as const);
      },
    }),
    command({
      name: 'rm_contact',
      where: 'anywhere',
      destructive: true,
      aliases: ['ul_rm_contact'],
      help: 'Deletes one contact of an address of record, found by the text of its URI.',
      recipes: [{ table_name: 'string', aor: 'string', contact: 'string' }],
      parameters: { table_name: tables, aor: addresses, contact: { help: 'The contact as dumps show it.' } },
      result: ok,
      run: ({ table_name: table, aor, contact }) => {
        const domain = domainOf(usrloc, table);
        if (!refusing(() => domain.has(aor))) throw new MiAnswer(404, 'AOR not found');
        if (domain.remove(aor, contact) === 0) throw new MiAnswer(404, 'Contact not found');
        return kept('OK' as const);
      },
    }),
    command({
      name: 'dump',
      where: 'anywhere',
      aliases: ['ul_dump'],
      readOnly: true,
      help:
        'Lists the addresses of record of all domains, with their contacts; with brief other than 0 the names alone. ' +
        'By name it takes `filter`, a text that they have, and `by`, the member that has it, as usrloc:find; ' +
        '`fields`, the members of contacts to show; `limit`, 1 to 1000, with which it gives a page and its `cursor`, ' +
        'and `after`, the cursor of the page before.',
      recipes: [{}, { brief: 'int' }],
      optional: { limit: 'int', after: 'string', fields: 'string[]', filter: 'string', by: 'string' },
      parameters: {
        brief: { help: '1: the names alone.', suggest: [0, 1], default: 0 },
        limit: { help: 'Addresses of record on a page, 1 to 1000; without it all are listed.' },
        after: { help: 'The `cursor` of the page before.' },
        fields: { help: 'Members of contacts that are shown.', suggest: contactMembers },
        filter: { help: 'A text that they have, in either case.' },
        by: { help: 'The member that has the text.', suggest: contactMembers },
      },
      result: object({ Domains: list(domainShape) }, { cursor: either(text, nothing) }),
      run: ({ brief = 0, limit, after, fields, filter, by }, { signal }) => {
        if ([limit, after, fields, filter, by].every((given) => given === undefined)) {
          return {
            Domains: usrloc.domains.map((domain) => ({
              name: domain.name,
              hash_size: hashSize,
              AORs: domain.dump(brief !== 0),
            })),
          };
        }
        const wanted = { hashSize, isBrief: brief !== 0, fields, filter, by };
        if (limit === undefined && after === undefined) return refusing(() => dumpSome(usrloc.domains, wanted));
        return refusingLater(dumpPage(usrloc.domains, { ...wanted, limit, after, signal }));
      },
    }),
    command({
      name: 'flush',
      // Home alone has the file. The same holds for sync.
      where: 'home',
      aliases: ['ul_flush'],
      help: 'Writes pending changes to the file of `persist` now; without one this has nothing to do.',
      result: ok,
      run: () => (database === undefined ? 'OK' : written(database, 'OK' as const)),
    }),
    command({
      name: 'add',
      where: 'anywhere',
      aliases: ['ul_add'],
      help: 'Saves a contact. expires is in seconds, 0 is for ever; q is a text such as 0.5; the last three are bit masks.',
      recipes: [
        {
          table_name: 'string',
          aor: 'string',
          contact: 'string',
          expires: 'int',
          q: 'string',
          flags: 'int',
          cflags: 'int',
          methods: 'int',
        },
      ],
      parameters: {
        table_name: tables,
        aor: addresses,
        contact: { help: 'A SIP URI: `sip:alice@192.0.2.7:5060`.' },
        expires: { help: 'Seconds; 0: for ever.' },
        q: { help: 'Its preference, 0 to 1.', suggest: ['0.5', '1'] },
        flags: { help: 'A mask of bits.', suggest: [0] },
        cflags: { help: 'A mask of bits.', suggest: [0] },
        methods: { help: 'A mask of bits.', suggest: [0] },
      },
      result: ok,
      run: ({ table_name: table, aor, contact, expires, q: qText, flags, cflags, methods }) => {
        const domain = domainOf(usrloc, table);
        refusing(() => domain.key(aor));
        const q = parseQ(qText) ?? badValue(`q is ${JSON.stringify(shorten(qText, 64))}; give 0 to 1`);
        if (Math.abs(expires) > 2147483647) badValue(`expires is ${expires}; give up to 2147483647 seconds`);
        const input = {
          ...ofCommand,
          contact,
          q,
          flags: mask('flags', flags),
          cflags: flagNames(mask('cflags', cflags)),
          methods: mask('methods', methods),
        };
        refusing(() => domain.put(aor, input, expires === 0 ? 0 : Math.max(1, currentSecond() + expires)));
        return kept('OK' as const);
      },
    }),
    command({
      name: 'show_contact',
      where: 'anywhere',
      aliases: ['ul_show_contact'],
      readOnly: true,
      help: 'Shows the contacts of one address of record.',
      recipes: [{ table_name: 'string', aor: 'string' }],
      parameters: { table_name: tables, aor: addresses },
      result: recordShape,
      run: ({ table_name: table, aor }) => {
        const domain = domainOf(usrloc, table);
        const record = refusing(() => domain.record(aor));
        if (record === undefined) throw new MiAnswer(404, 'AOR not found');
        return { AOR: record.AOR, Contacts: record.Contacts };
      },
    }),
    command({
      name: 'sync',
      where: 'home',
      aliases: ['ul_sync'],
      help:
        'Writes one address of record to the file of `persist` anew, or without one all domains, each as it is; without a file it ' +
        'answers that contacts are synced.',
      recipes: [{ table_name: 'string' }, { table_name: 'string', aor: 'string' }],
      parameters: { table_name: tables, aor: addresses },
      result: ok,
      run: ({ table_name: table, aor }) => {
        if (database === undefined) throw new MiAnswer(200, 'Contacts already synced');
        const domain = domainOf(usrloc, table);
        if (aor === undefined) return written(database, 'OK' as const, () => database.rewrite());
        if (!writeAorAgain(domain, aor)) throw new MiAnswer(404, 'AOR not found');
        return written(database, 'OK' as const);
      },
    }),
    command({
      name: 'cluster_sync',
      where: 'anywhere',
      aliases: ['ul_cluster_sync'],
      help: 'Asks another node of the cluster for its contacts; here there is no cluster.',
      result: never,
      run: () => {
        throw new MiAnswer(400, 'Clustering not enabled');
      },
    }),
    command({
      name: 'add_many',
      // It takes several turns, in which somebody may subscribe to what only home can tell.
      where: 'home',
      help:
        'Saves many contacts, given as objects with the members aor, contact and expires and, if known, q, callid, ' +
        'cseq, user_agent, received, path, flags, cflags, socket, methods, attr, sip_instance and kv_store. ' +
        'Tells how many were added, and of those that were not the index and the reason.',
      recipes: [{ table_name: 'string', contacts: 'object[]' }],
      parameters: {
        table_name: tables,
        contacts: { help: 'Each with `aor`, `contact`, `expires` and what else usrloc:add takes.' },
      },
      result: object({ added: whole, rejected: list(object({ index: whole, reason: text })) }),
      targets: ['aor'],
      run: ({ table_name: table, contacts }, call) => {
        const result = addMany(domainOf(usrloc, table), contacts, flagNames, call);
        return result instanceof Promise ? result.then(kept) : kept(result);
      },
    }),
    command({
      name: 'find',
      where: 'anywhere',
      readOnly: true,
      help:
        'Finds addresses of record by a part of them, or of a member of one of their contacts, in either case of A to Z. ' +
        'The one that the text names comes first. `by` is the member that has the text, as dumps show it: `User-agent`; ' +
        '`limit` is 1 to 1000, 100 unless given; `after` is the `cursor` of the page before. ' +
        'Tells how many there are (`matched`) of how many (`total`), and how many were looked at for this page (`scanned`); ' +
        'with `count` 0 it ends where the page is full.',
      recipes: [{ text: 'string' }],
      optional: { table: 'string', by: 'string', limit: 'int', after: 'string', count: 'int' },
      parameters: {
        text: { help: 'A part of what is known about a contact, in either case.' },
        table: tables,
        by: { help: 'The member that has the text.', suggest: ['AOR', ...contactMembers] },
        limit: { help: 'Addresses of record on a page, 1 to 1000.', default: 100 },
        after: { help: 'The `cursor` of the page before.' },
        count: { help: '0: they are not counted.', suggest: [0, 1], default: 1 },
      },
      result: object({
        records: list(object({ table: text, AOR: text, Contacts: list(contactShape) })),
        cursor: either(text, nothing),
        matched: whole,
        scanned: whole,
        total: whole,
        tables: list(text),
      }),
      run: async ({ text, table, by, limit = 100, after, count = 1 }, { signal }) => {
        const domains = table === undefined ? usrloc.domains : [domainOf(usrloc, table)];
        const found = findAors(domains, { text, by, limit, after, count: count !== 0, signal });
        return refusingLater(found);
      },
    }),
  ];
}

/** Gives a result once all changes are written. @throws MiError why they are not; they stay in memory, and are tried again */
async function written<T>(
  database: ContactDatabase,
  result: T,
  write = (): Promise<void> => database.flush(),
): Promise<T> {
  try {
    await write();
  } catch (error) {
    throw new MiAnswer(500, 'Internal Error', reasonOf(error));
  }
  return result;
}

function domainOf(usrloc: Contacts, name: string): Domain {
  const domain = usrloc.find(name);
  if (domain === undefined) throw new MiAnswer(404, 'Table not found');
  return domain;
}

/** Bits, given as OpenSIPS' 32-bit integers are: those of a negative number are its two's complement. */
function mask(name: string, bits: number): number {
  if (bits < -2147483648 || bits > 4294967295) badValue(`${name} is ${bits}; give up to 32 bits`);
  return bits >>> 0;
}

function badValue(data: string): never {
  throw new MiAnswer(400, 'Bad parameter value', data);
}

/** As {@link refusing}, of what is done later. */
function refusingLater<T>(run: Promise<T>): Promise<T> {
  return run.catch((error: unknown) =>
    refusing(() => {
      throw error;
    }),
  );
}

/** Runs what may refuse the values of a client, and answers with the codes of OpenSIPS then. */
function refusing<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof DomainMissingError) throw new MiAnswer(400, error.message);
    if (error instanceof ContactLimitError || error instanceof ContactUriError) {
      throw new MiAnswer(500, 'Internal Error', error.message);
    }
    if (error instanceof AorError || error instanceof RangeError) badValue(error.message);
    throw error;
  }
}
