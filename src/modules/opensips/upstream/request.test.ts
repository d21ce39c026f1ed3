import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonValue } from '../../../base/json.js';
import { Request } from './request.js';

test('a request is one object with a method that is a text, whatever the params are', () => {
  const text = fc.string({ unit: 'grapheme' }).filter((one) => !one.includes('\0'));
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value')),
      fc.dictionary(text, tie('value')),
    ),
  }));
  const params = fc.oneof(fc.array(value), fc.dictionary(text, value), fc.constant(undefined));
  fc.assert(
    fc.property(
      text.filter((one) => one !== ''),
      params,
      fc.integer({ min: 1, max: 2147483647 }),
      (method, given, id) => {
        const request = new Request({ method, params: given, isReadOnly: true, isLarge: false, timeout: 1 });
        const printed = request.text(id);
        expect(Buffer.byteLength(printed)).toBeLessThanOrEqual(request.mostBytes);
        const parsed = JSON.parse(printed) as Record<string, unknown>;
        expect(Object.keys(parsed)).toEqual(
          given === undefined || Object.keys(given).length === 0
            ? ['jsonrpc', 'method', 'id']
            : ['jsonrpc', 'method', 'params', 'id'],
        );
        expect(parsed).toMatchObject({ jsonrpc: '2.0', method, id });
      },
    ),
  );
});

test('whole numbers beyond 2^53 are printed exactly', () => {
  const params = [12345678901234567890n];
  const request = new Request({ method: 'm', params, isReadOnly: true, isLarge: false, timeout: 1 });
  expect(request.text(1)).toBe('{"jsonrpc":"2.0","method":"m","params":[12345678901234567890],"id":1}');
});
