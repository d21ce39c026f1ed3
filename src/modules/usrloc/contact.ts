import { dateOf } from '../../base/clock.js';
import { coded, type ErrorCode } from '../../base/codes.js';
import { shorten } from '../../base/text.js';
import { type SecondsLeft, secondsLeftUntil } from '../../mi/results/seconds-left.js';

/** The contact is no URI; the message says why. */
export class ContactUriError extends RangeError {
  override readonly name = 'ContactUriError';
  readonly code: ErrorCode = 'ERR_CONTACT';
}

/** A contact to be saved: where an address of record can be reached, for how long, and what is known about it. */
export interface ContactInput {
  /**
   * The contact URI: `sip:`, `sips:`, `tel:` or `tels:`. Contacts of one address of record are told apart by its text.
   * This and all other texts have 4096 bytes at most and no control characters.
   */
  readonly contact: string;
  /** Seconds from now, 1 to 2147483647, or `permanent`. */
  readonly expires: number | 'permanent';
  /** 0 to 1 (RFC 3261 §20.10), of which three decimals are kept; left out: unset, which is below 0. */
  readonly q?: number | undefined;
  /** Left out: `mi-httpd`. */
  readonly callId?: string | undefined;
  /** Left out: 1. */
  readonly cseq?: number | undefined;
  readonly userAgent?: string | undefined;
  /** SIP URI of where the registration came from, when that is not the contact. */
  readonly received?: string | undefined;
  /** The Path header field (RFC 3327). */
  readonly path?: string | undefined;
  /** OpenSIPS' internal flags: 1 memory only, 2 extra hop, 4 push notification. Left out: 0. */
  readonly flags?: number | undefined;
  /** Names of branch flags. */
  readonly cflags?: readonly string[] | undefined;
  /** Local socket of the registration, `proto:ip:port`. */
  readonly socket?: string | undefined;
  /**
   * Methods that are understood, as bits from the lowest: INVITE, CANCEL, ACK, BYE, INFO, OPTIONS, UPDATE, REGISTER,
   * MESSAGE, SUBSCRIBE, NOTIFY, PRACK, REFER, PUBLISH, any other. Left out: all bits, which stands for unknown.
   */
  readonly methods?: number | undefined;
  readonly attr?: string | undefined;
  /** `+sip.instance` (RFC 5626) with its angle brackets. */
  readonly sipInstance?: string | undefined;
  /** Microseconds that the last ping took. */
  readonly pingLatency?: number | undefined;
  /** Pairs of other modules; refused unless `mi_dump_kv_store` is 1. */
  readonly keyValues?: Readonly<Record<string, string | number>> | undefined;
}

/** A contact as it is kept. */
export interface Contact extends ContactInput {
  /** Unsigned 62-bit number in decimal; stays the same while the contact is updated. */
  readonly contactId: string;
  /** Seconds since 1970, by the clock of the machine as it is set now; 0: permanent. */
  readonly expiresAt: number;
}

/** What the record of another server says of a contact that is mirrored here. */
export interface OriginalMembers {
  readonly contactId?: string | undefined;
  readonly state?: string | undefined;
  /** The text of its `KV-Store`. */
  readonly keyValues?: string | undefined;
}

/** A contact in a record: the members and their order are those that `ul_dump` shows. */
export interface StoredContact {
  readonly Contact: string;
  readonly ContactID: string;
  /** A second of the server's clock, 0 for permanent. In the table it is what is left until then. */
  readonly Expires: number;
  readonly Q: string;
  readonly Callid: string;
  readonly Cseq: number;
  readonly 'User-agent'?: string | undefined;
  readonly Received?: string | undefined;
  readonly Path?: string | undefined;
  readonly State: string;
  readonly Flags: number;
  readonly Cflags: string;
  readonly Socket?: string | undefined;
  readonly Methods: number;
  readonly Attr?: string | undefined;
  readonly SIP_instance?: string | undefined;
  readonly 'Ping-Latency'?: number | undefined;
  readonly 'KV-Store'?: string | undefined;
}

/** Members of contacts, in the order in which they are shown. */
export const contactMembers = [
  'Contact',
  'ContactID',
  'Expires',
  'Q',
  'Callid',
  'Cseq',
  'User-agent',
  'Received',
  'Path',
  'State',
  'Flags',
  'Cflags',
  'Socket',
  'Methods',
  'Attr',
  'SIP_instance',
  'Ping-Latency',
  'KV-Store',
] as const satisfies readonly (keyof StoredContact)[];

