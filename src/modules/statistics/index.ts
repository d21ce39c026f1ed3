import type { Client } from '../../mi/calls/call.js';
import { type Command, shapedCommand as command } from '../../mi/commands/command.js';
import {
  anything,
  text as aText,
  either,
  list as listOf,
  mapOf,
  nothing,
  number,
  object,
  ok,
  whole,
} from '../../mi/commands/shape.js';
import { invalidParams, MiAnswer } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import type { Statistic, Statistics } from '../../mi/statistics.js';
import { defineBuiltIn } from '../../module.js';
import { dumpsOpen } from '../../native/addon.js';
import { findIn, fullName, getCommand, groupsOf, joined } from './get.js';

/** The commands that read and reset statistics, and the statistics of memory. Loaded always. */
export const statisticsModule = defineBuiltIn({
  name: 'statistics',
  load({ mi, log }) {
    const { statistics } = mi;
    addMemoryStatistics(statistics);
    const groups = groupsOf(statistics);
    const find = findIn(mi, log);
    const counters = (): readonly string[] =>
      statistics.all.filter(({ kind }) => kind === 'counter').map(({ name }) => name);
    return {
      commands: [
        getCommand(mi, find),
        command({
          name: 'list',
          aliases: ['list_statistics'],
          readOnly: true,
          withoutCall: true,
          help: 'Lists statistics and whether each is incremental; items as for get_statistics, without `all`.',
          recipes: [{}, { statistics: 'string[]' }],
          parameters: { statistics: { help: 'Groups with a colon, or bare names.', suggest: groups } },
          result: mapOf(anything),
          run: ({ statistics: items }) => {
            const { foreignStatistics: foreign } = mi;
            if (foreign !== undefined) {
              const own = () => listed(items === undefined ? statistics.all : find(items, false), fullName);
              return joined(foreign.kinds(), items, own, (one, isSingle) => (isSingle ? one.name : fullName(one)));
            }
            if (items === undefined) return listed(statistics.all, fullName);
            const bare = new Set(items.filter((item) => !item.endsWith(':')).map((item) => item.toLowerCase()));
            const found = find(items, false);
            return listed(found, (one) => (bare.has(one.name.toLowerCase()) ? one.name : fullName(one)));
          },
        }),
        command({
          name: 'reset',
          destructive: true,
          aliases: ['reset_statistics'],
          withoutCall: true,
          help: 'Sets statistics back to 0, given by bare names; those that are not incremental keep their value.',
          recipes: [{ statistics: 'string[]' }],
          parameters: { statistics: { help: 'Bare names.', suggest: counters } },
          result: ok,
          run: ({ statistics: items }) => {
            const names = items.filter((item) => !item.endsWith(':'));
            reset(someOf(statistics.find(names, { all: false })));
            return 'OK';
          },
        }),
        command({
          name: 'reset_all',
          destructive: true,
          aliases: ['reset_all_statistics'],
          withoutCall: true,
          help: 'Sets all incremental statistics back to 0.',
          result: ok,
          run: () => {
            reset(statistics.all);
            return 'OK';
          },
        }),
        ...historyCommands(mi),
        ...latencyCommands(mi),
      ],
    };
  },
});

/** Seconds of history that a call gets unless it says otherwise. */
const usualRange = 600;

/** Commands that read statistics over time. */
function historyCommands({ history }: ManagementInterface): readonly Command[] {
  return [
    command({
      name: 'history',
      aliases: ['statistics_history'],
      readOnly: true,
      withoutCall: true,
      help:
        'Tells statistics over time: those of the last 10 minutes by the second, those of the last day by the half minute. Items are as ' +
        'for get_statistics, `range` and `resolution` seconds; without parameters it lists what is kept. Counters are told as they were ' +
        'counted; a gap is null.',
      recipes: [
        {},
        { statistics: 'string[]' },
        { statistics: 'string[]', range: 'int' },
        { statistics: 'string[]', range: 'int', resolution: 'int' },
      ],
      parameters: {
        statistics: {
          help: '`all`, groups with a colon, or bare names.',
          suggest: () => ['all', ...history.kept.map(({ name }) => name.slice(name.indexOf(':') + 1))],
        },
        range: { help: 'Seconds of the past.', suggest: [usualRange, 86400], default: usualRange },
        resolution: { help: 'Seconds between two values.', suggest: [1, 30] },
      },
      result: either(
        object({
          Series: listOf(
            object({ name: aText, kind: aText, kept: listOf(object({ resolution: number, range: number })) }),
          ),
        }),
        object({
          History: listOf(
            object({
              resolution: number,
              timestamps: listOf(number),
              series: listOf(object({ name: aText, kind: aText, values: listOf(either(number, nothing)) })),
            }),
          ),
        }),
      ),
      run: ({ statistics: items, range = usualRange, resolution }) => {
        if (!history.isOn) throw new MiAnswer(404, 'No history is kept');
        if (items === undefined) {
          return {
            Series: history.kept.map(({ name, kind, series: { table } }) => {
              const { step, fine, factor, coarse } = table.shape;
              const of = (one: number, count: number) => ({ resolution: one, range: one * count });
              return { name, kind, kept: [of(step, fine), of(step * factor, coarse)] };
            }),
          };
        }
        if (range < 1) throw invalidParams("Bad value for parameter 'range': give seconds, 1 or more");
        if (resolution !== undefined && resolution < 1)
          throw invalidParams("Bad value for parameter 'resolution': give seconds, 1 or more");
        const wanted = history.find(items);
        if (wanted.length === 0) throw new MiAnswer(404, 'Statistics Not Found');
        return { History: history.read(wanted, range, resolution) };
      },
    }),
  ];
}

