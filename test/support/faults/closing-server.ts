// A server in a process of its own, whose handlers reply in the check phase of libuv: connections that are closed there are
// never freed by the engine.
import { setTimeout as delay } from 'node:timers/promises';
import { engineOptions } from '../engine.js';
import { closedInCheck } from './check-phase.js';

// Loaded now, behind the module that watches.
const { command, createServer, defineModule, stream } = await import('#src/index.js');

/** The setting that {@link file://./closed-connections.test.ts} asks for. */
export interface ClosingSetting {
  readonly users: string;
  readonly cert: string;
  readonly key: string;
}

const [setting] = process.argv.slice(2);
const { users, cert, key } = JSON.parse(setting ?? '') as ClosingSetting;
const nothing = (): void => {};
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const inCheckPhase = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const [small, large] = [Buffer.alloc(20_000, 'x'), Buffer.alloc(300_000, 'y')];

const closing = defineModule({
  name: 'closing',
  load({ httpd }) {
    httpd.registerRoot({
      module: 'closing',
      root: 'raw',
      contentType: 'text/plain',
      onRequest: async (exchange) => {
        const { path } = exchange;
        if (path === '/now') return void exchange.reply(200, 'now');
        await inCheckPhase();
        if (path === '/flush') exchange.flush(200);
        else if (path === '/small') exchange.reply(200, small);
        else if (path === '/large') exchange.reply(200, large);
        else if (path === '/fail') throw new Error('it fails');
        else exchange.reply(200, 'later');
      },
      onFlush: async ({ query }, position) => {
        await inCheckPhase();
        if (query === 'cut' && position > 0) throw new Error('it fails on the way');
        return position < 3000 ? Buffer.alloc(1000, 'z') : null;
      },
    });
    return {
      commands: [
        command({ name: 'later', help: 'Answers later.', run: async () => await inCheckPhase().then(() => 'later') }),
        command({
          name: 'rows',
          help: 'Gives rows.',
          run: () => ({ rows: stream(Array.from({ length: 100 }, String)) }),
        }),
      ],
    };
  },
});

function make(listen: string[], more: object = {}) {
  // What is kept over time fills memory as time goes, whatever comes and goes.
  const httpd = { listen, history: 'off', ...more };
  return createServer({ ...engineOptions, log, modules: [closing], httpd }).start();
}

const main = await make([
  `http:127.0.0.1:0;auth=off;level=admin`,
  `https:127.0.0.1:0;cert=${cert};key=${key};auth=off;level=admin`,
]);
const guarded = await make(['http:127.0.0.1:0'], { auth_file: users });
const full = await make(
  ['http:127.0.0.1:0;auth=off;level=admin', `https:127.0.0.1:0;cert=${cert};key=${key};auth=off;level=admin`],
  { max_connections: 1 },
);
let stopped = await make(['http:127.0.0.1:0;auth=off;level=admin']);

/** Closes a server with whatever is connected, in the check phase, and starts another one. */
async function stop(): Promise<number> {
  await inCheckPhase();
  await stopped.close({ deadline: 0 });
  stopped = await make(['http:127.0.0.1:0;auth=off;level=admin']);
  return stopped.port;
}

/** Bytes of resident memory, when all that is garbage has been collected. */
async function resident(): Promise<number> {
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.();
    await delay(20);
  }
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

process.on('message', (asked) => {
  if (asked === 'closedInCheck') process.send?.(closedInCheck);
  else void (asked === 'stop' ? stop() : resident()).then((value) => process.send?.(value));
});
process.on('disconnect', () => process.exit(0));
const ports = [main, guarded, full, stopped].flatMap(({ urls }) => urls.map((url) => Number(new URL(url).port)));
// There is one address for each root path.
process.send?.([...new Set(ports)]);
