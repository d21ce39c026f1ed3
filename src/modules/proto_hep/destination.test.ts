import { describe, expect, test } from 'vitest';
import { parseHepId } from './destination.js';

describe('hep_id', () => {
  const good: readonly (readonly [text: string, setting: object])[] = [
    ['[homer] 10.0.0.1', { name: 'homer', host: '10.0.0.1', port: 9060, transport: 'tcp', version: 3 }],
    ['[ homer ]10.0.0.1:9061;', { name: 'homer', host: '10.0.0.1', port: 9061, transport: 'tcp', version: 3 }],
    ['[a b] cap.example:1; transport=udp; version=3', { name: 'a b', host: 'cap.example', port: 1, transport: 'udp' }],
    ['[h] h:9060;version = 3 ; transport= TLS ;', { transport: 'tls', version: 3 }],
    ['[h] h; version=1', { version: 1 }],
    ['[h] [::1]:9060', { host: '::1', port: 9060 }],
    ['[h] [2001:db8::1]', { host: '2001:db8::1', port: 9060 }],
  ];
  for (const [text, setting] of good) {
    test(`${text} is taken`, () => {
      expect(parseHepId(text)).toMatchObject(setting);
    });
  }

  const bad: readonly (readonly [text: string, problem: RegExp])[] = [
    ['', /no name in brackets/],
    ['homer 10.0.0.1', /no name in brackets/],
    ['[homer 10.0.0.1', /no name in brackets/],
    ['[] 10.0.0.1', /its name has 1 to 100 characters/],
    [`[${'n'.repeat(101)}] h`, /its name has 1 to 100 characters/],
    ['[h]', /no host/],
    ['[h] :9060', /no host/],
    ['[h] ::1', /no host/],
    ['[h] [h]:1', /no host/],
    ['[h] a b', /no host/],
    ['[h] h:', /its port is none/],
    ['[h] h:0', /its port is none/],
    ['[h] h:65536', /its port is none/],
    ['[h] h:1e3', /its port is none/],
    ['[h] h; transport=sctp', /transport is none of udp, tcp, tls/],
    ['[h] h; transport=', /transport has no value/],
    ['[h] h; version=4', /version is none of 1, 2, 3/],
    ['[h] h; color=red', /neither transport= nor version=/],
    ['[h] h;; version=3', /neither transport= nor version=/],
    ['[h] h; version=3=3', /neither transport= nor version=/],
    [`[h] h; ${'\u{1f600}'.repeat(60)}`, /neither transport=/],
  ];
  for (const [text, problem] of bad) {
    test(`${JSON.stringify(text).slice(0, 50)} is rejected`, () => {
      expect(() => parseHepId(text)).toThrow(problem);
      expect(() => parseHepId(text)).toThrow(RangeError);
    });
  }
});
