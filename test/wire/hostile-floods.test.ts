// Floods: pipelined requests whose replies nobody reads, connections, descriptors. Others are served meanwhile.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { ReadProbe } from '#src/http/engine/uws/read-probe.js';
import { command, defineModule } from '#src/index.js';
import { rests } from '../support/at-rest.js';
import { mi } from '../support/daemon.js';
import { pipelinesLittle } from '../support/engine.js';
import { call } from '../support/mi-client.js';
import { processorTime } from '../support/processor-time.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** `text:give` gives a text of `length` characters that begins with `n`, `text:within` one in an object. */
const texts = defineModule({
  name: 'text',
  commands: [
    command({
      name: 'give',
      help: 'Gives a text.',
      recipes: [{ n: 'int', length: 'int' }],
      run: ({ n, length }) => `${n} `.padEnd(length, String(n)),
    }),
    command({
      name: 'within',
      help: 'Gives a text in an object.',
      recipes: [{ n: 'int', length: 'int' }],
      run: ({ n, length }) => ({ n, texts: [`${n} `.padEnd(length, String(n))] }),
    }),
  ],
});

function request(n: number, length: number, method = 'give'): string {
  const body = `{"jsonrpc":"2.0","method":"text:${method}","params":[${n},${length}],"id":${n}}`;
  const head = 'POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function many(count: number, length: number): string {
  return Array.from({ length: count }, (_, n) => request(n, length)).join('');
}

