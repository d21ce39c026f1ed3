// Logins on listeners of every kind, and while the server stops.
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { describe, expect } from 'vitest';
import { createServer } from '#src/index.js';
import { basic, tokenLine, userLine } from '../support/accounts.js';
import { post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const alice = basic('alice', 'pw');

/** Calls a command; gives the status of the reply. */
function status(send: typeof request, options: object, authorization?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    };
    const sent = send({ method: 'POST', path: '/mi', agent: false, headers, ...options }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end('{"jsonrpc":"2.0","method":"version","id":1}');
  });
}

describe('logins', () => {
  unless(process.platform === 'win32' || noOpenssl, test)(
    'over TLS and over a Unix socket',
    async ({ files, onTestFinished }) => {
      const { certFile, keyFile } = files.make('server', { key: 'ec' });
      const [path, open] = [files.path('mi.sock'), files.path('open.sock')];
      const server = createServer({
        httpd: {
          auth_file: files.write('users', userLine('alice', 'pw', 'read')),
          audit_file: files.path('audit.log'),
          listen: [
            `https:127.0.0.1:0;cert=${certFile};key=${keyFile}`,
            `unix:${path}`,
            `unix:${open};auth=off;level=read`,
          ],
        },
      });
      await server.start();
      onTestFinished(() => server.close({ deadline: 0 }));
      const tls = { host: '127.0.0.1', port: server.port, rejectUnauthorized: false };
      const ask = requestTls as typeof request;
      expect([await status(ask, tls), await status(ask, tls, alice)]).toStrictEqual([401, 200]);
      const local = { socketPath: path };
      expect([await status(request, local), await status(request, local, alice)]).toStrictEqual([401, 200]);
      for (let i = 0; i < 5; i++) expect(await status(request, local, basic('alice', `${i}`))).toBe(401);
      expect(await status(request, local, basic('alice', 'x')), 'those of this machine are one party').toBe(429);
      expect(await status(request, { socketPath: open })).toBe(200);
    },
  );

  test('one that is being verified when the server stops is answered', async ({ files, startServer }) => {
    const auth_file = files.write('users', userLine('alice', 'pw', 'read'));
    const auth_tokens = files.write('tokens', tokenLine('watcher', 'mi_watcher', 'read'));
    const server = await startServer({ httpd: { auth_file, auth_tokens } });
    const body = '{"jsonrpc":"2.0","method":"version","id":1}';
    const logins = [alice, basic('alice', 'wrong')];
    const replies = logins.map((Authorization) => post(server, body, { headers: { Authorization } }));
    const headers = { Authorization: 'Bearer mi_watcher' };
    const count = '{"jsonrpc":"2.0","method":"get_statistics","params":[["requests"]],"id":1}';
    for (let asked = 1; ; asked++) {
      const { result } = JSON.parse((await post(server, count, { headers })).body);
      if (result['httpd:requests'] === asked + logins.length) break;
    }
    await server.close();
    expect((await Promise.all(replies)).map((reply) => reply.status)).toStrictEqual([200, 401]);
  });
});