/** A contact as a table gives it back: `Expires` read at some moment. */
export type ReadContact = Omit<StoredContact, 'Expires'> & { readonly Expires: number | string };

const texts = { permanent: 'permanent', expired: 'expired' } as const;

/** The stored form of `Expires`. */
export function expiresHole(at: number): SecondsLeft {
  return secondsLeftUntil(at, texts);
}

/** Makes what {@link expiresHole} was read as at `now` absolute again; of an expired one only that is known. */
export function expiresAt(read: number | string, now: number): number {
  if (typeof read === 'number') return now + read;
  return read === texts.permanent ? 0 : now;
}

/** True if a contact has expired by `now`. */
export function isExpired(expires: number, now: number): boolean {
  return expires !== 0 && expires <= now;
}

/**
 * When a contact expires, as a second of the server's clock; 0: never.
 *
 * @throws RangeError for other than 1 to 2147483647 seconds or `permanent`
 */
export function expiryOf(expires: ContactInput['expires'], now: number): number {
  return expires === 'permanent' ? 0 : now + whole('expires', expires, 1, 2147483647);
}

/**
 * @param at second of the server's clock; 0: permanent
 * @throws RangeError or TypeError that names the member and what it may be
 */
export function storedContact(
  input: Omit<ContactInput, 'expires'>,
  contactId: string,
  at: number,
  original: OriginalMembers = {},
): StoredContact {
  const { contact, cflags = [], keyValues } = input;
  const problem = typeof contact === 'string' ? uriProblem(contact) : 'it is no text';
  if (contact === '') throw new ContactUriError('contact is empty; give its URI');
  if (problem !== undefined) {
    throw new ContactUriError(`contact is ${shown(contact)}; ${problem}; give a URI such as sip:alice@192.0.2.1:5060`);
  }
  return {
    Contact: contact,
    ContactID: contactId,
    Expires: at,
    Q: qText(input.q),
    Callid: text('callId', input.callId ?? 'mi-httpd'),
    Cseq: whole('cseq', input.cseq ?? 1, 0, 2147483647),
    'User-agent': optional('userAgent', input.userAgent),
    Received: uri('received', input.received),
    Path: optional('path', input.path),
    // The state towards a database of SIP servers, of which there is none: every contact is new to it.
    State: text('state', original.state ?? 'CS_NEW'),
    Flags: whole('flags', input.flags ?? 0, 0, 4294967295),
    Cflags: flagNames(cflags),
    Socket: optional('socket', input.socket),
    Methods: whole('methods', input.methods ?? 4294967295, 0, 4294967295),
    Attr: optional('attr', input.attr),
    SIP_instance: optional('sipInstance', input.sipInstance),
    'Ping-Latency': whole('pingLatency', input.pingLatency ?? 0, 0, 4294967295) || undefined,
    'KV-Store':
      keyValues === undefined
        ? optional('keyValues', original.keyValues)
        : short('keyValues', JSON.stringify(keyValues)),
  };
}

/** A contact of a record for the program. */
export function contactOf(stored: StoredContact, now: number): Contact {
  const at = stored.Expires;
  return {
    contact: stored.Contact,
    contactId: stored.ContactID,
    expires: at === 0 ? 'permanent' : Math.max(0, at - now),
    expiresAt: at === 0 ? 0 : dateOf(at),
    q: stored.Q === '' ? undefined : Number(stored.Q),
    callId: stored.Callid,
    cseq: stored.Cseq,
    userAgent: stored['User-agent'],
    received: stored.Received,
    path: stored.Path,
    flags: stored.Flags,
    cflags: stored.Cflags === '' ? [] : stored.Cflags.split(' '),
    socket: stored.Socket,
    methods: stored.Methods,
    attr: stored.Attr,
    sipInstance: stored.SIP_instance,
    pingLatency: stored['Ping-Latency'],
    keyValues: stored['KV-Store'] === undefined ? undefined : JSON.parse(stored['KV-Store']),
  };
}

function qText(q: number | undefined): string {
  if (q !== undefined && !(typeof q === 'number' && q >= 0 && q <= 1)) {
    throw coded('ERR_CONTACT', new RangeError(`q is ${shown(q)}; give 0 to 1`));
  }
  return printQ(q);
}

function flagNames(names: readonly string[]): string {
  for (const name of names) {
    if (typeof name !== 'string' || !/^[^\s\p{Cc}]+$/u.test(name)) {
      throw coded('ERR_CONTACT', new RangeError(`cflags has ${shown(name)}; give names of flags without blanks`));
    }
  }
  return short('cflags', names.join(' '));
}

