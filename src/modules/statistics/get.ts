// The command that reads statistics, which every thread can run that has what it is asked for.
import type { JsonValue } from '../../base/json.js';
import type { CodedLog } from '../../base/log.js';
import { type Command, shapedCommand as command } from '../../mi/commands/command.js';
import { anything, mapOf } from '../../mi/commands/shape.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { type ForeignStatistic, findForeign, type Statistic, type Statistics } from '../../mi/statistics.js';
import { type CommandsHere, only } from '../here.js';

/** Counters and gauges that are named one by one; what a thread does not know may be there at home since. */
export const statisticsHere: CommandsHere = ({ mi, log }) => [
  {
    command: getCommand(mi, findIn(mi, log)),
    takes: (given) => {
      const items = only(given, 'statistics');
      return (
        Array.isArray(items) &&
        items.length <= 16 &&
        items.every(
          (item) =>
            typeof item === 'string' &&
            !item.endsWith(':') &&
            mi.statistics.find([item], { all: false }).some(({ kind }) => kind !== 'computed'),
        )
      );
    },
  },
];

export function groupsOf(statistics: Statistics): () => readonly string[] {
  return () => [...new Set(statistics.all.map(({ group }) => `${group}:`))].sort();
}

/** Finds the statistics that items name. */
type FindStatistics = (items: readonly string[], all: boolean) => readonly Statistic[];

/** As OpenSIPS, unknown names are no error, which pollers would meet. Slips are told in the log, each once. */
export function findIn(mi: ManagementInterface, log: CodedLog): FindStatistics {
  const { statistics } = mi;
  const told = new Set<string>();
  return (items, all) => {
    const found = statistics.find(items, { all });
    if (found.length >= items.length || mi.foreignStatistics !== undefined) return found;
    for (const [item, meant] of statistics.slips(items)) {
      if (told.has(item)) continue;
      told.add(item);
      log.warn(
        { code: 'statistic-misspelt', item, meant },
        `a client asks for the statistic "${item}", which is not there; write "${meant}"`,
      );
    }
    return found;
  };
}

export function getCommand(mi: ManagementInterface, find: FindStatistics): Command {
  const { statistics } = mi;
  const groups = groupsOf(statistics);
  return command({
    name: 'get',
    where: 'anywhere',
    aliases: ['get_statistics'],
    readOnly: true,
    withoutCall: true,
    help: 'Reads statistics. Each item is `all`, a group with a colon (`core:`), or one bare name (`timestamp`).',
    recipes: [{ statistics: 'string[]' }],
    parameters: {
      statistics: { help: '`all`, groups with a colon, or bare names.', suggest: () => ['all', ...groups()] },
    },
    result: mapOf(anything),
    run: ({ statistics: items }) => {
      const isAll = items.length === 1 && items[0] === 'all';
      const own = isAll ? statistics.selectAll() : statistics.select(find(items, true));
      const { foreignStatistics: foreign } = mi;
      if (foreign === undefined) return own;
      return joined(foreign.values(), items, () => own.toJSON(), fullName);
    },
  });
}

export function fullName({ group, name }: Pick<Statistic, 'group' | 'name'>): string {
  return `${group}:${name}`;
}

type Joined = Readonly<Record<string, JsonValue>>;

/** The statistics of other servers, and those of this one, which keep their names: where both have one, that of others is left out. */
export function joined(
  foreign: readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]>,
  items: readonly string[] | undefined,
  own: () => Joined,
  nameOf: (statistic: ForeignStatistic, isSingle: boolean) => string,
): Joined | Promise<Joined> {
  const join = (all: readonly ForeignStatistic[]): Joined => {
    return { ...findForeign(all, items, nameOf), ...own() };
  };
  return foreign instanceof Promise ? foreign.then(join) : join(foreign);
}
