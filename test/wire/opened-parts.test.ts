// A result that fails while its parts are opened gives back those that were, whoever asks for it.
import { describe, expect } from 'vitest';
import { command, defineModule, RecordTable, type Result, stream } from '#src/index.js';
import { type PostOptions, post } from '../support/mi-client.js';
import '../support/at-rest.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';

/** A module whose results cannot be printed to their end, and how many of their streams were closed. */
function failing() {
  const table = new RecordTable().set('a', { text: 'x'.repeat(100) });
  const streams = { made: 0, closed: 0 };
  const dumps = (): Result[] => Array.from({ length: 10 }, () => table.dump());
  /** Items that tell when nobody wants them any more. */
  const watched = () => {
    streams.made += 1;
    const iterator: IterableIterator<number> = {
      [Symbol.iterator]: () => iterator,
      next: () => ({ done: false, value: 1 }),
      return: () => {
        streams.closed += 1;
        return { done: true, value: undefined };
      },
    };
    return stream(iterator);
  };
  const sent = stream([][Symbol.iterator]());
  sent.discard();
  const circle: unknown[] = [];
  circle.push(circle);
  const make: Readonly<Record<string, () => Result>> = {
    'when a later part does not open': () => [...dumps(), watched(), sent, watched(), ...dumps()],
    'when it cannot be printed': () => [...dumps(), watched(), circle as Result],
    'when it is short and cannot be printed': () => [watched(), new Map() as unknown as Result],
    'when it was a text too early': () => [...dumps(), watched(), { toJSON: () => JSON.stringify(dumps()) } as Result],
  };
  const commands = Object.values(make).map((run, index) =>
    command({ name: `fail${index}`, help: 'Fails.', readOnly: true, run }),
  );
  return { module: defineModule({ name: 'part', commands }), streams, cases: Object.keys(make) };
}

const faces: Readonly<Record<string, (method: string) => readonly [body: string, options?: PostOptions]>> = {
  'JSON-RPC': (method) => [`{"jsonrpc":"2.0","method":"part:${method}","id":1}`],
  'a batch': (method) => [`[{"jsonrpc":"2.0","method":"part:${method}","id":1}]`],
  'a notification': (method) => [`{"jsonrpc":"2.0","method":"part:${method}"}`],
  'a page': (method) => ['', { method: 'GET', path: `/mi/part/${method}?recipe=0` }],
  'the bare result': (method) => ['', { method: 'GET', path: `/mi/part/${method}?recipe=0&raw=1` }],
  mi_json: (method) => ['', { method: 'GET', path: `/json/part:${method}` }],
};

describe('a result that fails gives back every part of it', () => {
  for (const [face, request] of Object.entries(faces)) {
    test(`for ${face}`, async ({ startServer }) => {
      const { module, streams, cases } = failing();
      const server = await startServer({ modules: [module], log: silentLog, mi_json: {} });
      for (const index of cases.keys()) {
        const [body, options] = request(`fail${index}`);
        const reply = await post(server, body, options);
        expect(reply.status >= 200 && reply.status <= 500).toBe(true);
        expect(reply.body).not.toMatch(/xxxxx/);
        expect(streams.closed, cases[index]).toStrictEqual(streams.made);
        await expect(server).toBeAtRest();
      }
      expect(streams.made).toBeGreaterThan(0);
    });
  }
});
