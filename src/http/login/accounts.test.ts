import fc from 'fast-check';
import { assert, describe, expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { AddressList, formatAddress, networkOf } from '../../base/address.js';
import { RateLimit } from '../../mi/calls/guard.js';
import { command, includesLevel, levels, lowerLevel } from '../../mi/commands/command.js';
import { CommandList, CommandTable } from '../../mi/commands/command-table.js';
import { BusyError, Turns, VerifiedCredentials } from './accounts.js';
import { BackOff, type Outcome, Standing } from './back-off.js';
import {
  digestToken,
  formatPasswordHash,
  formatTokenHash,
  hashPassword,
  makeToken,
  parsePasswordHash,
  parseTokenHash,
  readBasic,
  readBearer,
  verifyPassword,
} from './secrets.js';

describe('passwords', () => {
  test('the hash is the one of RFC 7914 §12', async () => {
    const salt = Buffer.from('SodiumChloride').toString('base64url');
    const hash = Buffer.from('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2', 'hex');
    const line = parsePasswordHash(`scrypt$16384$8$1$${salt}$${hash.toString('base64url')}`);
    // The first 32 bytes of the vector: a shorter key is a prefix of a longer one.
    expect(await verifyPassword('pleaseletmein', line)).toBe(true);
    expect(await verifyPassword('pleaseletmeout', line)).toBe(false);
  });

  test('a hash that was made is read back, and no two are equal', async () => {
    const [one, another] = [await hashPassword('pässword'), await hashPassword('pässword')];
    expect(formatPasswordHash(one)).not.toBe(formatPasswordHash(another));
    const read = parsePasswordHash(formatPasswordHash(one));
    expect(await verifyPassword('pässword', read)).toBe(true);
    expect(await verifyPassword('pa\u0308ssword', read), 'the same letters in another form').toBe(true);
    expect(await verifyPassword('passwort', read)).toBe(false);
  });

  test('costs that would exhaust the server, and malformed ones, are refused without repeating the hash', () => {
    const [salt, hash] = ['A'.repeat(22), 'B'.repeat(43)];
    for (const cost of ['1023$8$1', '1000$8$1', '16385$8$1', '4194304$8$1', '32768$128$1', '16384$0$1', '16384$8$65']) {
      expect(() => parsePasswordHash(`scrypt$${cost}$${salt}$${hash}`)).toThrow(
        expect.objectContaining({ name: 'RangeError', message: expect.stringMatching(/^the cost .* out of range/) }),
      );
    }
    for (const text of [
      '',
      'plain',
      `scrypt$16384$8$1$${salt}`,
      `bcrypt$16384$8$1$${salt}$${hash}`,
      `scrypt$16384$8$1$a$b`,
    ]) {
      expect(() => parsePasswordHash(text)).toThrow(
        expect.toSatisfy((error) => !String(error).includes(hash) && /mi-httpd passwd/.test(String(error))),
      );
    }
  });
});

test('tokens are long, differ, and their lines are read back', () => {
  const tokens = new Set(Array.from({ length: 100 }, makeToken));
  expect(tokens.size).toBe(100);
  for (const token of tokens) {
    expect(token).toMatch(/^mi_[A-Za-z0-9_-]{43}$/);
    expect(readBearer(`Bearer ${token}`)).toBe(token);
    expect(parseTokenHash(formatTokenHash(digestToken(token)))).toBe(digestToken(token));
  }
  expect(() => parseTokenHash('sha256$abc')).toThrow(/mi-httpd token/);
});

test('what Basic carries is read back; nothing else is a credential, and nothing fails', () => {
  holds(
    fc.property(
      fc.string({ unit: 'grapheme' }).filter((name) => !name.includes(':') && !/\p{Cc}/u.test(name)),
      fc.string({ unit: 'grapheme' }).filter((password) => !/\p{Cc}/u.test(password)),
      (name, password) => {
        const encoded = Buffer.from(`${name}:${password}`).toString('base64');
        expect(JSON.stringify(readBasic(`Basic ${encoded}`))).toBe(
          JSON.stringify({ name: name.normalize('NFC'), password: password.normalize('NFC') }),
        );
      },
    ),
  );
  holds(
    fc.property(fc.string(), (text) => {
      readBasic(text);
      readBearer(text);
      expect(readBasic(`Digest ${text}`)).toBe(undefined);
    }),
  );
  for (const text of ['', 'Basic', 'Basic ', 'Basic !', 'Basic YQ', 'Basic YQ==', 'BasicYTpi', 'Basic YTpi YTpi']) {
    expect(readBasic(text), text).toBe(undefined);
  }
});

test('a credential has one form, however it is written; control characters are none', () => {
  const latin1 = Buffer.from('jörg:pä', 'latin1').toString('base64');
  const of = (text: string): string => Buffer.from(text).toString('base64');
  for (const text of [
    `Basic ${of('jörg:pä')}`,
    `basic ${of('jörg:pä')}`,
    `BASIC   ${of('jörg:pä')} `,
    `Basic ${of('jo\u0308rg:pa\u0308')}`,
    `Basic ${latin1}`,
  ]) {
    expect(readBasic(text), text).toStrictEqual({ name: 'jörg', password: 'pä' });
  }
  expect(readBasic('Basic YTo='), 'bits that nobody reads').toStrictEqual(readBasic('Basic YTp='));
  for (const control of ['\0', '\t', '\n', '\r', '\x1b', '\x7f', '\x85']) {
    expect(readBasic(`Basic ${of(`a${control}:b`)}`)).toBe(undefined);
    expect(readBasic(`Basic ${of(`a:b${control}`)}`)).toBe(undefined);
  }
});

describe('addresses', () => {
  test('a list has what its networks have', () => {
    const list = new AddressList('127.0.0.1, 192.0.2.0/24 ,2001:db8::/32,::1');
    for (const address of ['127.0.0.1', '192.0.2.0', '192.0.2.255', '2001:db8::1', '2001:db8:ffff::', '::1']) {
      expect(list.includes(address), address).toBe(true);
    }
    for (const address of ['127.0.0.2', '192.0.3.0', '2001:db9::', '::2', '', 'local', 'unknown']) {
      expect(list.includes(address), address).toBe(false);
    }
    expect(new AddressList('0.0.0.0/0').includes('203.0.113.9')).toBe(true);
    for (const text of [
      '',
      'a',
      '1.2.3',
      '1.2.3.4/33',
      '1.2.3.4/-1',
      '1.2.3.4/',
      '::1/129',
      '1.2.3.4/24/1',
      '1.2.3.4,',
    ]) {
      expect(() => new AddressList(text), text).toThrow(RangeError);
    }
  });

  test('the network of an IPv6 address is its first half, whatever form it has', () => {
    expect(networkOf('192.0.2.7')).toBe('192.0.2.7');
    expect(networkOf('local')).toBe('local');
    for (const none of ['', 'unknown']) expect(networkOf(none)).toBe(undefined);
    expect(networkOf('::1')).toBe('0:0:0:0::/64');
    expect(networkOf('2001:db8::1')).toBe('2001:db8:0:0::/64');
    holds(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        (bytes, rest) => {
          const groups = new DataView(bytes.buffer);
          const first = [0, 2, 4, 6].map((at) => groups.getUint16(at).toString(16)).join(':');
          const address = formatAddress(bytes);
          if (!address.includes(':')) return;
          expect(networkOf(address)).toBe(`${first}::/64`);
          const neighbour = formatAddress(Uint8Array.from([...bytes.subarray(0, 8), ...rest]));
          if (neighbour.includes(':')) expect(networkOf(neighbour)).toBe(networkOf(address));
        },
      ),
    );
  });
});

