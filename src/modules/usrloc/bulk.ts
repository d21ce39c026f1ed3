import { currentSecond } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import type { JsonObject, JsonValue } from '../../base/json.js';
import { Slice } from '../../base/slice.js';
import { shorten } from '../../base/text.js';
import type { Call } from '../../mi/calls/call.js';
import { type ContactInput, parseQ } from './contact.js';
import { AorError, ContactLimitError, type Domain } from './domain.js';

/** The outcome of a bulk of contacts. */
export interface BulkResult extends JsonObject {
  readonly added: number;
  /** Contacts that are not there, by their place in the bulk, from 0. */
  readonly rejected: readonly { readonly index: number; readonly reason: string }[];
}

/**
 * Saves contacts given as objects, `{"aor":…,"contact":…,"expires":…}`; those that are wrong are left out and told.
 * Other work has its turn in between, so a large bulk is answered later.
 *
 * @throws what the call was aborted with; contacts that were saved before stay
 */
export function addMany(
  domain: Domain,
  contacts: readonly JsonObject[],
  flagNames: (mask: number) => readonly string[],
  call: Call,
): BulkResult | Promise<BulkResult> {
  const rejected: { index: number; reason: string }[] = [];
  let index = 0;
  const slice = new Slice();
  const isDone = (): boolean => {
    for (; index < contacts.length; index++) {
      if (slice.isOver) return false;
      const reason = add(domain, contacts[index] ?? {}, flagNames);
      if (reason !== undefined) rejected.push({ index, reason });
    }
    return true;
  };
  const result = (): BulkResult => ({ added: contacts.length - rejected.length, rejected });
  const resume = async (): Promise<BulkResult> => {
    do {
      await slice.rest();
      call.signal.throwIfAborted();
    } while (!isDone());
    return result();
  };
  return isDone() ? result() : resume();
}

/** Saves one contact; returns why not. */
function add(domain: Domain, given: JsonObject, flagNames: (mask: number) => readonly string[]): string | undefined {
  try {
    const { aor, expires, ...rest } = readContact(given, flagNames);
    domain.put(aor, rest, expires === 0 ? 0 : Math.max(1, currentSecond() + expires));
    return undefined;
  } catch (error) {
    if (error instanceof AorError || error instanceof ContactLimitError || error instanceof RangeError) {
      return error.message;
    }
    throw error;
  }
}

type BulkContact = Omit<ContactInput, 'expires'> & { readonly aor: string; readonly expires: number };

const members: ReadonlySet<string> = new Set([
  'aor',
  'contact',
  'expires',
  'q',
  'callid',
  'cseq',
  'user_agent',
  'received',
  'path',
  'flags',
  'cflags',
  'socket',
  'methods',
  'attr',
  'sip_instance',
  'kv_store',
]);

/** @throws RangeError that names the member, what it is and what it may be */
function readContact(given: JsonObject, flagNames: (mask: number) => readonly string[]): BulkContact {
  for (const name of Object.keys(given)) {
    if (!members.has(name))
      throw coded('ERR_CONTACT', new RangeError(`unknown member ${shown(name)}; known: ${[...members].join(', ')}`));
  }
  const { aor, contact, expires, q, cflags, kv_store: keyValues } = given;
  return {
    aor: text('aor', aor) ?? missing('aor'),
    contact: text('contact', contact) ?? missing('contact'),
    expires: whole('expires', expires, -2147483648, 2147483647) ?? missing('expires'),
    q: q === undefined ? undefined : (readQ(q) ?? wrong('q', q, 'give 0 to 1')),
    callId: text('callid', given.callid),
    cseq: whole('cseq', given.cseq, 0, 2147483647),
    userAgent: text('user_agent', given.user_agent),
    received: text('received', given.received),
    path: text('path', given.path),
    flags: whole('flags', given.flags, 0, 4294967295),
    cflags: typeof cflags === 'string' ? cflags.split(' ').filter((name) => name !== '') : maskNames(cflags),
    socket: text('socket', given.socket),
    methods: whole('methods', given.methods, 0, 4294967295),
    attr: text('attr', given.attr),
    sipInstance: text('sip_instance', given.sip_instance),
    keyValues: keyValues === undefined ? undefined : pairs(keyValues),
  };

  function maskNames(mask: JsonValue | undefined): readonly string[] | undefined {
    const bits = whole('cflags', mask, 0, 4294967295);
    return bits === undefined ? undefined : flagNames(bits);
  }
}

function readQ(q: JsonValue): number | undefined {
  if (typeof q === 'string') return parseQ(q);
  return typeof q === 'number' && q >= 0 && q <= 1 ? q : undefined;
}

function text(member: string, value: JsonValue | undefined): string | undefined {
  return value === undefined || typeof value === 'string' ? value : wrong(member, value, 'give a string');
}

/** A whole number, also as a string of digits, as parameters of MI commands may be. */
function whole(member: string, value: JsonValue | undefined, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && /^[+-]?[0-9]+$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number + 0;
  return wrong(member, value, `give a whole number from ${min} to ${max}`);
}

function pairs(value: JsonValue): Readonly<Record<string, string | number>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return wrong('kv_store', value, 'give an object');
  }
  const checked = Object.entries(value).map(([key, item]) => {
    if (typeof item === 'string' || typeof item === 'number') return [key, item] as const;
    return wrong(`kv_store.${key}`, item ?? null, 'give a string or a number');
  });
  return Object.fromEntries(checked);
}

function missing(member: string): never {
  throw coded('ERR_CONTACT', new RangeError(`${member} is missing`));
}

function wrong(member: string, value: JsonValue, remedy: string): never {
  throw coded('ERR_CONTACT', new RangeError(`${member} is ${shown(value)}; ${remedy}`));
}

/** Text of a client is shortened in messages. */
function shown(value: JsonValue): string {
  const json = JSON.stringify(value);
  return shorten(json, 64, '…');
}
