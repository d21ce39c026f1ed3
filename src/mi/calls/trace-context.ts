/** The place of a call in a trace that other programs began: W3C Trace Context, headers `traceparent` and `tracestate`. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** Id of the span that the caller was in, 16 hexadecimal digits. */
  readonly parentId: string;
  /** 0 to 255. */
  readonly flags: number;
  /** The lowest of the flags: the caller records its span. */
  readonly isSampled: boolean;
  /** The header `tracestate` as it came; '' without one, or with one that is malformed. */
  readonly state: string;
}

/** Characters of version, ids and flags with what parts them, and where each begins. */
const length = 55;
const [traceAt, parentAt, flagsAt] = [3, 36, 53];

/** Vendors whose state may be listed (W3C Trace Context §3.3.1.1). */
const mostVendors = 32;
/** With the empty ones, each of which costs time. */
const mostMembers = 64;
const [longestKey, longestValue] = [256, 256];

/** Reads the headers. Undefined where the first is absent or malformed: then there is no trace. */
export function parseTraceContext(traceparent: string, tracestate: string): TraceContext | undefined {
  // Later versions may add to it, behind another dash (§3.2.4).
  if (traceparent.length < length) return undefined;
  const version = traceparent.slice(0, 2);
  const isFirst = version === '00';
  if (isFirst ? traceparent.length !== length : traceparent.length > length && traceparent[length] !== '-') {
    return undefined;
  }
  const traceId = traceparent.slice(traceAt, parentAt - 1);
  const parentId = traceparent.slice(parentAt, flagsAt - 1);
  const flags = traceparent.slice(flagsAt, length);
  if (![version, traceId, parentId, flags].every(isHex) || version === 'ff') return undefined;
  if (![traceAt, parentAt, flagsAt].every((at) => traceparent[at - 1] === '-')) return undefined;
  if (isZero(traceId) || isZero(parentId)) return undefined;
  const number = Number.parseInt(flags, 16);
  const state = isState(tracestate) ? tracestate : '';
  return Object.freeze({ traceId, parentId, flags: number, isSampled: (number & 1) === 1, state });
}

/** In lower case, as it has to be. */
function isHex(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false;
  }
  return true;
}

function isZero(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text[at] !== '0') return false;
  return true;
}

/** `vendor=value,other@vendor=value`, each vendor once; empty members are allowed. */
function isState(text: string): boolean {
  const known = new Set<string>();
  const members = text.split(',', mostMembers + 1);
  if (members.length > mostMembers) return false;
  for (const member of members) {
    const one = member.trim();
    if (one === '') continue;
    const equals = one.indexOf('=');
    const key = one.slice(0, equals);
    if (equals < 1 || known.has(key) || !isKey(key) || !isValue(one.slice(equals + 1))) return false;
    known.add(key);
    if (known.size > mostVendors) return false;
  }
  return true;
}

const keyCharacters = new Set('abcdefghijklmnopqrstuvwxyz0123456789_-*/@');

function isKey(key: string): boolean {
  if (key.length > longestKey) return false;
  const [first = ''] = key;
  if (!((first >= 'a' && first <= 'z') || (first >= '0' && first <= '9'))) return false;
  return key.split('@').length <= 2 && [...key].every((character) => keyCharacters.has(character));
}

/** Printable ASCII; commas part members, and an equals sign is none of a value. */
function isValue(value: string): boolean {
  if (value === '' || value.length > longestValue) return false;
  return [...value].every((character) => character >= ' ' && character <= '~' && character !== '=');
}
