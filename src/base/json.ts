/** A value that JSON can carry; integers beyond 2^53 travel as `bigint` and are printed exactly. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;

/** A JSON object. A member that is `undefined` is left out, as `JSON.stringify` does. */
export interface JsonObject {
  readonly [member: string]: JsonValue | undefined;
}

/** True for a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As `JSON.stringify`, with U+FFFD for half of a surrogate pair, which it would escape. */
export function stringify(value: unknown): string {
  return finishedJson(JSON.stringify(value) ?? 'null');
}

/** Puts U+FFFD where `JSON.stringify` has escaped half of a surrogate pair: whole ones it does not escape. */
export function finishedJson(json: string): string {
  return json.includes('\\ud') ? json.replace(/\\(?:u(d[89a-f][0-9a-f]{2})|.)/gs, replaceHalf) : json;
}

function replaceHalf(escaped: string, halfPair: string | undefined): string {
  return halfPair === undefined ? escaped : '\ufffd';
}

/** True for a JSON text that escapes half of a surrogate pair. */
export function escapesHalfPair(json: string): boolean {
  if (!/\\u[dD][89a-fA-F]/.test(json)) return false;
  const halves = json.replace(/\\[^u]/g, '').replace(/\\u[dD][89abAB].{2}\\u[dD][c-fC-F].{2}/gs, '');
  return /\\u[dD][89a-fA-F]/.test(halves);
}
