import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { getCiphers } from 'node:tls';
import { promisify } from 'node:util';
import { assert, expect } from 'vitest';
import { HttpServer } from '#src/http/server.js';
import { defaultCiphers } from '#src/http/tls/ciphers.js';
import { isNode } from '../support/engine.js';
import { freePort } from '../support/free-port.js';
import { type LogLine, options, root, start, type TestServer } from '../support/http-server.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { askTls, connectTls, served } from '../support/tls-client.js';
import { noOpenssl, type TestCertificate } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const run = promisify(execFile);

function serve(
  t: Lifetime,
  { certFile, keyFile }: TestCertificate,
  ciphers: string = defaultCiphers,
  passphraseFile?: string,
): Promise<TestServer> {
  const onRequest = root({
    methods: ['GET', 'POST'],
    onRequest: (exchange) => {
      if (exchange.path === '/large') exchange.reply(200, 'x'.repeat(5_000_000));
      else if (exchange.method === 'POST') exchange.reply(200, exchange.body);
      else exchange.reply(200, `${exchange.isSecure} ${exchange.listener} ${exchange.remoteAddress}`);
    },
  });
  return start(t, [onRequest], { tls: { certFile, keyFile, ciphers, passphraseFile } });
}

unless(noOpenssl, test)('key exchange groups are those that the notices name', async ({ lifetime, files }) => {
  const { port } = await serve(lifetime, files.make('one'));
  for (const ecdhCurve of ['X25519', 'P-256', 'P-384']) (await connectTls(port, { ecdhCurve })).destroy();
  for (const ecdhCurve of ['P-521', 'X448']) await expect(connectTls(port, { ecdhCurve }), ecdhCurve).rejects.toThrow();
});

unless(noOpenssl, test)('a client that asks for HTTP/1.0 by ALPN has a connection', async ({ lifetime, files }) => {
  const { port, server, until } = await serve(lifetime, files.make('one'));
  for (const ALPNProtocols of [['http/1.0'], ['h2', 'http/1.1'], ['http/1.0', 'http/1.1']]) {
    const socket = await connectTls(port, { ALPNProtocols });
    expect(await askTls(socket)).toMatch(/^HTTP\/1\.1 200 OK/);
    socket.destroy();
  }
  await until(() => server.openConnections === 0);
});

unless(noOpenssl, test)('a second handshake within a connection is refused', async ({ lifetime, files }) => {
  const { port } = await serve(lifetime, files.make('one'));
  const socket = await connectTls(port, { maxVersion: 'TLSv1.2' });
  const outcome = await new Promise<string>((resolve) => {
    socket.on('error', ({ message }) => resolve(message));
    socket.on('close', () => resolve('closed'));
    socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null ? 'done' : error.message));
  });
  expect(outcome).toMatch(/renegotiation|closed|alert/i);
  socket.destroy();
});

