// Whatever is lost, late or down: every call ends, what changes something is run at most once, and what is said of it is true.
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { UpstreamFailure } from '#src/modules/opensips/upstream/transport.js';
import { type DoubleOptions, OpensipsDouble } from '../support/opensips-double/index.js';
import { changing, node, reading } from '../support/upstream.js';

type Kind = keyof OpensipsDouble['transports'];

type Step =
  | { readonly do: 'store'; readonly size: number; readonly isLarge: boolean }
  | { readonly do: 'read'; readonly isLarge: boolean }
  | { readonly do: 'lose'; readonly by: 'udp' | 'unix'; readonly what: 'loseRequests' | 'loseReplies' }
  | { readonly do: 'hold' | 'go' | 'close idle' | 'rest' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('store' as const),
        size: fc.constantFrom(1, 100, 3900, 5000, 20_000),
        isLarge: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), isLarge: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('lose' as const),
        by: fc.constantFrom('udp' as const, 'unix' as const),
        what: fc.constantFrom('loseRequests' as const, 'loseReplies' as const),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('hold' as const, 'go' as const, 'close idle' as const, 'rest' as const),
      }),
    },
  ),
  { minLength: 1, maxLength: 25 },
);

/** What came of one call that stores a key of its own. */
interface Stored {
  readonly key: string;
  readonly outcome: 'OK' | 'may have run' | 'not run';
}

async function run(script: readonly Step[], kinds: readonly Kind[], options: DoubleOptions): Promise<void> {
  const double = await OpensipsDouble.start(options);
  double.state.addContacts(300);
  const upstream = node(
    kinds.map((kind) => double.transports[kind]),
    { probeTimeout: 100, retryInterval: 10 },
  );
  const stores: Promise<Stored>[] = [];
  const others: Promise<unknown>[] = [];
  let go = (): void => {};
  for (const [index, step] of script.entries()) {
    switch (step.do) {
      case 'store': {
        const key = `k${index}`;
        const call = changing('cache_store', ['local', key, 'v'.repeat(step.size)], {
          timeout: 120,
          isLarge: step.isLarge,
        });
        stores.push(
          upstream.call(call).then(
            () => ({ key, outcome: 'OK' }),
            (error: UpstreamFailure) => ({ key, outcome: error.mayHaveRun ? 'may have run' : 'not run' }),
          ),
        );
        break;
      }
      case 'read':
        others.push(
          upstream.call(reading('ul_dump', { timeout: 120, isLarge: step.isLarge })).then(
            (result) => {
              if (typeof result !== 'string') result.release();
            },
            () => {},
          ),
        );
        break;
      case 'lose': {
        const transport = double[step.by];
        if (transport !== undefined) transport[step.what] += 1;
        break;
      }
      case 'hold':
        go();
        go = double.hold('cache_store');
        break;
      case 'go':
        go();
        break;
      case 'close idle':
        double.http?.closeIdle();
        break;
      default:
        await pause(5);
    }
  }
  const outcomes = await Promise.all(stores);
  await Promise.all(others);
  expect(upstream.health().transports.map(({ waiting }) => waiting)).toEqual(kinds.map(() => 0));
  // What is late comes now.
  go();
  await upstream.close();
  await pause(30);
  const times = new Map<string, number>();
  for (const { method, params } of double.state.ran) {
    if (method !== 'cache_store') continue;
    const key = String((params as unknown[])[1]);
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  for (const { key, outcome } of outcomes) {
    const ran = times.get(key) ?? 0;
    if (outcome === 'OK') expect(ran, `${key} was answered`).toBe(1);
    else if (outcome === 'not run') expect(ran, `${key} was told not to have run`).toBe(0);
    else expect(ran, `${key} may have run`).toBeLessThanOrEqual(1);
  }
  expect(double.died).toBeUndefined();
  await double.close();
}

const sets: readonly (readonly Kind[])[] = [
  ['fifo', 'udp', 'unix', 'http'],
  ['fifo', 'udp'],
  ['udp', 'http'],
  ['fifo'],
  ['http'],
];

describe.for(sets)('by %s, %s, %s, %s', (...[kinds]) => {
  test.for(['3.4', '4.0'] as const)('of OpenSIPS %s', async (version) => {
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(1, 3), (script, children) => run(script, kinds, { version, children })),
      { numRuns: 8 },
    );
  });
});
