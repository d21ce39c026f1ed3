import { coded } from '../../base/codes.js';
import { reasonOf } from '../../base/text.js';
import { Connection, targetOf } from '../../client/connection.js';
import type { Exchange } from '../../http/exchange.js';
import type { HttpServer } from '../../http/server.js';
import { isLevel } from '../../mi/commands/command.js';
import { longestQuestion, questionBytes } from './messages.js';
import { isMemberName } from './names.js';
import type { Answering, Asking, Incoming, Surroundings, Transport } from './transport.js';

/** A member that is reached by HTTP. */
export interface PeerSetting {
  /** As it is configured; undefined: as it tells. */
  readonly name: string | undefined;
  readonly url: string;
}

/** Settings of the way by HTTP. */
export interface HttpSettings {
  readonly httpd: HttpServer;
  readonly root: string;
  readonly fleet: string;
  readonly peers: readonly PeerSetting[];
  /** Value of the header Authorization; undefined: no login. */
  readonly authorization: (() => string | undefined) | undefined;
  readonly ca: (() => string | undefined) | undefined;
  readonly presenceInterval: number;
  readonly longestAnswer: number;
}

interface Peer {
  readonly setting: PeerSetting;
  readonly connection: Connection;
  name: string | undefined;
  /** Why it has told nothing lately. */
  problem: string | undefined;
  isAsked: boolean;
}

/** Connections to one member: more calls at once wait for one of them. */
const connections = 8;

/** The status of a question that came before. */
const repeated = 409;

/** Seconds that a member has to tell of itself. */
const patience = 5;

/** @throws Error for what is no member */
export function peerSetting(line: string): PeerSetting {
  const words = line.split(' ').filter((word) => word !== '');
  const [name, url] = words.length === 1 ? [undefined, words[0]] : words;
  const target = url === undefined || words.length > 2 ? undefined : targetOf(url);
  if (target === undefined)
    throw coded('ERR_PARAMETER', new Error('give NAME URL or URL, as sip-01 http://192.0.2.1:8888/fleet'));
  if (target.hasLogin) throw coded('ERR_PARAMETER', new Error('the URL has a login; give login_file in place of it'));
  if (name !== undefined && !isMemberName(name))
    throw coded('ERR_PARAMETER', new Error(`"${name}" is no name of a member; give letters, digits, "_", "-" and "."`));
  return { name, url: target.url };
}

/** The way by HTTP: members are those of a list, and are asked each by itself. It needs no broker. */
export class HttpTransport implements Transport {
  readonly #settings: HttpSettings;
  readonly #around: Surroundings;
  readonly #peers: readonly Peer[];
  #answer: Answering | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #ended = new AbortController();

