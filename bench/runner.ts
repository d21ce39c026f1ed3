// Puts every question to every peer, by turns, so that what else the machine does hits all of them.
import { checkReply } from './check-reply.js';
import { type Figure, figureOf } from './figures.js';
import { PeerPool } from './peer-pool.js';
import { commandsOfFronts, commandsOfOurs, type Peer, type Place } from './peers/peer.js';
import type { Case, Effort, Metric, Question, RunningPeer, Sample } from './question.js';
import type { Progress } from './report/progress.js';
import type { ResultRow, Skipped } from './result.js';

interface Planned {
  readonly question: Question;
  readonly one: Case;
  readonly peers: readonly Peer[];
  readonly rounds: number;
}

/** One case put to one peer: a sample of each round. */
export interface Measured {
  readonly question: string;
  readonly case: string;
  readonly peer: string;
  readonly samples: readonly Sample[];
}

interface Found {
  readonly measured: readonly Measured[];
  readonly skipped: readonly Skipped[];
}

/** The things that will be measured, and those that will not. */
export interface Plan {
  readonly cases: readonly Planned[];
  readonly skipped: readonly Skipped[];
}

/** @param peers those that can run here */
export function planAll(
  questions: readonly Question[],
  peers: readonly Peer[],
  effort: Effort,
  hasCertificate: boolean,
): Plan {
  const skipped: Skipped[] = [];
  const cases = questions.flatMap((question) =>
    question.cases(effort).map((one) => {
      const isOfFront = commandsOfFronts.has(one.command);
      const asked = peers.filter(({ role, isOurs = false }) => {
        if (commandsOfOurs.has(one.command)) return isOurs;
        return role === 'both' ? !isOfFront || one.command === 'upstream' : (role === 'front') === isOfFront;
      });
      const able = asked.filter((peer) => {
        const reason = reasonAgainst(peer, one, hasCertificate);
        if (reason !== undefined) skipped.push({ question: question.name, case: one.name, peer: peer.name, reason });
        return reason === undefined;
      });
      return { question, one, peers: able, rounds: roundsOf(one, effort) };
    }),
  );
  return { cases, skipped };
}

function roundsOf(one: Case, { quick, repeats, isExact }: Effort): number {
  if (isExact === true) return repeats;
  if (quick && one.headline !== true) return 1;
  return Math.min(repeats, one.rounds ?? repeats);
}

/** Roughly the seconds that a plan takes, by question; starts and contacts that are loaded are among them. */
export function secondsOf({ cases }: Plan, { seconds }: Effort): ReadonlyMap<string, number> {
  const overhead = 0.15;
  const found = new Map<string, number>();
  let need = '';
  for (const { question, one, peers, rounds } of cases) {
    const { contacts } = one.need;
    const start = 0.3 + contacts / 100_000;
    const startsAgain = one.measureStart !== undefined || JSON.stringify(one.need) !== need;
    need = JSON.stringify(one.need);
    const each = (one.lasts ?? seconds) + overhead;
    const starts = one.measureStart !== undefined ? rounds : startsAgain ? 1 : 0;
    found.set(question.name, (found.get(question.name) ?? 0) + peers.length * (rounds * each + starts * start));
  }
  return found;
}

/** @param afterEach called when something was measured */
export async function runAll(
  plan: Plan,
  place: Place,
  progress: Progress,
  afterEach: () => void = () => {},
): Promise<Found> {
  const skipped = [...plan.skipped];
  progress.begin(plan.cases.reduce((sum, planned) => sum + planned.peers.length * planned.rounds, 0));
  const measured: Measured[] = [];
  const pool = new PeerPool(place);
  try {
    for (const planned of plan.cases) measured.push(...(await runCase(planned, pool, progress, skipped, afterEach)));
  } finally {
    await pool.endAll();
    progress.end();
  }
  return { measured, skipped };
}

/** Why a case cannot be put to a peer; undefined: it can. */
function reasonAgainst(peer: Peer, one: Case, hasCertificate: boolean): string | undefined {
  if (one.need.tls && !hasCertificate) {
    return 'openssl is not installed, which makes the certificate (apt-get install openssl)';
  }
  if (one.isStart === true && peer.runsAlready === true) return 'it runs already, and this begins with a start';
  return peer.refuses(one.command, one.need);
}

async function runCase(
  { question, one, peers, rounds }: Planned,
  pool: PeerPool,
  progress: Progress,
  skipped: Skipped[],
  afterEach: () => void,
): Promise<readonly Measured[]> {
  const samples = new Map<string, Sample[]>();
  const failed = new Set<string>();
  for (let round = 1; round <= rounds; round++) {
    // There and back, so that no peer always comes after the same one.
    for (const peer of round % 2 === 1 ? peers : peers.toReversed()) {
      progress.step(`${question.name}: ${one.name}, ${peer.name}, ${round} of ${rounds}`);
      if (failed.has(peer.name)) continue;
      try {
        const sample = await measure(one, peer, pool, round === 1);
        samples.set(peer.name, [...(samples.get(peer.name) ?? []), sample]);
      } catch (error) {
        failed.add(peer.name);
        const reason = `failed: ${error instanceof Error ? error.message : String(error)}`;
        skipped.push({ question: question.name, case: one.name, peer: peer.name, reason });
      }
      afterEach();
    }
  }
  return peers
    .filter(({ name }) => !failed.has(name))
    .map(({ name }) => ({ question: question.name, case: one.name, peer: name, samples: samples.get(name) ?? [] }));
}

async function measure(one: Case, peer: Peer, pool: PeerPool, isFirst: boolean): Promise<Sample> {
  if (one.measureStart !== undefined) {
    let started: RunningPeer | undefined;
    const sample = await one.measureStart(async () => {
      const found = await pool.startAlone(peer, one.need);
      started = found.peer;
      return found;
    });
    // Afterwards: the reply takes memory, which is what is measured.
    if (isFirst && started !== undefined) await checkReply(started, one);
    return sample;
  }
  const running = await pool.get(peer, one.need);
  if (isFirst) await checkReply(running, one);
  return one.measure?.(running) ?? {};
}

/** The figures of all rounds. */
export function rowsOf(measured: readonly Measured[]): readonly ResultRow[] {
  return measured.map(({ samples, ...of }) => ({ ...of, figures: figuresOf(samples) }));
}

function figuresOf(samples: readonly Sample[]): Partial<Record<Metric, Figure>> {
  const names = Object.keys(samples[0] ?? {}) as Metric[];
  return Object.fromEntries(names.map((name) => [name, figureOf(samples.flatMap((sample) => sample[name] ?? []))]));
}
