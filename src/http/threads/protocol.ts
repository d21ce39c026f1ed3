import type { LogCode } from '../../base/codes.js';
import type { SharedRows } from '../../base/rows.js';
import type { Caller } from '../exchange.js';
import type { ConnectionsMemory } from '../limits/connections.js';
import type { CounterSlot } from '../limits/counters.js';
import type { InheritedSocket } from '../listen/inherited.js';
import type { ListenSetting } from '../listen/setting.js';
import type { BackOffMemory } from '../login/back-off.js';
import type { CompressionSettings } from '../request/compression.js';
import type { TlsSetting } from '../tls/certificate.js';

/** Messages of a face to home: the first member of each says what it tells. */
export const Told = {
  /** A request has come. */
  head: 0,
  /** A piece of its body. */
  body: 1,
  /** One more than is served without a wait for replies. */
  tooMany: 2,
  /** The client has left. */
  gone: 3,
  /** Bytes of a streamed reply that have been taken. */
  taken: 4,
  /** A counter of HTTP changes. */
  count: 5,
  log: 6,
  certificateRefused: 7,
  listening: 8,
  failed: 9,
  drained: 10,
  /** What it has loaded has read its files again. */
  reloaded: 11,
  /** What the root tells that serves calls in the thread. */
  byRoot: 12,
} as const;

/** A piece of a body; a short one as a text of Latin-1 whose characters are the bytes, which is copied sooner. */
export type SentPiece = ArrayBuffer | string;

/** The number of an exchange is that of its face, and is used once. */
export type FromFace =
  | readonly [
      kind: typeof Told.head,
      exchange: number,
      listener: number,
      method: string,
      path: string,
      query: string | undefined,
      /** Name and value by turns, each on a line: one text is copied sooner than many. */
      fields: string,
      remoteAddress: string,
      isLast: boolean,
      certificate: Uint8Array | undefined,
      /** The whole body, where it has come with the head. */
      body: SentPiece | undefined,
    ]
  | readonly [kind: typeof Told.body, exchange: number, piece: SentPiece, isLast: boolean]
  | readonly [kind: typeof Told.tooMany, exchange: number, limit: number, length: number | undefined]
  | readonly [kind: typeof Told.gone, exchange: number]
  | readonly [kind: typeof Told.taken, exchange: number, bytes: number]
  | readonly [kind: typeof Told.count, slot: CounterSlot, amount: number]
  | readonly [kind: typeof Told.log, level: LogLevel, fields: SentFields, message: string]
  | readonly [kind: typeof Told.certificateRefused, listener: number, address: string, reason: string]
  | readonly [kind: typeof Told.listening, ports: readonly (number | undefined)[]]
  | readonly [kind: typeof Told.failed, error: SentError, code: string | undefined]
  | readonly [kind: typeof Told.drained]
  | readonly [kind: typeof Told.reloaded, isGood: boolean]
  | readonly [kind: typeof Told.byRoot, told: unknown];

/** Fields of a line; an error is sent as its text. */
export interface SentFields {
  /** Lines of modules of the user's own have none. */
  readonly code?: LogCode | undefined;
  readonly err?: SentError | undefined;
  readonly [name: string]: unknown;
}

export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Messages of home to a face. */
export const Asked = {
  /** A head that many replies have. */
  fixed: 0,
  /** A whole reply. */
  whole: 1,
  /** A reply without a body. */
  bare: 2,
  /** The head of a reply that is streamed. */
  begin: 3,
  /** A piece of its body. */
  piece: 4,
  /** The end of a body of unknown length. */
  end: 5,
  /** The connection is to be closed without another word. */
  cut: 6,
  listen: 7,
  stop: 8,
  drain: 9,
  reload: 10,
  close: 11,
  /** A reply comes later: it is not there when the handler has returned. */
  later: 12,
  /** Credentials have let somebody in. */
  admitted: 13,
  /** Calls that it runs are waited for no longer. */
  giveUp: 14,
  /** What it has loaded reads its files again. */
  reloadLoaded: 15,
} as const;

/** The number of a fixed head; or the status line, '' for 200, and name and value of each header. */
export type SentHead = number | readonly string[];

