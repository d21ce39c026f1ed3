import { Agent } from 'node:http';
import { expect } from 'vitest';
import { call, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

test('10,000 calls one after the other on one connection, none lost', async ({ startServer, onTestFinished }) => {
  const server = await startServer();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  for (let id = 0; id < 10_000; id++) {
    const { body } = await post(server, `{"jsonrpc":"2.0","method":"pwd","id":${id}}`, { agent });
    expect(body.endsWith(`"id":${id}}`), body).toBe(true);
  }
  const counts = (await call(server, 'get_statistics', [['connections_total']])) as Record<string, number>;
  expect(counts['httpd:connections_total']).toBe(2);
});

test('10,000 calls each on a new connection, none lost', async ({ startServer }) => {
  const server = await startServer();
  for (let id = 0; id < 10_000; id++) {
    const { body } = await post(server, `{"jsonrpc":"2.0","method":"pwd","id":${id}}`, {
      headers: { Connection: 'close' },
    });
    expect(body.endsWith(`"id":${id}}`), body).toBe(true);
  }
}, 180_000);

test('500 connections at once, each served', async ({ startServer, onTestFinished }) => {
  const server = await startServer();
  const agent = new Agent({ keepAlive: true, maxSockets: 500, maxFreeSockets: 500 });
  onTestFinished(() => agent.destroy());
  for (let round = 0; round < 3; round++) {
    const replies = await Promise.all(
      Array.from({ length: 500 }, (_, id) => post(server, `{"jsonrpc":"2.0","method":"uptime","id":${id}}`, { agent })),
    );
    for (const [id, { status, body }] of replies.entries()) {
      expect(status).toBe(200);
      expect(body.endsWith(`"id":${id}}`)).toBe(true);
    }
  }
  const counts = (await call(server, 'get_statistics', [['connections']])) as Record<string, number>;
  expect(counts['httpd:connections']).toBe(501);
});
