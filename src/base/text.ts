/** Texts of clients and of those who embed: what of them may be repeated, so that everybody can decode it. */

const utf8 = strictDecoder();

/** A decoder of UTF-8 that fails for anything else, and leaves a byte order mark in the text. */
export function strictDecoder() {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
}

/** @throws TypeError when the bytes are not UTF-8 */
export function decodeStrictly(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

const half = /\p{Surrogate}/u;

/** True for a text with half of a surrogate pair: UTF-8 has no form for it, and strict JSON decoders reject it. */
export function hasHalfPair(text: string): boolean {
  return half.test(text);
}

/**
 * The beginning of a text, of at most so many UTF-16 units. No character is cut in two.
 *
 * @param mark put behind what was cut
 */
export function shorten(text: string, units: number, mark = ''): string {
  if (text.length <= units) return text;
  const last = text.charCodeAt(units - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? units - 1 : units) + mark;
}

/** The message of an error; anything else that was thrown, as text. Never throws, even for objects that have no text. */
export function reasonOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return 'what was thrown cannot be shown';
  }
}

/** UTF-16 units of a detail that a line of the log repeats. */
const longestDetail = 1024;

/** What an error tells beside its message, as `data`, to be put behind a sentence about it; '' for nothing. */
export function detailOf(error: unknown): string {
  const data = error instanceof Error && 'data' in error ? error.data : undefined;
  return typeof data === 'string' && data !== '' ? `: ${shorten(data, longestDetail, '…')}` : '';
}

/** The first sentence of a message: its remedies and lists are for longer reports. */
export function firstSentenceOf(message: string): string {
  return message.split(/\. |\n/, 1)[0] ?? '';
}