describe('waiting after failures', () => {
  /** A login that ends so; gives the seconds to wait in place of being verified. */
  function login(backOff: BackOff, network: string, name: string, outcome: Outcome): number {
    const attempt = backOff.begin(network, name);
    if (typeof attempt === 'number') return attempt;
    attempt.ended(outcome);
    return 0;
  }

  function standing(backOff: BackOff, network: string, name = 'z'): number {
    const attempt = backOff.begin(network, name);
    assert(typeof attempt === 'object');
    return attempt.standing;
  }

  const fail = (backOff: BackOff, network: string, name = 'x'): number => login(backOff, network, name, 'failed');
  const succeed = (backOff: BackOff, network: string, name: string): number =>
    login(backOff, network, name, 'succeeded');

  test('five are free, then 1 s, 2, 4, up to a minute', () => {
    let now = 0;
    const backOff = new BackOff(() => now);
    for (let i = 0; i < 5; i++) expect(fail(backOff, 'a')).toBe(0);
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      expect(backOff.wait('a', 'x')).toBe(seconds);
      now += seconds * 1000 - 1;
      expect(fail(backOff, 'a'), 'to the end').toBe(1);
      now += 1;
      expect(backOff.wait('a', 'x')).toBe(0);
      expect(fail(backOff, 'a')).toBe(0);
    }
    expect(backOff.wait('b', 'x')).toBe(0);
  });

  test('a success clears its own name, and time clears all', () => {
    let now = 0;
    const backOff = new BackOff(() => now);
    for (let i = 0; i < 4; i++) fail(backOff, 'a');
    expect(succeed(backOff, 'a', 'x')).toBe(0);
    expect(backOff.size).toBe(0);
    for (let i = 0; i < 5; i++) {
      expect(fail(backOff, 'a')).toBe(0);
      succeed(backOff, 'a', 'another');
    }
    expect(fail(backOff, 'a')).toBe(1);
    now += 61_001;
    for (let i = 0; i < 4; i++) expect(fail(backOff, 'a')).toBe(0);
    expect(backOff.wait('a', 'x')).toBe(0);
  });

  test('names together have as few guesses as one; each that is refused counts for its name alone', () => {
    let now = 0;
    const backOff = new BackOff(() => now);
    for (let i = 0; i < 5; i++) expect(fail(backOff, 'a', `n${i}`)).toBe(0);
    expect(backOff.wait('a', 'x'), 'who is logged in is answered').toBe(0);
    for (let i = 0; i < 5; i++) expect(fail(backOff, 'a', 'x')).toBe(1);
    expect(backOff.wait('a', 'x'), 'until its name has been guessed at').toBe(1);
    expect(backOff.wait('a', 'y')).toBe(0);
    now += 1000;
    expect(fail(backOff, 'a', 'y'), 'refused ones have not made the network wait longer').toBe(0);
  });

  test('names beyond those that are counted apart are one, and forget none', () => {
    const backOff = new BackOff(() => 0);
    for (let i = 0; i < 5; i++) fail(backOff, 'a', 'first');
    for (let i = 0; i < 1000; i++) fail(backOff, 'a', `n${i}`);
    expect(backOff.wait('a', 'first')).toBe(1);
    expect(backOff.wait('a', 'another')).toBeGreaterThan(0);
    const known = new BackOff(() => 0);
    succeed(known, 'a', 'bob');
    for (let i = 0; i < 1000; i++) fail(known, 'a', `n${i}`);
    expect(known.wait('a', 'bob'), 'who has logged in is counted apart').toBe(0);
    const told = known.begin('a', 'another');
    for (let i = 0; i < 5; i++) expect(known.begin('a', 'bob'), 'which is not told').toBe(told);
    expect(known.wait('a', 'bob')).toBe(1);
  });

  test('logins under way count as failures until they end, and leave nothing behind', () => {
    const backOff = new BackOff(() => 0);
    const running = Array.from({ length: 5 }, (_, i) => backOff.begin('a', `${i}`));
    expect(backOff.begin('a', '5')).toBe(1);
    for (const attempt of running) {
      assert(typeof attempt === 'object');
      attempt.ended('succeeded');
    }
    expect(succeed(backOff, 'a', '5')).toBe(0);
    expect(backOff.size).toBe(0);
  });

  test('after the free ones a single guess is under way', () => {
    let now = 0;
    const backOff = new BackOff(() => now);
    for (let i = 0; i < 5; i++) fail(backOff, 'a');
    now += 1000;
    expect(typeof backOff.begin('a', 'x')).toBe('object');
    expect(typeof backOff.begin('a', 'x')).toBe('number');
  });

  test('one that could not be verified counts for its name, and its network goes after others', () => {
    const backOff = new BackOff(() => 0);
    for (let i = 0; i < 5; i++) expect(login(backOff, 'a', 'x', 'refused')).toBe(0);
    expect(backOff.wait('a', 'x')).toBe(1);
    expect(standing(backOff, 'a', 'y')).toBe(Standing.failing);
  });

  test('the table is bounded: the network that failed the longest ago is forgotten', () => {
    const backOff = new BackOff(() => 0);
    for (let i = 0; i < 5; i++) fail(backOff, 'first');
    for (let i = 0; i < 5000; i++) fail(backOff, `n${i}`);
    expect(backOff.size).toBe(4096);
    expect(backOff.wait('first', 'x')).toBe(0);
  });

  test('a network without failures goes before one with, and one that has logged in before both', () => {
    const backOff = new BackOff(() => 0);
    succeed(backOff, 'good', 'x');
    fail(backOff, 'failing');
    succeed(backOff, 'failing', 'y');
    expect(['good', 'new', 'failing'].map((network) => standing(backOff, network))).toStrictEqual([
      Standing.good,
      Standing.new,
      Standing.failing,
    ]);
  });
});

