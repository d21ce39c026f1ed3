import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Utf8Mender } from './utf8.js';

function mended(pieces: readonly Uint8Array[]): string {
  const mender = new Utf8Mender();
  return Buffer.concat([...pieces.map((piece) => mender.push(Buffer.from(piece))), mender.end()]).toString();
}

test('UTF-8 comes through whole, wherever it is cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(40)), (text, cuts) => {
      const bytes = Buffer.from(text);
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      expect(mended(at.slice(1).map((end, index) => bytes.subarray(at[index], end)))).toBe(text);
    }),
  );
});

test('other bytes become U+FFFD, and what comes out is UTF-8', () => {
  expect(mended([Buffer.from([0x61, 0xe4]), Buffer.from([0x62])])).toBe('a\ufffdb');
  expect(mended([Buffer.from([0xf0, 0x9f])])).toBe('\ufffd');
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 6 })), (pieces) => {
      const whole = Buffer.concat(pieces);
      expect(mended(pieces)).toBe(whole.toString('utf8'));
    }),
  );
});
