import { monotonicTime } from '../../base/clock.js';
import { isObject, type JsonValue } from '../../base/json.js';
import type { History, SeriesKind } from '../../mi/history.js';
import type { ForeignServer, ForeignStatistic, ForeignStatistics, Statistics } from '../../mi/statistics.js';
import { SeriesTable } from '../../native/series.js';
import type { OpensipsNode } from './node.js';
import type { Nodes } from './nodes.js';

/** Milliseconds that a caller waits for a node; then it gets the last ones, and the answer serves the next one. */
const patience = 1000;

/** The last answer of a node. */
interface Reading {
  readonly at: number;
  readonly statistics: readonly ForeignStatistic[];
}

/**
 * The statistics of all nodes. Those of the first one have the groups that OpenSIPS gives them, `core:rcv_requests`, so that
 * pollers find what they know; those of others have the name of the node in front, `sip-2.core:rcv_requests`, and so has one
 * that has the name of a statistic of this server.
 */
export class NodeStatistics implements ForeignStatistics {
  readonly #nodes: Nodes;
  readonly #interval: number;
  readonly #own: Statistics;
  readonly #values = new Map<OpensipsNode, Reading>();
  readonly #kinds = new Map<OpensipsNode, Reading>();
  readonly #asking = new Map<string, Promise<void>>();
  readonly #history: NodeHistory;

  /**
   * @param interval milliseconds that an answer of a node serves
   * @param own those of this server
   * @param history where those are kept that tell how a node does
   */
  constructor(nodes: Nodes, interval: number, own: Statistics, history: History) {
    this.#nodes = nodes;
    this.#own = own;
    this.#interval = interval;
    this.#history = new NodeHistory(history, Math.max(leastStep, Math.ceil(interval / 1000)), () => this.#keep());
  }

  /** Keeps what nodes tell. One that does not answer leaves a gap, and keeps no others waiting. */
  #keep(): void {
    for (const node of this.#nodes.all) {
      if (!node.isKnown) continue;
      const reading = this.#values.get(node);
      if (reading !== undefined && performance.now() - reading.at < this.#interval) {
        this.#history.put(reading.statistics);
        continue;
      }
      void this.#ask(node, this.#values, 'get_statistics').then(() =>
        this.#history.put(this.#values.get(node)?.statistics ?? []),
      );
    }
  }

  get servers(): readonly ForeignServer[] {
    return this.#nodes.all.map((node) => {
      const { name, version } = node;
      const told = this.#values.get(node)?.statistics ?? [];
      const prefix = `${name}.`;
      const key = told.flatMap((one) => {
        const full = `${one.group}:${one.name}`;
        const own = full.startsWith(prefix) ? full.slice(prefix.length) : full;
        return keyStatistics.has(own) ? [[own, one] as const] : [];
      });
      const order = [...keyStatistics.keys()];
      key.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
      return { name, version, key: new Map(key) };
    });
  }

  values(): readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]> {
    return this.#read(this.#values, 'get_statistics');
  }

  kinds(): readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]> {
    return this.#read(this.#kinds, 'list_statistics');
  }

  #read(
    readings: Map<OpensipsNode, Reading>,
    command: string,
  ): readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]> {
    const now = performance.now();
    const known = (): readonly ForeignStatistic[] =>
      this.#nodes.all.flatMap((node) => readings.get(node)?.statistics ?? []);
    const old = this.#nodes.all.filter((node) => {
      const reading = readings.get(node);
      return node.isKnown && (reading === undefined || now - reading.at >= this.#interval);
    });
    if (old.length === 0) return known();
    return soon(Promise.all(old.map((node) => this.#ask(node, readings, command)))).then(known);
  }

  /** Joins the question that is under way, if there is one. */
  #ask(node: OpensipsNode, readings: Map<OpensipsNode, Reading>, command: string): Promise<void> {
    const key = `${node.name} ${command}`;
    const asked = this.#asking.get(key);
    if (asked !== undefined) return asked;
    const at = performance.now();
    // The list of 3.x takes no `all`.
    const all = command === 'get_statistics' ? (node.hasLines ? ['all'] : [['all']]) : undefined;
    const name = node.nameOf(command) ?? command;
    const asking = node
      .ask(name, all, { isReadOnly: true, isLarge: true })
      .then((told) => this.#statisticsOf(node, told, command === 'get_statistics'))
      // Without an answer they are left out, rather than told as they were.
      .catch(() => [])
      .then((statistics) => {
        readings.set(node, { at, statistics });
        this.#asking.delete(key);
      });
    this.#asking.set(key, asking);
    return asking;
  }

  /** @param areNumbers true for values: pollers take nothing else */
  #statisticsOf(node: OpensipsNode, told: JsonValue, areNumbers: boolean): readonly ForeignStatistic[] {
    if (!isObject(told)) return [];
    const own = new Set(this.#own.all.map(({ fullName }) => fullName.toLowerCase()));
    const isFirst = node === this.#nodes.all[0];
    const statistics: ForeignStatistic[] = [];
    for (const [full, given] of Object.entries(told)) {
      const colon = full.indexOf(':');
      const value = typeof given === 'string' && /^-?[0-9]+$/.test(given) ? Number(given) : given;
      if (colon < 1 || value === undefined || (areNumbers && !Number.isFinite(value))) continue;
      const isBare = isFirst && !own.has(full.toLowerCase());
      const group = (isBare ? '' : `${node.name}.`) + full.slice(0, colon);
      statistics.push({ group, name: full.slice(colon + 1), isBare, value });
    }
    return statistics;
  }
}

/** Seconds between two samples of a node at least. */
const leastStep = 10;

/** The statistics of OpenSIPS that tell how a node does, the most telling ones first: there may not be room for all. */
const keyStatistics: ReadonlyMap<string, SeriesKind> = new Map([
  ['dialog:active_dialogs', 'gauge'],
  ['usrloc:registered_users', 'gauge'],
  ['load:load', 'gauge'],
  ['shmem:used_size', 'gauge'],
  ['core:rcv_requests', 'counter'],
  ['tm:inuse_transactions', 'gauge'],
  ['dialog:failed_dialogs', 'counter'],
  ['core:drop_requests', 'counter'],
]);

const minutes = 60;
const day = 86_400;

/** Statistics of nodes over time. */
class NodeHistory {
  readonly #history: History;
  readonly #table: SeriesTable;

  /**
   * @param step seconds between two samples
   * @param ask called once in each
   */
  constructor(history: History, step: number, ask: () => void) {
    const factor = Math.max(1, Math.ceil(30 / step));
    const fine = Math.max(1, Math.ceil((10 * minutes) / step));
    this.#table = new SeriesTable({ step, fine, factor, coarse: Math.ceil(day / (step * factor)) });
    this.#history = history;
    history.askEvery(step, ask);
  }

  put(statistics: readonly ForeignStatistic[]): void {
    const step = Math.floor(monotonicTime() / 1000 / this.#table.shape.step);
    for (const { group, name, value } of statistics) {
      const full = `${group}:${name}`;
      // Those of all nodes but the first have the name of the node in front.
      const kind = keyStatistics.get(full) ?? keyStatistics.get(full.slice(full.lastIndexOf('.') + 1));
      if (kind === undefined && !this.#history.isNamed(full)) continue;
      const kept = this.#history.foreign(this.#table, full, kind ?? 'gauge');
      if (kept !== undefined) this.#table.put(kept.series.index, step, Number(value));
    }
  }
}

function soon(promise: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, patience);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
