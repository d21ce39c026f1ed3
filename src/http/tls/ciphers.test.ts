import fc from 'fast-check';
import { assert, expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { defaultCiphers, ciphersNotice as noticeOf, readCiphers } from './ciphers.js';
import { engineList, engineSuites } from './suites.js';

const [lenient, strict] = [
  { hasOwnOrder: true, hasSuite: (suite: string) => suite !== 'DES-CBC3-SHA' },
  { hasOwnOrder: false, hasSuite: () => true },
];

function ciphersNotice(text: string): string | undefined {
  return noticeOf(text, strict);
}

function list(text: string): string {
  return readCiphers(text)
    .suites.map(({ name }) => name)
    .join(':');
}

function refusal(text: string): string {
  try {
    readCiphers(text);
  } catch (error) {
    assert(error instanceof RangeError);
    return error.message;
  }
  return expect.unreachable(`${text} is accepted`);
}

test('the default string', () => {
  expect(list(defaultCiphers)).toBe(
    'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384:' +
      'ECDHE-RSA-CHACHA20-POLY1305:AES256-GCM-SHA384',
  );
  expect(ciphersNotice(defaultCiphers)).toBe(
    `tls_ciphers "${defaultCiphers}": TLS 1.3 cannot be switched off and is offered too, with all of its suites; ` +
      'key exchange groups are X25519, P-256 and P-384, whatever is asked for; signature algorithms are not limited; ' +
      'no suite with DHE-RSA, AES-256-CCM is served',
  );
});

const counts: [string, number][] = [
  ['NORMAL', 14],
  ['LEGACY', 14],
  ['PFS', 10],
  ['SECURE128', 14],
  ['SECURE192', 5],
  ['SUITEB128', 2],
  ['SUITEB192', 1],
  ['PERFORMANCE', 14],
  ['NONE:+VERS-TLS1.2:+AES-128-GCM:+ECDHE-RSA:+AEAD', 1],
  ['NORMAL:-VERS-TLS1.3', 14],
  ['NORMAL:!VERS-TLS1.3', 14],
  ['normal:-vers-tls1.3', 14],
  ['NORMAL:-MAC-ALL:+AEAD', 8],
  ['NORMAL:-SHA1', 8],
  ['SECURE256:-VERS-ALL:+VERS-TLS1.2:-RSA', 4],
  ['NONE:+SECURE256', 5],
  ['NORMAL:-SECURE256', 0],
  ['NORMAL:-CIPHER-ALL:+3DES-CBC', 1],
  ['NORMAL:+3DES-CBC:-VERS-TLS-ALL:+VERS-TLS1.2', 15],
  ['NORMAL:+NULL:+ANON-ECDH:+ANON-DH', 14],
  ['NORMAL:NONE:+VERS-TLS1.2:SUITEB192', 1],
  ['NORMAL:+CTYPE-X509:-COMP-ALL:+COMP-NULL:%COMPAT', 14],
];

for (const [text, count] of counts) {
  if (count > 0) test(`${text}: ${count} suites`, () => expect(readCiphers(text).suites.length).toBe(count));
}

test('the order of the string is kept, key exchange first', () => {
  expect(list('NONE:+VERS-TLS1.2:+RSA:+ECDHE-RSA:+AES-128-GCM:+AES-256-GCM:+AEAD')).toBe(
    'AES128-GCM-SHA256:AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384',
  );
  expect(list('PERFORMANCE')).toMatch(/^AES128-GCM-SHA256:/);
});

test('TLS 1.3 alone', () => {
  const only13 = readCiphers('NORMAL:-VERS-ALL:+VERS-TLS1.3');
  expect(only13).toStrictEqual({ suites: [], unmet: [], wantsOwnOrder: false });
  expect(engineList(only13)).toBe('ECDHE-PSK-CHACHA20-POLY1305');
  expect(ciphersNotice('SECURE256:-VERS-ALL:+VERS-TLS1.3') ?? '').toMatch(/TLS 1\.3 has AES-128-GCM too/);
  expect(ciphersNotice('NORMAL:-KX-ALL:+DHE-RSA') ?? '').toMatch(/TLS 1\.2 is off, for it has no suite left/);
});

const notices: [string, RegExp | undefined][] = [
  ['NORMAL:%SERVER_PRECEDENCE', /the order of the client decides.*\(%SERVER_PRECEDENCE\)/],
  ['NORMAL:%NO_TICKETS', /session tickets are given \(%NO_TICKETS\)/],
  ['NORMAL:%PROFILE_HIGH', /profiles do not limit/],
  ['NORMAL:-GROUP-ALL:+GROUP-SECP384R1', /groups are X25519, P-256 and P-384/],
  ['NORMAL:-CURVE-X25519', /groups are X25519, P-256 and P-384/],
  ['NORMAL:-SIGN-ALL:+SIGN-RSA-SHA256', /signature algorithms are not limited/],
  ['NORMAL:+SIGN-ECDSA-SECP256R1-SHA256:+GROUP-FFDHE2048', /signature algorithms/],
  ['NORMAL', /TLS1\.1, TLS1\.0 are not served/],
  ['NORMAL:-VERS-TLS1.3', /TLS 1\.3 cannot be switched off/],
  ['NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-DHE-RSA:-AES-256-CCM:-AES-128-CCM', undefined],
  ['ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256', /no suite for DHE-RSA-AES128-GCM-SHA256/],
  ['HIGH:@SECLEVEL=2', /@SECLEVEL=2 has no effect/],
];

for (const [text, notice] of notices) {
  test(`what ${text} cannot have is told`, () => {
    if (notice === undefined) expect(ciphersNotice(text)).toBe(undefined);
    else expect(ciphersNotice(text) ?? '').toMatch(notice);
  });
}

test('an engine that can do more is not told of less', () => {
  const text = 'NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-DHE-RSA:-AES-256-CCM:-AES-128-CCM';
  expect(noticeOf(`${text}:%SERVER_PRECEDENCE`, lenient)).toBe(undefined);
  expect(noticeOf(`${text}:+3DES-CBC`, strict)).toBe(undefined);
  expect(noticeOf(`${text}:+3DES-CBC`, lenient)).toMatch(/this engine has no suite DES-CBC3-SHA$/);
});

const refused: [string, RegExp][] = [
  ['', /^it is empty: give a GnuTLS priority string/],
  ['  ', /^it is empty/],
  ['FOO', /^token "FOO" is none of a GnuTLS priority string: known: NORMAL/],
  ['NORMAL:+FOO', /^token "\+FOO" is none/],
  ['NORMAL:+AES-265-GCM', /^token "\+AES-265-GCM" .* did you mean "\+AES-256-GCM"\?$/],
  ['NORMAL:-VERS-TLS1.4', /^token "-VERS-TLS1\.4" .* did you mean "-VERS-TLS1\.[0-3]"\?$/],
  ['NORMAL:%FOO', /^token "%FOO" is none/],
  ['NORMAL:%SERVER_PRECEDENT', /did you mean "%SERVER_PRECEDENCE"/],
  ['NORMAL:', /^token "" is none .* remove the colon$/],
  ['NORMAL:+VERS-TLS1.2:AES-128-GCM', /^token "AES-128-GCM" is none/],
  ['NORMAL:+GROUP-FOO', /^token "\+GROUP-FOO" is none/],
  ['NORMAL:+constructor', /^token "\+CONSTRUCTOR" is none/],
  ['SYSTEM', /^token "SYSTEM" refers to priorities of the system/],
  ['@SYSTEM', /^token "@SYSTEM" refers/],
  ['NONE', /neither TLS 1\.2 nor TLS 1\.3/],
  ['NORMAL:-VERS-ALL:+VERS-TLS1.1', /neither TLS 1\.2 nor TLS 1\.3/],
  ['NORMAL:-KX-ALL:+DHE-RSA:-VERS-TLS1.3', /^it leaves no suite/],
  ['NORMAL:-SECURE256', /neither TLS 1\.2/],
  ['NONE:+VERS-TLS1.2:+NULL:+RSA:+SHA1', /^it leaves no suite/],
  ['NORMAL:-CIPHER-ALL:+NULL', /^it leaves no suite/],
  ['NORMAL:-KX-ALL:+ANON-ECDH:+ANON-DH', /^it leaves no suite/],
  ['NORMAL:-KX-ALL:+PSK:-VERS-TLS1.3', /^it leaves no suite/],
  ['aNULL', /^it leaves no suite/],
  ['HIGH:!ALL', /^it leaves no suite/],
  ['HIGH:foo', /^"foo" is no suite and no keyword of OpenSSL/],
  ['ECDHE+AESGMC', /"ECDHE\+AESGMC"/],
  ['HIGH:ECDHE+AESGMC', /^"ECDHE\+AESGMC" .* did you mean "AESGCM"\?$/],
];

for (const [text, message] of refused) {
  test(`refuses ${JSON.stringify(text)}`, () => expect(refusal(text)).toMatch(message));
}

const opensslLists: [string, string][] = [
  ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['ECDHE+CHACHA20:!aRSA', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['kRSA+AESGCM,AES256-SHA', 'AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA'],
  ['!kRSA:AESGCM:-AES128', 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384'],
  ['AES128+kRSA+SHA:AES256+kRSA+SHA:+AES128', 'AES256-SHA:AES128-SHA'],
  ['AES128-SHA:AES256-SHA:@STRENGTH', 'AES256-SHA:AES128-SHA'],
  ['-AES128-SHA:AES128-SHA', 'AES128-SHA'],
  ['AES128-SHA:!AES128-SHA:AES128-SHA:AES256-SHA', 'AES256-SHA'],
  ['3DES', 'DES-CBC3-SHA'],
];

for (const [text, expected] of opensslLists) {
  test(`reads ${text} as a list of OpenSSL`, () => expect(list(text)).toBe(expected));
}

test('usual lists of other servers are accepted', () => {
  expect(readCiphers('HIGH:!aNULL:!MD5').suites.length).toBe(14);
  expect(readCiphers('DEFAULT@SECLEVEL=2').suites.length).toBe(14);
  const intermediate =
    'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
    'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:' +
    'DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384';
  expect(readCiphers(intermediate).suites.length).toBe(6);
});

test('any string is read or refused in one line, and what is read are suites of the engine', () => {
  const token = fc.constantFrom(
    ...['NORMAL', 'SECURE256', 'NONE', 'PFS', '+RSA', '-RSA', '!VERS-ALL', '+VERS-TLS1.2', '+VERS-TLS1.3', '-SHA1'],
    ...['+AEAD', '+AES-128-GCM', '-CIPHER-ALL', '%COMPAT', '+NULL', '-KX-ALL', '+ANON-DH', '', 'HIGH', '!aNULL', '@'],
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(token, { maxLength: 8 }).map((tokens) => tokens.join(':')),
  );
  holds(
    fc.property(texts, (text) => {
      try {
        const { suites, unmet } = readCiphers(text);
        expect(new Set(suites).size).toBe(suites.length);
        for (const suite of suites) expect(engineSuites).toContain(suite);
        for (const clause of unmet) expect(clause).not.toMatch(/\n/);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        expect(error.message).not.toMatch(/\n/);
      }
    }),
    { runs: 500 },
  );
});