const quantiles = Float64Array.of(0.5, 0.9, 0.99);

/** Microseconds; null without a call. */
const time = either(number, nothing);

const latencyShape = object({
  command: aText,
  calls: whole,
  failed: whole,
  p50_us: time,
  p90_us: time,
  p99_us: time,
  max_us: time,
  total_us: time,
});

/** Commands that read, and reset, how long calls took. */
function latencyCommands(mi: ManagementInterface): readonly Command[] {
  const { latencies } = mi;
  /** Those that were called; where a command is named, that one. */
  const found = (text: string | undefined, client: Client | undefined) => {
    const timed = mi.timedCommands;
    if (text === undefined) return timed;
    const { fullName } = mi.find(text, client);
    return timed.filter(([name]) => name === fullName);
  };
  return [
    command({
      name: 'latency',
      aliases: ['statistics_latency'],
      readOnly: true,
      help:
        'Tells how often each command, or the one that is named, was called and failed, and how long its calls took, in microseconds: ' +
        'p50, p90 and p99 (off by a quarter at most), the longest, and all together.',
      recipes: [{}, { command: 'string' }],
      parameters: {
        // Not suggested: everybody would be told of all commands.
        command: { help: 'Any name of a command.' },
      },
      result: object({ Commands: listOf(latencyShape) }),
      run: ({ command: text }, { client }) => {
        const commands = found(text, client).flatMap(([name, { slot, skipped }]) => {
          const { buckets, sum, longest, failed } = latencies.read(slot);
          const calls = buckets.reduce((all, count) => all + count, skipped);
          if (calls === 0 && text === undefined) return [];
          const [p50 = 0, p90 = 0, p99 = 0] = latencies.quantiles(slot, quantiles);
          const times = { p50_us: tenths(p50), p90_us: tenths(p90), p99_us: tenths(p99) };
          return [{ command: name, calls, failed, ...times, max_us: tenths(longest), total_us: tenths(sum) }];
        });
        return { Commands: commands };
      },
    }),
    command({
      name: 'reset_latency',
      destructive: true,
      aliases: ['reset_statistics_latency'],
      help: 'Begins to count anew how long the calls of all commands, or of the one that is named, took.',
      recipes: [{}, { command: 'string' }],
      parameters: {
        // Not suggested: everybody would be told of all commands.
        command: { help: 'Any name of a command.' },
      },
      result: ok,
      run: ({ command: text }, { client }) => {
        for (const [, counts] of found(text, client)) {
          latencies.reset(counts.slot);
          counts.skipped = 0;
        }
        return 'OK';
      },
    }),
  ];
}

/** Null without a call. */
function tenths(microseconds: number): number | null {
  return Number.isNaN(microseconds) ? null : Math.round(microseconds * 10) / 10;
}

function someOf(found: readonly Statistic[]): readonly Statistic[] {
  if (found.length === 0) throw new MiAnswer(404, 'Statistics Not Found');
  return found;
}

function listed(found: readonly Statistic[], nameOf: (statistic: Statistic) => string): Record<string, string> {
  return Object.fromEntries(
    found.map((one) => [nameOf(one), one.kind === 'counter' ? 'incremental' : 'non-incremental']),
  );
}

function reset(statistics: readonly Statistic[]): void {
  for (const statistic of statistics) {
    if (statistic.kind === 'counter') statistic.value = 0;
  }
}

/** Milliseconds that a reading of the memory serves. */
const memoryAge = 100;

/** Group `mem`: bytes that the process holds, of which one reading serves all, and dumps of its record tables. */
function addMemoryStatistics(statistics: Statistics): void {
  let usage = process.memoryUsage();
  let readAt = performance.now();
  const read = (): NodeJS.MemoryUsage => {
    // Reading takes 20 to 50 microseconds, more than all else of the reply.
    if (performance.now() - readAt > memoryAge) {
      usage = process.memoryUsage();
      readAt = performance.now();
    }
    return usage;
  };
  const bytes = (name: string, value: () => number, help: string): void => {
    statistics.add('mem', name, 'computed', value, { unit: 'bytes', help });
  };
  bytes('resident', () => read().rss, 'Resident memory of the process; read ten times a second at most.');
  bytes('heap_used', () => read().heapUsed, 'Memory that objects use in the heap of V8.');
  bytes('heap_total', () => read().heapTotal, 'Memory of the heap of V8.');
  bytes('native', () => read().external, 'Memory outside of the heap that V8 knows of.');
  statistics.add('mem', 'dumps_open', 'computed', dumpsOpen, {
    help: 'Dumps of record tables that have begun and not ended.',
  });
}
