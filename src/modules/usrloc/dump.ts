import { mostFound } from '../../mi/results/record-table.js';
import { type Stream, stream } from '../../mi/results/stream.js';
import type { ReadContact } from './contact.js';
import type { Domain } from './domain.js';
import { checkMember, findAors } from './find.js';

/** The part of the contacts that a dump gives. */
interface WantedPart {
  /** The size of every domain that is told. */
  readonly hashSize: number;
  /** True for the names of the addresses of record alone. */
  readonly isBrief: boolean;
  /** Members of contacts; undefined: all. */
  readonly fields: readonly string[] | undefined;
  /** A text that each address of record has, and the member that has it. */
  readonly filter: string | undefined;
  readonly by: string | undefined;
}

/** An address of record of a dump; its name alone in a brief one. */
interface DumpedAor {
  readonly AOR: string;
  readonly Contacts?: readonly Partial<ReadContact>[];
}

interface DumpedDomain<A> {
  readonly name: string;
  readonly hash_size: number;
  readonly AORs: A;
}

/**
 * All addresses of record that are wanted, found while the reply is sent, at the pace of its reader. What is promised while
 * contacts change is what a dump promises.
 *
 * @throws RangeError for a member that no contact has
 */
export function dumpSome(domains: readonly Domain[], wanted: WantedPart): { Domains: readonly DumpedDomain<Stream>[] } {
  check(wanted);
  return {
    Domains: domains.map((domain) => ({
      name: domain.name,
      hash_size: wanted.hashSize,
      AORs: stream(aorsOf(domain, wanted)),
    })),
  };
}

/**
 * A page of the addresses of record that are wanted.
 *
 * @throws RangeError for a wrong limit, a member that no contact has, or a cursor of something else
 */
export async function dumpPage(
  domains: readonly Domain[],
  {
    limit = mostFound,
    after,
    signal,
    ...wanted
  }: WantedPart & {
    readonly limit: number | undefined;
    readonly after: string | undefined;
    readonly signal: AbortSignal;
  },
): Promise<{ Domains: readonly DumpedDomain<readonly DumpedAor[]>[]; cursor: string | null }> {
  check(wanted);
  const { filter: text = '', by, hashSize } = wanted;
  const { records, cursor } = await findAors(domains, { text, by, limit, after, count: false, signal });
  return {
    Domains: domains.map(({ name }) => ({
      name,
      hash_size: hashSize,
      AORs: records.filter(({ table }) => table === name).map((record) => part(record, wanted)),
    })),
    cursor,
  };
}

function check({ fields = [], by }: WantedPart): void {
  checkMember('by', by);
  for (const field of fields) checkMember('fields', field);
}

async function* aorsOf(domain: Domain, wanted: WantedPart): AsyncGenerator<DumpedAor> {
  const { filter: text = '', by } = wanted;
  let after: string | undefined;
  do {
    const page = await findAors([domain], { text, by, limit: mostFound, after, count: false });
    for (const record of page.records) yield part(record, wanted);
    after = page.cursor ?? undefined;
  } while (after !== undefined);
}

/** What is wanted of an address of record. */
function part(
  record: { readonly AOR: string; readonly Contacts: readonly ReadContact[] },
  wanted: WantedPart,
): DumpedAor {
  const { AOR, Contacts } = record;
  const { isBrief, fields } = wanted;
  if (isBrief) return { AOR };
  if (fields === undefined) return { AOR, Contacts };
  const kept = new Set(fields);
  const picked = Contacts.map((contact) =>
    Object.fromEntries(Object.entries(contact).filter(([name]) => kept.has(name))),
  );
  return { AOR, Contacts: picked };
}