unless(noOpenssl, test)('TLS is served, and nothing else is on its port', async ({ lifetime, files }) => {
  const { port, server, counter, until } = await serve(lifetime, files.make('one'));
  expect(server.urls).toStrictEqual([`https://127.0.0.1:${port}`]);
  const socket = await connectTls(port);
  expect(await askTls(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\ntrue https:127\.0\.0\.1:0 127\.0\.0\.1$/);
  expect(await askTls(socket)).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(counter('connections')).toBe(1);
  socket.destroy();
  await until(() => server.openConnections === 0);

  const plain = connect(port, '127.0.0.1');
  plain.on('error', () => {});
  let bytes = 0;
  plain.on('data', (data) => {
    bytes += data.length;
  });
  plain.write('GET /t HTTP/1.1\r\nHost: test\r\n\r\n');
  await once(plain, 'close');
  // A TLS alert at most, never a reply.
  expect(bytes, `${bytes} bytes`).toBeLessThanOrEqual(7);
  expect(counter('requests')).toBe(2);
});

unless(process.platform !== 'linux' || noOpenssl, test)(
  'connections from one port to two addresses of the server are two',
  async ({ lifetime, files }) => {
    const { certFile, keyFile } = files.make('two');
    const tls = { certFile, keyFile, ciphers: defaultCiphers, passphraseFile: undefined };
    const { port, server, until } = await start(lifetime, [root()], { ip: '*', tls });
    const localPort = await freePort();
    const raw = ['127.0.0.1', '127.0.0.2'].map((host) => connect({ host, port, localAddress: '127.0.0.1', localPort }));
    await Promise.all(raw.map((socket) => once(socket, 'connect')));
    await until(() => server.openConnections === 2);
    const [one, two] = await Promise.all(raw.map((socket) => connectTls(port, { socket })));
    assert(one !== undefined && two !== undefined);
    one.write('GET /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await once(one.resume(), 'close');
    await until(() => server.openConnections === 1);
    expect(await askTls(two)).toMatch(/^HTTP\/1\.1 200 OK/);
    two.destroy();
    await until(() => server.openConnections === 0);
  },
);

unless(noOpenssl, test)('bodies and large replies pass', async ({ lifetime, files }) => {
  const { port } = await serve(lifetime, files.make('one'));
  const exchange = async (method: string, path: string, body?: Buffer): Promise<Buffer> => {
    const asked = request({ host: '127.0.0.1', port, method, path, rejectUnauthorized: false, agent: false });
    asked.end(body);
    const [response] = await once(asked, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  const body = Buffer.alloc(60_000, 'abcdefg');
  expect(await exchange('POST', '/t', body)).toStrictEqual(body);
  expect((await exchange('GET', '/t/large')).length).toBe(5_000_000);
});

/** What a client that knows everything gets with each suite of TLS 1.2 that OpenSSL has. */
async function accepted(port: number): Promise<string[]> {
  const names: string[] = [];
  for (const name of getCiphers().filter((one) => !one.startsWith('tls_'))) {
    try {
      const ciphers = `${name.toUpperCase()}:@SECLEVEL=0`;
      const socket = await connectTls(port, { ciphers, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
      names.push(socket.getCipher().name);
      socket.destroy();
    } catch {
      // Not offered.
    }
  }
  return names.sort();
}

async function version(port: number, minMax: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<string | undefined> {
  try {
    const socket = await connectTls(port, { minVersion: minMax, maxVersion: minMax, ciphers: 'ALL:@SECLEVEL=0' });
    const protocol = socket.getProtocol() ?? undefined;
    socket.destroy();
    return protocol;
  } catch {
    return undefined;
  }
}

unless(noOpenssl, test)(
  'what is offered is what the default string says, as far as the engine can',
  async ({ files, lifetime }) => {
    const rsa = await serve(lifetime, files.make('rsa'));
    expect(await accepted(rsa.port)).toStrictEqual([
      'AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-GCM-SHA384',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ]);
    const ec = await serve(lifetime, files.make('ec', { key: 'ec' }));
    expect(await accepted(ec.port)).toStrictEqual(['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305']);
    expect(await version(rsa.port, 'TLSv1')).toBe(undefined);
    expect(await version(rsa.port, 'TLSv1.1')).toBe(undefined);
    expect(await version(rsa.port, 'TLSv1.2')).toBe('TLSv1.2');
    // The one thing that is offered and was not asked for, which the start tells.
    expect(await version(rsa.port, 'TLSv1.3')).toBe('TLSv1.3');
    expect(
      rsa.log.some(({ level, message }) => level === 'info' && /TLS 1\.3 cannot be switched off/.test(message)),
    ).toBe(true);
  },
);

const offers: [string, readonly string[]][] = [
  ['NONE:+VERS-TLS1.2:+AES-128-GCM:+ECDHE-RSA:+AEAD', ['ECDHE-RSA-AES128-GCM-SHA256']],
  ['NORMAL:-VERS-ALL:+VERS-TLS1.3', []],
  ['kRSA+AESGCM', ['AES128-GCM-SHA256', 'AES256-GCM-SHA384']],
  ['NORMAL:-ECDHE-RSA:-AES-128-GCM:-AES-128-CBC', ['AES256-GCM-SHA384', 'AES256-SHA']],
];

for (const [ciphers, expected] of offers) {
  unless(noOpenssl, test)(`what is offered is what ${ciphers} says`, async ({ lifetime, files }) => {
    const { port } = await serve(lifetime, files.make('one'), ciphers);
    expect(await accepted(port)).toStrictEqual(expected);
    expect(await version(port, 'TLSv1.3')).toBe('TLSv1.3');
  });
}

unless(noOpenssl, test)(
  'what the engine at hand cannot do of a list is told, and no more',
  async ({ lifetime, files }) => {
    const suites = 'NONE:+VERS-TLS1.2:+VERS-TLS1.3:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+ECDHE-RSA:+AEAD';
    const ordered = await serve(lifetime, files.make('one'), `${suites}:%SERVER_PRECEDENCE`);
    const client = 'ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256';
    const socket = await connectTls(ordered.port, { ciphers: client, maxVersion: 'TLSv1.2' });
    const chosen = socket.getCipher().name;
    socket.destroy();
    const told = ordered.log.some(({ message }) => /the order of the client decides/.test(message));
    expect([chosen === 'ECDHE-RSA-AES128-GCM-SHA256', told]).toStrictEqual([isNode, !isNode]);
    const old = await serve(lifetime, files.make('two'), 'NORMAL:-CIPHER-ALL:+3DES-CBC');
    expect(await version(old.port, 'TLSv1.3')).toBe('TLSv1.3');
    expect(old.log.some(({ message }) => message.endsWith('; this engine has no suite DES-CBC3-SHA'))).toBe(isNode);
  },
);

unless(noOpenssl, test)('openssl sees the same', async ({ lifetime, files }) => {
  const { port } = await serve(lifetime, files.make('one'));
  const seen = async (...args: string[]): Promise<string> => {
    const client = run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args]);
    client.child.stdin?.end();
    const { stdout, stderr } = await client.catch((error: { stdout: string; stderr: string }) => error);
    return /Cipher is ([^\s]+)/.exec(stdout)?.[1] ?? stderr;
  };
  expect(await seen('-tls1_2')).toBe('ECDHE-RSA-AES256-GCM-SHA384');
  expect(await seen('-tls1_2', '-cipher', 'AES256-GCM-SHA384')).toBe('AES256-GCM-SHA384');
  expect(await seen('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256')).toBe('(NONE)');
  expect(await seen('-tls1_2', '-curves', 'P-384')).toBe('ECDHE-RSA-AES256-GCM-SHA384');
  expect(await seen('-tls1_3')).toMatch(/^TLS_AES_/);
});

const noSslscan = spawnSync('sslscan', ['--version']).status === 0 ? noOpenssl : 'sslscan is not installed';

unless(noSslscan, test)('sslscan sees the same', async ({ lifetime, files }) => {
  const { port } = await serve(lifetime, files.make('one'));
  const { stdout } = await run('sslscan', ['--no-colour', '--xml=-', `127.0.0.1:${port}`]);
  const ciphers = [...stdout.matchAll(/<cipher [^>]*sslversion="(TLSv1\.[0-3])"[^>]* cipher="([^"]+)"/g)];
  const of12 = ciphers.filter(([, version]) => version === 'TLSv1.2').map(([, , cipher]) => cipher);
  const wanted = ['AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'];
  expect(of12.sort()).toStrictEqual(wanted);
  expect([...new Set(ciphers.map(([, version]) => version))].sort()).toStrictEqual(['TLSv1.2', 'TLSv1.3']);
});

unless(noOpenssl, test)(
  'every kind of key that is accepted is served, encrypted ones too',
  async ({ files, lifetime }) => {
    for (const key of ['rsa', 'ec', 'ed25519'] as const) {
      expect(await served((await serve(lifetime, files.make(key, { key }))).port)).toBe(key);
    }
    const one = files.make('one');
    const passphraseFile = files.write('passphrase', 'sécret wörd\nnot this\n');
    const { port } = await serve(
      lifetime,
      { ...one, keyFile: files.encrypt(one, 'sécret wörd') },
      'NORMAL',
      passphraseFile,
    );
    expect(await served(port)).toBe('one');
  },
);

unless(noOpenssl, test)(
  'what is wrong with certificate and key is told, with the name of the file',
  async ({ files }) => {
    const [one, two, old] = [files.make('one'), files.make('two'), files.make('old', { days: -1 })];
    const odd = files.make('odd', { key: 'secp256k1' });
    const pss = files.make('pss', { key: 'rsa-pss' });
    const encrypted = files.encrypt(one, 'secret');
    const scrypt = files.encrypt(two, 'secret', '-scrypt');
    const right = files.write('right', 'secret\n');
    const wrong = files.write('wrong', 'hunter2\n');
    const empty = files.write('empty', '');
    const damaged = files.write('damaged', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const noKey = files.write('no-key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
    const missing = files.path('missing');
    const cases: [string, string, string | undefined, RegExp][] = [
      [missing, one.keyFile, undefined, /certificate .*\/missing: there is no such file$/],
      [one.certFile, missing, undefined, /key .*\/missing: there is no such file$/],
      [files.folder, one.keyFile, undefined, /certificate .*: it is a directory$/],
      ['/dev/zero', one.keyFile, undefined, /certificate \/dev\/zero: it is no regular file$/],
      [empty, one.keyFile, undefined, /certificate .*\/empty: there is no certificate in PEM format in it$/],
      [one.keyFile, one.certFile, undefined, /are certificate and key swapped\?$/],
      [damaged, one.keyFile, undefined, /certificate .*\/damaged: number 1 in it is damaged$/],
      [one.certFile, noKey, undefined, /key .*\/no-key is damaged$/],
      [one.certFile, two.keyFile, undefined, /key .*\/two\.key does not belong to certificate .*\/one\.pem/],
      [one.certFile, encrypted, undefined, /key .*\/one\.encrypted is encrypted: name a file with its passphrase/],
      [one.certFile, encrypted, wrong, /key .*: the passphrase in .*\/wrong does not decrypt it/],
      [one.certFile, encrypted, missing, /passphrase .*\/missing: there is no such file$/],
      [two.certFile, scrypt, right, /is encrypted with scrypt, which the engine has not: .*openssl pkcs8/],
      [old.certFile, old.keyFile, undefined, /certificate .*\/old\.pem expired on .* GMT: renew it$/],
      [odd.certFile, odd.keyFile, undefined, /key .* is of curve secp256k1, which the engine has not/],
      [pss.certFile, pss.keyFile, undefined, /key .* is of type rsa-pss, which the engine has not/],
    ];
    for (const [certFile, keyFile, passphraseFile, message] of cases) {
      const log: LogLine[] = [];
      const server = new HttpServer(
        options({ tls: { certFile, keyFile, passphraseFile, ciphers: defaultCiphers } }, log),
      );
      await expect(server.start()).rejects.toThrow(
        expect.toSatisfy((error: Error) => {
          expect(error.message).toMatch(/^cannot serve https:127\.0\.0\.1:0: /);
          expect(error.message).toMatch(message);
          expect(`${error.stack}${JSON.stringify(log)}`).not.toMatch(/hunter2|secret|MII/);
          return true;
        }),
      );
      await expect(server.check()).rejects.toThrow(message);
    }
  },
);

unless(noOpenssl, test)('the certificate of the key has to come first in its file', async ({ files, lifetime }) => {
  const [one, two] = [files.make('one'), files.make('two')];
  const texts = [one, two].map(({ certFile }) => readFileSync(certFile, 'utf8'));
  const chain = files.write('chain', texts.join(''));
  expect(await served((await serve(lifetime, { ...one, certFile: chain })).port)).toBe('one');
  await expect(serve(lifetime, { ...two, certFile: chain })).rejects.toThrow(
    /the one of key .*two\.key is number 2 in the file/,
  );
});

unless(noOpenssl, test)('what is not wrong but should be known is told', async ({ files, lifetime }) => {
  const soon = files.make('soon', { days: 5 });
  chmodSync(soon.keyFile, 0o644);
  const { log } = await serve(lifetime, soon, 'SUITEB128');
  const warnings = log.filter(({ level }) => level === 'warn').map(({ message }) => message);
  expect(warnings.length, JSON.stringify(warnings)).toBe(4);
  expect(warnings.join('\n')).toMatch(/every chosen suite of TLS 1\.2 needs a key for ECDSA/);
  expect(warnings.join('\n')).toMatch(/soon\.key can be read by every user of this machine/);
  expect(warnings.join('\n')).toMatch(/soon\.pem expires on .* GMT, in 4 days/);
  expect(warnings.join('\n')).toMatch(/tls_ciphers "SUITEB128": TLS 1\.3 cannot be switched off/);
});

unless(noOpenssl, test)(
  'a connection that never begins its handshake counts, and is closed',
  async ({ lifetime, files }) => {
    const { port, server, until } = await serve(lifetime, files.make('one'));
    const silent = connect(port, '127.0.0.1');
    silent.on('error', () => {});
    silent.resume();
    await until(() => server.openConnections === 1);
    await once(silent, 'close');
    await until(() => server.openConnections === 0);
  },
);

unless(noOpenssl, test)('the limit of connections holds', async ({ files, start }) => {
  const { certFile, keyFile } = files.make('one');
  const tls = { certFile, keyFile, ciphers: defaultCiphers };
  const { port, counter, until } = await start([root()], { tls, maxConnections: 1 });
  const first = await connectTls(port);
  await expect(connectTls(port)).rejects.toThrow();
  await until(() => counter('refused_connections') === 1);
  expect(await askTls(first)).toMatch(/^HTTP\/1\.1 200/);
  first.destroy();
});
