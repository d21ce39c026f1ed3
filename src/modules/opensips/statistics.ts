import { monotonicTime } from '../../base/clock.js';
import { isObject, type JsonValue } from '../../base/json.js';
import { type CodedLog, LineRate } from '../../base/log.js';
import type { History, SeriesKind } from '../../mi/history.js';
import type {
  ForeignNode,
  ForeignNumber,
  ForeignServer,
  ForeignStatistic,
  ForeignStatistics,
  Statistics,
} from '../../mi/statistics.js';
import { SeriesTable } from '../../native/series.js';
import type { OpensipsNode } from './node.js';
import type { Nodes } from './nodes.js';
import { UpstreamFailure } from './upstream/transport.js';

/** Milliseconds that a caller waits for a node; then it gets the last ones, and the answer serves the next one. */
const patience = 1000;

/** The last answer of a node. */
interface Reading {
  readonly at: number;
  readonly statistics: readonly ForeignStatistic[];
  /** The same under the names that the node gives them. */
  readonly told: ReadonlyMap<string, JsonValue>;
  /** False where nothing came. */
  readonly isAnswer: boolean;
}

/** A question that is under way. */
interface Asking {
  readonly at: number;
  readonly answer: Promise<void>;
}

/** The numbers of a node, made of two readings. */
interface Numbers {
  readonly values: Reading;
  readonly kinds: Reading | undefined;
  readonly statistics: readonly ForeignNumber[];
  readonly hasUnknownKinds: boolean;
}

/** Statistics that one node may have, and characters of the name of one: a broken one may tell anything. */
const mostStatistics = 50_000;
const longestName = 256;

