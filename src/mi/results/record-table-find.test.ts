import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { type FindOptions, RecordTable } from './record-table.js';
import { secondsLeft } from './seconds-left.js';

interface Contact {
  readonly agent: string;
  readonly list?: unknown;
}

/** Few characters, so that much is found. */
const words = fc.string({ unit: fc.constantFrom(...'aAbB01:,[]{}"\\\n-é€ '), maxLength: 5 });
const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    words,
    fc.integer({ min: -20, max: 2000 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'ab', '"', 'é'), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

const folded = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Tells whether a value has a text, without haste. */
function has(value: unknown, text: string, by: string | undefined, isWanted: boolean): boolean {
  if (Array.isArray(value)) return value.some((one) => has(one, text, by, isWanted));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).some(([name, one]) => has(one, text, by, by === undefined || by === name));
  }
  return isWanted && folded(String(value)).includes(folded(text));
}

async function pages<T>(table: RecordTable<T>, text: string, options: { by?: string | undefined; limit: number }) {
  const records: (readonly [string, T])[] = [];
  let after: string | undefined;
  do {
    const page = await table.find(text, { ...options, after });
    expect(page.records.length).toBeLessThanOrEqual(options.limit);
    records.push(...page.records);
    after = page.cursor;
  } while (after !== undefined);
  return records;
}

describe('a search', () => {
  test('finds what a naive one does', async () => {
    const record = fc.tuple(words, json);
    await holds(
      fc.asyncProperty(
        fc.array(record, { maxLength: 12 }),
        words,
        fc.option(fc.constantFrom('a', 'ab', '"', 'é'), { nil: undefined }),
        fc.integer({ min: 1, max: 5 }),
        async (records, text, by, limit) => {
          const table = new RecordTable<unknown>().setMany(records as [string, never][]);
          const expected = [...new Map(records)].filter(
            ([key, value]) =>
              (by === undefined && folded(key).includes(folded(text))) || has(value, text, by, by === undefined),
          );
          const found = await pages(table, text, { by, limit });
          const order = (list: readonly (readonly [string, unknown])[]) =>
            [...list].sort(([a], [b]) => (a < b ? -1 : 1));
          expect(order(found)).toStrictEqual(order(expected));
          const { matched, scanned } = await table.find(text, { by, limit: 0 });
          expect([matched, scanned]).toStrictEqual([expected.length, table.size]);
        },
      ),
      { runs: 500 },
    );
  });

  test('gives what stays once, over all pages, beside sets and deletes', async () => {
    await holds(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(1999), fc.boolean()), { minLength: 1, maxLength: 100 }),
        fc.integer({ min: 1, max: 500 }),
        async (changes, limit) => {
          const table = new RecordTable<Contact>();
          for (let index = 0; index < 2000; index++) table.set(`user${index}`, { agent: `Yealink ${index}` });
          const deleted = new Set<string>();
          const left = [...changes];
          const seen = new Set<string>();
          let after: string | undefined;
          do {
            const page = await table.find('YEALINK', { by: 'agent', limit, after });
            for (const [key, value] of page.records) {
              expect(seen.has(key) || !key.startsWith('user'), key).toBe(false);
              expect(value.agent).toMatch(/yealink/i);
              seen.add(key);
            }
            for (const [index, isDeleted] of left.splice(0, 7)) {
              if (isDeleted) deleted.add(`user${index}`);
              if (isDeleted) table.delete(`user${index}`);
              else if (table.has(`user${index}`)) table.set(`user${index}`, { agent: `yealink${'!'.repeat(index)}` });
              table.set(`new${index}`, { agent: 'yealink' });
            }
            after = page.cursor;
          } while (after !== undefined);
          for (let index = 0; index < 2000; index++) {
            expect(seen.has(`user${index}`) || deleted.has(`user${index}`), String(index)).toBe(true);
          }
        },
      ),
      { runs: 20 },
    );
  });

  test('compares letters beyond ASCII as they are, and looks at no times and no names', async () => {
    const table = new RecordTable().set('k', {
      agent: 'Ünited',
      left: secondsLeft((Date.now() / 1000 + 4000) | 0),
      nested: { x: 17 },
    });
    const found = async (text: string): Promise<number> => (await table.find(text)).matched;
    expect(await found('üNITED')).toBe(0);
    expect(await found('ÜNITED')).toBe(1);
    expect(await found('agent')).toBe(0);
    expect(await found('399')).toBe(0);
    expect(await found('17')).toBe(1);
    expect(await found('\ud800')).toBe(0);
  });

  test('can pass over a record, end where the page is full, and be ended', async () => {
    const table = new RecordTable<string>();
    for (let index = 0; index < 5000; index++) table.set(String(index), 'text');
    expect(await table.find('text', { except: '7', limit: 0 })).toMatchObject({ matched: 4999, scanned: 4999 });
    const page = await table.find('text', { limit: 5, count: false });
    expect([page.records.length, page.matched]).toStrictEqual([5, 6]);
    const abort = new AbortController();
    const ended = table.find('text', { signal: abort.signal });
    abort.abort(new Error('the client left'));
    await expect(ended).rejects.toThrow('the client left');
  });

  test('gives a large record whole, and fewer of them at once', async () => {
    const table = new RecordTable<{ text: string }>();
    for (let index = 0; index < 9; index++) table.set(String(index), { text: 'x'.repeat(300_000) + index });
    const first = await table.find('xX');
    expect([first.records.length, first.matched]).toStrictEqual([4, 9]);
    const found = await pages(table, 'xx', { limit: 1000 });
    expect(found.map(([key, { text }]) => key === text.slice(-1) && text.length === 300_001)).toStrictEqual(
      Array(9).fill(true),
    );
  });

  test.each([
    ['a limit', { limit: 1001 }, 'limit of find is 1001; give an integer from 0 to 1000'],
    ['a cursor', { after: 'x' }, 'the cursor is of another table'],
    ['a cursor with another number', { after: 'a.1.2.zzzzzzzzzzz' }, 'the cursor is of another table'],
    ['an option', { where: 1 }, 'where'],
  ])('refuses %s that is wrong', (_what, options, message) => {
    expect(() => new RecordTable().find('x', options as FindOptions)).toThrow(message);
  });
});
