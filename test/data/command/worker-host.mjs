// A program with a server in a worker thread: node worker-host.mjs '{"end": …}'. The thread ends as it is told; what comes of it
// is printed, and the program ends by itself when nothing keeps it.
import { once } from 'node:events';
import { connect } from 'node:net';
import { isMainThread, parentPort, SHARE_ENV, Worker, workerData } from 'node:worker_threads';
import { command, createServer, defineModule } from 'mi-httpd';

const warnings = [];
const log = { debug() {}, info() {}, warn: (_, text) => warnings.push(text), error() {} };

async function host(plan) {
  const told = [];
  let first;
  if (plan.mainFirst) first = await createServer({ httpd: plan.httpd, log }).start();
  for (const end of plan.ends) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...plan, end },
      ...(plan.shareEnvironment ? { env: SHARE_ENV } : {}),
    });
    worker.on('error', ({ message }) => told.push(message));
    const [ready] = await once(worker, 'message');
    ready.warnings = ready.warnings.map((text) => text.split(' ', 3).join(' '));
    told.push(ready);
    const gone = new Promise((resolve) => worker.on('exit', resolve));
    if (end === 'terminate') worker.terminate();
    else if (end === 'main exits') process.exit(0);
    else if (end === 'main throws') throw new Error('thrown in main');
    else worker.postMessage('end');
    told.push(await gone);
  }
  await first?.close();
  console.log(JSON.stringify(told));
}

const ends = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('thrown');
  },
  reject: () => Promise.reject(new Error('rejected')),
  'throw in a call': (client) => client.write(request('POST /mi', { 'Content-Type': 'application/json' }, '{"jsonrpc":"2.0","method":"fall","id":1}')),
  'close, then exit': async (_, server) => {
    await server.close();
    process.exit(3);
  },
  close: async (_, server) => {
    await server.close();
    parentPort.close();
  },
};

const request = (line, headers, body = '') =>
  `${line} HTTP/1.1\r\nHost: localhost\r\n${Object.entries({ ...headers, 'Content-Length': body.length })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n${body}`;

async function serve({ end, httpd }) {
  const fall = command({
    name: 'fall',
    help: 'Ends the thread.',
    run: () => {
      setImmediate(() => {
        throw new Error('thrown in a call');
      });
      return 'OK';
    },
  });
  const modules = [defineModule({ name: 'm', commands: [fall] })];
  const server = await createServer({ httpd, log, modules }).start();
  const client = connect(server.port, '127.0.0.1');
  client.write(request('GET /', { 'X-Long': 'x'.repeat(10_000) }));
  const [reply] = await once(client.setEncoding('latin1'), 'data');
  client.on('error', () => {});
  client.on('data', () => {});
  parentPort.once('message', () => ends[end](client, server));
  parentPort.postMessage({ status: Number(reply.split(' ', 2)[1]), warnings });
}

await (isMainThread ? host(JSON.parse(process.argv[2])) : serve(workerData));