const values = 'get_statistics';
const kinds = 'list_statistics';

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
  readonly #numbers = new Map<OpensipsNode, Numbers>();
  readonly #asking = new Map<string, Asking>();
  readonly #history: NodeHistory;
  readonly #log: CodedLog;
  readonly #lines = new LineRate();

  /**
   * @param interval milliseconds that an answer of a node serves
   * @param own those of this server
   * @param history where those are kept that tell how a node does
   */
  constructor(nodes: Nodes, interval: number, own: Statistics, history: History, log: CodedLog) {
    this.#nodes = nodes;
    this.#log = log;
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
        this.#history.put(node, reading.statistics);
        continue;
      }
      void this.#ask(node, this.#values, values).answer.then(() =>
        this.#history.put(node, this.#values.get(node)?.statistics ?? []),
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
    return this.#read(this.#values, values);
  }

  kinds(): readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]> {
    return this.#read(this.#kinds, kinds);
  }

  nodes(): readonly ForeignNode[] | Promise<readonly ForeignNode[]> {
    const known = (): readonly ForeignNode[] => this.#nodes.all.map((node) => this.#numbersOf(node));
    const waits = [
      ...this.#refreshed(this.#nodes.all, this.#values, values),
      // Kinds stay as they are: they are asked for where a name is new.
      ...this.#refreshed(
        this.#nodes.all.filter((node) => this.#hasUnknownKinds(node)),
        this.#kinds,
        kinds,
      ),
    ];
    return waits.length === 0 ? known() : Promise.all(waits).then(known);
  }

  #read(
    readings: Map<OpensipsNode, Reading>,
    command: string,
  ): readonly ForeignStatistic[] | Promise<readonly ForeignStatistic[]> {
    const known = (): readonly ForeignStatistic[] =>
      this.#nodes.all.flatMap((node) => readings.get(node)?.statistics ?? []);
    const waits = this.#refreshed(this.#nodes.all, readings, command);
    return waits.length === 0 ? known() : Promise.all(waits).then(known);
  }

  /** Asks those whose last answer is old; gives what is to be waited for. */
  #refreshed(
    nodes: readonly OpensipsNode[],
    readings: Map<OpensipsNode, Reading>,
    command: string,
  ): readonly Promise<void>[] {
    const now = performance.now();
    const waits: Promise<void>[] = [];
    for (const node of nodes) {
      const reading = readings.get(node);
      if (!node.isKnown || (reading !== undefined && now - reading.at < this.#interval)) continue;
      const { at, answer } = this.#ask(node, readings, command);
      const left = patience - (now - at);
      // A node that hangs is waited for once, not by each caller.
      if (left > 0) waits.push(soon(answer, left));
    }
    return waits;
  }

  /** Joins the question that is under way, if there is one. */
  #ask(node: OpensipsNode, readings: Map<OpensipsNode, Reading>, command: string): Asking {
    const key = `${node.name} ${command}`;
    const asked = this.#asking.get(key);
    if (asked !== undefined) return asked;
    const at = performance.now();
    // The list of 3.x takes no `all`.
    const all = command === values ? (node.hasLines ? ['all'] : [['all']]) : undefined;
    const name = node.nameOf(command) ?? command;
    const answer = node
      .ask(name, all, { isReadOnly: true, isLarge: true })
      .then((told) => this.#readingOf(node, at, told, command === values))
      // Without an answer they are left out, rather than told as they were.
      .catch((error: unknown) => ({ ...nothing(at), isAnswer: !(error instanceof UpstreamFailure) }))
      .then((reading) => {
        readings.set(node, reading);
        this.#asking.delete(key);
      });
    const asking = { at, answer };
    this.#asking.set(key, asking);
    return asking;
  }

  /** @param areNumbers true for values: pollers take nothing else */
  #readingOf(node: OpensipsNode, at: number, given: JsonValue, areNumbers: boolean): Reading {
    const told = new Map<string, JsonValue>();
    const statistics: ForeignStatistic[] = [];
    if (!isObject(given)) return nothing(at);
    const own = new Set(this.#own.all.map(({ fullName }) => fullName.toLowerCase()));
    const [first, ...others] = this.#nodes.all;
    const isFirst = node === first;
    // What has the name of another node in front would pass for a statistic of that.
    const isOfOther = (full: string): boolean => others.some(({ name }) => full.startsWith(`${name}.`));
    for (const [full, text] of Object.entries(given)) {
      const colon = full.indexOf(':');
      if (full.length > longestName) continue;
      if (statistics.length === mostStatistics) {
        this.#tellTooMany(node);
        break;
      }
      const value = typeof text === 'string' && /^-?[0-9]+$/.test(text) ? Number(text) : text;
      if (colon < 1 || value === undefined || (areNumbers && !Number.isFinite(value))) continue;
      told.set(full, value);
      const isBare = isFirst && !own.has(full.toLowerCase()) && !isOfOther(full);
      const group = (isBare ? '' : `${node.name}.`) + full.slice(0, colon);
      statistics.push({ group, name: full.slice(colon + 1), isBare, value });
    }
    return { at, statistics, told, isAnswer: true };
  }

  #tellTooMany({ name }: OpensipsNode): void {
    if (!this.#lines.isDue(name)) return;
    this.#log.warn(
      { code: 'opensips-statistics-left-out', node: name },
      `OpenSIPS ${name} has more than ${mostStatistics} statistics; those behind them are left out`,
    );
  }

  #hasUnknownKinds(node: OpensipsNode): boolean {
    return this.#numbers.get(node)?.hasUnknownKinds ?? true;
  }

  #numbersOf(node: OpensipsNode): ForeignNode {
    const { name } = node;
    const reading = this.#values.get(node);
    const asked = this.#asking.get(`${name} ${values}`);
    const isLate = asked !== undefined && performance.now() - asked.at >= patience;
    if (reading?.isAnswer !== true || isLate || !node.isKnown || !node.upstream.health().isUp)
      return { name, isUp: false, statistics: [] };
    const kindReading = this.#kinds.get(node);
    const made = this.#numbers.get(node);
    if (made?.values === reading && made.kinds === kindReading)
      return { name, isUp: true, statistics: made.statistics };
    const statistics: ForeignNumber[] = [];
    for (const [full, value] of reading.told) {
      const colon = full.indexOf(':');
      const kind = kindOf(kindReading?.told.get(full));
      if (typeof value === 'number') {
        statistics.push({ group: full.slice(0, colon), name: full.slice(colon + 1), value, kind });
      }
    }
    const hasUnknownKinds = statistics.some(({ kind }) => kind === undefined);
    this.#numbers.set(node, { values: reading, kinds: kindReading, statistics, hasUnknownKinds });
    return { name, isUp: true, statistics };
  }
}

function nothing(at: number): Reading {
  return { at, statistics: [], told: new Map(), isAnswer: true };
}

function kindOf(told: JsonValue | undefined): ForeignNumber['kind'] {
  if (told === 'incremental') return 'counter';
  return told === 'non-incremental' ? 'gauge' : undefined;
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

  put({ name: node }: OpensipsNode, statistics: readonly ForeignStatistic[]): void {
    const prefix = `${node}.`;
    const step = Math.floor(monotonicTime() / 1000 / this.#table.shape.step);
    for (const { group, name, value } of statistics) {
      const full = `${group}:${name}`;
      // Those of all nodes but the first have the name of the node in front.
      const kind = keyStatistics.get(full.startsWith(prefix) ? full.slice(prefix.length) : full);
      if (kind === undefined && !this.#history.isNamed(full)) continue;
      const kept = this.#history.foreign(this.#table, full, kind ?? 'gauge');
      if (kept !== undefined) this.#table.put(kept.series.index, step, Number(value));
    }
  }
}

/** Waits for a promise, but no longer than that many milliseconds. */
function soon(promise: Promise<void>, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
