import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { shorten } from '../../base/text.js';
import type { Account } from './accounts.js';

/** Sessions that are open at once; above it the one that was used the longest ago ends. */
const mostSessions = 1024;

/** Those of one account: nobody drives out the sessions of others by logging in. */
const mostOfAccount = 32;

/** UTF-16 units of what a browser calls itself. */
const longestAgent = 120;

/** Timers take a signed 32-bit number of milliseconds. */
const longestTimer = 2 ** 31 - 1;

/** Why a session has ended. */
export type SessionEnd = 'logout' | 'ended' | 'idle' | 'expired' | 'replaced' | 'too many' | 'users changed' | 'stop';

/** A login that has been verified. */
export interface Login {
  readonly account: Account;
  /** True where a token was shown in place of a password. */
  readonly isOfToken: boolean;
  /** Stands for the account, its grant and its secret: see `Accounts.stampOf`. */
  readonly stamp: string;
}

/** Where a session begins. */
export interface SessionPlace {
  readonly origin: string;
  readonly listener: string;
  /** What the browser calls itself. */
  readonly agent: string;
  /** The name of its cookie, which has the port of the listener: see {@link cookieName}. */
  readonly cookieName: string;
  /** True where the browser came by TLS. */
  readonly isSecure: boolean;
}

/** A login that a browser has shown once, and that a cookie stands for since. */
export interface Session extends Login, SessionPlace {
  /** Its name in listings, which lets nobody in. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly beganAt: number;
}

interface Held extends Session {
  readonly digest: Buffer;
  readonly key: string;
  /** By the clock of the store. */
  readonly until: number;
  usedAt: number;
}

/** A cookie that may be one of a session. */
export interface SentCookie {
  readonly name: string;
  readonly value: string;
}

/** A session as it is listed. */
export interface ListedSession extends Session {
  /** Seconds since a request of it came last. */
  readonly idleFor: number;
  /** Seconds until it ends, however much it is used. */
  readonly leftFor: number;
}

/** Settings of {@link Sessions}. */
export interface SessionOptions {
  /** Milliseconds without a request after which a session ends. */
  readonly idle: number;
  /** Milliseconds after which it ends in any case. */
  readonly lifetime: number;
  /** True while a reply that does not end is read in a session: then it is in use. */
  readonly isInUse: (id: string) => boolean;
  /** Told of the end of each session. */
  readonly ended: (session: Session, reason: SessionEnd) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/**
 * The sessions of browsers. A cookie has 256 random bits; of these a digest is kept alone, under a key that only this process
 * has, so that nothing here lets anybody in.
 */
export class Sessions {
  readonly #key = randomBytes(32);
  readonly #options: SessionOptions;
  readonly #now: () => number;
  /** By the digest of their cookies, those that were used the longest ago first. */
  readonly #held = new Map<string, Held>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get size(): number {
    return this.#held.size;
  }

  /** Begins a session. Its cookie is new, whatever a request has brought. */
  open(
    { account, isOfToken, stamp }: Login,
    place: SessionPlace,
  ): { readonly session: Session; readonly cookie: string } {
    const now = this.#now();
    this.#sweep(now);
    const own = [...this.#held.values()].filter(
      (one) => one.account.name === account.name && one.isOfToken === isOfToken,
    );
    const [oldest] = own.length >= mostOfAccount ? own : this.#held.size >= mostSessions ? this.#held.values() : [];
    if (oldest !== undefined) this.#end(oldest, 'too many');
    const cookie = randomBytes(32).toString('base64url');
    const digest = this.#digest(place.cookieName, cookie);
    const held: Held = {
      account,
      isOfToken,
      stamp,
      origin: place.origin,
      listener: place.listener,
      agent: shorten(place.agent, longestAgent),
      cookieName: place.cookieName,
      isSecure: place.isSecure,
      id: randomBytes(9).toString('base64url'),
      beganAt: Date.now(),
      digest,
      key: digest.toString('base64'),
      until: now + this.#options.lifetime,
      usedAt: now,
    };
    this.#held.set(held.key, held);
    this.#wait(now);
    return { session: held, cookie };
  }

  /**
   * The session of a cookie, which is used by that. It counts under the name that it was given alone: at another port, or without
   * TLS, it is none.
   */
  find({ name, value }: SentCookie): Session | undefined {
    const digest = this.#digest(name, value);
    const held = this.#held.get(digest.toString('base64'));
    if (held === undefined || !timingSafeEqual(held.digest, digest)) return undefined;
    const now = this.#now();
    const reason = this.#overdue(held, now);
    if (reason !== undefined) {
      this.#end(held, reason);
      return undefined;
    }
    held.usedAt = now;
    this.#held.delete(held.key);
    this.#held.set(held.key, held);
    return held;
  }

