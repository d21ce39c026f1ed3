// The script of the pages reads results; it runs in Node as it does in browsers.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../test/support/property.js';
import { unless } from '../../test/support/unless.js';

interface Values {
  completed(text: string): string | undefined;
  recordsOf(value: unknown): readonly Record<string, unknown>[] | undefined;
  tablesOf(value: unknown): readonly { title?: string; records: readonly Record<string, unknown>[] }[] | undefined;
  parseExactly(text: string): unknown;
  compact(value: unknown): string;
}

const path = './assets/values.js';
const { completed, recordsOf, tablesOf, parseExactly, compact } = (await import(
  new URL(path, import.meta.url).href
)) as Values;

describe('values of the web interface', () => {
  test('lists of texts, several lists and none at all are tables, too', () => {
    const rows = [{ a: 1 }, { a: 2 }];
    expect(tablesOf(['x', 5])).toStrictEqual([{ records: [{ Value: 'x' }, { Value: 5 }] }]);
    expect(tablesOf({ One: rows, Two: rows.slice(1), Three: [], n: 3 })).toStrictEqual([
      { records: [{ Name: 'n', Value: 3 }] },
      { title: 'One', records: rows },
      { title: 'Two', records: rows.slice(1) },
      { title: 'Three', records: [] },
    ]);
    for (const value of [[], {}]) expect(tablesOf(value)).toStrictEqual([{ records: [] }]);
    expect(tablesOf({ Calls: [], cursor: null })).toStrictEqual([{ title: 'Calls', records: [] }]);
    expect(tablesOf({ Calls: rows })).toStrictEqual([{ records: [{ a: 1 }, { a: 2 }] }]);
    for (const value of ['OK', 5, null, { one: 1 }, [['a'], ['b']]]) expect(tablesOf(value)).toBe(undefined);
  });

  test('the beginning of any JSON is made JSON again, with the items that are whole', () => {
    holds(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (value, isIndented, part) => {
          const text = JSON.stringify({ list: [value, [value], value] }, undefined, isIndented ? '\t' : undefined);
          const cut = completed(text.slice(0, Math.floor(text.length * part)));
          if (cut === undefined) return;
          const list = (JSON.parse(cut) as { list: unknown[] }).list;
          const whole = (JSON.parse(text) as { list: unknown[] }).list;
          // All but the last item are whole; of that one there is the beginning.
          expect(list.slice(0, -1)).toStrictEqual(whole.slice(0, Math.max(0, list.length - 1)));
        },
      ),
    );
  });

  test('records of records give a row for each of the innermost, and no member is lost', () => {
    const member = fc.constantFrom('name', 'toString', '__proto__', 'Contact', 'constructor');
    const inner = fc.dictionary(member, fc.integer(), { minKeys: 1 });
    holds(
      fc.property(fc.array(fc.tuple(inner, fc.array(inner, { minLength: 1 })), { minLength: 1 }), (records) => {
        const text = `[${records.map(([outer, list]) => `{${[...Object.entries(outer).map(([name, value]) => `${JSON.stringify(name)}:${value}`), `"List":${JSON.stringify(list)}`].join()}}`).join()}]`;
        const rows = recordsOf(JSON.parse(text)) ?? [];
        expect(rows.length).toBe(records.flatMap(([, list]) => list).length);
        let at = 0;
        for (const [outer, list] of records) {
          for (const one of list) {
            expect(Object.keys(rows[at] ?? {}).length).toBe(Object.keys(outer).length + Object.keys(one).length);
            at += 1;
          }
        }
      }),
    );
  });

  const skip = tellsSource() ? false : 'JSON.parse of this Node.js does not tell the text of a number';
  unless(skip, test)('integers that JavaScript would round stay as they were written', () => {
    holds(
      fc.property(fc.bigInt(), (number) => {
        expect(compact(parseExactly(`[${number}]`))).toBe(`[${number}]`);
      }),
    );
  });
});

/** Tells whether JSON.parse gives the source text of numbers, as browsers of today do. */
function tellsSource(): boolean {
  let told = false;
  JSON.parse('1', function (this: unknown, ...given: unknown[]) {
    told = given.length > 2;
    return given[1];
  });
  return told;
}
