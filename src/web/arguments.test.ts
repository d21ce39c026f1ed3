import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'vitest';
import { holds } from '../../test/support/property.js';
import { splitWords } from './arguments.js';

test('words are parted by blanks, and quotes keep them', () => {
  for (const [text, words] of [
    ['', []],
    ['  ', []],
    ['a', ['a']],
    [' a  b\tc\nd ', ['a', 'b', 'c', 'd']],
    ['"two words"', ['two words']],
    ['""', ['']],
    ['a"b c"d', ['ab cd']],
    ['"\\"" "\\\\" "\\n"', ['"', '\\', '\\n']],
    ['\\"a b"', ['\\a b']],
    ['{a}', ['{a}']],
  ] as const) {
    assert.deepEqual(splitWords(text), words, text);
  }
  for (const text of ['"', 'a "b', '"a\\"', '"\\\\" "']) {
    assert.throws(() => splitWords(text), { code: -32700, data: /quote/ }, text);
  }
});

test('whatever is quoted comes back', () => {
  holds(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      const text = words.map((word) => `"${word.replace(/["\\]/g, '\\$&')}"`).join(' ');
      assert.deepEqual(splitWords(text), words);
    }),
  );
});