  /** Ends the sessions that fit, and counts them. */
  end(fits: (session: Session) => boolean, reason: SessionEnd): number {
    const found = [...this.#held.values()].filter(fits);
    for (const one of found) this.#end(one, reason);
    return found.length;
  }

  /** The one that was used last first. */
  get all(): readonly ListedSession[] {
    const now = this.#now();
    this.#sweep(now);
    return [...this.#held.values()].reverse().map((held) => ({
      account: held.account,
      isOfToken: held.isOfToken,
      stamp: held.stamp,
      origin: held.origin,
      listener: held.listener,
      agent: held.agent,
      cookieName: held.cookieName,
      isSecure: held.isSecure,
      id: held.id,
      beganAt: held.beganAt,
      idleFor: (now - held.usedAt) / 1000,
      leftFor: (held.until - now) / 1000,
    }));
  }

  /** Ends all; a login that is under way may still begin one, which nothing waits for. */
  close(): void {
    this.#isClosed = true;
    this.end(() => true, 'stop');
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #digest(name: string, value: string): Buffer {
    return createHmac('sha256', this.#key).update(`${name}=${value}`).digest();
  }

  #end(held: Held, reason: SessionEnd): void {
    if (!this.#held.delete(held.key)) return;
    this.#options.ended(held, reason);
  }

  /** Why it is over. */
  #overdue(held: Held, now: number): SessionEnd | undefined {
    if (now >= held.until) return 'expired';
    if (now < held.usedAt + this.#options.idle) return undefined;
    if (!this.#options.isInUse(held.id)) return 'idle';
    held.usedAt = now;
    return undefined;
  }

  #sweep(now: number): void {
    for (const held of [...this.#held.values()]) {
      const reason = this.#overdue(held, now);
      if (reason !== undefined) this.#end(held, reason);
    }
  }

  /** A session ends when it is time, and not when it is asked for next: a reply that does not end belongs to it. */
  #wait(now: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#held.size === 0 || this.#isClosed) return;
    const ends = [...this.#held.values()].map(({ until, usedAt }) => Math.min(until, usedAt + this.#options.idle));
    const next = Math.min(longestTimer, Math.max(100, Math.min(...ends) - now));
    this.#timer = setTimeout(() => {
      const then = this.#now();
      this.#sweep(then);
      this.#wait(then);
    }, next);
    this.#timer.unref();
  }
}

/**
 * The name of the cookie of a listener. Browsers keep cookies for a host, whatever the port: two servers of one machine have
 * names of their own. They take a name with `__Host-` by TLS alone, and from this host alone (RFC 6265bis §4.1.3.2).
 */
export function cookieName(port: number, isSecure: boolean): string {
  return `${isSecure ? '__Host-' : ''}mi_session${port === 0 ? '' : `_${port}`}`;
}

/** A value of the header Set-Cookie. It has no age: the browser forgets it when it is closed, the server before. */
export function setCookie(name: string, value: string, isSecure: boolean): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}${value === '' ? '; Max-Age=0' : ''}`;
}

/** Characters of the value of a cookie of ours. */
const cookieLength = 43;

/** The value of a cookie of ours, see {@link cookieOf}. */
export function readCookie(header: string, name: string): string | undefined {
  const value = cookieOf(header, name);
  return value?.length === cookieLength ? value : undefined;
}

/**
 * The value of the only cookie of that name. Where there are several, one may have been put there by somebody else, another
 * host of the same domain perhaps, and none counts.
 *
 * @param header value of Cookie, of any length: it is read once
 */
export function cookieOf(header: string, name: string): string | undefined {
  const wanted = `${name}=`;
  let value: string | undefined;
  // Not by parting it: a header of semicolons alone would take a thousand times as long as others.
  for (let at = header.indexOf(wanted); at !== -1; at = header.indexOf(wanted, at + wanted.length)) {
    let before = at - 1;
    while (isBlank(header.charCodeAt(before))) before -= 1;
    if (before >= 0 && header[before] !== ';') continue;
    if (value !== undefined) return undefined;
    const end = header.indexOf(';', at);
    value = header.slice(at + wanted.length, end === -1 ? undefined : end).trimEnd();
  }
  return value;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
