// Forms in which certificates and keys lie on disks: each is served, or refused by the check and the start alike with what
// is wrong with it. What Node.js reads and the engine does not is the difference that hides here.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { HttpServer } from '#src/http/server.js';
import { defaultCiphers } from '#src/http/tls/ciphers.js';
import { options, root } from '../support/http-server.js';
import { suiteLifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { connectTls, nameOf } from '../support/tls-client.js';
import { noOpenssl, openssl, type TestCertificate, TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const passphrase = 'open sesame';

unless(noOpenssl, describe)('forms of certificates and keys', () => {
  const files = noOpenssl === false ? new TlsFiles(suiteLifetime()) : undefined;
  const path = (name: string): string => files?.path(name) ?? name;
  const [leaf, ca] = files === undefined ? [] : chainOf(files);
  const chain =
    leaf === undefined ? '' : readFileSync(leaf.certFile, 'latin1') + readFileSync(ca?.certFile ?? '', 'latin1');
  const key = leaf === undefined ? '' : readFileSync(leaf.keyFile, 'latin1');
  const bom = '\xef\xbb\xbf';

  /** Both by the check alone and by the start. */
  async function refusalOf(certFile: string, keyFile: string, passphraseFile?: string): Promise<string | undefined> {
    const tls = { certFile, keyFile, passphraseFile, ciphers: defaultCiphers };
    const refusals: (string | undefined)[] = [];
    for (const action of ['check', 'start'] as const) {
      const server = new HttpServer(options({ tls }));
      const error: unknown = await server[action]().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      server.close();
      expect(String(error)).not.toMatch(/sesame|MII/);
      refusals.push(error instanceof Error ? error.message : undefined);
    }
    expect(refusals[0], 'the check says what the start says').toBe(refusals[1]);
    return refusals[0];
  }

  function put(name: string, bytes: string): string {
    const file = path(name);
    writeFileSync(file, bytes, { encoding: 'latin1', mode: 0o600 });
    return file;
  }

  const served: readonly (readonly [name: string, form: (text: string) => string])[] = [
    ['as it is', (text) => text],
    ['with a byte order mark', (text) => bom + text],
    ['with a byte order mark before the second', (text) => text.replace(/-\n-/, `-\n${bom}-`)],
    ['with no line break between the two', (text) => text.replace(/-\n-/, '--')],
    ['with no line break at the end', (text) => text.trimEnd()],
    ['with lines of Windows', (text) => text.replaceAll('\n', '\r\n')],
    ['with lines of an old Mac', (text) => text.replaceAll('\n', '\r')],
    ['indented', (text) => text.replace(/^/gm, '  ')],
    ['on one line', (text) => text.replaceAll('\n', '')],
    ['with blanks at the ends of lines', (text) => text.replaceAll('\n', ' \n')],
    ['with text around', (text) => `subject=x\n${text}\nend\n`],
  ];
  for (const [name, form] of served) {
    test(`a chain ${name} is served whole`, async ({ start }) => {
      const certFile = put('form.pem', form(chain));
      expect(await refusalOf(certFile, leaf?.keyFile ?? '')).toBe(undefined);
      const page = root({ onRequest: (exchange) => void exchange.reply(200, 'x') });
      const tls = { certFile, keyFile: leaf?.keyFile ?? '', passphraseFile: undefined, ciphers: defaultCiphers };
      const { port } = await start([page], { tls });
      const socket = await connectTls(port);
      expect(nameOf(socket)).toBe('leaf');
      const { issuerCertificate } = socket.getPeerCertificate(true);
      socket.destroy();
      expect(issuerCertificate?.subject.CN).toBe('ca');
    });
  }

  const refusedKeys: readonly (readonly [name: string, form: (text: string) => string, reason: RegExp])[] = [
    ['with a byte order mark', (text) => bom + text, /key .*form\.key begins with a byte order mark, .*without one$/],
    ['behind something else', (text) => `x ${text}`, /its BEGIN .*on one line with something else/],
    ['with lines of an old Mac', (text) => text.replaceAll('\n', '\r'), /its BEGIN .*on one line with something else/],
    [
      'of UTF-16',
      (text) => Buffer.from(`\ufeff${text}`, 'utf16le').toString('latin1'),
      /but UTF-16: save it as UTF-8$/,
    ],
  ];
  for (const [name, form, reason] of refusedKeys) {
    test(`a key ${name} is refused with the reason`, async () => {
      expect((await refusalOf(leaf?.certFile ?? '', put('form.key', form(key)))) ?? '').toMatch(reason);
    });
  }

  test('a certificate of UTF-16, and one in DER, are refused with the reason', async () => {
    const wide = put('wide.pem', Buffer.from(`\ufeff${chain}`, 'utf16le').toString('latin1'));
    expect((await refusalOf(wide, leaf?.keyFile ?? '')) ?? '').toMatch(
      /no certificate in PEM format in it, but UTF-16/,
    );
    openssl('x509', '-in', leaf?.certFile ?? '', '-outform', 'der', '-out', path('der.pem'));
    expect((await refusalOf(path('der.pem'), leaf?.keyFile ?? '')) ?? '').toMatch(/in it, but DER, it seems/);
  });

  const encryptions: readonly (readonly [name: string, how: readonly string[], reason: RegExp | undefined])[] = [
    ['AES-256', ['-v2', 'aes-256-cbc'], undefined],
    ['hmacWithSHA1', ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA1'], undefined],
    ['3DES', ['-v2', 'des3'], undefined],
    ['scrypt', ['-scrypt'], /encrypted with scrypt, which the engine has not: .*openssl pkcs8 -topk8/],
    ['hmacWithSHA384', ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA384'], /encrypted with hmacWithSHA384, which/],
    ['hmacWithSHA512', ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA512'], /encrypted with hmacWithSHA512, which/],
    ['Camellia', ['-v2', 'camellia-256-cbc'], /encrypted with Camellia, which/],
  ];
  for (const [name, how, reason] of encryptions) {
    test(`a key encrypted with ${name} is ${reason === undefined ? 'served' : 'refused with the reason'}`, async () => {
      const encrypted = files?.encrypt(leaf ?? never(), passphrase, ...how) ?? '';
      // A byte order mark before the passphrase is no part of it.
      for (const line of [`${passphrase}\n`, `${bom}${passphrase}\r\n`]) {
        const refusal = await refusalOf(leaf?.certFile ?? '', encrypted, put('passphrase', line));
        if (reason === undefined) expect(refusal).toBe(undefined);
        else expect(refusal ?? '').toMatch(reason);
      }
    });
  }

  test('explicit EC parameters are refused with the reason, in the key and in the certificate', async () => {
    const [explicit, named] = [path('explicit.key'), path('named.key')];
    const curve = ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'];
    openssl(...curve, '-param_enc', 'explicit', '-out', explicit);
    openssl('ec', '-in', explicit, '-param_enc', 'named_curve', '-out', named);
    const pem = path('explicit.pem');
    openssl('req', '-x509', '-new', '-key', explicit, '-out', pem, '-subj', '/CN=explicit', '-days', '30');
    const reason = /has explicit EC parameters, .*make key and certificate anew/;
    expect((await refusalOf(pem, explicit)) ?? '').toMatch(/key .*explicit\.key has explicit/);
    expect((await refusalOf(pem, explicit)) ?? '').toMatch(reason);
    expect((await refusalOf(pem, named)) ?? '').toMatch(reason);
  });
});

function never(): never {
  throw new Error('openssl is missing');
}

/** A certificate, and the one that signed it. */
function chainOf(files: TlsFiles): readonly [TestCertificate, TestCertificate] {
  const ca = files.make('ca');
  const [certFile, keyFile, request] = ['leaf.pem', 'leaf.key', 'leaf.csr'].map((name) => files.path(name));
  const [cert = '', key = '', csr = ''] = [certFile, keyFile, request];
  openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', csr, '-subj', '/CN=leaf');
  openssl(
    'x509',
    '-req',
    '-in',
    csr,
    '-CA',
    ca.certFile,
    '-CAkey',
    ca.keyFile,
    '-CAcreateserial',
    '-days',
    '30',
    '-out',
    cert,
  );
  return [{ name: 'leaf', certFile: cert, keyFile: key }, ca];
}
