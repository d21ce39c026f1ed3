import { describe, expect, test } from 'vitest';
import { wholeText } from '../../../../test/support/upstream.js';
import type { Reply } from './envelope.js';
import { LinesReader, printLines } from './lines.js';
import { Allowance } from './spool.js';
import type { UpstreamCall } from './transport.js';

function call(method: string, params?: UpstreamCall['params']): UpstreamCall {
  return { method, params, isReadOnly: true, isLarge: false, timeout: 1000 };
}

/** Reads a reply that comes in pieces of so many bytes; one that is a stream is read whole. */
function readLines(text: string, size = 65536, room = new Allowance(1 << 24)): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const reader = new LinesReader(room, {
      whole: resolve,
      stream: (result) => {
        wholeText(result).then((whole) => resolve({ kind: 'result', text: whole }), reject);
      },
    });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) reader.push(Buffer.from(bytes.subarray(at, at + size)));
    reader.end();
  });
}

/** A dump of so many contacts. */
function dump(contacts: number): string {
  const lines = Array.from(
    { length: contacts },
    (_, index) => `\tAOR:: üser${index}\n\t\tContact:: sip:user${index}@192.0.2.1 Q=\n\t\t\tExpires:: 60\n`,
  );
  return `200 OK\nDomain:: location hash_size=512\n${lines.join('')}\n`;
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
  ] as const)('is a tree: %j', async ([text, value]) => {
    const reply = await readLines(text);
    expect(reply.kind === 'result' ? JSON.parse(reply.text) : reply).toEqual(value);
  });

  test('may come in any pieces', async () => {
    const whole = await readLines(dump(20));
    expect(whole).toMatchObject({ kind: 'result', text: expect.stringContaining('"AOR":[{"value":"üser0"') });
    for (let size = 1; size < 70; size++) expect(await readLines(dump(20), size)).toStrictEqual(whole);
  });

  test('that is long is read in turns, and leaves room for the next one', async () => {
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const room = new Allowance(8 << 20);
    const reply = await readLines(dump(50_000), 4096, room);
    isOver = true;
    expect(turns).toBeGreaterThan(20);
    expect(reply.kind === 'result' ? JSON.parse(reply.text) : reply).toMatchObject({
      Domain: { AOR: { length: 50_000, 49999: { value: 'üser49999', Contact: { Expires: '60' } } } },
    });
    expect(room.used).toBe(0);
    expect(await readLines(dump(200_000), 65536, room)).toMatchObject({
      kind: 'broken',
      reason: expect.stringContaining('max_lines'),
    });
    expect(room.used).toBe(0);
    const long = `200 OK\n${'x'.repeat(1 << 20)}\n`;
    expect(await readLines(long, 65536, room)).toMatchObject({
      kind: 'broken',
      reason: expect.stringContaining('line'),
    });
    expect(room.used).toBe(0);
    expect(await readLines('200 OK\n', 65536, room)).toMatchObject({ kind: 'result' });
  });

  test('of short lines, which take most memory as values, is held to the same limit', async () => {
    const room = new Allowance(1 << 20);
    for (const line of ['a:: x=1\n', 'a\n']) {
      expect(await readLines(`200 OK\n${line.repeat((1 << 19) / line.length)}`, 65536, room)).toMatchObject({
        kind: 'broken',
        reason: expect.stringContaining('max_lines'),
      });
      expect(await readLines(`200 OK\n${line.repeat(1000)}`, 65536, room)).toMatchObject({ kind: 'result' });
      expect(room.used).toBe(0);
    }
  });

  test('is an error from 300 on, and broken without a status', async () => {
    expect(await readLines('404 AOR not found\n')).toMatchObject({
      kind: 'error',
      error: { code: 404, message: 'AOR not found' },
    });
    expect(await readLines('{"jsonrpc":"2.0"}')).toMatchObject({ kind: 'broken' });
  });

  test('has no more levels than can be printed', async () => {
    const lines = Array.from({ length: 3000 }, (_, depth) => `${'\t'.repeat(depth)}a:: b c=d\n`);
    expect(await readLines(`200 OK\n${lines.join('')}`)).toMatchObject({ kind: 'result' });
  });

  test('has no name that changes what objects are', async () => {
    const reply = await readLines('200 OK\n__proto__:: x polluted=1\n');
    expect(reply).toMatchObject({ kind: 'result', text: expect.stringContaining('__proto__') });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
