import { isUtf8 } from 'node:buffer';
import { isObject, type JsonObject, type JsonValue, stringify } from '../../base/json.js';
import { isLevel, type Level } from '../../mi/commands/command.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { jsonChecker } from '../../native/addon.js';
import { isFleetName, isMemberName } from './names.js';

// Every byte here comes by a network that others write to, too: it is held to its form before anything is done with it.

/** The form of messages. Those of another one are passed over. */
const format = 1;

/** Bytes of a presence, of the head of an answer, and of a question. */
const longestPresence = 16384;
const longestHead = 65536;
export const longestQuestion = 262144;

/** UTF-16 units of texts that people read. */
const longestText = 256;

/** Tags, nodes of OpenSIPS, and parts that are not ready, which one member tells of. */
const most = 32;

/** An OpenSIPS behind a member. */
interface ToldNode {
  readonly name: string;
  readonly version: string;
  readonly up: boolean;
}

/** What a member tells of itself, again and again. */
export interface Presence {
  readonly name: string;
  /** Another one after each start. */
  readonly instance: string;
  /** Counts up, so that an older one is not taken for news. */
  readonly number: number;
  readonly version: string;
  readonly tags: readonly string[];
  /** Stands for the commands that it has: two members with one digest have the same. */
  readonly digest: string;
  /** Where it is reached by HTTP, for dumps. */
  readonly url: string | undefined;
  readonly ready: boolean;
  /** Parts that are not. */
  readonly unready: readonly string[];
  readonly opensips: readonly ToldNode[];
  /** True: it stops. */
  readonly leaving: boolean;
}

/** A call of the fleet, as members get it. */
export interface Question {
  readonly kind: 'call';
  readonly fleet: string;
  /** Another one for each question and member: none is run twice. */
  readonly id: string;
  /** The user who asks, and the member that he asks by. */
  readonly user: string;
  readonly at: string;
  readonly level: Level;
  readonly command: string;
  readonly params: CallParameters;
  /** Milliseconds that the answer is waited for. */
  readonly timeout: number;
}

/** Asks for the next piece of a dump. */
interface PieceQuestion {
  readonly kind: 'piece';
  readonly fleet: string;
  readonly token: string;
}

/** Asks a member that is reached by HTTP what it tells of itself. */
interface PresenceQuestion {
  readonly kind: 'presence';
  readonly fleet: string;
}

export type AnyQuestion = Question | PieceQuestion | PresenceQuestion;

/** An error as a member tells it. */
export interface ToldError {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonValue;
}

/** The answer of a member. */
export interface Answer {
  readonly node: string;
  /** False where the command may have changed something; undefined where there is no such command. */
  readonly readOnly: boolean | undefined;
  readonly outcome: /** JSON as its command printed it, which nobody decodes on its way. */
    | { readonly kind: 'result'; readonly bytes: Uint8Array }
    | { readonly kind: 'error'; readonly error: ToldError }
    /** The result is long, and to be fetched by this token, once. */
    | { readonly kind: 'dump'; readonly token: string };
}

export function presenceBytes(presence: Presence): Buffer {
  return Buffer.from(stringify({ v: format, ...presence }));
}

export function questionBytes(question: AnyQuestion): Buffer {
  return Buffer.from(stringify({ v: format, ...question }));
}

/** The same question to several members, each with an id of its own: what they share is printed once. @param id what all begin with */
export function questionTo(id: string, question: Omit<Question, 'id'>): (number: number) => Buffer {
  const rest = stringify({ v: format, ...question }).slice(1);
  return (number) => Buffer.from(`{"id":"${id}-${number}",${rest}`);
}

/** Two lines of JSON: what the answer is, and the result as its command printed it, which is read by nobody on its way. */
export function answerBytes({ node, readOnly, outcome }: Answer): Buffer {
  const { kind } = outcome;
  const head = {
    v: format,
    node,
    readOnly,
    kind,
    ...(kind === 'error' ? { error: outcome.error } : {}),
    ...(kind === 'dump' ? { token: outcome.token } : {}),
  };
  const line = Buffer.from(`${stringify(head)}\n`);
  return kind === 'result' ? Buffer.concat([line, outcome.bytes]) : line;
}

/** @returns undefined for what is no presence */
export function readPresence(bytes: Uint8Array): Presence | undefined {
  const told = readObject(bytes, longestPresence);
  if (told === undefined) return undefined;
  const { name, instance, number, version, tags, digest, url, ready, unready, opensips, leaving } = told;
  if (!isName(name) || !isToken(instance) || !isShort(version) || !isShort(digest)) return undefined;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) return undefined;
  if (typeof ready !== 'boolean' || typeof leaving !== 'boolean') return undefined;
  if (url !== undefined && !(isShort(url) && isOrigin(url))) return undefined;
  if (!isList(tags, isName) || !isList(unready, isShort) || !isList(opensips, isNode)) return undefined;
  return { name, instance, number, version, tags, digest, url, ready, unready, opensips, leaving };
}

