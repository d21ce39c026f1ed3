import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { JsonValue } from '#src/mi/json.js';
import { printError, printTree } from '#src/modules/mi_json/print.js';
import { treeOf } from '#src/modules/mi_json/tree.js';

const commands = fc.constantFrom(
  'core:ps',
  'usrloc:dump',
  'usrloc:show_contact',
  'httpd:list_root_path',
  'any:command',
);

describe('trees of mi_json', { timeout: 30_000 }, () => {
  test('whatever a command gives is printed as JSON, or as nothing', () => {
    fc.assert(
      fc.property(commands, fc.jsonValue(), (command, result) => {
        const text = printTree(treeOf(command, result as JsonValue));
        if (text !== '') assert.equal(typeof JSON.parse(text), 'object');
      }),
    );
  });

  test('no text of a result is lost', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ minLength: 1 })), (result) => {
        const text = printTree(treeOf('any:command', result));
        const expected = Object.keys(result).length === 0 ? '' : JSON.stringify(result);
        assert.equal(text === '' ? '' : JSON.stringify(JSON.parse(text)), expected);
      }),
    );
  });

  test('errors are JSON, too', () => {
    fc.assert(
      fc.property(fc.integer(), fc.string(), (code, message) => {
        assert.deepEqual(JSON.parse(printError(code, message)), { error: { code, message } });
      }),
    );
  });
});
