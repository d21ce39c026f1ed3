import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { Authority } from '../../../test/support/authority.js';
import { parseIdentity, readClientCertificate } from './client-certificate.js';
import { formatName, nameKey, parseName } from './distinguished-name.js';

const authority = new Authority();

function derOf(cert: string): Buffer {
  return new X509Certificate(cert).raw;
}

test('a certificate with any byte changed, or cut anywhere, is read as one or as none, and nothing is thrown', () => {
  const der = derOf(authority.issue('alice', { names: [[0x82, 'a.org']] }).cert);
  for (let at = 0; at < der.length; at++) {
    const before = der[at] ?? 0;
    for (const byte of [0x00, 0x7f, 0x80, 0x81, 0x84, 0xff, before ^ 1, before ^ 0x20]) {
      der[at] = byte;
      const { identities, isReadable, subject } = readClientCertificate(der);
      expect(identities.length > 0).toBe(isReadable);
      expect(subject).toMatch(/^[ -~]+$/);
    }
    der[at] = before;
    expect(readClientCertificate(der.subarray(0, at)).isReadable, `cut at ${at}`).toBe(false);
  }
  expect(readClientCertificate(der)).toMatchObject({
    subject: 'CN=alice',
    isReadable: true,
    identities: [expect.stringMatching(/^sha256=/), parseIdentity('subject=CN=alice'), 'cn=alice', 'dns=a.org'],
  });
});

test('a name is the same when it is written and read again', () => {
  const values = ['a', ' a ', '#a', 'a,b', 'a+b', '"', '\\', ';', '<>', '=', 'é', '😀', '\u202e', 'CN=x,O=y', '\\,'];
  const keys = new Set<string | undefined>();
  for (const first of values) {
    for (const second of values) {
      const names = [
        [[{ type: '2.5.4.10', value: second }], [{ type: '2.5.4.3', value: first }]],
        [
          [
            { type: '2.5.4.3', value: first },
            { type: '1.2.3.4', value: second },
          ],
        ],
      ];
      for (const name of names) {
        const text = formatName(name);
        expect(nameKey(parseName(text)), text).toBe(nameKey(name));
        keys.add(nameKey(name));
      }
    }
  }
  // No two of them are one.
  expect(keys.size).toBe(2 * values.length ** 2);
});
