import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, endOf, readReply } from './envelope.js';

describe('a reply', () => {
  test('has its result cut out of it without a look inside', () => {
    expect(readReply('{"jsonrpc":"2.0","result":{"a":[1,"}"]},"id":7}', 7)).toEqual({
      kind: 'result',
      text: '{"a":[1,"}"]}',
    });
    expect(readReply('{"jsonrpc":"2.0","result":12345678901234567890,"id":7}', 7)).toMatchObject({
      text: '12345678901234567890',
    });
    expect(readReply('{"jsonrpc":"2.0","result":{"a":1,"a":2},"id":7}', 7)).toMatchObject({ text: '{"a":1,"a":2}' });
  });

  test('may be indented, as pretty_printing has it', () => {
    const text = '{\n\t"jsonrpc":\t"2.0",\n\t"result":\t{\n\t\t"a":\t1\n\t},\n\t"id":\t7\n}\n';
    expect(readReply(text, 7)).toEqual({ kind: 'result', text: '{\n\t\t"a":\t1\n\t}' });
    expect(endOf(text).id).toBe(7);
  });

  test('may be an error, with data of any kind', () => {
    const reply = readReply(
      '{"jsonrpc":"2.0","error":{"code":404,"message":"AOR not found","data":{"a":1}},"id":7}',
      7,
    );
    expect(reply).toMatchObject({ kind: 'error', error: { code: 404, message: 'AOR not found', data: { a: 1 } } });
    expect(readReply('{"jsonrpc":"2.0","error":{"code":1.5},"id":7}', 7)).toMatchObject({ error: { code: -32000 } });
  });

  test.for([
    ['', 'without a reply'],
    ['{"jsonrpc":"2.0","result":1,"id":8}', 'no sound end'],
    ['{"jsonrpc":"2.0","result":1,"id":null}', 'no sound end'],
    ['{"jsonrpc":"2.0","result":1', 'no sound end'],
    ['{"jsonrpc":"2.0","result":{"Contact":failed to print response', '4090 bytes'],
    ['failed to build response', 'failed to build'],
    ['{"result":1,"id":7}', 'no reply of JSON-RPC'],
    ['{"jsonrpc":"2.0","result":,"id":7}', 'no result'],
    ['{"jsonrpc":"2.0","error":{,"id":7}', 'no JSON'],
    ['{"jsonrpc":"2.0","error":5,"id":7}', 'no object'],
    ['500 Internal error', 'no sound end'],
    ['7}', 'no sound end'],
    ['"id":7}', 'no sound end'],
  ])('is broken: %s', ([text, reason]) => {
    expect(readReply(text ?? '', 7)).toEqual({ kind: 'broken', reason: expect.stringContaining(reason ?? '?') });
  });

  test('of any value comes back as it was printed, and no text makes it fail', () => {
    fc.assert(
      fc.property(fc.json(), fc.integer({ min: 1, max: 2147483647 }), (json, id) => {
        expect(readReply(`{"jsonrpc":"2.0","result":${json.trim()},"id":${id}}`, id)).toEqual({
          kind: 'result',
          text: json.trim(),
        });
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(readReply(text, 7).kind).toBe('broken');
      }),
    );
  });

  test('is decoded with U+FFFD for what is no UTF-8', () => {
    expect(decode(Buffer.from('aä😀'))).toBe('aä😀');
    expect(decode(Buffer.from('m\xe4x', 'latin1'))).toBe('m\ufffdx');
  });
});