function text(member: string, value: string): string {
  if (typeof value !== 'string')
    throw coded('ERR_CONTACT', new TypeError(`${member} is ${shown(value)}; give a string`));
  if (control.test(value))
    throw coded('ERR_CONTACT', new RangeError(`${member} is ${shown(value)}; give text without control characters`));
  return short(member, value);
}

/** A tab is a blank of header fields. */
const control = /[^\P{Cc}\t]/u;

function short(member: string, value: string): string {
  const length = Buffer.byteLength(value);
  if (length > longestText)
    throw coded('ERR_CONTACT', new RangeError(`${member} has ${length} bytes; give ${longestText} at most`));
  return value;
}

function uri(member: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  const problem = uriProblem(text(member, value));
  if (problem !== undefined)
    throw coded('ERR_CONTACT', new RangeError(`${member} is ${shown(value)}; ${problem}; give a URI`));
  return value;
}

/** Empty texts are not shown, so they are not kept. */
function optional(member: string, value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : text(member, value);
}

function whole(member: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw coded(
      'ERR_CONTACT',
      new RangeError(`${member} is ${shown(value)}; give a whole number from ${min} to ${max}`),
    );
  }
  return value;
}

function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return shorten(json, 64, '…');
}

const number = /^[ \t]*(?:(?:0?\.[0-9]+|0\.?)|1(?:\.0*)?)[ \t]*$/;

/**
 * Reads a q as texts have it: blanks around 0 to 1 with decimals (RFC 3261 §25.1, and as many decimals as one likes).
 *
 * @returns undefined for anything else
 */
export function parseQ(text: string): number | undefined {
  return number.test(text) ? Number(text) : undefined;
}

/** How a q is shown, with three decimals at most; '' for unset. */
function printQ(q: number | undefined): string {
  // The smallest step above the fraction's binary form: 0.29 times 1000 is 290 only nearly.
  return q === undefined ? '' : String(Math.floor(q * 1000 + 1e-6) / 1000);
}

/** Thousandths of a q as it is shown; -1 for unset, which comes last. */
export function qRank(shown: string): number {
  return shown === '' ? -1 : Math.round(Number(shown) * 1000);
}

/** Longest text member of a contact, in bytes of UTF-8. */
const longestText = 4096;

/** Blanks and control characters, which no URI has; line ends would begin a header field of a SIP message. */
const blankOrControl = /[\s\p{Cc}]/u;

/** An IPv6 address in brackets, or a name or IPv4 address in characters that mean nothing else in a URI. */
const host = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[^@<>"'\\,;?:/[\](){}|^`%]+)(?::([0-9]{1,5}))?$/;

const telephone = /^\+?[0-9A-Fa-f*#().-]+$/;

/**
 * The fault of a text as the URI of a contact; undefined if there is none. As in OpenSIPS it is `sip:`, `sips:`, `tel:`
 * or `tels:` without angle brackets around it; user parts, parameters and headers may have any visible characters.
 */
export function uriProblem(text: string): string | undefined {
  if (text === '') return 'it is empty';
  if (Buffer.byteLength(text) > longestText) return `it is longer than ${longestText} bytes`;
  if (blankOrControl.test(text)) return 'it has blanks or control characters';
  if (text.startsWith('<')) return 'the URI goes without its angle brackets';
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  switch (colon < 0 ? '' : text.slice(0, colon).toLowerCase()) {
    case 'sip':
    case 'sips':
      return addressProblem(rest);
    case 'tel':
    case 'tels':
      return telephone.test(withoutParameters(rest)) ? undefined : 'it has no telephone number';
    default:
      return 'it begins with none of sip:, sips:, tel: and tels:';
  }
}

/** The part behind the scheme. User parts may have `;` and `?` (RFC 3261 §25.1), and parameters of some clients `@`. */
function addressProblem(address: string): string | undefined {
  const at = address.indexOf('@');
  if (at < 0) return hostProblem(address);
  if (at === 0 || address.startsWith(':')) return 'its user part is empty';
  const problem = hostProblem(address.slice(at + 1));
  return problem !== undefined && hostProblem(address) === undefined ? undefined : problem;
}

function hostProblem(text: string): string | undefined {
  const found = host.exec(withoutParameters(text));
  if (found === null) return 'it has no host, or a wrong one';
  return Number(found[1] ?? 0) > 65535 ? 'its port is larger than 65535' : undefined;
}

function withoutParameters(text: string): string {
  const end = text.search(/[;?]/);
  return end < 0 ? text : text.slice(0, end);
}
