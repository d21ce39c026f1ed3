// The whole server under damaged requests, over real sockets. A run is repeated by its seed, which is printed:
//   FUZZ_SEED=123 FUZZ_ROUNDS=20000 npm test -- test/wire/fuzz-server.test.ts
// What was found once is kept as a file in test/data/fuzz and sent in every run.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { command, defineModule, type Server, stream } from '#src/index.js';
import { rests } from '../support/at-rest.js';
import { corpus } from '../support/client/corpus.js';
import { answers } from '../support/engine.js';
import { damaged, pieces, Random } from '../support/fuzz-mutations.js';
import { call, startServer } from '../support/mi-client.js';
import { RawClient, type RawResponse } from '../support/raw-client.js';
import { test } from '../support/test.js';

const timeout = 300_000;
const kept = 'test/data/fuzz';
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
const rounds = Number(process.env.FUZZ_ROUNDS ?? 3000);
const lanes = 20;

/** Milliseconds that a client waits for more; whatever is still open then, the client leaves. */
const patience = 30;

const nothing = (): void => {};

function* count(to: number): Generator<number> {
  for (let n = 0; n < to; n++) yield n;
}

const sorts = defineModule({
  name: 'sorts',
  commands: [
    command({ name: 'stream', readOnly: true, help: 'Streams.', run: () => ({ rows: stream(count(3000)) }) }),
    command({ name: 'later', readOnly: true, help: 'Answers later.', run: async () => await delay(1, 'later') }),
    command({ name: 'text', readOnly: true, help: 'Gives a text.', run: () => 'x'.repeat(300_000) }),
  ],
});

