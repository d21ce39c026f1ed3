// Connections that the server closes, in each way that it has: nothing of them may stay in memory.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect } from 'vitest';
import { bundle } from '../../scripts/bundle.mjs';
import { userLine } from '../support/accounts.js';
import type { ClosingSetting } from '../support/faults/closing-server.js';
import { type Lifetime, suiteLifetime } from '../support/lifetime.js';
import { count, isLong } from '../support/long.js';
import { test } from '../support/test.js';
import { noOpenssl, TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

/** Bytes for each connection, when all is warm; one that is not freed takes 450 and more. */
const mostGrowth = isLong ? 30 : 300;
const rounds = 5;

/** Rounds before the first level: what is used is compiled meanwhile. */
const warmUps = 12;

/** Ways that the short form measures, too: few connections find room in what others have freed. */
const measured = new Set(['a reply later to Connection: close', 'a stream']);

const body = '{"jsonrpc":"2.0","method":"closing:later","id":1}';
const host = 'Host: a\r\n';
const json = `POST /mi HTTP/1.1\r\n${host}Content-Type: application/json\r\n`;
const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\n${host}${more}\r\n`;
const close = 'Connection: close\r\n';
const chunked = `${json}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const call = (method: string, more = close): string => {
  const text = body.replace('later', method);
  return `${json}${more}Content-Length: ${text.length}\r\n\r\n${text}`;
};

/** What makes the server close, and how its reply begins; '': there is none. */
const paths: Readonly<Record<string, readonly [sent: string, reply: string, port?: 'guarded' | 'full']>> = {
  'no login': [get('/mi'), 'HTTP/1.1 401', 'guarded'],
  'a wrong login': [get('/mi', 'Authorization: Basic YWxpY2U6eA==\r\n'), 'HTTP/1.1 4', 'guarded'],
  'a body without a length': [`${json}\r\n`, 'HTTP/1.1 400'],
  'a transfer coding that is unknown': [`${json}Transfer-Encoding: gzip\r\n\r\n`, 'HTTP/1.1 400'],
  'a body in chunks': [chunked, 'HTTP/1.1 200'],
  'a reply at once to Connection: close': [get('/raw/now', close), 'HTTP/1.1 200'],
  'a reply later to Connection: close': [get('/raw/later', close), 'HTTP/1.1 200'],
  'a reply later to what the engine takes for it': [get('/raw/later', 'Connection: other\r\n'), 'HTTP/1.1 200'],
  'a reply later to HEAD': [get('/raw/later', close).replace('GET', 'HEAD'), 'HTTP/1.1 200'],
  'a stream to HEAD': [get('/raw/flush', close).replace('GET', 'HEAD'), 'HTTP/1.1 200'],
  'a stream': [get('/raw/flush', close), 'HTTP/1.1 200'],
  'a reply of some size': [get('/raw/small', close), 'HTTP/1.1 200'],
  'a large reply': [get('/raw/large', close), 'HTTP/1.1 200'],
  'a failure': [get('/raw/fail', close), 'HTTP/1.1 500'],
  'a stream that is cut': [get('/raw/flush?cut'), 'HTTP/1.1 200'],
  'a call': [call('later'), 'HTTP/1.1 200'],
  'a streamed result': [call('rows'), 'HTTP/1.1 200'],
  // 32 to 40 are; where none is refused the connection stays until it has been idle for long.
  'more requests in one piece than are served': [call('none', '').repeat(60), 'HTTP/1.1 200'],
  'what the engine refuses': [get('/').replace('HTTP/1.1', 'HTTP/2.0'), 'HTTP/1.1 505'],
  'more connections than are let in': ['', 'HTTP/1.1 503', 'full'],
};

/** Sends, reads until the server closes, gives how the reply began. */
function exchange(port: number, sent: string, isTls: boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = isTls ? connectTls({ port, rejectUnauthorized: false }) : connect(port, '127.0.0.1');
    let begin = '';
    socket.on('data', (bytes: Buffer) => {
      if (begin === '') begin = bytes.subarray(0, 12).toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(begin));
    socket.write(sent);
  });
}

/** A connection that the server keeps, after a call on it. */
async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(get('/raw/now'));
  await once(socket, 'data');
  socket.resume();
  return socket;
}