test('verified credentials are forgotten when they are not used, and when there are too many', () => {
  let now = 0;
  const verified = new VerifiedCredentials<string>(() => now);
  const digest = verified.digest('192.0.2.1', 'alice', 'x');
  expect(digest).toBe(verified.digest('192.0.2.1', 'alice', 'x'));
  const others = [verified.digest('192.0.2.1', 'alice', 'y'), verified.digest('192.0.2.2', 'alice', 'x')];
  expect(others).not.toContain(digest);
  expect(digest, 'the key is of one process, and one table').not.toBe(
    new VerifiedCredentials(() => now).digest('192.0.2.1', 'alice', 'x'),
  );
  verified.add(digest, 'alice');
  for (let i = 0; i < 3; i++) {
    now += 299_999;
    expect(verified.find(digest)).toBe('alice');
  }
  now += 300_001;
  expect(verified.find(digest)).toBe(undefined);
  for (let i = 0; i < 300; i++) verified.add(`${i}`, 'x');
  expect(verified.size).toBe(256);
  expect(verified.find('43')).toBe(undefined);
  expect(verified.find('44')).toBe('x');
});

test('turns: the lowest rank first; a party with more places gives one up, and a higher rank all', async () => {
  const turns = new Turns(1, 2);
  const order: string[] = [];
  let end = (): void => {};
  const running = turns.run(() => new Promise<void>((resolve) => (end = resolve)));
  const run = (name: string, party: string, rank: number): Promise<unknown> =>
    turns
      .run(async () => order.push(name), [party], rank)
      .catch((error: unknown) => order.push(`${name} ${error instanceof BusyError}`));
  const all = [run('a1', 'a', 1), run('a2', 'a', 1)];
  await new Promise(setImmediate);
  all.push(run('b', 'b', 1));
  await new Promise(setImmediate);
  expect(order, 'two of one party make room for another').toStrictEqual(['a2 true']);
  all.push(run('c', 'c', 1));
  await new Promise(setImmediate);
  expect(order, 'one each is fair').toStrictEqual(['a2 true', 'c true']);
  all.push(run('good', 'a', 0), run('bad', 'd', 2));
  await new Promise(setImmediate);
  expect(order).toStrictEqual(['a2 true', 'c true', 'bad true', 'b true']);
  end();
  await Promise.all([running, ...all]);
  expect(order.slice(4)).toStrictEqual(['good', 'a1']);
});