function post(path: string, type: string, body: string, fields = ''): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}\r\n${fields}`;
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

const requests: readonly Buffer[] = [
  ...corpus.map(({ head, body }) => head + body),
  ...['stream', 'later', 'text'].map((name) =>
    post('/mi', 'application/json', `{"jsonrpc":"2.0","method":"sorts:${name}","id":"a\\u0041"}`),
  ),
  post(
    '/mi',
    'application/json',
    '[{"jsonrpc":"2.0","method":"sorts:later","id":1},{"jsonrpc":"2.0","method":"sorts:stream","id":2},5,{"jsonrpc":"2.0","method":"pwd"}]',
  ),
  post('/mi', 'application/json', '{"jsonrpc":"2.0","method":"core:which"}', 'Expect: 100-continue\r\n'),
  post('/mi/core/core:which', 'application/x-www-form-urlencoded', 'arg=pwd&raw=1', 'Sec-Fetch-Site: same-origin\r\n'),
  post(
    '/mi/core/core:which',
    'multipart/form-data; boundary=b',
    '--b\r\nContent-Disposition: form-data; name="arg"\r\n\r\npwd\r\n--b--\r\n',
  ),
  'POST /mi HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n27\r\n{"jsonrpc":"2.0","method":"pwd","id":1}\r\n0\r\n\r\n',
  'GET /mi HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'GET /mi/sorts/sorts:stream?arg=&raw=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));

/** Fails unless a reply is one that the server may give, and what it says it is. */
function checkReply({ status, headers, text }: RawResponse): void {
  const statuses = [100, 200, 202, 304, 307, 400, 403, 404, 405, 413, 415, answers.expectation, 431, 500, 503, 505];
  expect(statuses, `status ${status}`).toContain(status);
  for (const name of ['content-type', 'content-length', 'transfer-encoding', 'connection']) {
    expect(headers.get(name)?.includes('|') ?? false, `${name} is repeated`).toBe(false);
  }
  if (headers.get('content-type') !== 'application/json' || text === '') return;
  const reply = JSON.parse(text);
  // The landing page is JSON where it is asked for.
  if ('jsonrpc' in reply) expect('result' in reply, text.slice(0, 200)).toBe(!('error' in reply));
}

/** Sends bytes, checks whatever comes back, and leaves. */
async function send(port: number, parts: readonly Buffer[], isRude: boolean): Promise<void> {
  const client = await RawClient.connect(port);
  for (const part of parts) {
    client.send(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (isRude) {
    client.kill();
  } else {
    const leave = setTimeout(() => client.close(), patience);
    const received = (await client.rest()).toString('latin1');
    clearTimeout(leave);
    checkAll(received);
  }
  client.close();
  await client.closed;
}

/** Takes apart what came: replies, the last of which may be cut or, to HEAD, without its body. */
function checkAll(received: string): void {
  const replies = received.split(/(?=HTTP\/1\.1 \d{3} )/);
  for (const reply of replies.filter((one) => one !== '')) {
    expect(reply.startsWith('HTTP/1.1 '), `no reply: ${JSON.stringify(reply.slice(0, 200))}`).toBe(true);
    const [head = '', ...rest] = reply.split('\r\n\r\n');
    const [statusLine = '', ...whole] = head.split('\r\n');
    // The client leaves in the midst of a head, too: what is behind its last whole line tells nothing.
    const lines = reply.includes('\r\n\r\n') ? whole : whole.slice(0, -1);
    const headers = new Map<string, string>();
    for (const line of lines) {
      const [, name = '', value = ''] = /^([A-Za-z-]+): ?(.*)$/.exec(line) ?? [];
      expect(name, `header ${JSON.stringify(line)}`).not.toBe('');
      const key = name.toLowerCase();
      headers.set(key, headers.has(key) ? `${headers.get(key)}|${value}` : value);
    }
    const bytes = rest.join('\r\n\r\n');
    const length = headers.get('content-length');
    const isWhole = length !== undefined && Number(length) === bytes.length;
    if (length !== undefined)
      expect(bytes.length, `longer than announced: ${reply.slice(0, 300)}`).toBeLessThanOrEqual(Number(length));
    const text = isWhole ? Buffer.from(bytes, 'latin1').toString('utf8') : '';
    checkReply({ status: Number(statusLine.slice(9, 12)), statusLine, headers, body: Buffer.alloc(0), text });
  }
}

async function startSorts(t: Parameters<typeof startServer>[0]): Promise<Server> {
  return await startServer(t, {
    modules: [sorts],
    kill: nothing,
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    httpd: { buf_size: 4096, receive_buf_size: 4096, allowed_hosts: 'a' },
  });
}

describe(
  'damaged requests',
  () => {
    test(
      `${rounds} of seed ${seed} leave the server as it was`,
      async ({ lifetime }) => {
        const server = await startSorts(lifetime);
        const atRest = await rests(server);
        let round = 0;
        const lane = async (): Promise<void> => {
          while (round < rounds) {
            const number = round++;
            const random = new Random(seed + number);
            const bytes = damaged(requests, random);
            try {
              await send(server.port, pieces(bytes, random), random.below(4) === 0);
              if (number % 50 === 0) expect(typeof (await call(server, 'core:pwd'))).toBe('object');
            } catch (error) {
              mkdirSync('build/fuzz', { recursive: true });
              const file = join('build/fuzz', `request-${seed}-${number}`);
              writeFileSync(file, bytes);
              throw new Error(`seed ${seed}, round ${number}; the request is in ${file}, keep it in ${kept}`, {
                cause: error,
              });
            }
          }
        };
        await Promise.all(Array.from({ length: lanes }, lane));
        await atRest();
      },
      timeout,
    );

    for (const file of readdirSync(kept)) {
      test(
        `as found once: ${file}`,
        async ({ lifetime }) => {
          const server = await startSorts(lifetime);
          const atRest = await rests(server);
          const bytes = readFileSync(join(kept, file));
          await send(server.port, [bytes], false);
          for (let at = 1; at < bytes.length; at += Math.ceil(bytes.length / 40)) {
            await send(server.port, [bytes.subarray(0, at), bytes.subarray(at)], false);
          }
          await atRest();
        },
        timeout,
      );
    }
  },
  timeout,
);
