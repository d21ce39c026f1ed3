// Each request of the client corpus, sent in every way that a network and an impatient client come up with.
import { assert, describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { rests } from '../support/at-rest.js';
import { type CorpusEntry, corpus } from '../support/client/corpus.js';
import { splitExceptions } from '../support/client/engine-exceptions.js';
import { RawClient, type RawResponse } from '../support/raw-client.js';
import { test } from '../support/test.js';

/** Connections at once, so that thousands of requests take seconds. */
const lanes = 100;

const kept = corpus.filter(({ head }) => !/^connection: close/im.test(head));

function bytesOf({ head, body }: CorpusEntry): Buffer {
  return Buffer.from(head + body);
}

function check({ accepts, client }: CorpusEntry, { status, headers, text }: RawResponse, how: string): void {
  expect(status, `${client}, ${how}`).toBe(200);
  assert(accepts(status, headers.get('content-type') ?? '', text) !== undefined, `${client}, ${how}`);
}

/** Lets the server, which runs in this process, see what has been sent so far as it is. */
async function turns(): Promise<void> {
  for (let n = 0; n < 2; n++) await new Promise((resolve) => setImmediate(resolve));
}

/** Does something for each offset, on connections of their own, many at once. */
async function onConnections(
  port: number,
  offsets: readonly number[],
  act: (clients: readonly (readonly [offset: number, client: RawClient])[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < offsets.length; at += lanes) {
    const some = offsets.slice(at, at + lanes);
    const clients = await Promise.all(some.map(async (offset) => [offset, await RawClient.connect(port)] as const));
    await act(clients);
    for (const [, client] of clients) client.close();
    await Promise.all(clients.map(([, client]) => client.closed));
  }
}

function offsetsFrom(first: number, end: number): readonly number[] {
  return Array.from({ length: end - first }, (_, n) => first + n);
}

function refusedSplits(server: Server): readonly number[] {
  return splitExceptions.filter(({ engine }) => server.engine.endsWith(engine)).flatMap(({ offsets }) => offsets);
}

describe('each request of the client corpus', () => {
  for (const [index, entry] of corpus.entries()) {
    const bytes = bytesOf(entry);
    const name = `${index + 1} ${entry.client}`;

    test(`${name}: split at every byte`, async ({ startServer }) => {
      const server = await startServer();
      const atRest = await rests(server);
      const refused = refusedSplits(server);
      await onConnections(server.port, offsetsFrom(1, bytes.length), async (clients) => {
        for (const [offset, client] of clients) client.send(bytes.subarray(0, offset));
        await turns();
        for (const [offset, client] of clients) client.send(bytes.subarray(offset));
        for (const [offset, client] of clients) {
          const response = await client.response();
          if (refused.includes(offset)) expect(response.status, `split at ${offset}`).toBe(505);
          else check(entry, response, `split at ${offset}`);
        }
      });
      await atRest();
    });

    test(`${name}: one byte at a time`, async ({ startServer }) => {
      const server = await startServer();
      const atRest = await rests(server);
      const client = await RawClient.connect(server.port);
      for (const byte of bytes) {
        client.send(Uint8Array.of(byte));
        await turns();
      }
      check(entry, await client.response(), 'one byte at a time');
      client.close();
      await atRest();
    });

    test(`${name}: reset at every byte`, async ({ startServer }) => {
      const server = await startServer();
      const atRest = await rests(server);
      await onConnections(server.port, offsetsFrom(0, bytes.length + 1), async (clients) => {
        for (const [offset, client] of clients) client.send(bytes.subarray(0, offset));
        await turns();
        for (const [, client] of clients) client.kill();
      });
      await atRest();
    });

    test(`${name}: half-closed at every byte`, async ({ startServer }) => {
      const server = await startServer();
      const atRest = await rests(server);
      await onConnections(server.port, offsetsFrom(0, bytes.length + 1), async (clients) => {
        for (const [offset, client] of clients) client.socket.end(bytes.subarray(0, offset));
        for (const [offset, client] of clients) {
          if (offset === bytes.length) check(entry, await client.response(), 'half-closed behind it');
          expect((await client.rest()).length, `half-closed at ${offset}`).toBe(0);
        }
      });
      await atRest();
    });
  }

  for (const [index, entry] of kept.entries()) {
    test(`${index + 1} ${entry.client}: again and again on one connection, alone and pipelined`, async ({
      startServer,
    }) => {
      const server = await startServer();
      const atRest = await rests(server);
      const client = await RawClient.connect(server.port);
      for (let round = 0; round < 20; round++) {
        client.send(bytesOf(entry));
        check(entry, await client.response(), `round ${round}`);
      }
      client.send(Buffer.concat(Array.from({ length: 20 }, () => bytesOf(entry))));
      for (let round = 0; round < 20; round++) check(entry, await client.response(), `pipelined ${round}`);
      expect(client.unread).toBe('');
      client.close();
      await atRest();
    });
  }
});
