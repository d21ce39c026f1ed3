import { createHmac } from 'node:crypto';
import { networkOf, originOf } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import { Recent } from '../../base/recent.js';
import type { EngineRequest, EngineResponse, FixedHead, Receiver, Taken } from '../engine/engine.js';
import type { Caller } from '../exchange.js';
import type { Access, Denial } from '../login/access.js';
import { BackOff } from '../login/back-off.js';
import { readBasic } from '../login/secrets.js';
import type { RequestHead } from '../request/head.js';
import type { Exchanges } from '../request/state-machine.js';
import type { FaceListener } from './protocol.js';

/** The calls of a root that a thread serves by itself. */
export interface CallsHere {
  /** Tells by the head of a POST whether its body may be served here. */
  mayTake(path: string, head: RequestHead): boolean;
  /** Tells whether a request is served here, given its whole body; else home has it. */
  takes(body: ArrayBuffer | Uint8Array, caller: Caller | undefined): boolean;
}

/** Credentials that are remembered of a listener; above it the ones that came the longest ago are forgotten. */
const capacity = 256;

/** Milliseconds after which home is asked again. */
const lifetime = 300_000;

interface Admission {
  readonly caller: Caller;
  /** Of the users, when they were as they are for this one. */
  readonly users: number;
  readonly until: number;
}

/** The name of credentials, which nobody outside of the process can make. */
export function digestOf(key: string, origin: string, authorization: string): string {
  return createHmac('sha256', key)
    .update(`${networkOf(origin) ?? origin}\0${authorization}`)
    .digest('base64');
}

/** Who is let in at a listener without asking home: everybody, or those whom home has let in. */
class Admissions implements Access {
  readonly needsLogin = true;
  readonly hasSessions = false;
  /** Of the request that is being served. */
  now: Caller | undefined;
  readonly #known = new Recent<Admission>(capacity);

  add(digest: string, admission: Admission): void {
    this.#known.set(digest, admission);
  }

  find(digest: string, users: number): Caller | undefined {
    const admission = this.#known.get(digest);
    if (admission === undefined) return undefined;
    if (admission.users === users && admission.until > performance.now()) return admission.caller;
    this.#known.delete(digest);
    return undefined;
  }

  certificateRefused(): void {}

  /** The face has looked. */
  excludes(): boolean {
    return false;
  }

  checkAddress(): Denial | undefined {
    return undefined;
  }

  check(): Caller | Denial {
    if (this.now === undefined) throw coded('ERR_STATE', new TypeError('nobody has been let in'));
    return this.now;
  }
}

/** Serves requests of a listener in the thread that they have come to. */
export class ListenerHere {
  readonly #calls: CallsHere;
  readonly #callers: NonNullable<FaceListener['callers']>;
  readonly #key: string;
  readonly #usersNow: () => number;
  readonly #isUnix: boolean;
  readonly #backOff: BackOff;
  readonly #admissions: Admissions | undefined;
  readonly #receiver: (response: EngineResponse) => Receiver;

  /**
   * @param key of {@link digestOf}
   * @param usersNow another number whenever other users may log in
   */
  constructor(
    exchanges: Exchanges,
    calls: CallsHere,
    listener: Pick<FaceListener, 'setting' | 'backOff'> & { readonly callers: NonNullable<FaceListener['callers']> },
    key: string,
    usersNow: () => number,
  ) {
    this.#calls = calls;
    this.#callers = listener.callers;
    this.#key = key;
    this.#usersNow = usersNow;
    this.#backOff = new BackOff(undefined, listener.backOff);
    this.#isUnix = listener.setting.kind === 'unix';
    this.#admissions = listener.callers === 'all' ? undefined : new Admissions();
    this.#receiver = exchanges.handlersFor({ setting: listener.setting, access: this.#admissions }).receiver;
  }

  /** Home has let somebody in. */
  admit(digest: string, caller: Caller, users: number): void {
    this.#admissions?.add(digest, { caller, users, until: performance.now() + lifetime });
  }

  mayTake(path: string, head: RequestHead): boolean {
    return this.#calls.mayTake(path, head);
  }

