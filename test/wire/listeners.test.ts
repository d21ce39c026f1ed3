import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer as createNetServer } from 'node:net';
import { expect } from 'vitest';
import { createServer } from '#src/index.js';
import { threads } from '../support/engine.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { noOpenssl, TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';
import { call } from '../support/url-client.js';

/** A folder that goes with the test. */
const folderOf = (t: Lifetime): TlsFiles => new TlsFiles(t);

unless(noOpenssl, test)('one server on several listeners of every kind', async ({ lifetime, startMi }) => {
  const files = folderOf(lifetime);
  const { certFile, keyFile } = files.make('one');
  const path = files.path('mi.sock');
  const server = await startMi({
    listen: [
      'http:127.0.0.1:0',
      `https:[::1]:0;cert=${certFile};key=${keyFile};ciphers=NORMAL`,
      `unix:${path};mode=0600`,
    ],
  });
  const [plain = '', secure = '', local = ''] = server.urls;
  expect(plain).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mi$/);
  expect(secure).toMatch(/^https:\/\/\[::1\]:\d+\/mi$/);
  expect(local).toBe(`http://unix:${path}:/mi`);
  expect(server.urls.length).toBe(3);
  expect(server.port).toBe(Number(new URL(plain).port));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const Type = `HTTPD 127.0.0.1:${server.port}, [::1]:${new URL(secure).port}, ${path}`;
  for (const url of server.urls) {
    const { result } = await call(server, 'ps', undefined, url);
    const [first, ...others] = (result as { readonly Processes: readonly unknown[] }).Processes;
    expect([first, others.length]).toStrictEqual([{ ID: 0, PID: process.pid, Type }, threads]);
  }
  // They share everything: what one counts the others tell.
  const { result } = await call(server, 'get_statistics', [['requests', 'connections_total']], local);
  expect(result).toStrictEqual({ 'httpd:requests': 4, 'httpd:connections_total': 4 });
  await server.close();
  expect(existsSync(path)).toBe(false);
  for (const url of [plain, secure])
    await expect(call(server, 'ps', undefined, url)).rejects.toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }));
});

test('a listener that fails opens none of the others', async ({ onTestFinished, lifetime }) => {
  const taken = createNetServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const path = folderOf(lifetime).path('mi.sock');
  const server = createServer({ httpd: { listen: [`unix:${path}`, `http:127.0.0.1:${port}`] } });
  await expect(server.start()).rejects.toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
  expect(existsSync(path)).toBe(false);
});

test('the file of a Unix socket may be left behind, but not in use, nor something else', async ({
  lifetime,
  startMi,
}) => {
  const files = folderOf(lifetime);
  const path = files.path('mi.sock');
  const server = await startMi({ listen: [`unix:${path}`] });
  expect(server.port).toBe(0);
  expect(statSync(path).mode & 0o777).toBe(0o660);
  const refused = (listen: string, message: RegExp) =>
    expect(createServer({ httpd: { listen: [listen] } }).start()).rejects.toThrow(message);
  await refused(`unix:${path}`, /^cannot listen on unix:.*mi\.sock: a server listens there; stop it, .*EADDRINUSE/);
  // The one that was refused has left the other in peace.
  expect(existsSync(path)).toBe(true);
  expect((await call(server, 'ps')).result).toBeTruthy();

  // A server that was killed leaves its file behind.
  const dead = files.path('dead.sock');
  const program = `require('net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program]);
  expect(statSync(dead).isSocket()).toBe(true);
  const next = await startMi({ listen: [`unix:${dead}`] });
  expect((await call(next, 'ps')).result).toBeTruthy();

  writeFileSync(files.path('file'), 'precious');
  await refused(`unix:${files.path('file')}`, /there is a file of another kind; choose another path/);
  symlinkSync(path, files.path('link'));
  await refused(`unix:${files.path('link')}`, /there is a file of another kind/);
  await refused(`unix:${files.path('none/mi.sock')}`, /there is no folder .*none; make one/);
});

test('the file of another server is left alone when this one closes', async ({ lifetime, startMi }) => {
  const files = folderOf(lifetime);
  const path = files.path('mi.sock');
  const first = await startMi({ listen: [`unix:${path}`] });
  rmSync(path);
  const second = await startMi({ listen: [`unix:${path}`] });
  await first.close();
  expect(existsSync(path)).toBe(true);
  expect((await call(second, 'ps')).result).toBeTruthy();
});

test('connections to a Unix socket end like others', async ({ lifetime, startMi }) => {
  const path = folderOf(lifetime).path('mi.sock');
  const server = await startMi({ listen: [`unix:${path}`] });
  const idle = connect(path);
  await once(idle, 'connect');
  idle.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(idle, 'data');
  const closed = once(idle, 'close');
  await server.close({ deadline: 0 });
  await closed;
});

const refused: [object, RegExp][] = [
  [
    { listen: ['http:127.0.0.1:8888'], port: 8888 },
    /^parameters "listen" and "port" of module httpd do not mix: ip and port/,
  ],
  [{ ip: '', listen: ['http:127.0.0.1:8888'] }, /parameters "listen" and "ip" of module httpd do not mix/],
  [{ listen: ['http:127.0.0.1:80'] }, /port 80 is reserved for privileged services/],
  [
    { listen: ['http:127.0.0.1:8888', 'http:127.0.0.1:8888;auth=off'] },
    /listener http:127\.0\.0\.1:8888 is given twice/,
  ],
  [{ listen: ['unix:/x', 'unix:/x'] }, /listener unix:\/x is given twice/],
  [{ listen: ['https:127.0.0.1:0'] }, /has no certificate, and TLS needs both.*set tls_cert_file, or ;cert=FILE/],
  [{ listen: ['https:127.0.0.1:0;cert=/x'] }, /has no key, and TLS needs both.*set tls_key_file, or ;key=FILE/],
  [{ listen: ['https:*:8443;ciphers=FOO'] }, /option ciphers is "FOO": token "FOO" is none of a GnuTLS/],
  [
    { tls_cert_file: '/x' },
    /^listener https:127\.0\.0\.1:8888 has no key, and TLS needs both certificate and key: set tls_key_file$/,
  ],
  [{ tls_key_file: '/x' }, /has no certificate, .*: set tls_cert_file$/],
  [{ tls_cert_file: '' }, /parameter "tls_cert_file" of module httpd is "": it is empty/],
  [{ tls_ciphers: 'NORMAL:+FOO' }, /parameter "tls_ciphers" of module httpd is "NORMAL:\+FOO": token "\+FOO" is none/],
];

for (const [httpd, message] of refused) {
  test(`refuses ${JSON.stringify(httpd)}`, () => {
    expect(() => createServer({ httpd })).toThrow(
      expect.toSatisfy((error: Error) => {
        expect(error.message).toMatch(message);
        return true;
      }),
    );
  });
}

test('files of TLS that no listener uses are told of', async () => {
  const server = createServer({ httpd: { listen: ['http:127.0.0.1:0'], tls_cert_file: '/x', tls_key_file: '/y' } });
  expect(await server.check()).toStrictEqual([
    'tls_cert_file is set, but no listener speaks TLS: give one as "https:ADDRESS:PORT"',
  ]);
});
