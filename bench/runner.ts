// Puts every question to every peer, by turns, so that what else the machine does hits all of them.
import { type Figure, figureOf } from './figures.js';
import { PeerPool } from './peer-pool.js';
import type { Peer, Place } from './peers/peer.js';
import type { Case, Effort, Metric, Question, RunningPeer, Sample } from './question.js';
import type { Progress } from './report/progress.js';
import type { ResultRow, Skipped } from './result.js';

interface Planned {
  readonly question: Question;
  readonly one: Case;
  readonly peers: readonly Peer[];
  readonly repeats: number;
}

export interface Found {
  readonly rows: readonly ResultRow[];
  readonly skipped: readonly Skipped[];
}

/** @param peers those that can run here */
export async function runAll(
  questions: readonly Question[],
  peers: readonly Peer[],
  effort: Effort,
  place: Place,
  progress: Progress,
): Promise<Found> {
  const skipped: Skipped[] = [];
  const plan = questions.flatMap((question) =>
    question.cases(effort).map((one) => planCase(question, one, peers, effort, place, skipped)),
  );
  progress.begin(plan.reduce((sum, planned) => sum + planned.peers.length * planned.repeats, 0));
  const rows: ResultRow[] = [];
  const pool = new PeerPool(place);
  try {
    for (const planned of plan) rows.push(...(await runCase(planned, pool, progress, skipped)));
  } finally {
    await pool.endAll();
    progress.end();
  }
  return { rows, skipped };
}

function planCase(
  question: Question,
  one: Case,
  peers: readonly Peer[],
  effort: Effort,
  place: Place,
  skipped: Skipped[],
): Planned {
  const able = peers.filter((peer) => {
    const reason = reasonAgainst(peer, one, place);
    if (reason !== undefined) skipped.push({ question: question.name, case: one.name, peer: peer.name, reason });
    return reason === undefined;
  });
  return { question, one, peers: able, repeats: effort.quick && one.headline !== true ? 1 : effort.repeats };
}

/** Why a case cannot be put to a peer; undefined: it can. */
function reasonAgainst(peer: Peer, one: Case, place: Place): string | undefined {
  if (one.need.tls && place.certificate === undefined) {
    return 'openssl is not installed, which makes the certificate (apt-get install openssl)';
  }
  if (one.measureStart !== undefined && peer.runsAlready === true)
    return 'it runs already, and this begins with a start';
  return peer.refuses(one.command, one.need);
}

async function runCase(
  { question, one, peers, repeats }: Planned,
  pool: PeerPool,
  progress: Progress,
  skipped: Skipped[],
): Promise<readonly ResultRow[]> {
  const samples = new Map<string, Sample[]>();
  const failed = new Set<string>();
  for (let round = 1; round <= repeats; round++) {
    for (const peer of peers) {
      progress.step(`${question.name}: ${one.name}, ${peer.name}, ${round} of ${repeats}`);
      if (failed.has(peer.name)) continue;
      try {
        const sample = await measure(one, peer, pool);
        samples.set(peer.name, [...(samples.get(peer.name) ?? []), sample]);
      } catch (error) {
        failed.add(peer.name);
        const reason = `failed: ${error instanceof Error ? error.message : String(error)}`;
        skipped.push({ question: question.name, case: one.name, peer: peer.name, reason });
      }
    }
  }
  return peers
    .filter(({ name }) => !failed.has(name))
    .map(({ name }) => ({
      question: question.name,
      case: one.name,
      peer: name,
      figures: figuresOf(samples.get(name) ?? []),
    }));
}

async function measure(one: Case, peer: Peer, pool: PeerPool): Promise<Sample> {
  const start = (): Promise<{ peer: RunningPeer; startMs: number }> => pool.startAlone(peer, one.need);
  if (one.measureStart !== undefined) return one.measureStart(start);
  return one.measure?.(await pool.get(peer, one.need)) ?? {};
}

function figuresOf(samples: readonly Sample[]): Partial<Record<Metric, Figure>> {
  const names = Object.keys(samples[0] ?? {}) as Metric[];
  return Object.fromEntries(names.map((name) => [name, figureOf(samples.flatMap((sample) => sample[name] ?? []))]));
}