describe('floods', () => {
  for (const length of [200_000, 2000, 100]) {
    test(`replies of ${length} bytes that are not read are not made without end`, async ({ startServer }) => {
      const server = await startServer({ modules: [texts] });
      const atRest = await rests(server);
      const client = await RawClient.connect(server.port);
      client.socket.pause();
      const wanted = 600 << 20;
      const flood = many(Math.min(wanted / length, 10_000), length);
      let sent = 0;
      let isGone = false;
      client.closed.then(() => {
        isGone = true;
      });
      // As long as the server takes what is sent; it cuts the connection when replies pile up.
      while (!isGone && sent < wanted / length && client.socket.writableLength === 0) {
        client.send(flood);
        sent += 10_000;
        await delay(5);
      }
      expect(await call(server, 'text:give', [7, 10])).toStrictEqual('7 77777777');
      const { 'httpd:bytes_out': bytes } = (await call(server, 'get_statistics', [['bytes_out']])) as Record<
        string,
        number
      >;
      // What the kernel takes for a client on the same machine is several MiB.
      expect(bytes ?? Infinity, `${bytes} bytes of replies for a client that reads nothing`).toBeLessThan(64 << 20);
      client.kill();
      await atRest();
    });
  }

  unless(pipelinesLittle, test)(
    'a client that pipelines and reads gets every reply as it is',
    async ({ startServer }) => {
      const server = await startServer({ modules: [texts] });
      const atRest = await rests(server);
      const forms = {
        give: (_n: number, text: string) => `"${text}"`,
        within: (n: number, text: string) => `{"n":${n},"texts":["${text}"]}`,
      };
      for (const [method, printed] of Object.entries(forms)) {
        for (const length of [100, 3000, 70_000, 102_400, 250_000]) {
          const client = await RawClient.connect(server.port);
          const count = Math.min(3000, Math.floor(24e6 / length));
          const burst = Math.max(1, Math.min(32, Math.floor(1e6 / length)));
          for (let first = 0; first < count; first += burst) {
            for (let n = first; n < first + burst; n++) client.send(request(n, length, method));
            for (let n = first; n < first + burst; n++) {
              const { status, text } = await client.response();
              expect(status).toBe(200);
              const result = printed(n, `${n} `.padEnd(length, String(n)));
              expect(text).toBe(`{"jsonrpc":"2.0","result":${result},"id":${n}}`);
            }
          }
          client.close();
        }
      }
      await atRest();
    },
  );

  unless(pipelinesLittle, test)(
    'of more than 32 requests in one piece the others are refused, and not run',
    async ({ startServer }) => {
      const server = await startServer({ modules: [texts] });
      const atRest = await rests(server);
      let run = 0;
      // The address is remembered for a second: then it is less.
      for (const [count, least, most] of [
        [32, 32, 32],
        [50, 32, 40],
        [50, 8, 16],
        [200, 8, 16],
        [5000, 8, 16],
      ] as const) {
        const client = await RawClient.connect(server.port);
        client.send(many(count, 10));
        let served = 0;
        let reply = await client.response();
        for (; reply.status === 200; reply = await client.response()) {
          expect(reply.text).toMatch(new RegExp(`"id":${served}}$`));
          served += 1;
          if (served === count) break;
        }
        run += served;
        expect(served >= least && served <= most, `${served} were served`).toBe(true);
        if (served < count) {
          expect(reply.status).toBe(503);
          expect(reply.headers.get('connection')).toBe('close');
          expect(JSON.parse(reply.text).error.data).toMatch(/more than (32|8) requests in one piece/);
          expect(await client.isClosed()).toBe(true);
        }
        client.close();
        expect(await call(server, 'get_statistics', [['give-calls']])).toStrictEqual({ 'mi:give-calls': run });
      }
      await atRest();
    },
  );

  unless(pipelinesLittle, test)(
    'many clients that send a few at once are served, all of them',
    async ({ startServer }) => {
      const server = await startServer({ modules: [texts] });
      const atRest = await rests(server);
      const clients = await Promise.all(Array.from({ length: 40 }, () => RawClient.connect(server.port)));
      for (const count of [32, 32, 31, 30, 29, 7, 5, 3, 2, 32]) {
        for (const client of clients) client.send(many(count, 10));
        for (const client of clients) {
          for (let n = 0; n < count; n++) expect((await client.response()).status).toBe(200);
        }
      }
      for (const client of clients) client.close();
      await atRest();
    },
  );

  test('GET in one piece: the connection is closed when they take long', async ({ startServer }) => {
    const server = await startServer({ modules: [texts] });
    const atRest = await rests(server);
    const client = await RawClient.connect(server.port);
    client.send('GET /mi/core HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(5000));
    await client.closed;
    const { 'httpd:requests': requests = 0 } = (await call(server, 'get_statistics', [['requests']])) as Record<
      string,
      number
    >;
    expect(requests, `${requests} requests were looked at`).toBeLessThan(4000);
    await atRest();
  });

  unless(pipelinesLittle, test)(
    'a reply that waits for its client stays as it is while others are made',
    async ({ startServer }) => {
      const server = await startServer({ modules: [texts] });
      const atRest = await rests(server);
      const client = await RawClient.connect(server.port);
      client.socket.pause();
      const exchanges = async (): Promise<unknown> => await call(server, 'get_statistics', [['exchanges']]);
      let asked = 0;
      do {
        expect(asked, 'a reply has to wait some day').toBeLessThan(1000);
        client.send(request(asked++, 150_000));
        // Once it has been received, only what waits for its client is left beside this call.
        await delay(2);
      } while (JSON.stringify(await exchanges()) === '{"httpd:exchanges":1}');
      for (let n = 0; n < 200; n++) expect(await call(server, 'text:give', [9, 50])).toBe('9 '.padEnd(50, '9'));
      client.socket.resume();
      for (let n = 0; n < asked; n++) {
        const { text } = await client.response();
        expect(text).toBe(`{"jsonrpc":"2.0","result":"${`${n} `.padEnd(150_000, String(n))}","id":${n}}`);
      }
      expect((await client.ask('GET', '/healthz')).status, 'the connection goes on').toBe(200);
      client.close();
      await atRest();
    },
  );

  test('replies that cannot probe end a connection after many of them', () => {
    const probe = new ReadProbe();
    let replies = 0;
    for (; !probe.isLastDue(); replies++) probe.count(0);
    expect(replies > 100_000 && replies < 1_000_000, `${replies}`).toBe(true);
    expect(probe.isLastDue()).toBe(false);
  });

  test('connections over max_connections are closed, and those within it served', async ({ startServer }) => {
    const server = await startServer({ httpd: { max_connections: 50 } });
    const atRest = await rests(server);
    const clients = await Promise.all(Array.from({ length: 300 }, () => RawClient.connect(server.port)));
    const served: RawClient[] = [];
    await Promise.all(
      clients.map(async (client) => {
        client.request('GET', '/healthz');
        try {
          expect((await client.response()).text).toBe('ok\n');
          served.push(client);
        } catch {
          // Closed on arrival.
        }
      }),
    );
    expect(served.length).toBe(50);
    for (const client of served) expect((await client.ask('GET', '/healthz')).status).toBe(200);
    for (const client of clients) client.close();
    await atRest();
    const counts = await call(server, 'get_statistics', [['refused_connections']]);
    expect(counts).toStrictEqual({ 'httpd:refused_connections': 250 });
  });
});

const isLinux = process.platform === 'linux';

unless(!isLinux, test)(
  'with few descriptors it closes what is too much, and does not spin',
  async ({ startDaemon }) => {
    const limited = ['-c', 'ulimit -n 128; exec "$0" "$@"', process.execPath];
    const daemon = await startDaemon(['-p', '0'], { through: ['sh', limited] });
    const clients = await Promise.all(Array.from({ length: 400 }, () => RawClient.connect(daemon.port)));
    const pid = daemon.child.pid ?? 0;
    const before = processorTime(pid);
    const started = performance.now();
    await delay(1500);
    const share = (processorTime(pid) - before) / ((performance.now() - started) / 1000);
    expect(share, `idle connections take ${share} of a processor`).toBeLessThan(0.5);
    const open = clients.filter(({ socket }) => !socket.closed && socket.readyState === 'open');
    expect(open.length > 0 && open.length <= 64, `${open.length} connections are open`).toBe(true);
    for (const client of open) expect((await client.ask('GET', '/healthz')).status).toBe(200);
    for (const client of clients) client.close();
    await expect
      .poll(async () => (await mi(daemon.url, 'get_statistics', [['connections']])).result)
      .toStrictEqual({ 'httpd:connections': 1 });
  },
);
