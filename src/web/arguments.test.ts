import fc from 'fast-check';
import { expect, test } from 'vitest';
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
    expect(splitWords(text), text).toStrictEqual(words);
  }
  for (const text of ['"', 'a "b', '"a\\"', '"\\\\" "']) {
    expect(() => splitWords(text), text).toThrow(
      expect.objectContaining({ code: -32700, data: expect.stringMatching(/quote/) }),
    );
  }
});

test('whatever is quoted comes back', () => {
  holds(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      const text = words.map((word) => `"${word.replace(/["\\]/g, '\\$&')}"`).join(' ');
      expect(splitWords(text)).toStrictEqual(words);
    }),
  );
});