test('turns: a few at a time, a bounded number waits, in order', async () => {
  const turns = new Turns(2, 3);
  const order: number[] = [];
  const ends: (() => void)[] = [];
  const all = [0, 1, 2, 3, 4].map((i) =>
    turns.run(() => {
      order.push(i);
      return new Promise<void>((resolve) => ends.push(resolve));
    }),
  );
  await expect(turns.run(async () => {})).rejects.toThrow(BusyError);
  expect(order).toStrictEqual([0, 1]);
  for (let i = 0; i < 5; i++) {
    ends[i]?.();
    await all[i];
    await new Promise(setImmediate);
  }
  expect(order).toStrictEqual([0, 1, 2, 3, 4]);
  await expect(turns.run(() => Promise.reject(new Error('no')))).rejects.toThrow(/no/);
  expect(await turns.run(async () => 'free again')).toBe('free again');
});

test('a rate limit gives as many calls as its rate has, for each party, and is bounded', () => {
  let now = 0;
  const limit = new RateLimit(4, () => now);
  const take = (): number[] => Array.from({ length: 5 }, () => limit.take('a'));
  expect(take()).toStrictEqual([0, 0, 0, 0, 1]);
  expect(limit.take('b')).toBe(0);
  now += 250;
  expect([limit.take('a'), limit.take('a')]).toStrictEqual([0, 1]);
  now += 3_600_000;
  expect(take()).toStrictEqual([0, 0, 0, 0, 1]);
  for (let i = 0; i < 20_000; i++) limit.take(`p${i}`);
  expect(limit.size).toBe(16384);
});

test('levels', () => {
  for (const [i, one] of levels.entries()) {
    for (const [j, another] of levels.entries()) {
      expect(includesLevel(one, another)).toBe(i >= j);
      expect(lowerLevel(one, another)).toBe(levels[Math.min(i, j)]);
    }
    expect(includesLevel('boss', one)).toBe(false);
    expect(includesLevel('', one)).toBe(false);
  }
});

test('lists of commands take characters as they are, but for the star', () => {
  const table = new CommandTable();
  const entry = table.add('usrloc', command({ name: 'dump', aliases: ['ul_dump'], help: 'x', run: () => 1 }));
  const other = table.add('core', command({ name: 'log.level', help: 'x', run: () => 1 }));
  const fits = (text: string): boolean[] => [entry, other].map((one) => new CommandList('list', text, table).has(one));
  expect(fits('ul_*')).toStrictEqual([true, false]);
  expect(fits('*')).toStrictEqual([true, true]);
  expect(fits('core:*, dump')).toStrictEqual([true, true]);
  expect(fits('log.level')).toStrictEqual([false, true]);
  for (const text of ['log.lev.l', 'dum', 'ump', 'DUMP', '', 'dump,', '(', '[a']) {
    expect(() => new CommandList('list', text, table), text).toThrow(
      expect.objectContaining({
        name: 'Error',
        message: expect.stringMatching(/^list has ".*", which fits no MI command/),
      }),
    );
  }
});