export type FromHome =
  | readonly [kind: typeof Asked.fixed, headers: readonly (readonly [name: string, value: string])[]]
  | readonly [
      kind: typeof Asked.whole,
      exchange: number,
      head: SentHead,
      body: string | Uint8Array,
      isClosing: boolean,
      isLastAsked: boolean,
    ]
  | readonly [
      kind: typeof Asked.bare,
      exchange: number,
      head: SentHead,
      length: number | undefined,
      isClosing: boolean,
      isLastAsked: boolean,
    ]
  | readonly [kind: typeof Asked.begin, exchange: number, head: SentHead, total: number | undefined, closes: boolean]
  | readonly [kind: typeof Asked.piece, exchange: number, piece: Uint8Array]
  | readonly [kind: typeof Asked.end, exchange: number]
  | readonly [kind: typeof Asked.cut, exchange: number]
  | readonly [kind: typeof Asked.later, exchange: number]
  /** The name of credentials, and a number that is another one when other users may log in. */
  | readonly [kind: typeof Asked.admitted, listener: number, digest: string, caller: Caller, users: number]
  /** The ports that other faces have: of a listener that has none yet it is 0. */
  | readonly [kind: typeof Asked.listen, ports: readonly number[]]
  | readonly [kind: typeof Asked.stop]
  /** Until nothing is left to reply, or no connection is open. */
  | readonly [kind: typeof Asked.drain, deadline: number, untilEmpty: boolean]
  | readonly [kind: typeof Asked.reload, listener: number, what: ReloadedFiles]
  | readonly [kind: typeof Asked.giveUp, reason: string]
  | readonly [kind: typeof Asked.reloadLoaded]
  | readonly [kind: typeof Asked.close];

/** Files that a listener reads again: one may be good while the others are not. */
export type ReloadedFiles = 'certificate' | 'trust';

/** A listener, as a face is told of it. */
export interface FaceListener {
  readonly setting: ListenSetting;
  readonly tls: TlsSetting | undefined;
  readonly engine: 'uws' | 'node';
  /** Addresses that are let in, as {@link AddressList} reads them; undefined: all. */
  readonly allowed: string | undefined;
  readonly inherited: readonly InheritedSocket[] | undefined;
  /** True where every face listens; else the first one alone. */
  readonly isShared: boolean;
  /** Who calls by it: everybody alike, or who has credentials; undefined: that is up to home in each case. */
  readonly callers: 'all' | 'remembered' | Caller | undefined;
  /** Of the names that wait, where callers are remembered. */
  readonly backOff: BackOffMemory | undefined;
}

/** The calls that a face serves by itself, and what it needs for that. */
export interface SettingsHere {
  /** As the root has it that serves them. */
  readonly calls: unknown;
  /** True if the thread loads modules of the user's own. */
  readonly loadsModules: boolean;
  /** Rows of {@link Counter counters}, and where in them they begin. */
  readonly counters: SharedRows;
  readonly firstCounter: number;
  readonly maxBody: number;
  readonly postBufSize: number;
  readonly maxReply: number;
  readonly compression: CompressionSettings | undefined;
  /** Of the names of credentials. */
  readonly key: string;
}

/** All that a face is made of. */
export interface FaceSettings {
  /** From 0. */
  readonly index: number;
  readonly listeners: readonly FaceListener[];
  /** Paths whose POST requests are most. */
  readonly posts: readonly string[];
  readonly limits: {
    readonly connections: number;
    readonly unix: number;
    /** Of one network; 0: as {@link Connections} has it. */
    readonly share: number;
    /** Bytes of bodies that home has not taken. */
    readonly bodies: number;
  };
  /** Those of all threads. */
  readonly connections: ConnectionsMemory;
  /** Milliseconds. */
  readonly clientPatience: number;
  readonly replyPatience: number;
  /** Seconds. */
  readonly stayEncrypted: number;
  /** Words of 32 bits that all threads share. */
  readonly shared: SharedArrayBuffer;
  /** Undefined: home serves all. */
  readonly here: SettingsHere | undefined;
}

/** Words that each face shares with home: a line of the cache, so that none waits for another. */
const wordsOfFace = 16;

export function sharedWords(faces: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(faces * wordsOfFace * Int32Array.BYTES_PER_ELEMENT));
}

/** Bytes of bodies that home has not taken. */
export function bodiesWord(index: number): number {
  return index * wordsOfFace;
}

/** Requests that home has not taken. */
export function requestsWord(index: number): number {
  return index * wordsOfFace + 3;
}

/** How often a face has read certificates again. */
export function reloadsWord(index: number): number {
  return index * wordsOfFace + 1;
}

/** 1 once a face takes no new connections. */
export function stoppedWord(index: number): number {
  return index * wordsOfFace + 4;
}

/** 1 once a face has closed all that it had open. */
export function closedWord(index: number): number {
  return index * wordsOfFace + 2;
}

/** Another number whenever other users may log in. */
export const usersWord = 5;

/** Most threads that serve. */
export const mostThreads = 64;
