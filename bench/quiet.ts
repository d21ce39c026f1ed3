// Whether the machine did nothing else: two servers that answer with a constant must keep their pace, and no other process may
// take its share of the processors.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { figureOf, spreadOf } from './figures.js';
import { runWrk } from './load/wrk.js';
import type { PeerPool } from './peer-pool.js';
import type { Peer } from './peers/peer.js';
import { ticksPerSecond } from './process/usage.js';
import { plain } from './question.js';

/** The findings, as results.json holds them. Shares are of 1. */
export interface Quiet {
  /** Half of what lies between the lowest and the highest rate, as a share of the median. */
  readonly constants: readonly { readonly peer: string; readonly when: 'before' | 'after'; readonly spread: number }[];
  /** The processes that took the most of a core, before or while was measured. */
  readonly processes: readonly Taken[];
}

/** Processor time of all processes of one name, as a share of a core. */
export interface Taken {
  readonly name: string;
  readonly share: number;
}

/** Roughly the seconds that both looks at the machine take. */
export const lookSeconds = 35;

/** A spread, and a share of a core, beyond which a machine is not quiet. */
const most = 0.05;
const rounds = 5;
/** Seconds that processes are watched before anything is measured. */
const watchFor = 3;

/** The reasons why a result is not published; empty: the machine was quiet. */
export function disturbances(quiet: Quiet | undefined): readonly string[] {
  if (quiet === undefined) return ['the machine was not watched'];
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const constants = quiet.constants
    .filter(({ spread }) => spread > most)
    .map(
      ({ peer, when, spread }) => `the rate of "${peer}" went ±${percent(spread)} ${when} the run; ±5 % is the most`,
    );
  const processes = quiet.processes
    .filter(({ share }) => share > most)
    .map(({ name, share }) => `${name} took ${percent(share)} of a core; 5 % is the most`);
  return [...constants, ...processes];
}

/** The rates of those that answer with a constant, by turns. */
export async function constantSpreads(
  peers: readonly Peer[],
  pool: PeerPool,
  when: 'before' | 'after',
): Promise<Quiet['constants']> {
  const rates = new Map<string, number[]>();
  const call = { connections: 64, seconds: 1 };
  // The first round warms them up.
  for (let round = 0; round <= rounds; round++) {
    for (const peer of peers) {
      const running = await pool.get(peer, plain);
      const { rate } = await runWrk(running.port, running.call('version'), call);
      if (round > 0) rates.set(peer.name, [...(rates.get(peer.name) ?? []), rate]);
    }
  }
  await pool.endAll();
  return [...rates].map(([peer, values]) => ({ peer, when, spread: spreadOf(figureOf(values)) }));
}

/** A process as /proc tells it. */
export interface ProcessTime {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** When it began, so that a number that is used again is another process. */
  readonly begun: number;
  /** In user and kernel, of USER_HZ. */
  readonly ticks: number;
}

/** Adds up the processor time of processes that are not ours. */
export class ProcessWatch {
  readonly #own: readonly number[];
  readonly #read: () => readonly ProcessTime[];
  readonly #now: () => number;
  readonly #taken = new Map<string, number>();
  readonly #begun: number;
  #last: ReadonlyMap<string, ProcessTime>;

  /** @param own processes that belong to the run, with all that they start */
  constructor(
    own: readonly number[],
    read: () => readonly ProcessTime[] = readProcesses,
    now: () => number = () => performance.now(),
  ) {
    this.#own = own;
    this.#read = read;
    this.#now = now;
    this.#begun = now();
    this.#last = byIdentity(read());
  }

  /** Adds up what was taken since it was called last. */
  look(): void {
    const all = this.#read();
    const own = familyOf(all, this.#own);
    for (const one of all) {
      if (own.has(one.pid)) continue;
      const before = this.#last.get(identity(one))?.ticks ?? 0;
      if (one.ticks > before) this.#taken.set(one.name, (this.#taken.get(one.name) ?? 0) + one.ticks - before);
    }
    this.#last = byIdentity(all);
  }

  /** The most first. */
  taken(): readonly Taken[] {
    const seconds = Math.max(0.001, (this.#now() - this.#begun) / 1000);
    return [...this.#taken]
      .map(([name, ticks]) => ({ name, share: ticks / ticksPerSecond / seconds }))
      .sort((a, b) => b.share - a.share);
  }
}

/** The processes that take something now. */
export async function processesNow(own: readonly number[]): Promise<readonly Taken[]> {
  const watch = new ProcessWatch(own);
  await pause(watchFor * 1000);
  watch.look();
  return watch.taken();
}

/** The most that each name took, in one or the other. */
export function mostTaken(...lists: readonly (readonly Taken[])[]): readonly Taken[] {
  const found = new Map<string, number>();
  for (const { name, share } of lists.flat()) found.set(name, Math.max(share, found.get(name) ?? 0));
  const sorted = [...found].map(([name, share]) => ({ name, share })).sort((a, b) => b.share - a.share);
  return sorted.slice(0, 5);
}

function identity({ pid, begun }: ProcessTime): string {
  return `${pid} ${begun}`;
}

function byIdentity(all: readonly ProcessTime[]): ReadonlyMap<string, ProcessTime> {
  return new Map(all.map((one) => [identity(one), one]));
}

/** Processes and all that they have started. */
function familyOf(all: readonly ProcessTime[], roots: readonly number[]): ReadonlySet<number> {
  const family = new Set(roots);
  for (let grew = true; grew; ) {
    const children = all.filter(({ pid, parent }) => family.has(parent) && !family.has(pid));
    for (const { pid } of children) family.add(pid);
    grew = children.length > 0;
  }
  return family;
}

function readProcesses(): readonly ProcessTime[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const end = stat.lastIndexOf(')');
        const fields = stat
          .slice(end + 2)
          .split(' ')
          .map(Number);
        const [, parent = 0, ticksUser = 0, ticksKernel = 0, begun = 0] = [0, 1, 11, 12, 19].map((at) => fields[at]);
        const text = stat.slice(stat.indexOf('(') + 1, end);
        return [{ pid: Number(name), parent, name: text, begun, ticks: ticksUser + ticksKernel }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
