// Certificates of clients by the command: what -c and the start refuse, and what SIGHUP reads again.
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { describe, expect } from 'vitest';
import { Authority, askingListener, type ClientFiles } from '../support/authority.js';
import { assertNoStack } from '../support/daemon.js';
import { isNode } from '../support/engine.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

/** The status of GET /mi; 0 where there is no reply. */
function status(port: number, { cert, key }: ClientFiles): Promise<number> {
  return new Promise((resolve) => {
    const sent = request({ port, path: '/mi', cert, key, agent: false, rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', () => resolve(0));
    sent.end();
  });
}

function configuration(listen: string, users: string, more = ''): string {
  const lines = [`"listen", "${listen}"`, `"client_users", "${users}"`].map((line) => `modparam("httpd", ${line})`);
  return `loadmodule "httpd.so"\n${lines.join('\n')}\n${more}loadmodule "mi_http.so"\n`;
}

unless(noOpenssl, describe)('certificates of clients', () => {
  test('uWebSockets.js cannot ask for them: an error, with -c and without, that names what can', async ({
    files,
    runCommand,
  }) => {
    const users = files.write('client-users', 'alice:read:cn=alice\n');
    const { listen } = askingListener(files, new Authority(), '');
    const reason =
      /cannot serve https:127\.0\.0\.1:0: client_ca asks clients for certificates, which the engine uWebSockets\.js cannot: .*add ;engine=node/;
    for (const [engine, more] of [
      ['', isNode ? 'modparam("httpd", "engine", "uws")\n' : ''],
      [';engine=uws', 'modparam("httpd", "engine", "node")\n'],
    ] as const) {
      const input = configuration(listen.replace(';engine=node', engine), users, more);
      expect(await runCommand(['-f', '-'], { input })).toRefuse(reason);
      const { status, stderr } = await runCommand(['-c', '-f', '-'], { input });
      expect(status).toBe(255);
      expect(stderr).toMatch(reason);
      assertNoStack(stderr);
    }
    const input = configuration(listen.replace(';engine=node', ''), users, 'modparam("httpd", "engine", "node")\n');
    expect((await runCommand(['-c', '-f', '-'], { input })).status).toBe(0);
  });

  test('-c tells what is wrong with the files', async ({ files, runCommand }) => {
    const authority = new Authority();
    const { listen, caFile } = askingListener(files, authority, `;client_crl=${files.path('list.pem')}`);
    const users = files.write('client-users', 'alice:read:cn=alice\n');
    const check = async (): Promise<string> => {
      const { stdout, stderr } = await runCommand(['-c', '-f', '-'], { input: configuration(listen, users) });
      return stdout + stderr;
    };
    expect(await check()).toMatch(/cannot serve https:127\.0\.0\.1:0: client_crl .*list\.pem: there is no such file/);
    files.write('list.pem', authority.list({ until: Date.now() - 1000 }));
    expect(await check()).toMatch(/client_crl .*list\.pem: number 1 in it ended on .*: make a new one/);
    files.write('list.pem', authority.list());
    expect(await check()).toMatch(/<stdin>: good\n$/);
    writeFileSync(caFile, new Authority('old', undefined, Date.now() - 1000).cert);
    expect(await check()).toMatch(/client_ca .*clients\.pem expired on .*: renew it/);
    files.write('client-users', 'alice:read:cn=alice\nalice:read:dns=a\n');
    expect(await check()).toMatch(/client-users:2: client user "alice" is there twice/);
  });

  test('SIGHUP reads CA, list and users again', async ({ files, startDaemon }) => {
    const authority = new Authority();
    const [alice, bob] = [authority.issue('alice'), authority.issue('bob')];
    const listFile = files.write('list.pem', authority.list());
    const users = files.write('client-users', 'alice:read:cn=alice\n');
    const { listen } = askingListener(files, authority, `;client_crl=${listFile}`);
    const daemon = await startDaemon(['-f', '-'], { input: configuration(listen, users) });
    expect([await status(daemon.port, alice), await status(daemon.port, bob)]).toStrictEqual([200, 403]);
    await daemon.line(/the certificate of a client from 127\.0\.0\.1 is of no user: CN=bob, sha256=[0-9a-f]{64}/);
    authority.revoke(alice);
    writeFileSync(listFile, authority.list());
    writeFileSync(users, 'bob:read:cn=bob\n');
    daemon.signal('SIGHUP');
    await daemon.line(/are judged by the new client_ca and client_crl/);
    expect([await status(daemon.port, alice), await status(daemon.port, bob)]).toStrictEqual([0, 200]);
    await daemon.line(/certificate of a client from 127\.0\.0\.1 refused by https:127\.0\.0\.1:0: it is revoked/);
  });
});
