// Handlers of every sort, each of which tells when it runs, so that it can be made to fail.
import { once } from 'node:events';
import { command, defineModule, RecordTable, type Result, stream } from '#src/index.js';
import { faults } from './seams.js';

function* count(to: number): Generator<string> {
  try {
    for (let n = 0; n < to; n++) {
      if (n % 50 === 0) faults.point('handler', `item ${n}`);
      yield `item ${n}`;
    }
  } finally {
    faults.point('handler', 'end of the items');
  }
}

async function* countLater(to: number): AsyncGenerator<string> {
  for (const item of count(to)) {
    if (item.endsWith('50')) await Promise.resolve();
    yield item;
  }
}

/** More than the kernel takes for a client that does not read; a multiple of what is flushed at once. */
export const largeSize = 12 << 20;

const large = Buffer.alloc(largeSize, 'z');

function giving(name: string, run: (signal: () => AbortSignal) => Result | Promise<Result>) {
  return command({
    name,
    readOnly: true,
    help: 'Gives a value.',
    run: (_parameters, call) => {
      faults.point('handler', name);
      return run(() => call.signal);
    },
  });
}

/** Module `part`, with records in a table of its own, and the root path `raw`. */
export function faultyModule() {
  return defineModule({
    name: 'part',
    load({ httpd }) {
      const table = new RecordTable();
      for (let n = 0; n < 200; n++) table.set(`user${n}`, { AOR: `user${n}`, text: 'x'.repeat(20) });
      httpd.registerRoot({
        module: 'part',
        root: 'raw',
        contentType: 'text/plain',
        timeout: 1,
        refuse: (status, reason) => {
          faults.point('handler', 'refuse');
          return `${status} ${reason}`;
        },
        onRequest: (exchange) => {
          faults.point('handler', 'onRequest');
          if (exchange.path === '/flush' || exchange.path === '/large') exchange.flush(200);
          else if (exchange.path === '/large-held') exchange.reply(200, large);
          else if (exchange.path === '/held') exchange.reply(200, 'x'.repeat(300_000));
          else exchange.reply(200, exchange.body);
        },
        onFlush: (exchange, position) => {
          faults.point('handler', 'onFlush');
          if (exchange.path === '/large') return position < largeSize ? large.subarray(0, 65_536) : null;
          return position < 3000 ? Buffer.alloc(1000, 'y') : null;
        },
      });
      return {
        commands: [
          giving('small', () => 'small value'),
          giving('text', () => 't'.repeat(5000)),
          giving('rows', () => ({ rows: stream(count(200)) })),
          giving('rows_later', () => ({ rows: stream(countLater(200)) })),
          giving('dump', () => ({ first: table.dump(), second: table.dump({ as: 'keys' }) })),
          giving('later', async () => {
            await Promise.resolve();
            faults.point('handler', 'later');
            return 'later value';
          }),
          giving('waits', async (signal) => {
            await once(signal(), 'abort');
            faults.point('handler', 'nobody waits');
            return 'OK';
          }),
          giving('refuses', async () => {
            throw new Error('refused');
          }),
        ],
      };
    },
  });
}
