import type { JsonObject, JsonValue } from '../../../base/json.js';
import { printJson } from '../../../mi/results/json.js';
import { type UpstreamCall, UpstreamFailure } from './transport.js';

/** Arrays and objects within each other that params may have: OpenSIPS reads them by recursion. */
const maxDepth = 32;

const nul = '\\u0000';

/** A request of JSON-RPC but for its id, written anew from its parts: whatever a client sent, OpenSIPS gets this form alone. */
export class Request {
  readonly #start: string;

  /** @throws UpstreamFailure for parts that OpenSIPS cannot read */
  constructor({ method, params }: UpstreamCall) {
    const name = printText('method', method);
    const values = printParams(params);
    this.#start = `{"jsonrpc":"2.0","method":${name}${values === '' ? '' : `,"params":${values}`},"id":`;
  }

  /** Bytes that it has at most, its id included. */
  get mostBytes(): number {
    return 3 * this.#start.length + 11;
  }

  /** @param id from 1 up to 2147483647: OpenSIPS squeezes others */
  text(id: number): string {
    return `${this.#start}${id}}`;
  }
}

/** Requests without params that are kept, and the most characters of their methods. */
const mostKept = 1024;
const longestKept = 128;

const kept = new Map<string, Request>();

/** The request of a call; one without params is printed once. @throws UpstreamFailure for parts that OpenSIPS cannot read */
export function requestOf(call: UpstreamCall): Request {
  const { method, params } = call;
  if (params !== undefined) return new Request(call);
  const known = kept.get(method);
  if (known !== undefined) return known;
  const request = new Request(call);
  if (kept.size < mostKept && method.length <= longestKept) kept.set(method, request);
  return request;
}

function printText(what: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw refused(`the ${what} is no text`);
  return checked(printJson(value) ?? '');
}

/** Params as compact JSON, '' for none. */
function printParams(params: readonly JsonValue[] | JsonObject | undefined): string {
  if (params === undefined) return '';
  if (typeof params !== 'object' || params === null) throw refused('params are neither an array nor an object');
  checkDepth(params, maxDepth);
  const text = printJson(params) ?? '';
  if (text === '[]' || text === '{}') return '';
  // What prints itself may print anything.
  if (!text.startsWith('[') && !text.startsWith('{')) throw refused('params are neither an array nor an object');
  return checked(text);
}

function checkDepth(value: object, left: number): void {
  if (left === 0) throw refused(`params are nested deeper than ${maxDepth} levels`);
  for (const item of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof item === 'object' && item !== null) checkDepth(item, left - 1);
  }
}

/** A text without the character that ends texts in OpenSIPS. */
function checked(json: string): string {
  for (let at = json.indexOf(nul); at >= 0; at = json.indexOf(nul, at + 1)) {
    let escapes = at;
    while (json[escapes - 1] === '\\') escapes -= 1;
    if ((at - escapes) % 2 === 0) throw refused('a text has the character U+0000, which ends texts in OpenSIPS');
  }
  return json;
}

function refused(reason: string): UpstreamFailure {
  return new UpstreamFailure('refused', reason, false);
}
