// Limits of calls a second, and waiting times after failed logins.
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { basic, tokenLine } from '../support/accounts.js';
import { type HttpReply, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

function version(server: Server, authorization?: string, body?: string): Promise<HttpReply> {
  const headers = authorization === undefined ? {} : { Authorization: authorization };
  return post(server, body ?? '{"jsonrpc":"2.0","method":"version","id":"x"}', { headers });
}

/** Calls until a limit is met. One of 1 a second may refill meanwhile. */
async function refusal(server: Server, authorization?: string): Promise<HttpReply> {
  for (;;) {
    const reply = await version(server, authorization);
    if (reply.status !== 200) return reply;
  }
}

describe('calls a second', () => {
  test('of one address: 429 with the error of JSON-RPC, and when to come back', async ({ startServer }) => {
    const server = await startServer({ httpd: { rate_limit_address: 1 } });
    const { status, headers, body } = await refusal(server);
    expect(status).toBe(429);
    expect(headers['retry-after']).toBe('1');
    expect(headers['content-type']).toBe('application/json');
    const data = 'more than 1 calls a second from one address, the limit rate_limit_address; try again in 1 s';
    expect(JSON.parse(body)).toStrictEqual({
      jsonrpc: '2.0',
      error: { code: -32004, message: 'Too many calls', data },
      id: 'x',
    });
  });

  test('as many at once as a second has', async ({ startServer }) => {
    const server = await startServer({ httpd: { rate_limit_address: 50 } });
    const replies = await Promise.all(Array.from({ length: 50 }, () => version(server)));
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    const { status } = await refusal(server);
    expect(status).toBe(429);
  });

  test('of one user, whatever the address; others go on', async ({ temporaryFile, startServer }) => {
    const file = temporaryFile('tokens', tokenLine('a', 'mi_a', 'read') + tokenLine('b', 'mi_b', 'read'));
    const server = await startServer({ httpd: { auth_tokens: file, rate_limit_user: 1 } });
    const { status, body } = await refusal(server, 'Bearer mi_a');
    expect(status).toBe(429);
    expect(body).toMatch(/of one user, the limit rate_limit_user/);
    expect((await version(server, 'Bearer mi_b')).status).toBe(200);
  });

  test('each call of a batch counts, and those that are too many get the error alone', async ({ startServer }) => {
    const server = await startServer({ httpd: { rate_limit_address: 2 } });
    const batch = Array.from({ length: 20 }, (_, id) => ({ jsonrpc: '2.0', method: 'version', id }));
    const { status, body } = await version(server, undefined, JSON.stringify(batch));
    expect(status).toBe(200);
    const codes = (JSON.parse(body) as { error?: { code: number } }[]).map(({ error }) => error?.code);
    expect(codes.slice(0, 2)).toStrictEqual([undefined, undefined]);
    expect(codes.filter((code) => code === -32004).length, codes.join()).toBeGreaterThanOrEqual(10);
  });

  test('pages and notifications get it too, and all are counted', async ({ startServer }) => {
    const server = await startServer({ httpd: { rate_limit_address: 3 } });
    let page: HttpReply;
    do page = await get(server, '/mi/core/core:version?arg=');
    while (page.status === 200);
    expect(page.status).toBe(429);
    expect(page.headers['retry-after']).toBe('1');
    expect(page.body).toMatch(/rate_limit_address/);
    let notified: HttpReply;
    do notified = await version(server, undefined, '{"jsonrpc":"2.0","method":"version"}');
    while (notified.status === 202);
    expect(notified.status).toBe(429);
    expect((await get(server, '/mi')).status, 'a page that runs nothing is no call').toBe(200);
  });
});

describe('waiting after failed logins', () => {
  const right = basic('admin', 'right');

  async function failedFive(server: Server): Promise<void> {
    for (let i = 0; i < 5; i++) expect((await version(server, basic('admin', `wrong ${i}`))).status).toBe(401);
  }

  test('the sixth login is not even looked at, right or wrong; without a login it is asked for', async ({
    startServer,
  }) => {
    const server = await startServer({ httpd: { auth_username: 'admin', auth_password: 'right' } });
    await failedFive(server);
    for (const authorization of [right, basic('admin', 'wrong'), basic('nobody', 'x')]) {
      const { status, headers, body } = await version(server, authorization);
      expect(status).toBe(429);
      expect(headers['retry-after']).toBe('1');
      expect(JSON.parse(body).error.data).toMatch(/too many failed logins from 127\.0\.0\.1; try again in 1 s/);
    }
    expect((await version(server)).status).toBe(401);
  });

  test('a login that was verified before waits with its name, where a 200 would confirm a guess; a token goes on', async ({
    temporaryFile,
    startServer,
  }) => {
    const file = temporaryFile('tokens', tokenLine('a', 'mi_a', 'read'));
    const server = await startServer({
      httpd: { auth_username: 'admin', auth_password: 'right', auth_tokens: file },
    });
    expect((await version(server, right)).status).toBe(200);
    await failedFive(server);
    expect((await version(server, basic('admin', 'wrong'))).status).toBe(429);
    expect((await version(server, right)).status).toBe(429);
    expect((await version(server, 'Bearer mi_a')).status).toBe(200);
  });

  test('it ends by itself', async ({ startServer }) => {
    const server = await startServer({ httpd: { auth_username: 'admin', auth_password: 'right' } });
    await failedFive(server);
    let reply: HttpReply;
    do reply = await version(server, right);
    while (reply.status === 429);
    expect(reply.status).toBe(200);
  });
});