unless(noOpenssl, describe)('of connections that the server closes nothing stays', () => {
  let files: TlsFiles;
  let ask: (what: 'resident' | 'stop' | 'closedInCheck') => Promise<number>;
  let ports: Record<'main' | 'tls' | 'guarded' | 'full' | 'fullTls' | 'stopped', number>;
  const lifetime = suiteLifetime();

  beforeAll(async () => {
    files = new TlsFiles(lifetime);
    const { certFile: cert, keyFile: key } = files.make('server', { key: 'ec' });
    const setting: ClosingSetting = { users: files.write('users', userLine('alice', 'pw', 'read')), cert, key };
    const script = bundle('test/support/faults/closing-server.ts');
    const child = fork(script, [JSON.stringify(setting)], {
      execArgv: ['--expose-gc', '--max-semi-space-size=1'],
      // Each thread of its own arena would blur what is measured.
      env: { ...process.env, MALLOC_ARENA_MAX: '1' },
    });
    lifetime.onTestFinished(() => child.disconnect());
    const [[main, tls, guarded, full, fullTls, stopped]] = (await once(child, 'message')) as [number[]];
    ports = { main, tls, guarded, full, fullTls, stopped } as typeof ports;
    ask = async (what) => {
      const answered = once(child, 'message');
      child.send(what);
      return ((await answered) as [number])[0];
    };
  });

  /** Grows by how many bytes for each of so many connections: what it is at one time differs by more than what grows. */
  async function growth(connections: number, round: () => Promise<void>): Promise<number> {
    for (let n = 0; n < warmUps; n++) await round();
    const levels = [await ask('resident')];
    for (let n = 0; n < rounds; n++) {
      await round();
      levels.push(await ask('resident'));
    }
    // The median of the slopes between any two: neither a level that is off nor the first and the last one decide.
    const slopes = levels.flatMap((level, at) => levels.slice(0, at).map((before, n) => (level - before) / (at - n)));
    return (slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] ?? Number.NaN) / connections;
  }

  /** In lanes, as they come. */
  async function inLanes(connections: number, one: () => Promise<void>): Promise<void> {
    let left = connections;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await one();
    };
    await Promise.all(Array.from({ length: 20 }, lane));
  }

  /** All closed at the right time, and nothing of many stays. */
  async function check(connections: number, some: (connections: number) => Promise<void>): Promise<void> {
    const before = await ask('closedInCheck');
    await some(20);
    expect(await ask('closedInCheck'), 'connections closed in the check phase, where they are never freed').toBe(
      before,
    );
    if (connections === 0) return;
    const share = Math.ceil(connections / (rounds + 1));
    const grown = await growth(share, () => some(share));
    expect(grown, `${grown} bytes for each connection`).toBeLessThanOrEqual(mostGrowth);
  }

  function exchanges(port: number, [sent, reply]: readonly [string, string, ...unknown[]], isTls = false) {
    return (connections: number): Promise<void> =>
      inLanes(connections, async () => {
        const begin = await exchange(port, sent, isTls);
        expect(begin.startsWith(reply), begin).toBe(true);
      });
  }

  /** The server that takes one connection has it. */
  async function takeAll(t: Lifetime): Promise<void> {
    const only = await connected(ports.full);
    // The engine closes one that says nothing for a while.
    const asking = setInterval(() => only.write(get('/raw/now')), 2000);
    t.onTestFinished(() => {
      clearInterval(asking);
      only.destroy();
    });
  }

  for (const [name, path] of Object.entries(paths)) {
    test(`after ${name}`, async ({ lifetime }) => {
      if (path[2] === 'full') await takeAll(lifetime);
      await check(
        measured.has(name) ? count(9000, 50_000) : count(0, 50_000),
        exchanges(ports[path[2] ?? 'main'], path),
      );
    });
  }

  for (const name of ['a body in chunks', 'a reply later to Connection: close', 'a stream', 'a stream that is cut']) {
    test(`over TLS, after ${name}`, async () => {
      // The first 10,000 take some 3 MB that stay: as many and more pass before the first level.
      await check(count(0, 24_000), exchanges(ports.tls, paths[name] ?? ['', ''], true));
    });
  }

  test('over TLS, after more connections than are let in', async ({ lifetime }) => {
    await takeAll(lifetime);
    await check(count(0, 50_000), exchanges(ports.fullTls, ['', ''], true));
  });

  test('after a stop', async () => {
    // The app of each server stays, so that there are many connections to each.
    await check(count(0, 50_000), async (connections) => {
      for (let left = connections; left > 0; left -= 1000) {
        const idle = await Promise.all(Array.from({ length: Math.min(left, 1000) }, () => connected(ports.stopped)));
        const closed = idle.map((socket) => once(socket, 'close'));
        ports.stopped = await ask('stop');
        await Promise.all(closed);
      }
    });
  });
});
