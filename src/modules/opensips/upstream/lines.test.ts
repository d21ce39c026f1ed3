import { describe, expect, test } from 'vitest';
import { printLines, readLines } from './lines.js';
import type { UpstreamCall } from './transport.js';

function call(method: string, params?: UpstreamCall['params']): UpstreamCall {
  return { method, params, isReadOnly: true, isLarge: false, timeout: 1000 };
}

describe('a request of OpenSIPS 2.x', () => {
  test('is a line for the command, and one for each value', () => {
    expect(printLines(call('ps'), 'reply').text).toBe(':ps:reply\n\n');
    expect(printLines(call('ul_rm', ['location', 'alice@example.org', 5]), '').text).toBe(
      ':ul_rm:\nlocation\nalice@example.org\n5\n\n',
    );
    expect(printLines(call('ps', {}), '').misfit).toBe('');
  });

  test.for([
    ['a:b', undefined],
    ['', undefined],
    ['ps\n', undefined],
    ['ul_rm', { aor: 'x' }],
    ['ul_rm', ['']],
    ['ul_rm', ['a\nb']],
    ['ul_rm', ['"a']],
    ['ul_rm', [' ', ':kill:']],
    ['ul_rm', ['\t\ta']],
    ['ul_rm', [true]],
    ['ul_rm', [['a']]],
  ] as const)('has no other form: %j', ([method, params]) => {
    expect(printLines(call(method, params), '')).toEqual({ text: '', misfit: expect.stringContaining('OpenSIPS 2.x') });
  });
});

describe('a reply of OpenSIPS 2.x', () => {
  test.for([
    ['200 OK\n', 'OK'],
    ['200 OK\nServer:: OpenSIPS (2.4.11 (x86_64/linux))\n\n', { Server: 'OpenSIPS (2.4.11 (x86_64/linux))' }],
    ['202 Accepted\n', 'Accepted'],
    [
      '200 OK\nProcess::  ID=0 PID=4711 Type=attendant\nProcess::  ID=1 PID=4712 Type=MI FIFO\n',
      {
        Process: [
          { ID: '0', PID: '4711', Type: 'attendant' },
          { ID: '1', PID: '4712', Type: 'MI FIFO' },
        ],
      },
    ],
    [
      '200 OK\nDomain:: location hash_size=512\n\tAOR:: alice\n\t\tContact:: sip:a@192.0.2.1;x=1 Q=\n\t\t\tExpires:: 60\n\tAOR:: bob\n',
      {
        Domain: {
          value: 'location',
          hash_size: '512',
          AOR: [{ value: 'alice', Contact: { value: 'sip:a@192.0.2.1;x=1', Q: '', Expires: '60' } }, 'bob'],
        },
      },
    ],
  ] as const)('is a tree: %j', ([text, value]) => {
    const reply = readLines(text);
    expect(reply.kind === 'result' ? JSON.parse(reply.text) : reply).toEqual(value);
  });

  test('is an error from 300 on, and broken without a status', () => {
    expect(readLines('404 AOR not found\n')).toMatchObject({
      kind: 'error',
      error: { code: 404, message: 'AOR not found' },
    });
    expect(readLines('{"jsonrpc":"2.0"}')).toMatchObject({ kind: 'broken' });
  });

  test('has no more levels than can be printed', () => {
    const lines = Array.from({ length: 3000 }, (_, depth) => `${'\t'.repeat(depth)}a:: b c=d\n`);
    expect(readLines(`200 OK\n${lines.join('')}`)).toMatchObject({ kind: 'result' });
  });

  test('has no name that changes what objects are', () => {
    const reply = readLines('200 OK\n__proto__:: x polluted=1\n');
    expect(reply).toMatchObject({ kind: 'result', text: expect.stringContaining('__proto__') });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