/** @returns undefined for what is no question */
export function readQuestion(bytes: Uint8Array): AnyQuestion | undefined {
  const told = readObject(bytes, longestQuestion);
  if (told === undefined) return undefined;
  const { kind, fleet, id, user, at, level, command, params, timeout, token } = told;
  if (typeof fleet !== 'string' || !isFleetName(fleet)) return undefined;
  if (kind === 'presence') return { kind, fleet };
  if (kind === 'piece') return isToken(token) ? { kind, fleet, token } : undefined;
  if (kind !== 'call' || !isToken(id) || !isShort(user) || !isName(at) || !isShort(command)) return undefined;
  if (typeof level !== 'string' || !isLevel(level)) return undefined;
  if (typeof timeout !== 'number' || !(timeout >= 1 && timeout <= 86_400_000)) return undefined;
  if (params !== undefined && (typeof params !== 'object' || params === null)) return undefined;
  return { kind, fleet, id, user, at, level, command, params: params as CallParameters, timeout };
}

/** The head that nearly every answer has, which is read in less time than any JSON. */
const usualHead = /^\{"v":1,"node":"([A-Za-z0-9_.-]{1,64})","readOnly":(true|false),"kind":"result"\}$/;
const longestUsualHead = 160;

/** @returns undefined for what is no answer; the bytes of a result are those that were given */
export function readAnswer(given: Uint8Array): Answer | undefined {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.length);
  const end = bytes.indexOf(0x0a);
  if (end === -1) return undefined;
  const usual = end > longestUsualHead ? null : usualHead.exec(bytes.toString('latin1', 0, end));
  if (usual !== null) {
    const [, node, readOnly] = usual;
    const result = bytes.subarray(end + 1);
    if (!isName(node) || !isJson(result)) return undefined;
    return { node, readOnly: readOnly === 'true', outcome: { kind: 'result', bytes: result } };
  }
  const told = readHead(bytes.subarray(0, end));
  if (told === undefined) return undefined;
  const { node, readOnly, kind, error, token } = told;
  if (!isName(node) || (readOnly !== undefined && typeof readOnly !== 'boolean')) return undefined;
  if (kind === 'dump') return isToken(token) ? { node, readOnly, outcome: { kind, token } } : undefined;
  if (kind === 'error') return isError(error) ? { node, readOnly, outcome: { kind, error } } : undefined;
  const result = bytes.subarray(end + 1);
  return kind === 'result' && isJson(result) ? { node, readOnly, outcome: { kind, bytes: result } } : undefined;
}

/** One for all messages, which come whole: a new one for each would cost more than the check. */
let checker: ReturnType<typeof jsonChecker> | undefined;

/** True for JSON that is nested no deeper than requests may be. */
function isJson(bytes: Uint8Array): boolean {
  if (!isUtf8(bytes)) return false;
  checker ??= jsonChecker();
  const fault = checker.push(bytes);
  return checker.end() === '' && fault === '';
}

/** The head of an answer, of which members are looked at one by one: it needs no look at its depth. */
function readHead(bytes: Uint8Array): JsonObject | undefined {
  if (bytes.length > longestHead || !isUtf8(bytes)) return undefined;
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) && value.v === format ? value : undefined;
  } catch {
    return undefined;
  }
}

function readObject(bytes: Uint8Array, longest: number): JsonObject | undefined {
  if (bytes.length > longest || !isJson(bytes)) return undefined;
  const value: JsonValue = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  return isObject(value) && value.v === format ? value : undefined;
}

/** A URL without a path: a member says where it is, and not what is asked for there. */
function isOrigin(url: string): boolean {
  return (url.startsWith('http://') || url.startsWith('https://')) && URL.canParse(url) && new URL(url).origin === url;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && isMemberName(value);
}

/** A text of one line, that nobody takes for more than one. */
function isShort(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longestText && !/\p{Cc}/u.test(value);
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value);
}

function isList<T>(value: unknown, is: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.length <= most && value.every((one) => is(one));
}

function isNode(value: unknown): value is ToldNode {
  if (typeof value !== 'object' || value === null) return false;
  const { name, version, up } = value as Partial<Record<keyof ToldNode, unknown>>;
  return isShort(name) && isShort(version) && typeof up === 'boolean';
}

function isError(value: unknown): value is ToldError {
  if (typeof value !== 'object' || value === null) return false;
  const { code, message } = value as Partial<Record<keyof ToldError, unknown>>;
  return Number.isSafeInteger(code) && typeof message === 'string' && message.length <= 1024;
}
