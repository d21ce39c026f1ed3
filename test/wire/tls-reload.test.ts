import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { assert, expect } from 'vitest';
import { defaultCiphers } from '#src/http/tls/ciphers.js';
import { root, start, type TestServer } from '../support/http-server.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { askTls, connectTls, nameOf, served } from '../support/tls-client.js';
import { noOpenssl, type TestCertificate, type TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';
import { call } from '../support/url-client.js';

function serve(t: Lifetime, certFile: string, keyFile: string): Promise<TestServer> {
  return start(t, [root()], { tls: { certFile, keyFile, ciphers: defaultCiphers }, maxConnections: 5000 });
}

/** Copies the files of a certificate over those that are served. */
function overwrite(from: TestCertificate, certFile: string, keyFile: string): void {
  cpSync(from.certFile, certFile);
  cpSync(from.keyFile, keyFile);
}

/** Until new connections get the certificate of that name. */
async function untilServed(port: number, name: string): Promise<void> {
  await expect.poll(() => served(port)).toBe(name);
}

/** A server with copies of the files of a certificate, so that they can be overwritten. */
async function serveCopies(t: Lifetime, one: TestCertificate, files: TlsFiles) {
  const [certFile, keyFile] = [files.path('live.pem'), files.path('live.key')];
  overwrite(one, certFile, keyFile);
  const running = await serve(t, certFile, keyFile);
  const { certificates } = running.server;
  assert(certificates !== undefined);
  return { ...running, certificates, certFile, keyFile };
}

unless(noOpenssl, test)(
  'under load no connection is lost when the certificate changes, and old ones go on',
  async ({ files, lifetime }) => {
    const both = [files.make('one'), files.make('two')] as const;
    const { port, certificates, certFile, keyFile, server, until } = await serveCopies(lifetime, both[0], files);
    const kept = await connectTls(port);
    const seen = new Map<string, number>();
    let isOver = false;
    const clients = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const name = await served(port);
        seen.set(name, (seen.get(name) ?? 0) + 1);
      }
    });
    for (let round = 1; round <= 20; round++) {
      const next = both[round % 2] ?? both[0];
      overwrite(next, certFile, keyFile);
      const [{ outcome } = { outcome: undefined }] = certificates.reload();
      expect(outcome).toBe('reloaded');
      const before = seen.get(next.name) ?? 0;
      await until(() => (seen.get(next.name) ?? 0) >= before + 3);
      // Whoever connects from now on gets the new one, without exception.
      expect(await served(port)).toBe(next.name);
      expect(await askTls(kept)).toMatch(/^HTTP\/1\.1 200/);
    }
    isOver = true;
    // A connection that was lost would have rejected.
    await Promise.all(clients);
    expect([...seen.keys()].sort()).toStrictEqual(['one', 'two']);
    expect(nameOf(kept)).toBe('one');
    expect(certificates.reload()[0]?.outcome).toBe('unchanged');
    await until(() => server.openConnections === 1);
    kept.destroy();
    await until(() => server.openConnections === 0);
  },
);

unless(noOpenssl, test)('closing cuts connections of former certificates too', async ({ files, lifetime }) => {
  const { port, server, certificates, certFile, keyFile } = await serveCopies(lifetime, files.make('one'), files);
  const former = await connectTls(port);
  // It may be closed by a reset.
  former.on('error', () => {});
  const closed = new Promise<void>((resolve) => former.once('close', () => resolve()));
  overwrite(files.make('two'), certFile, keyFile);
  certificates.reload();
  server.close();
  await closed;
  expect(certificates.reload()).toStrictEqual([]);
});

unless(noOpenssl, test)('bad new files keep the former certificate, and say so', async ({ files, lifetime }) => {
  const [one, two, old] = [files.make('one'), files.make('two'), files.make('old', { days: -1 })];
  const { port, certificates, certFile, keyFile, log } = await serveCopies(lifetime, one, files);
  const cases: [() => void, RegExp][] = [
    [() => overwrite(old, certFile, keyFile), /live\.pem expired on/],
    [() => cpSync(two.certFile, certFile), /does not belong to certificate/],
    [() => writeFileSync(certFile, ''), /there is no certificate in PEM format/],
    [() => rmSync(certFile), /there is no such file/],
  ];
  for (const [spoil, problem] of cases) {
    overwrite(one, certFile, keyFile);
    spoil();
    const [reload] = certificates.reload();
    expect(reload?.outcome).toBe('kept');
    expect(reload?.problem ?? '').toMatch(problem);
    expect(await served(port)).toBe('one');
    expect(log.some(({ level, message }) => level === 'error' && problem.test(message))).toBe(true);
  }
  overwrite(two, certFile, keyFile);
  expect(certificates.reload()[0]?.outcome).toBe('reloaded');
  expect(await served(port)).toBe('two');
});

