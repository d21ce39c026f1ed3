import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
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
        if (text !== '') assert.equal(typeof JSON.parse(text), 'object');
      }),
    );
  });

  test('no text of a result is lost', () => {
    holds(
      fc.property(fc.dictionary(fc.string(), fc.string({ minLength: 1 })), (result) => {
        const text = [...printTree(treeOf('any:command', result))].join('');
        const expected = Object.keys(result).length === 0 ? '' : JSON.stringify(result);
        assert.equal(text === '' ? '' : JSON.stringify(JSON.parse(text)), expected);
      }),
    );
  });

  test('errors are JSON, too', () => {
    holds(
      fc.property(fc.integer(), fc.string(), (code, message) => {
        assert.deepEqual(JSON.parse(printError(code, message)), { error: { code, message } });
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
          assert.equal(printed, [...printTree(treeOf(command, JSON.parse(json) as JsonValue))].join(''));
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
    assert.ok(text.length > json.length);
    assert.ok(turns > 20, `${turns} turns`);
  });

  test('a long result is given up when nobody waits, and when it is too long', async () => {
    const json = JSON.stringify(Array.from({ length: 50_000 }, (_, at) => ({ at })));
    assert.equal(await legacyText('any:command', json, Infinity, AbortSignal.abort()), '');
    await assert.rejects(
      async () => legacyText('any:command', json, 100_000, new AbortController().signal),
      TooLongError,
    );
  });
});
