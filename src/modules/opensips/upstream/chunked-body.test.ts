import { describe, expect, test } from 'vitest';
import { ChunkedBody } from './chunked-body.js';

/** Reads bytes that come in pieces of so many. @returns the body, and what is behind it; undefined: it is none */
function read(text: string, size: number): { readonly body: string; readonly behind: string } | undefined {
  let body = '';
  const chunked = new ChunkedBody((piece) => {
    body += piece.toString('latin1');
  });
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    const taken = chunked.push(piece);
    if (taken < 0) return undefined;
    if (chunked.isOver) return { body, behind: text.slice(at + taken) };
  }
  return undefined;
}

describe('a body in chunks', () => {
  test.for([
    ['3\r\nabc\r\n0\r\n\r\n', 'abc'],
    ['0\r\n\r\n', ''],
    ['00000003;name="va;lue"\r\na\r\n\r\n2 \t;x\r\n\n0\r\n0\r\nA: b\r\nC: d\r\n\r\n', 'a\r\n\n0'],
    ['A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n', '01234567890123456789a'],
  ] as const)('is read, however it is cut: %j', ([text, body]) => {
    for (let size = 1; size <= text.length + 4; size++) {
      const end = size > text.length ? 'next' : '';
      expect(read(text + end, size), String(size)).toStrictEqual({ body, behind: end });
    }
  });

  test.for([
    '3\nabc\r\n0\r\n\r\n',
    '3\r\nabcd\r\n0\r\n\r\n',
    '3\r\nabc\n0\r\n\r\n',
    'x\r\n',
    '-1\r\n',
    '0x3\r\nabc\r\n',
    ' 3\r\nabc\r\n',
    '\r\n',
    '123456789\r\n',
    '3 4\r\nabc\r\n',
    `3;${'x'.repeat(2000)}\r\nabc\r\n`,
    `0\r\n${'A: b\r\n'.repeat(4000)}\r\n`,
    'x'.repeat(2000),
    '3\r\nabc\r\n',
  ])('is none: %j', (text) => {
    for (let size = 1; size <= Math.min(text.length, 50); size++)
      expect(read(text, size), String(size)).toBeUndefined();
  });
});