unless(noOpenssl, test)('files that are written anew are noticed', async ({ files, lifetime }) => {
  const { port, certFile, keyFile } = await serveCopies(lifetime, files.make('one'), files);
  for (const name of ['two', 'three']) {
    overwrite(files.make(name), certFile, keyFile);
    await untilServed(port, name);
  }
});

unless(noOpenssl, test)(
  'files that are renamed into place are noticed, again and again',
  async ({ files, lifetime }) => {
    const { port, certFile, keyFile } = await serveCopies(lifetime, files.make('one'), files);
    for (const name of ['two', 'three']) {
      const next = files.make(name);
      renameSync(next.keyFile, keyFile);
      renameSync(next.certFile, certFile);
      await untilServed(port, name);
    }
  },
);

/** A folder with a certificate as `tls.pem` and `tls.key`. */
function folderOf(files: TlsFiles, certificate: TestCertificate): string {
  const folder = files.path(`..${certificate.name}`);
  mkdirSync(folder);
  cpSync(certificate.certFile, `${folder}/tls.pem`);
  cpSync(certificate.keyFile, `${folder}/tls.key`);
  return folder;
}

unless(noOpenssl, test)(
  'a symbolic link to a folder that is swapped is noticed, as Kubernetes does it',
  async ({ files, lifetime }) => {
    symlinkSync(folderOf(files, files.make('one')), files.path('..data'));
    for (const name of ['tls.pem', 'tls.key']) symlinkSync(`..data/${name}`, files.path(name));
    const { port } = await serve(lifetime, files.path('tls.pem'), files.path('tls.key'));
    for (const name of ['two', 'three']) {
      symlinkSync(folderOf(files, files.make(name)), files.path('..data_tmp'));
      renameSync(files.path('..data_tmp'), files.path('..data'));
      await untilServed(port, name);
    }
  },
);

unless(noOpenssl, test)(
  'a whole folder that is replaced is noticed, even when it is away for a while',
  async ({ files, lifetime }) => {
    const live = files.path('live');
    renameSync(folderOf(files, files.make('one')), live);
    const { port, log, until } = await serve(lifetime, `${live}/tls.pem`, `${live}/tls.key`);
    rmSync(live, { recursive: true });
    await until(() => log.some(({ level, message }) => level === 'error' && /no such file/.test(message)));
    expect(await served(port)).toBe('one');
    renameSync(folderOf(files, files.make('two')), live);
    await untilServed(port, 'two');
  },
);

unless(noOpenssl, test)(
  'the MI command reloads, tells, and keeps what is good; a statistic counts the days',
  async ({ files, startMi }) => {
    const [one, two] = [files.make('one', { days: 100 }), files.make('two', { days: 30 })];
    const [certFile, keyFile] = [files.path('live.pem'), files.path('live.key')];
    overwrite(one, certFile, keyFile);
    const server = await startMi({ ip: '127.0.0.1', port: 0, tls_cert_file: certFile, tls_key_file: keyFile });
    const days = async () => (await call(server, 'get_statistics', [['tls_days_left']])).result;
    expect(await days()).toStrictEqual({ 'httpd:tls_days_left': 99 });
    overwrite(two, certFile, keyFile);
    const { result } = await call(server, 'httpd:reload_tls');
    const [reload] = result as { expires: string }[];
    expect(result).toStrictEqual([
      {
        listener: `127.0.0.1:${server.port}`,
        certificate: certFile,
        outcome: 'reloaded',
        expires: reload?.expires,
        days_left: 29,
      },
    ]);
    expect(Date.parse(reload?.expires ?? '')).toBeGreaterThan(Date.now());
    expect(await days()).toStrictEqual({ 'httpd:tls_days_left': 29 });
    cpSync(one.keyFile, keyFile);
    const { error } = await call(server, 'httpd_reload_tls');
    expect(error?.code).toBe(500);
    expect(error?.message).toBe('Certificate not reloaded');
    expect(String(error?.data)).toMatch(/^127\.0\.0\.1:\d+: key .* does not belong to certificate/);
    expect(await served(server.port, '/healthz')).toBe('two');
  },
);

unless(noOpenssl, test)('without TLS there is nothing to reload', async ({ startMi }) => {
  const server = await startMi({ ip: '127.0.0.1', port: 0 });
  expect((await call(server, 'httpd:reload_tls')).error).toStrictEqual({ code: 404, message: 'No listener has TLS' });
  expect((await call(server, 'get_statistics', [['tls_days_left']])).result).toStrictEqual({});
  expect(server.reloadTls()).toStrictEqual([]);
});
