import fc from 'fast-check';
import { expect, test } from 'vitest';
import { count } from '../../../test/support/long.js';
import { holds } from '../../../test/support/property.js';
import { service } from '../../../test/support/usrloc-service.js';
import { uriProblem } from './contact.js';

test('URIs that OpenSIPS takes for contacts are taken', () => {
  for (const uri of [
    'sip:alice@192.0.2.1:5060',
    'sip:192.0.2.1',
    'sip:x',
    'SIPS:alice@example.com;transport=tls',
    'sip:alice@[2001:db8::1]:5061;transport=ws',
    'sip:[::1]',
    'sip:alice:secret@example.com:5060;lr?Subject=a%20b&Priority=urgent',
    'sip:a;b=c?d/e@example.com',
    'sip:%61lice@dkf9s8.invalid;transport=ws',
    'sip:alice2@127.0.0.1:5062;x="a&b<c>"',
    'sip:alice@192.0.2.1;+sip.instance="<urn:uuid:1@2>"',
    'sip:192.0.2.1;x=a@b?c',
    'sip:ž@127.0.0.1',
    'sip:u@host_with_underscore:0',
    'tel:+1-201-555-0123;phone-context=example.com',
    'tels:911',
  ]) {
    expect(uriProblem(uri), uri).toBe(undefined);
  }
});

test('texts that are no URI of a contact are told why', () => {
  for (const [text, problem] of [
    ['', /empty/],
    ['alice', /begins with none of sip:, sips:, tel: and tels:/],
    ['http://192.0.2.1', /begins with none/],
    ['urn:service:sos', /begins with none/],
    ['*', /begins with none/],
    ['<sip:alice@192.0.2.1>', /without its angle brackets/],
    [' sip:alice@192.0.2.1', /blanks/],
    ['sip:al ice@192.0.2.1', /blanks/],
    ['sip:alice@192.0.2.1\r\nX-Evil: 1', /blanks or control/],
    ['sip:alice@192.0.2.1\0', /control/],
    ['sip:alice@192.0.2.1\u0085', /control/],
    ['sip:', /no host/],
    ['sip:@', /user part is empty/],
    ['sip:@example.com', /user part is empty/],
    ['sip::secret@example.com', /user part is empty/],
    ['sip:alice@', /no host/],
    ['sip:alice@;x', /no host/],
    ['sip:alice@host:', /no host/],
    ['sip:alice@host:port', /no host/],
    ['sip:alice@host:65536', /port is larger/],
    ['sip:alice@[::1', /no host/],
    ['sip:alice@a@b', /no host/],
    ['sip:alice@h"ost', /no host/],
    ['tel:', /no telephone number/],
    ['tel:alice', /no telephone number/],
    [`sip:${'a'.repeat(4096)}@x`, /longer than 4096 bytes/],
    [`sip:${'ž'.repeat(2050)}@x`, /longer than 4096 bytes/],
  ] as const) {
    expect(uriProblem(text) ?? 'taken', text).toMatch(problem);
  }
});

test('any URI made by the rules is taken; none that is taken has blanks, control characters or no host', () => {
  const visible = fc.stringMatching(/^[!-?A-Z[-~\u00a1-\u017f]{1,20}$/).filter((text) => !/[@"<>]/.test(text));
  const host = fc.oneof(
    fc.domain(),
    fc.ipV4(),
    fc.ipV6().map((address) => `[${address}]`),
  );
  const uri = fc
    .tuple(
      fc.constantFrom('sip', 'sips', 'SIP'),
      fc.option(visible.filter((text) => !text.startsWith(':'))),
      host,
      fc.option(fc.nat(65535)),
      fc.array(visible, { maxLength: 3 }),
    )
    .map(([scheme, user, where, port, parameters]) => {
      const end = parameters.map((parameter) => `;${parameter}`).join('');
      return `${scheme}:${user === null ? '' : `${user}@`}${where}${port === null ? '' : `:${port}`}${end}`;
    });
  holds(fc.property(uri, (text) => uriProblem(text) === undefined));
  const any = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.tuple(uri, fc.nat(60), fc.string({ unit: 'binary', maxLength: 3 })).map(([text, at, more]) => {
      return `${text.slice(0, at)}${more}${text.slice(at)}`;
    }),
  );
  const { location } = service();
  holds(
    fc.property(any, (text) => {
      if (uriProblem(text) !== undefined) {
        expect(() => location.save('alice', { contact: text, expires: 60 })).toThrow(
          expect.objectContaining({ name: 'ContactUriError' }),
        );
        return;
      }
      expect(text).not.toMatch(/[\s\p{Cc}]/u);
      expect(text).toMatch(/^(sips?|tels?):[^@]/i);
      location.save('alice', { contact: text, expires: 60 });
      expect(location.remove('alice', text)).toBe(1);
    }),
    { runs: count(300, 20_000) },
  );
});

test('texts of a contact and addresses of record have no control characters, and a limit', () => {
  const { location } = service({ keyValues: true });
  const good = { contact: 'sip:a@192.0.2.1', expires: 60 } as const;
  for (const member of ['callId', 'userAgent', 'path', 'socket', 'attr', 'sipInstance'] as const) {
    for (const value of ['a\r\nb', 'a\nb', 'a\0', '\u007f', '\u009b1m']) {
      expect(() => location.save('alice', { ...good, [member]: value })).toThrow(
        expect.objectContaining({
          name: 'RangeError',
          message: expect.stringMatching(new RegExp(`^${member} is .*control characters`)),
        }),
      );
    }
    expect(() => location.save('alice', { ...good, [member]: 'ž'.repeat(2049) })).toThrow(
      expect.objectContaining({ name: 'RangeError', message: `${member} has 4098 bytes; give 4096 at most` }),
    );
    location.save('alice', { ...good, [member]: `a\tb${'x'.repeat(4093)}` });
  }
  for (const aor of ['a\r\nb', 'a\0', '\u0085']) {
    expect(() => location.save(aor, good)).toThrow(
      expect.objectContaining({ name: 'AorError', message: expect.stringMatching(/control characters/) }),
    );
    expect(() => location.lookup(aor)).toThrow(expect.objectContaining({ name: 'AorError' }));
  }
  expect(() => location.save('alice', { ...good, received: 'nowhere' })).toThrow(/received is "nowhere"; .*URI/);
  expect(() => location.save('alice', { ...good, cflags: ['a\u0001'] })).toThrow(/cflags has/);
  expect(() => location.save('alice', { ...good, cflags: Array(700).fill('NATTED') })).toThrow(/cflags has 4899 bytes/);
  expect(() => location.save('alice', { ...good, keyValues: { a: 'x'.repeat(4096) } })).toThrow(/keyValues has 4104/);
});
