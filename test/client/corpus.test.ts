import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { assert, describe, expect } from 'vitest';
import { type CorpusEntry, corpus } from '../support/client/corpus.js';
import { test } from '../support/test.js';

interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Reads one reply with a Content-Length, which every reply to the corpus has. */
async function readReply(socket: Socket): Promise<Reply> {
  let received = Buffer.alloc(0);
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, piece]);
    const end = received.indexOf('\r\n\r\n');
    if (end === -1) continue;
    const head = received.subarray(0, end).toString('latin1');
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
    const body = received.subarray(end + 4);
    if (body.length < length) continue;
    expect(body.length, 'nothing follows the reply').toBe(length);
    return {
      status: Number(head.slice(9, 12)),
      contentType: /^content-type: (.*)$/im.exec(head)?.[1] ?? '',
      body: body.toString('utf8'),
    };
  }
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

describe('each request of the client corpus', () => {
  for (const [index, entry] of corpus.entries()) {
    const { client, head, body } = entry;
    const sendings: Readonly<Record<string, readonly string[]>> = {
      'in one write': [head + body],
      'head and body in two writes': [head, body],
      'body in two writes': [head, body.slice(0, 20), body.slice(20)],
    };
    for (const [manner, pieces] of Object.entries(sendings)) {
      test(`${index + 1} ${client}, ${manner}`, async ({ startServer, onTestFinished }) => {
        const server = await startServer();
        const socket = await open(server.port);
        onTestFinished(() => void socket.destroy());
        const reply = readReply(socket);
        for (const piece of pieces) {
          await new Promise((resolve) => socket.write(piece, resolve));
          // Lets the server see this piece alone.
          await new Promise(setImmediate);
        }
        check(entry, await reply);
      });
    }
  }
});

test('opensips-cli first connects and leaves without a word', async ({ startServer }) => {
  const server = await startServer();
  for (let round = 0; round < 50; round++) {
    const socket = await open(server.port);
    socket.end();
    socket.resume();
    await once(socket, 'close');
  }
  const [entry] = corpus;
  assert(entry !== undefined);
  const socket = await open(server.port);
  socket.write(entry.head + entry.body);
  check(entry, await readReply(socket));
  socket.destroy();
});

function check({ accepts }: CorpusEntry, { status, contentType, body }: Reply): void {
  expect(status).toBe(200);
  assert(accepts(status, contentType, body) !== undefined);
}
