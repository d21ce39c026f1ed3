// Slow clients of every kind, many at once: each is closed by its deadline, and others are served all the while.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { command, defineModule, stream } from '#src/index.js';
import { rests } from '../support/at-rest.js';
import { call } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

function* endless(): Generator<string> {
  for (;;) yield 'x'.repeat(1000);
}

const large = defineModule({
  name: 'large',
  commands: [
    command({ name: 'stream', readOnly: true, help: 'Never ends.', run: () => ({ rows: stream(endless()) }) }),
    command({ name: 'text', readOnly: true, help: 'Gives 32 MiB.', run: () => 'x'.repeat(32 << 20) }),
  ],
});

function ask(method: string): string {
  const body = JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
  return `POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

const head = 'GET /healthz HTTP/1.1\r\nHost: a\r\n';
const bodyHead = 'POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n';
const chunkedHead = 'POST /mi HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

interface SlowClient {
  readonly name: string;
  /** Sent at once. */
  readonly first: string;
  /** Sent again and again, every 400 ms. */
  readonly drip?: string;
  /** Bytes read every 100 ms; left out, all that comes. */
  readonly reads?: number;
}

/**
 * The engine closes a connection without progress after 8 to 12 s. A client that reads nothing is cut after
 * `conn_timeout`, one that reads too slowly after `reply_timeout`.
 */
const slow: readonly SlowClient[] = [
  { name: 'says nothing', first: '' },
  { name: 'sends half a head', first: head },
  { name: 'sends a head byte by byte', first: head, drip: 'X' },
  { name: 'sends a head field by field', first: head, drip: 'X: y\r\n' },
  { name: 'sends a bare carriage return', first: `${head}X: a\rb\r\n\r\n` },
  { name: 'sends an empty line first', first: `\r\n${head}\r\n` },
  { name: 'sends a chunk extension', first: `${chunkedHead}3;a=b\r\nabc\r\n0\r\n\r\n` },
  { name: 'sends half a body', first: `${bodyHead}{"jsonrpc"` },
  { name: 'sends a body byte by byte', first: bodyHead, drip: '{' },
  { name: 'sends a chunked body byte by byte', first: chunkedHead, drip: '1\r\nx\r\n' },
  { name: 'sends half a chunk', first: `${chunkedHead}ff\r\nabc` },
  { name: 'goes idle after a reply', first: `${head}\r\n` },
  { name: 'never reads a stream', first: ask('large:stream'), reads: 0 },
  { name: 'never reads a long text', first: ask('large:text'), reads: 0 },
  { name: 'reads a stream slowly', first: ask('large:stream'), reads: 20_000 },
  { name: 'reads a long text slowly', first: ask('large:text'), reads: 20_000 },
];

const nothing = (): void => {};

const each = 5;

/** Hundreds of milliseconds, well after `reply_timeout`. */
const cutByTick = 90;

/** Behaves like that until the server closes. */
async function behave(port: number, { first, drip, reads }: SlowClient): Promise<void> {
  const client = await RawClient.connect(port);
  const { socket } = client;
  if (reads !== undefined) socket.pause();
  if (first !== '') client.send(first);
  let isClosed = false;
  const closed = client.closed.then(() => {
    isClosed = true;
  });
  for (let tick = 1; !isClosed; tick++) {
    await Promise.race([closed, delay(100)]);
    if (drip !== undefined && tick % 4 === 0 && socket.writable) client.send(drip);
    if (reads === undefined) continue;
    // Only who reads sees that he was cut. By now that has happened to these.
    if (tick >= cutByTick) socket.resume();
    else if (reads > 0) socket.read(reads);
  }
}

describe('slow clients', () => {
  test(`${slow.length * each} of them are closed by their deadlines while others are served`, async ({
    startServer,
    onTestFailed,
  }) => {
    const server = await startServer({
      modules: [large],
      log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
      httpd: { conn_timeout: 2, reply_timeout: 6 },
      mi_http: { mi_timeout: 5 },
    });
    const atRest = await rests(server);
    // One that is not closed is told by its name when the time of the test is over.
    const open = new Set<string>();
    onTestFailed(() => {
      console.error('still open:', ...open);
    });
    const ends = slow.map(async (one) => {
      open.add(one.name);
      await Promise.all(Array.from({ length: each }, () => behave(server.port, one)));
      open.delete(one.name);
    });
    let isOver = false;
    const all = Promise.all(ends).finally(() => {
      isOver = true;
    });
    let answers = 0;
    for (; !isOver; answers++) {
      expect(await call(server, 'core:uptime')).toBeTruthy();
      await delay(20);
    }
    await all;
    expect(answers, `${answers} calls were answered meanwhile`).toBeGreaterThan(50);
    await atRest();
  });
});
