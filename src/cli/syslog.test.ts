import dgram from 'node:dgram';
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { describe, expect, test, vi } from 'vitest';
import { facilities, journalLine, parseLogPlace, SyslogLog, syslogLine } from './syslog.js';

const options = { facility: 3, name: 'mi-httpd' };
const time = new Date('2026-11-30T12:00:00.123Z');

/** What nsyslog-parser makes of a line. */
function parsed(line: Buffer): Readonly<Record<string, unknown>> {
  const parse = createRequire(import.meta.url)('nsyslog-parser') as (line: string) => Readonly<Record<string, unknown>>;
  return parse(line.toString());
}

/** The parts of a line, by RFC 5424 §6, read by hand. */
function read(line: Buffer) {
  const text = line.toString('utf8');
  const [head = '', stamp = '', host = '', app = '', pid = '', id = ''] = text.split(' ', 6);
  let at = [head, stamp, host, app, pid, id].join(' ').length + 1;
  const params: Record<string, string> = {};
  let data = '-';
  if (text[at] === '[') {
    const start = at;
    at = text.indexOf(' ', at);
    data = text.slice(start + 1, at);
    while (text[at] === ' ') {
      const equals = text.indexOf('=', at);
      const name = text.slice(at + 1, equals);
      expect(text[equals + 1]).toBe('"');
      let value = '';
      for (at = equals + 2; text[at] !== '"'; at += 1) {
        if (text[at] === '\\') at += 1;
        value += text[at];
      }
      params[name] = value;
      at += 1;
    }
    expect(text[at]).toBe(']');
    at += 1;
  } else at += 1;
  expect(text[at]).toBe(' ');
  return { head, stamp, host, app, pid, id, data, params, message: text.slice(at + 1) };
}

describe('lines for syslog', () => {
  test('have severity, code and fields', () => {
    const fields = { code: 'serving', url: 'http://127.0.0.1:1/mi', n: 7, nothing: undefined, list: [1, 'a'] };
    const line = syslogLine({ severity: 6, time, fields, message: 'serving it' }, { ...options, facility: 16 }, 8192);
    expect(read(line)).toMatchObject({
      head: '<134>1',
      stamp: '2026-11-30T12:00:00.123Z',
      app: 'mi-httpd',
      pid: String(process.pid),
      id: 'serving',
      data: 'mi-httpd@32473',
      params: { code: 'serving', url: 'http://127.0.0.1:1/mi', n: '7', list: '[1,"a"]' },
      message: 'serving it',
    });
    // Its decoder takes no bracket in a value, though it be escaped.
    const plain = { code: 'serving', url: 'http://127.0.0.1:1/mi' };
    const decoded = parsed(
      syslogLine({ severity: 6, time, fields: plain, message: 'serving it' }, { ...options, facility: 16 }, 8192),
    );
    expect(decoded).toMatchObject({
      pri: '<134>',
      prival: 134,
      facilityval: 16,
      levelval: 6,
      appName: 'mi-httpd',
      pid: String(process.pid),
      messageid: 'serving',
      type: 'RFC5424',
      message: 'serving it',
    });
  });

  test('are one line whatever they hold, and what they hold ends nothing early', () => {
    const fields = {
      code: 'a b"c]d=e',
      'na me"]=': 'va"l\\ue]\n<34>1 - - - - - - forged',
      err: new Error('first\nsecond\u0085third\0'),
    };
    const line = syslogLine({ severity: 3, time, fields, message: 'one\r\ntwo\u001b[31m' }, options, 8192);
    expect(line.includes(0x0a)).toBe(false);
    expect(line.includes(0)).toBe(false);
    const { id, params, message } = read(line);
    expect(id).toBe('a_b_c_d_e');
    expect(params).toMatchObject({
      na_me___: 'va"l\\ue] <34>1 - - - - - - forged',
      error: 'first second third ',
    });
    expect(message).toBe('one two [31m');
  });

  test('have a byte order mark before what is not ASCII, and no half of a character', () => {
    const line = syslogLine({ severity: 6, time, fields: {}, message: 'žluťoučký '.repeat(1000) }, options, 2048);
    expect(line.length).toBeLessThanOrEqual(2048);
    expect(line.length).toBeGreaterThan(2044);
    const text = line.toString('utf8');
    expect(text).not.toContain('\ufffd');
    expect(read(line).message.startsWith('\ufeffžluťoučký')).toBe(true);
    expect(read(line)).toMatchObject({ data: '-', id: '-' });
  });

  test('leave fields out where there is no room for the message', () => {
    const fields = {
      code: 'full',
      ...Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`f${at}`, 'x'.repeat(500)])),
    };
    const line = syslogLine({ severity: 4, time, fields, message: 'it is full' }, options, 2048);
    expect(read(line)).toMatchObject({ params: { code: 'full' }, message: 'it is full' });
  });

  test('take anything that is logged', () => {
    const circle: Record<string, unknown> = {};
    circle.itself = circle;
    for (const fields of [{ circle }, { big: 1n }, { get: () => 1 }, { symbol: Symbol('x') }, { none: null }]) {
      expect(() => syslogLine({ severity: 6, time, fields, message: 'm' }, options, 2048)).not.toThrow();
      expect(() => journalLine({ severity: 6, time, fields, message: 'm' }, options)).not.toThrow();
    }
  });
});

