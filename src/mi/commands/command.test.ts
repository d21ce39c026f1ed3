// The types that the compiler takes for the result of a command. This file compiles: that is the test.
import { expect, test } from 'vitest';
import { command, RecordTable, secondsLeft, stream, streamObject } from '../../index.js';

interface Trunk {
  readonly name: string;
  readonly capacity?: number;
  readonly carrier: Carrier | null;
}

interface Carrier {
  readonly id: bigint;
  readonly since: Date;
}

const carrier: Carrier = { id: 1n, since: new Date(0) };
const trunk: Trunk = { name: 'a', carrier };
const trunks = new RecordTable<Trunk>();
const help = '-';

/** A table whose record is there. */
function known(): Trunk {
  const found = trunks.get('a');
  if (found === undefined) throw new Error('none');
  return found;
}

test('results of declared interfaces are taken, at once and later, alone and within others', () => {
  const commands = [
    command({ name: 'a', help, run: () => trunk }),
    command({ name: 'b', help, run: async () => trunk }),
    command({ name: 'c', help, run: () => [trunk] as readonly Trunk[] }),
    command({ name: 'd', help, run: () => ({ trunks: [trunk], carrier, more: { trunk } }) }),
    command({ name: 'e', help, run: () => known() }),
    command({
      name: 'f',
      help,
      run: () => ({ first: known(), all: trunks.dump(), each: stream([trunk]), named: streamObject([['a', trunk]]) }),
    }),
    command({
      name: 'g',
      help,
      recipes: [{}, { name: 'string' }],
      run: ({ name }) => (name === undefined ? [] : { name }),
    }),
    command({ name: 'h', help, run: () => ({ maybe: trunks.get('a') }) }),
    command({ name: 'i', help, run: () => 'OK' }),
    command({ name: 'j', help, run: (): Trunk | string => trunk }),
    command({ name: 'k', help, run: async () => null }),
    command({ name: 'l', help, run: () => ({ left: secondsLeft(1), all: stream([{ left: secondsLeft(1) }]) }) }),
    command({ name: 'm', help, run: () => [{ toJSON: (): string | { id: bigint } => '' }] }),
  ];
  expect(commands.length).toBe(13);
});

test('what JSON does not have is refused by the compiler, wherever it stands', () => {
  const map = new Map([['a', trunk]]);
  const refused = [
    // @ts-expect-error a map
    () => command({ name: 'a', help, run: () => map }),
    // @ts-expect-error a map in an object
    () => command({ name: 'b', help, run: () => ({ map }) }),
    // @ts-expect-error nothing
    () => command({ name: 'c', help, run: () => {} }),
    // @ts-expect-error perhaps nothing
    () => command({ name: 'd', help, run: () => trunks.get('a') }),
    // @ts-expect-error a table without dump()
    () => command({ name: 'e', help, run: () => trunks }),
    // @ts-expect-error an error
    () => command({ name: 'f', help, run: () => ({ failed: new Error('x') }) }),
    // @ts-expect-error a function
    () => command({ name: 'g', help, run: () => ({ count: () => 1 }) }),
    // @ts-expect-error an iterator without stream()
    () => command({ name: 'h', help, run: () => map.values() }),
    // @ts-expect-error a promise in an object
    () => command({ name: 'i', help, run: () => ({ later: Promise.resolve(1) }) }),
    // @ts-expect-error whatever
    () => command({ name: 'j', help, run: () => JSON.parse('1') as unknown }),
    // @ts-expect-error maps in a stream
    () => stream([map]),
    // @ts-expect-error a stream as an item of a stream
    () => stream([stream([1])]),
    // @ts-expect-error a symbol
    () => command({ name: 'k', help, run: async () => Symbol('x') }),
  ];
  expect(refused.length).toBe(13);
});
