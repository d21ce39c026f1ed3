import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fits } from './selection.js';

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 });
const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });

test('a pattern fits what the regular expression of the same meaning fits', () => {
  fc.assert(
    fc.property(patterns, letters, (pattern, text) => {
      const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'));
      expect(fits(pattern, text)).toBe(new RegExp(`^${parts.join('.*')}$`).test(text));
    }),
  );
});

test('a pattern of many stars takes no time to speak of', () => {
  expect(fits(`${'*a'.repeat(32)}b`, 'a'.repeat(64))).toBe(false);
  expect(fits(`${'*a'.repeat(32)}*`, 'a'.repeat(64))).toBe(true);
});
