import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import type { JsonValue } from '../../base/json.js';
import { legacyText, TooLongError } from './legacy-text.js';
import { printError, printTree, treeOf } from './tree.js';

const commands = fc.constantFrom(
  'core:ps',
  'usrloc:dump',
  'usrloc:show_contact',
  'httpd:list_root_path',
  'any:command',
);

describe('trees of mi_json', () => {
  test('whatever a command gives is printed as JSON, or as nothing', () => {
    holds(
      fc.property(commands, fc.jsonValue(), (command, result) => {
        const text = [...printTree(treeOf(command, result as JsonValue))].join('');
        if (text !== '') expect(typeof JSON.parse(text)).toBe('object');
      }),
    );
  });

  test('no text of a result is lost', () => {
    holds(
      fc.property(fc.dictionary(fc.string(), fc.string({ minLength: 1 })), (result) => {
        const text = [...printTree(treeOf('any:command', result))].join('');
        const expected = Object.keys(result).length === 0 ? '' : JSON.stringify(result);
        expect(text === '' ? '' : JSON.stringify(JSON.parse(text))).toBe(expected);
      }),
    );
  });

  test('errors are JSON, too', () => {
    holds(
      fc.property(fc.integer(), fc.string(), (code, message) => {
        expect(JSON.parse(printError(code, message))).toStrictEqual({ error: { code, message } });
      }),
    );
  });

  test('a long result is printed in turns, to the same text', async () => {
    const spaced = fc.constantFrom(undefined, 1);
    await holds(
      fc.asyncProperty(
        commands,
        fc.jsonValue(),
        fc.string({ unit: 'binary' }),
        spaced,
        async (command, value, name, indent) => {
          const long = Array.from({ length: 300 }, (_, at) => ({
            at,
            text: 'x'.repeat(60),
            [name]: value,
            __proto: [],
          }));
          const result = { [name]: long, Domains: [{ name: 'location', AORs: long }], long: 'y"\\\n'.repeat(3000) };
          const json = JSON.stringify(result, undefined, indent);
          const printed = await legacyText(command, json, Infinity, new AbortController().signal);
          expect(printed).toBe([...printTree(treeOf(command, JSON.parse(json) as JsonValue))].join(''));
        },
      ),
      { runs: 30, found: [] },
    );
  });

  test('others get their turn while a long result is printed', async () => {
    const json = JSON.stringify(Array.from({ length: 50_000 }, (_, at) => ({ at, name: `name ${at}` })));
    let turns = 0;
    let isPrinted = false;
    const count = (): void => {
      turns += 1;
      if (!isPrinted) setImmediate(count);
    };
    setImmediate(count);
    const text = await legacyText('any:command', json, Infinity, new AbortController().signal);
    isPrinted = true;
    expect(text.length).toBeGreaterThan(json.length);
    expect(turns, `${turns} turns`).toBeGreaterThan(20);
  });

  test('a long result is given up when nobody waits, and when it is too long', async () => {
    const json = JSON.stringify(Array.from({ length: 50_000 }, (_, at) => ({ at })));
    expect(await legacyText('any:command', json, Infinity, AbortSignal.abort())).toBe('');
    await expect(async () => legacyText('any:command', json, 100_000, new AbortController().signal)).rejects.toThrow(
      TooLongError,
    );
  });
});
