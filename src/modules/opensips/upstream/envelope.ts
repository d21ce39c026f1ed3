import { isAscii } from 'node:buffer';
import type { JsonValue } from '../../../base/json.js';
import { isObject } from '../../../base/json.js';
import { codes, MiAnswer, type MiError } from '../../../mi/errors.js';

/** What a whole reply says. */
export type Reply =
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'error'; readonly error: MiError }
  | { readonly kind: 'broken'; readonly reason: string };

/** The reason of a failure whose result would be read as something else. */
export const notJson = 'what came has a result that is no JSON';

/** What is around the results of a transport. */
export interface Envelope {
  /** Where the value begins, by the first bytes; undefined: it is no reply. */
  start(text: string): ReplyStart | undefined;
  /** Where a result ends, by the last bytes; a text: why there is no sound end. */
  end(text: string): number | string;
  /** Reads a whole reply. */
  read(text: string): Reply;
  /** Why a reply is none. */
  readonly misfit: string;
}

const noReply = 'what came is no reply of JSON-RPC';

/** JSON-RPC of a request. @param sent the id that it was sent with */
export function jsonRpc(sent: number): Envelope {
  return {
    misfit: noReply,
    start: startOf,
    end: (text) => {
      const { id, at } = endOf(text);
      return id === sent ? at : brokenReason(text);
    },
    read: (text) => readReply(text, sent),
  };
}

/** In front of a result, as OpenSIPS prints it without `pretty_printing`. */
const resultStart = '{"jsonrpc":"2.0","result":';
const errorStart = '{"jsonrpc":"2.0","error":';

/** What mi_fifo writes where a string is longer than its buffer, in the middle of the reply. */
const printFailure = 'failed to print response';
const buildFailure = 'failed to build response';

/** Text of a reply; what is no UTF-8, as SIP data may be, becomes U+FFFD. */
export function decode(bytes: Buffer): string {
  return isAscii(bytes) ? bytes.toString('latin1') : bytes.toString('utf8');
}

/**
 * Reads a whole reply. Nothing is parsed but an error: what is between the start and the id is the result.
 *
 * @param id what the request was sent with
 * @param end where it was found to end
 */
export function readReply(text: string, id: number, end: ReplyEnd = endOf(text)): Reply {
  const { id: found, at } = end;
  if (found !== id) return { kind: 'broken', reason: brokenReason(text) };
  if (text.startsWith(resultStart)) return resultOf(text.slice(resultStart.length, at));
  if (text.startsWith(errorStart)) return errorOf(text.slice(errorStart.length, at));
  const start = startOf(text);
  if (start === undefined) return { kind: 'broken', reason: noReply };
  const value = text.slice(start.at, at);
  return start.isResult ? resultOf(value) : errorOf(value);
}

function resultOf(text: string): Reply {
  return text === '' ? { kind: 'broken', reason: 'what came has no result' } : { kind: 'result', text };
}

function errorOf(text: string): Reply {
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(text) as JsonValue;
  } catch {
    return { kind: 'broken', reason: 'what came has an error that is no JSON' };
  }
  if (!isObject(parsed)) return { kind: 'broken', reason: 'what came has an error that is no object' };
  const { code, message, data } = parsed;
  const number = typeof code === 'number' && Number.isInteger(code) ? code : codes.serverError;
  return { kind: 'error', error: new MiAnswer(number, typeof message === 'string' ? message : undefined, data) };
}

/** Why a text that does not end in its id is none. */
function brokenReason(text: string): string {
  if (text.endsWith(printFailure)) {
    return 'OpenSIPS failed to print the reply: a text in it is longer than its FIFO can take, about 4090 bytes; HTTP and datagrams take it';
  }
  if (text.endsWith(buildFailure)) return 'OpenSIPS failed to build the reply';
  return text === '' ? 'OpenSIPS closed without a reply' : 'the reply has no sound end';
}

/** Where a result or an error begins. */
interface ReplyStart {
  readonly isResult: boolean;
  readonly at: number;
}

/** @returns undefined where neither begins within these bytes */
function startOf(text: string): ReplyStart | undefined {
  let at = 0;
  for (const token of ['{', '"jsonrpc"', ':', '"2.0"', ',']) {
    at = skipBlanks(text, at);
    if (!text.startsWith(token, at)) return undefined;
    at += token.length;
  }
  at = skipBlanks(text, at);
  const isResult = text.startsWith('"result"', at);
  if (!isResult && !text.startsWith('"error"', at)) return undefined;
  at = skipBlanks(text, at + (isResult ? '"result"'.length : '"error"'.length));
  if (text[at] !== ':') return undefined;
  return { isResult, at: skipBlanks(text, at + 1) };
}

/** The id at the end of a text, and where the value in front of it ends. */
export interface ReplyEnd {
  readonly id: number;
  readonly at: number;
}

/** @returns id 0 without one */
export function endOf(text: string): ReplyEnd {
  let at = skipBack(text, text.length);
  if (text[at - 1] !== '}') return noEnd;
  at = skipBack(text, at - 1);
  const behind = at;
  while (isDigit(text.charCodeAt(at - 1))) at -= 1;
  const id = Number(text.slice(at, behind));
  at = skipBack(text, at);
  if (text[at - 1] !== ':') return noEnd;
  at = skipBack(text, at - 1);
  if (!text.endsWith('"id"', at)) return noEnd;
  at = skipBack(text, at - '"id"'.length);
  if (text[at - 1] !== ',') return noEnd;
  return { id, at: skipBack(text, at - 1) };
}

const noEnd = { id: 0, at: 0 };

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (isBlank(text.charCodeAt(at))) at += 1;
  return at;
}

function skipBack(text: string, from: number): number {
  let at = from;
  while (isBlank(text.charCodeAt(at - 1))) at -= 1;
  return at;
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
