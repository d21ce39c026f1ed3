// A program with a server whose listeners are in threads: node threads-host.mjs '{"end": …}'. It does what it is told with the
// threads, prints what came of it, and ends as it is told.
import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { createServer } from 'mi-httpd';

const plan = JSON.parse(process.argv[2]);
const workers = [];
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function post(...given) {
  if (!workers.includes(this)) workers.push(this);
  return postMessage.apply(this, given);
};

const lines = [];
const log = { debug() {}, info() {}, warn: note, error: note };
let woken = () => {};

function note({ code }) {
  lines.push(code);
  woken();
}

async function line(code, count = 1) {
  while (lines.filter((one) => one === code).length < count) {
    await new Promise((resolve) => {
      woken = resolve;
    });
  }
}

/** What a thread is never sent: it throws. */
function kill(worker) {
  postMessage.call(worker, [null]);
}

const server = await createServer({ threads: plan.threads ?? 2, log, usrloc: {}, cachedb_local: {}, httpd: plan.httpd ?? { listen: ['http:127.0.0.1:0'] } }).start();

async function status(path = '/healthz', headers = {}) {
  try {
    const { status } = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { Connection: 'close', ...headers } });
    return status;
  } catch {
    return 'closed';
  }
}

/** The result of a call, on a connection of its own. */
async function call(method, params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const headers = { 'Content-Type': 'application/json', Connection: 'close' };
  const response = await fetch(`http://127.0.0.1:${server.port}/mi`, { method: 'POST', headers, body });
  return (await response.json()).result;
}

const ends = {
  async close() {
    await server.close();
    print([await status()]);
  },
  async 'thread throws'() {
    // Connections to both threads, some to each of them.
    const clients = await Promise.all(
      Array.from({ length: 24 }, async () => {
        const client = connect(server.port, '127.0.0.1');
        await once(client, 'connect');
        client.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
        await once(client, 'data');
        client.on('error', () => {});
        return { client, closed: new Promise((resolve) => client.on('close', () => resolve())) };
      }),
    );
    const of = server.threads.map(({ connections }) => connections);
    let closed = 0;
    const lost = new Promise((resolve) => {
      for (const one of clients) {
        one.client.resume();
        one.closed.then(() => {
          closed += 1;
          if (closed === of[0]) resolve();
        });
      }
    });
    kill(workers[0]);
    await line('thread-lost');
    const told = await server.call('sr_get_status', { group: 'httpd' }).then(({ Readiness }) => Readiness);
    await line('thread-back');
    await lost;
    const { Readiness } = await server.call('sr_get_status', { group: 'httpd' });
    const isOwn = of[0] > 0 && of[1] > 0 && closed === of[0];
    const after = await Promise.all(Array.from({ length: 12 }, () => status()));
    for (const { client } of clients) client.destroy();
    await server.close();
    print([told, Readiness, isOwn, ...new Set(after)]);
  },
  async 'tables after a thread throws'() {
    const add = (aor) => call('ul_add', ['location', aor, `sip:${aor}@192.0.2.1`, 0, '1', 0, 0, 0]);
    for (let at = 0; at < 12; at++) {
      await add(`before${at}`);
      await call('cache_store', ['local', `k${at}`, 'v']);
    }
    kill(workers[0]);
    await line('thread-lost');
    await line('thread-back');
    const seen = new Set();
    for (let at = 0; at < 12; at++) {
      await add(`after${at}`);
      const { Domains } = await call('ul_dump');
      seen.add(Domains[0].AORs.length - at);
      seen.add((await call('cache_fetch', ['local', `k${at}`])).value);
    }
    print([...seen]);
    await server.close();
  },
  'main terminates a thread': async () => {
    print([await status()]);
    await workers[0].terminate();
  },
  async 'every thread throws'() {
    for (const worker of [...workers]) kill(worker);
    await line('thread-lost', workers.length);
    await line('thread-back', 2);
    print([await status(), server.threads.filter(({ isServing }) => isServing).length]);
    await server.close();
  },
  async 'more than three'() {
    for (let count = 1; count <= 4; count++) {
      kill(workers.at(-1));
      await line('thread-lost', count);
      if (count < 4) await line('thread-back', count);
    }
    // A turn of the loop in which a thread would be started.
    await new Promise((resolve) => setTimeout(resolve, 0));
    print([lines.filter((one) => one === 'thread-back').length, server.threads.filter(({ isServing }) => isServing).length]);
    await server.close();
  },
  'main exits': async () => {
    print([await status()]);
    process.exit(7);
  },
  'main really exits': async () => {
    print([await status()]);
    process.reallyExit(7);
  },
  'main throws': async () => {
    print([await status()]);
    setImmediate(() => {
      throw new Error('thrown in main');
    });
  },
  'main kills itself': async () => {
    print([await status()]);
    process.kill(process.pid, 'SIGTERM');
  },
  async 'long head'() {
    print([await status('/healthz', { 'X-Long': 'x'.repeat(10_000) })]);
    await server.close();
  },
};

function print(told) {
  // At once: the process may end in any way.
  process.stdout._handle?.setBlocking?.(true);
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

await ends[plan.end]();