/** The fields of a datagram for journald. */
function entry(bytes: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf(0x0a, at);
    const text = bytes.toString('utf8', at, end);
    const equals = text.indexOf('=');
    at = end + 1;
    if (equals !== -1) fields[text.slice(0, equals)] = text.slice(equals + 1);
    else {
      const length = Number(bytes.readBigUInt64LE(at));
      fields[text] = bytes.toString('utf8', at + 8, at + 8 + length);
      at += 8 + length;
      expect(bytes[at]).toBe(0x0a);
      at += 1;
    }
  }
  return fields;
}

test('lines for the journal have fields, those of several lines by their length', () => {
  const err = new Error('no\nway');
  const fields = { code: 'reload-failed', module: 'pbx', err, 'od-d name': 'a\nMESSAGE=forged\n' };
  const bytes = journalLine({ severity: 3, time, fields, message: 'reload\nfailed' }, { facility: 16, name: 'mi' });
  expect(entry(bytes)).toStrictEqual({
    MESSAGE: 'reload\nfailed',
    PRIORITY: '3',
    SYSLOG_IDENTIFIER: 'mi',
    SYSLOG_FACILITY: '16',
    MI_CODE: 'reload-failed',
    MI_MODULE: 'pbx',
    MI_ERROR: 'no\nway',
    MI_OD_D_NAME: 'a\nMESSAGE=forged\n',
    MI_STACK: err.stack,
  });
});

test('a receiver whose name is not found is looked for twice a second', ({ onTestFinished }) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  /** Of a name that is not found. */
  class Nowhere extends EventEmitter {
    unref(): void {}
    close(): void {}
    connect(): void {
      setTimeout(() => this.emit('error', new Error('getaddrinfo ENOTFOUND')), 1);
    }
  }
  const sockets = vi.spyOn(dgram, 'createSocket').mockImplementation(() => new Nowhere() as never);
  onTestFinished(() => sockets.mockRestore());
  const log = new SyslogLog({ kind: 'syslog', host: 'log.invalid', port: 514 }, options);
  vi.advanceTimersByTime(10);
  for (let at = 0; at < 100; at += 1) {
    log.info({ code: 'serving' }, `line ${at}`);
    vi.advanceTimersByTime(100);
  }
  expect(sockets.mock.calls.length).toBeLessThanOrEqual(22);
  // The last look-up has ended.
  vi.advanceTimersByTime(10);
  log.finish();
  expect(log.dropped).toBe(100);
});

test('facilities have the numbers of RFC 5424', () => {
  expect(
    ['LOG_KERN', 'LOG_MAIL', 'LOG_DAEMON', 'LOG_FTP', 'LOG_LOCAL0', 'LOG_LOCAL7'].map((one) => facilities.get(one)),
  ).toStrictEqual([0, 2, 3, 11, 16, 23]);
});

describe('--log', () => {
  for (const [text, place] of [
    ['stdout', undefined],
    ['syslog', { kind: 'syslog', path: '/dev/log' }],
    ['syslog:/run/x', { kind: 'syslog', path: '/run/x' }],
    ['syslog:udp:127.0.0.1', { kind: 'syslog', host: '127.0.0.1', port: 514 }],
    ['syslog:udp:[::1]:1514', { kind: 'syslog', host: '::1', port: 1514 }],
    ['journal', { kind: 'journal', path: '/run/systemd/journal/socket' }],
    ['journal:/x', { kind: 'journal', path: '/x' }],
  ] as const) {
    test(`${text} is taken`, () => {
      expect(parseLogPlace(text)).toStrictEqual(place);
    });
  }

  for (const text of [
    '',
    'sysog',
    'syslog:',
    'syslog:run/x',
    `syslog:/${'x'.repeat(107)}`,
    'syslog:tcp:127.0.0.1:514',
    'syslog:udp:',
    'syslog:udp::514',
    'syslog:udp:h:0',
    'syslog:udp:h:65536',
    'syslog:udp:h:',
    'syslog:udp:[h]:1',
    'journal:udp:127.0.0.1:1',
  ]) {
    test(`${JSON.stringify(text).slice(0, 40)} is rejected`, () => {
      expect(() => parseLogPlace(text)).toThrow(/^option --log is ".*"; give stdout, syslog, /);
    });
  }
});
