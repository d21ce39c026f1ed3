import fc from 'fast-check';
import { assert, expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { type ListenSetting, parseListenSetting, settingName } from './setting.js';

function read(text: string): [string, string, number, string, Record<string, string>] {
  const { kind, address, port, path, options } = parseListenSetting(text);
  return [kind, address, port, path, Object.fromEntries(options)];
}

const good: [string, ...ReturnType<typeof read>][] = [
  ['http:127.0.0.1:8888', 'http', '127.0.0.1', 8888, '', {}],
  ['http:*:0', 'http', '*', 0, '', {}],
  ['https:[::1]:65535', 'https', '::1', 65535, '', {}],
  [' http:0.0.0.0:1024 ; ', 'http', '0.0.0.0', 1024, '', {}],
  ['https:*:8443;cert=/a;key=/b', 'https', '*', 8443, '', { cert: '/a', key: '/b' }],
  [
    'https:*:8443 ; ciphers = SECURE256:+SECURE192:-VERS-ALL:+VERS-TLS1.2 ; passphrase_file=/p=1',
    'https',
    '*',
    8443,
    '',
    { ciphers: 'SECURE256:+SECURE192:-VERS-ALL:+VERS-TLS1.2', passphrase_file: '/p=1' },
  ],
  ['unix:/run/x.sock', 'unix', '', 0, '/run/x.sock', {}],
  ['unix:/run/a:b.sock;mode=0600;auth=off', 'unix', '', 0, '/run/a:b.sock', { mode: '0600', auth: 'off' }],
  [
    'http:127.0.0.1:1;auth=on;level=read;allow=10.0.0.0/8,::1',
    'http',
    '127.0.0.1',
    1,
    '',
    {
      auth: 'on',
      level: 'read',
      allow: '10.0.0.0/8,::1',
    },
  ],
];

for (const [text, ...expected] of good) {
  test(`reads ${JSON.stringify(text)}`, () => expect(read(text)).toStrictEqual(expected));
}

const bad: [string, RegExp][] = [
  ['', /^"" is no place to listen: give http:ADDRESS:PORT/],
  ['8888', /^"8888" is no place to listen/],
  ['tcp:127.0.0.1:1', /^"tcp:127\.0\.0\.1:1" is no place to listen/],
  ['HTTP:127.0.0.1:1', /is no place to listen/],
  ['http:127.0.0.1', /^"127\.0\.0\.1" is no address with a port: give http:ADDRESS:PORT$/],
  ['http:8888', /^"8888" is no address with a port/],
  ['https:::1:8443', /^"::1:8443" is no address with a port: put IPv6 in brackets, https:\[::1\]:8888$/],
  ['http::8888', /^"" is no IPv4 address/],
  ['http:localhost:8888', /^"localhost" is no IPv4 address and no IPv6 address in brackets/],
  ['http:[127.0.0.1]:8888', /^"127\.0\.0\.1" is no IPv4 address/],
  ['http:127.0.0.1:65536', /^port "65536" is not a number from 0 to 65535$/],
  ['http:127.0.0.1:', /^port "" is not a number/],
  ['http:127.0.0.1:+80', /^port "\+80" is not a number/],
  ['unix:run/x', /^path "run\/x" is not absolute/],
  ['unix:', /^path "" is not absolute/],
  [`unix:/${'x'.repeat(107)}`, /^the path has 108 bytes, and a Unix socket at most 107/],
  ['http:*:1;cert=/a', /^option cert is for https, not for http: remove it$/],
  ['https:*:1;mode=0660', /^option mode is for unix, not for https/],
  ['unix:/x;allow=::1', /^option allow is for http and https, not for unix/],
  ['https:*:1;crt=/a', /^a listener has no option "crt": did you mean "cert"\?$/],
  ['http:*:1;zzzzzzz=1', /^a listener has no option "zzzzzzz": known: auth, level, allow, socket, engine$/],
  ['http:*:1;constructor=1', /^a listener has no option "constructor"/],
  ['http:*:1;auth', /^option "auth" has no value/],
  ['http:*:1;;auth=on', /^option "" has no value/],
  ['http:*:1;auth=', /^option auth is empty/],
  ['http:*:1;auth=on;auth=off', /^option auth is given twice/],
  ['unix:/x;mode=7777', /^option mode is "7777": give three octal digits/],
  ['unix:/x;mode=rw', /^option mode is "rw"/],
];

for (const [text, message] of bad) {
  test(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
    expect(() => parseListenSetting(text)).toThrow(
      expect.toSatisfy((error: Error) => {
        assert(error instanceof RangeError);
        expect(error.message).toMatch(message);
        return true;
      }),
    );
  });
}

test('any text is read or refused in one line, and what is read is read again from its name', () => {
  const part = fc.constantFrom(
    'http:',
    'https:',
    'unix:',
    '[::1]',
    '*',
    '127.0.0.1',
    ':',
    '8888',
    '/a',
    ';',
    'auth=on',
    ' ',
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
  );
  holds(
    fc.property(texts, (text) => {
      let setting: ListenSetting;
      try {
        setting = parseListenSetting(text);
      } catch (error) {
        assert(error instanceof RangeError);
        expect(error.message).not.toMatch(/\n/);
        return;
      }
      const again = parseListenSetting(settingName(setting));
      expect({ ...again, options: setting.options }).toStrictEqual(setting);
    }),
  );
});