  /** Finds out who calls. @returns false where home has to, which refuses many before their body is there */
  finds(request: EngineRequest, response: EngineResponse, hasCookie: boolean): boolean {
    const admissions = this.#admissions;
    if (admissions === undefined) return true;
    const callers = this.#callers;
    if (typeof callers === 'object') admissions.now = callers;
    else {
      const authorization = request.getHeader('authorization');
      // Who has logged in by a page, or not at all, is up to home.
      if (authorization === '' || hasCookie) return false;
      const origin = originOf(this.#isUnix, this.#isUnix ? '' : response.remoteAddress);
      const known = admissions.find(digestOf(this.#key, origin, authorization), this.#usersNow());
      // A name that has to wait waits with the right password, too: a reply would tell that it is the right one.
      admissions.now = known?.method === 'basic' && this.#waits(authorization, origin) ? undefined : known;
    }
    return admissions.now !== undefined;
  }

  #waits(authorization: string, origin: string): boolean {
    if (this.#backOff.size === 0) return false;
    const credentials = readBasic(authorization);
    return credentials === undefined || this.#backOff.wait(networkOf(origin) ?? origin, credentials.name) > 0;
  }

  /** Makes what serves the requests of a response. */
  receiverOf(response: EngineResponse): Receiver {
    return this.#receiver(new ResponseHere(response));
  }

  /** Tells whether a request is served here, who is let in with it. */
  takes(
    request: EngineRequest,
    response: EngineResponse,
    hasCookie: boolean,
    body: ArrayBuffer | Uint8Array | undefined,
  ): boolean {
    if (!this.finds(request, response, hasCookie)) return false;
    return body === undefined || this.#calls.takes(body, this.#admissions?.now);
  }
}

/** A response whose request has come before it is given to what serves it: it is watched, and its body is there. */
class ResponseHere implements EngineResponse {
  readonly #response: EngineResponse;

  constructor(response: EngineResponse) {
    this.#response = response;
  }

  watch(): void {}

  awaitBody(): void {}

  /** It was asked. */
  isLastDue(): boolean {
    return false;
  }

  get remoteAddress(): string {
    return this.#response.remoteAddress;
  }

  get remotePort(): number {
    return this.#response.remotePort;
  }

  get certificate(): Uint8Array | undefined {
    return this.#response.certificate;
  }

  get tellsEveryReply(): boolean {
    return this.#response.tellsEveryReply;
  }

  get chunkSize(): number {
    return this.#response.chunkSize;
  }

  isTurnLong(): boolean {
    return this.#response.isTurnLong();
  }

  takesWhole(length: number, isClosing: boolean): boolean {
    return this.#response.takesWhole(length, isClosing);
  }

  get isCorked(): boolean {
    return this.#response.isCorked;
  }

  cork(write: () => void): void {
    this.#response.cork(write);
  }

  get mayClose(): boolean {
    return this.#response.mayClose;
  }

  later(run: () => void, cut: (error: unknown) => void): void {
    this.#response.later(run, cut);
  }

  writeStatus(line: string): void {
    this.#response.writeStatus(line);
  }

  writeHeader(name: string, value: string): void {
    this.#response.writeHeader(name, value);
  }

  writeFixedHead(head: FixedHead): void {
    this.#response.writeFixedHead(head);
  }

  end(body: string | Uint8Array, isClosing: boolean, isLastAsked: boolean): void {
    this.#response.end(body, isClosing, isLastAsked);
  }

  endHead(length: number | undefined, isClosing: boolean, isLastAsked: boolean): void {
    this.#response.endHead(length, isClosing, isLastAsked);
  }

  writeOf(total: number, offset: number, piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    return this.#response.writeOf(total, offset, piece, writeHead);
  }

  write(piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    return this.#response.write(piece, writeHead);
  }

  endBody(writeHead: (() => void) | undefined): void {
    this.#response.endBody(writeHead);
  }

  onWritable(writable: () => void): void {
    this.#response.onWritable(writable);
  }

  keepAlive(): void {
    this.#response.keepAlive();
  }

  holdReading(): void {
    this.#response.holdReading();
  }

  readOn(): void {
    this.#response.readOn();
  }

  close(): void {
    this.#response.close();
  }

  reuse(): void {
    this.#response.reuse();
  }
}