  /** Begins to ask who is there. */
  constructor(settings: HttpSettings, around: Surroundings) {
    this.#settings = settings;
    this.#around = around;
    const { peers, authorization, ca } = settings;
    const given = ca?.();
    this.#peers = peers.map((setting) => ({
      setting,
      connection: connectionTo(setting.url, {
        most: connections,
        authorization: authorization?.(),
        tls: given === undefined ? {} : { ca: given },
      }),
      name: setting.name,
      problem: 'it has told nothing of itself yet',
      isAsked: false,
    }));
    if (peers.length === 0) return;
    this.#timer = setInterval(() => this.#look(), settings.presenceInterval);
    this.#look();
  }

  /** Members ask for it: see {@link serve}. */
  announce(): void {}

  serve(answer: Answering): void {
    this.#answer = answer;
  }

  gather({ questions, timeout, asked }: Asking): () => void {
    const ended = new AbortController();
    for (const [name, bytes] of questions) {
      const peer = this.#peers.find((one) => (one.name ?? hostOf(one.setting.url)) === name);
      if (peer === undefined) {
        asked.missing(name, 'no URL of it is known', false);
        continue;
      }
      void this.#ask(peer, bytes, timeout / 1000, ended.signal).then(
        (answer) => {
          if (!ended.signal.aborted) asked.answered(name, answer);
        },
        (error: unknown) => {
          if (!ended.signal.aborted) asked.missing(name, reasonOf(error), !isUnsent(error));
        },
      );
    }
    return () => ended.abort();
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    this.#ended.abort();
    for (const { connection } of this.#peers) connection.close();
    return Promise.resolve();
  }

  /** The members of the list that have told nothing lately, and why. */
  get silent(): readonly { readonly name: string; readonly reason: string }[] {
    return this.#peers.flatMap(({ name, setting, problem }) =>
      problem === undefined ? [] : [{ name: name ?? hostOf(setting.url), reason: problem }],
    );
  }

  /** Where long results of a member are fetched; undefined where it is not known. */
  baseOf(name: string): string | undefined {
    const url = this.#peers.find((peer) => peer.name === name)?.setting.url;
    const end = url?.lastIndexOf('/') ?? -1;
    return end > 'https://'.length ? url?.slice(0, end) : undefined;
  }

  /** Answers a request of the root of the fleet. */
  handle(exchange: Exchange): void {
    const answer = this.#answer;
    if (exchange.hasOrigin || answer === undefined || exchange.body.length > longestQuestion) {
      if (exchange.hasOrigin) exchange.refuse(403, 'no page of a browser asks a fleet');
      else if (answer === undefined) exchange.refuse(404, 'this server is no member of a fleet');
      else exchange.refuse(413, 'the question is too long');
      return;
    }
    const grant = exchange.caller?.grant ?? 'admin';
    const incoming: Incoming = {
      bytes: exchange.body,
      level: isLevel(grant) ? grant : undefined,
      origin: exchange.origin,
      login: exchange.caller?.name,
      room: this.#settings.longestAnswer,
    };
    answer(incoming).then(
      (bytes) => {
        if (exchange.finished) return;
        if (bytes === 'repeated') exchange.refuse(repeated, 'this question was asked before, and is answered there');
        else if (bytes === undefined) exchange.refuse(400, 'this is no question of this fleet');
        else exchange.reply(200, bytes, { 'Cache-Control': 'no-store' });
      },
      (error: unknown) => {
        if (!exchange.finished) exchange.refuse(500, reasonOf(error));
      },
    );
  }

  /** Asks each member of the list that is not being asked already what it tells of itself. */
  #look(): void {
    const question = questionBytes({ kind: 'presence', fleet: this.#settings.fleet });
    for (const peer of this.#peers) {
      if (peer.isAsked) continue;
      peer.isAsked = true;
      void this.#ask(peer, question, patience, this.#ended.signal)
        .then(
          (bytes) => {
            const told = this.#around.heard(bytes, peer.setting.name);
            if (told !== undefined) peer.name = told;
            peer.problem = told === undefined ? 'what it tells of itself is no presence of its name' : undefined;
          },
          (error: unknown) => {
            peer.problem = reasonOf(error);
          },
        )
        .finally(() => {
          peer.isAsked = false;
        });
    }
  }

  /** @throws Error telling why there is no answer */
  async #ask({ connection }: Peer, bytes: Uint8Array, timeout: number, signal: AbortSignal): Promise<Uint8Array> {
    const answer = await connection.post(Buffer.from(bytes).toString('utf8'), { signal, timeout, mayRepeat: false });
    const text = await answer.bytes(this.#settings.longestAnswer);
    if (answer.status === 200) return text;
    const reason = answer.status === 401 ? 'the login is refused, see login_file' : text.subarray(0, 200).toString();
    const told = `HTTP ${answer.status}: ${reason.replace(/\p{Cc}/gu, ' ')}`;
    // Somebody on the way has sent it twice: the first one may have been run.
    if (answer.status < 500 && answer.status !== repeated) throw coded('ERR_CALL', new RefusedQuestion(told));
    throw coded('ERR_CALL', new Error(told));
  }
}

/** @throws TypeError for what {@link targetOf} does not take */
export function connectionTo(url: string, settings: ConstructorParameters<typeof Connection>[1]): Connection {
  const target = targetOf(url);
  if (target === undefined) throw coded('ERR_ARGUMENT', new TypeError(`${url} is no URL of HTTP`));
  return new Connection(target, settings);
}

/** How a member is called that has not told its name yet. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host.replace(/[^A-Za-z0-9_.-]/g, '_') : 'local';
}

/** The member has not looked at the question. */
class RefusedQuestion extends Error {}

/** True where the connection was not made, or the question was refused, so that nothing was run. */
function isUnsent(error: unknown): boolean {
  if (error instanceof RefusedQuestion) return true;
  const { cause } = error as { readonly cause?: { readonly code?: unknown; readonly syscall?: unknown } };
  return cause?.syscall === 'connect' || cause?.code === 'ENOTFOUND';
}
