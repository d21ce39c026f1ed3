import { describe, expect, test } from 'vitest';
import { readCookie, type SentCookie, type Session, type SessionEnd, Sessions } from './sessions.js';

const minute = 60_000;
const cookieOfPort = '__Host-mi_session_8888';

function sent(value: string): SentCookie {
  return { name: cookieOfPort, value };
}

class Store {
  now = 0;
  inUse = false;
  readonly ends: (readonly [string, SessionEnd])[] = [];
  readonly sessions = new Sessions({
    idle: 30 * minute,
    lifetime: 720 * minute,
    isInUse: () => this.inUse,
    ended: ({ account }, reason) => this.ends.push([account.name, reason]),
    now: () => this.now,
  });

  open(name: string): { readonly session: Session; readonly cookie: string } {
    const account = { name, grant: 'read' };
    const place = {
      origin: '192.0.2.1',
      listener: 'http:*:1',
      agent: 'a'.repeat(1000),
      cookieName: cookieOfPort,
      isSecure: true,
    };
    return this.sessions.open({ account, isOfToken: false, stamp: name }, place);
  }
}

describe('sessions', () => {
  test('end when they are not used, and when their time is over', () => {
    const store = new Store();
    const { cookie } = store.open('alice');
    store.now += 29 * minute;
    expect(store.sessions.find(sent(cookie))?.account.name).toBe('alice');
    store.now += 31 * minute;
    expect(store.sessions.find(sent(cookie))).toBe(undefined);
    const { cookie: busy } = store.open('bob');
    for (let used = 0; used < 719; used += 20) {
      expect(store.sessions.find(sent(busy))?.account.name, `${used} minutes`).toBe('bob');
      store.now += 20 * minute;
    }
    expect(store.sessions.find(sent(busy))).toBe(undefined);
    expect(store.ends).toStrictEqual([
      ['alice', 'idle'],
      ['bob', 'expired'],
    ]);
    store.sessions.close();
  });

  test('are in use while a stream is read in them', () => {
    const store = new Store();
    const { cookie } = store.open('alice');
    store.inUse = true;
    store.now += 40 * minute;
    expect(store.sessions.all.length).toBe(1);
    store.inUse = false;
    store.now += 29 * minute;
    expect(store.sessions.find(sent(cookie))?.account.name).toBe('alice');
    store.inUse = true;
    store.now += 720 * minute;
    expect(store.sessions.find(sent(cookie))).toBe(undefined);
    store.sessions.close();
  });

  test('are bounded in number, those that were used the longest ago end first, and keep little', () => {
    const store = new Store();
    const cookies = Array.from({ length: 1100 }, (_, i) => store.open(`user${i}`).cookie);
    expect(store.sessions.size).toBe(1024);
    expect(store.ends.length).toBe(76);
    expect(store.ends[0]).toStrictEqual(['user0', 'too many']);
    expect(store.sessions.find(sent(cookies[76] ?? ''))?.agent.length).toBeLessThan(200);
    store.open('new');
    expect(store.sessions.find(sent(cookies[76] ?? '')), 'it was used').not.toBe(undefined);
    expect(store.sessions.find(sent(cookies[77] ?? ''))).toBe(undefined);
    store.sessions.close();
    expect(store.sessions.size).toBe(0);
  });

  test('are found by their cookie alone, under the name that it came by', () => {
    const store = new Store();
    const { cookie, session } = store.open('alice');
    expect(store.sessions.find(sent(session.id))).toBe(undefined);
    for (const name of ['mi_session_8888', '__Host-mi_session_8889', '__Host-mi_session', ''])
      expect(store.sessions.find({ name, value: cookie }), name).toBe(undefined);
    expect(store.sessions.find(sent(cookie))).toBe(session);
    expect(JSON.stringify(store.sessions.all)).not.toContain(cookie);
    expect(Buffer.from(cookie, 'base64url').length).toBe(32);
    store.sessions.close();
  });
});

test('a cookie counts where it is the only one of its name', () => {
  const value = 'x'.repeat(43);
  expect(readCookie(`a=b; s=${value};c`, 's')).toBe(value);
  for (const header of ['', 's=', `s=${value}x`, `s=${value}; s=${value}`, `t=${value}`, `s =${value}`, ` ; ;s`]) {
    expect(readCookie(header, 's'), header).toBe(undefined);
  }
});
