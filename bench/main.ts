// npm run bench: mi-httpd against its rivals. `--help` tells the rest.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadUws } from '#src/http/engine/uws/loader.js';
import { buildRevision, describeCheckout } from './against/checkout.js';
import { type Comparison, compare, comparisonText } from './against/compare.js';
import { installPeers } from './install.js';
import { buildClient } from './load/client.js';
import { wrkMissing } from './load/wrk.js';
import { describeMachine, makeCertificate, warnings } from './machine.js';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.js';
import { PeerPool } from './peer-pool.js';
import { fleetPeer, fleetPeerOf } from './peers/fleet.js';
import { front, frontOf } from './peers/front.js';
import { miHttpd, miHttpdOf } from './peers/mi-httpd.js';
import { nginx } from './peers/nginx.js';
import { originalPeer } from './peers/original.js';
import type { Peer, Place } from './peers/peer.js';
import { versionOf } from './peers/program.js';
import { peers as allPeers, baseline, constants } from './peers/table.js';
import type { Question } from './question.js';
import { questions as allQuestions } from './questions/table.js';
import {
  constantSpreads,
  disturbances,
  lookSeconds,
  mostTaken,
  ProcessWatch,
  processesNow,
  type Quiet,
  type Taken,
} from './quiet.js';
import { document, type Roles } from './report/document.js';
import { Progress } from './report/progress.js';
import { publish, publishedResult, renew, writeReport } from './report/publish.js';
import { type Result, readResult, type Skipped } from './result.js';
import { type Plan, planAll, rowsOf, runAll, secondsOf } from './runner.js';
import { sampleReplies } from './sample-replies.js';

// With `exit`, what was started ends and what was written for a while goes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

/** Those that a question may be put to, by itself, in front of an OpenSIPS or of a fleet, and the same of another checkout. */
const ownPeers: readonly { readonly peer: Peer; readonly of: (name: string, checkout: string) => Peer }[] = [
  { peer: miHttpd, of: miHttpdOf },
  { peer: front, of: frontOf },
  { peer: fleetPeer, of: fleetPeerOf },
];

const roles: Roles = { own: miHttpd.name, baseline, constant: nginx.name };

/** Nothing is published: the machine was not quiet. */
class NotQuietError extends Error {
  override readonly name = 'NotQuietError';
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage());
  else await run(options);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : error instanceof NotQuietError ? 3 : 1;
}

async function run(options: BenchOptions): Promise<void> {
  if (options.install) installPeers();
  if (options.list) process.stdout.write(listText(options));
  else if (options.against !== undefined) await runAgainst(options.against, options);
  else if (options.publish && options.from !== undefined && resolve(options.from) === resolve(publishedResult)) {
    renew(allQuestions, roles);
  } else await runRivals(options);
}

async function runRivals(options: BenchOptions): Promise<void> {
  const found = options.from === undefined ? await measure(options) : readResult(options.from);
  const doubts = disturbances(found.quiet);
  const isForced = options.publish && options.force && doubts.length > 0;
  const result: Result = isForced ? { ...found, forced: doubts } : found;
  writeReport(options.out, result, allQuestions, roles);
  const isPublished = options.publish && (options.force || doubts.length === 0);
  if (isPublished) publish(result, allQuestions, roles);
  process.stdout.write(document(result, allQuestions, roles, undefined));
  process.stderr.write(`bench: report and charts are in ${options.out}${isPublished ? ', and published' : ''}\n`);
  if (result.skipped.some(({ reason }) => reason.startsWith('failed: '))) process.exitCode = 1;
  if (options.publish && !isPublished) {
    const file = join(options.out, 'results.json');
    throw new NotQuietError(
      `nothing is published: ${doubts.join('; ')}; repeat it on a quiet machine, or publish it all the same by ` +
        `npm run bench -- --publish --force --from ${file}`,
    );
  }
}

async function measure(options: BenchOptions): Promise<Result> {
  const { doubts, place, end } = await prepare();
  const { present, absent } = choosePeers(options);
  for (const { peer, reason } of absent) process.stderr.write(`bench: ${peer} is skipped: ${reason}\n`);
  const own = [process.pid, ...processesOf(options)];
  const plan = planAll(chosenQuestions(options), present, options, place.certificate !== undefined);
  const before = await lookBefore(options, place, own);
  const watch = new ProcessWatch(own);
  const found = await runAll(plan, place, new Progress(process.stderr), () => watch.look());
  const processes = mostTaken(before.processes, watch.taken());
  const after = options.quick ? [] : await constantSpreads(presentConstants(), new PeerPool(place), 'after');
  end();
  return {
    format: 1,
    date: today(),
    command: commandText(),
    quick: options.quick,
    seconds: options.seconds,
    repeats: options.repeats,
    machine: describeMachine(),
    versions: await versions(),
    warnings: doubts,
    quiet: { constants: [...before.constants, ...after], processes },
    peers: present.map(({ name, what }) => ({ name, what: what() })),
    rows: rowsOf(found.measured),
    skipped: [...absent, ...found.skipped],
  };
}

/**
 * A look at the machine before anything is measured.
 *
 * @throws NotQuietError when it is not quiet and the result is to be published
 */
async function lookBefore(options: BenchOptions, place: Place, own: readonly number[]): Promise<Quiet> {
  const processes: readonly Taken[] = await processesNow(own);
  // A quick run is a first look, which is not published.
  const constants = options.quick ? [] : await constantSpreads(presentConstants(), new PeerPool(place), 'before');
  const quiet = { constants, processes: mostTaken(processes) };
  const doubts = disturbances(quiet);
  if (options.publish && !options.force && doubts.length > 0) {
    throw new NotQuietError(
      `nothing is measured: ${doubts.join('; ')}; end what runs beside, or add --force, which the report will say`,
    );
  }
  for (const doubt of doubts) process.stderr.write(`bench: mind that ${doubt}\n`);
  return quiet;
}

async function runAgainst(revision: string, options: BenchOptions): Promise<void> {
  const there = buildRevision(revision);
  const { doubts, place, end } = await prepare();
  const { commit, isChanged } = describeCheckout();
  const here = `${commit}${isChanged ? ' with changes' : ''}`;
  const pairs = ownPeers.map(({ peer, of }) => [peer, of(`${peer.name} ${there.commit}`, there.folder)] as const);
  const { present, absent } = sorted(pairs.flat());
  const plan = planAll(chosenQuestions(options), present, options, place.certificate !== undefined);
  const watch = new ProcessWatch([process.pid]);
  const found = await runAll(plan, place, new Progress(process.stderr), () => watch.look());
  end();
  const comparison: Comparison = {
    format: 'against 1',
    date: today(),
    command: commandText(),
    machine: describeMachine(),
    versions: await versions(),
    seconds: options.seconds,
    here,
    there: there.commit,
    warnings: [...doubts, ...disturbances({ constants: [], processes: mostTaken(watch.taken()) })],
    rows: pairs.flatMap(([own, rival]) => compare(found.measured, allQuestions, own.name, rival.name)),
    skipped: [...absent, ...found.skipped],
  };
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, 'against.json'), `${JSON.stringify(comparison, undefined, 2)}\n`);
  writeFileSync(join(options.out, 'against.md'), `${comparisonText(comparison)}\n`);
  process.stdout.write(`${comparisonText(comparison)}\n`);
  process.stderr.write(`bench: the comparison is in ${join(options.out, 'against.md')}\n`);
  if (found.skipped.some(({ reason }) => reason.startsWith('failed: '))) process.exitCode = 1;
}

interface Prepared {
  /** Reasons to doubt what is measured. */
  readonly doubts: readonly string[];
  readonly place: Place;
  /** Removes what was written for the run. */
  readonly end: () => void;
}

async function prepare(): Promise<Prepared> {
  if (process.platform !== 'linux') throw new Error('servers are measured by /proc, which only Linux has');
  // Both are told before anything is measured, while something can still be done about it.
  const doubts = warnings();
  for (const doubt of doubts) process.stderr.write(`bench: mind that ${doubt}\n`);
  const noWrk = wrkMissing();
  if (noWrk !== undefined) throw new Error(noWrk);
  mkdirSync('build', { recursive: true });
  buildClient();
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-'));
  const end = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', end);
  const replies = await sampleReplies(folder);
  return { doubts, place: { folder, certificate: makeCertificate(folder), replies }, end };
}

function chosenQuestions({ only }: BenchOptions): readonly Question[] {
  return allQuestions.filter(({ name }) => only.length === 0 || only.includes(name));
}

function choosePeers({ peers: names, original }: BenchOptions): {
  present: readonly Peer[];
  absent: readonly Skipped[];
} {
  const wanted = allPeers.filter(({ name }) => names.length === 0 || names.includes(name));
  if (original !== undefined) wanted.splice(2, 0, originalPeer(original));
  const { present, absent } = sorted(wanted);
  const unnamed = { peer: 'OpenSIPS', reason: 'none was named (--original URL --original-pid PID)' };
  return { present, absent: original === undefined && names.length === 0 ? [...absent, unnamed] : absent };
}

/** Those that can run here, and why the others cannot. */
function sorted(peers: readonly Peer[]): { present: readonly Peer[]; absent: readonly Skipped[] } {
  const reasons = peers.map((peer) => ({ peer, reason: peer.unavailable() }));
  return {
    present: reasons.flatMap(({ peer, reason }) => (reason === undefined ? [peer] : [])),
    absent: reasons.flatMap(({ peer, reason }) => (reason === undefined ? [] : [{ peer: peer.name, reason }])),
  };
}

function presentConstants(): readonly Peer[] {
  return constants.filter((peer) => peer.unavailable() === undefined);
}

/** An OpenSIPS that runs already, with the processes that its parent started too. */
function processesOf({ original }: BenchOptions): readonly number[] {
  const pids = original === undefined ? [] : [original.pid, original.tls?.pid ?? original.pid];
  return pids.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      return parent > 1 ? [pid, parent] : [pid];
    } catch {
      // It is told as absent.
      return [];
    }
  });
}

function listText(options: BenchOptions): string {
  const both = ownPeers.flatMap(({ peer }) => [peer, peer]);
  const own = options.against === undefined ? undefined : sorted(both);
  const { present, absent } = own ?? choosePeers(options);
  const plan: Plan = planAll(chosenQuestions(options), present, options, true);
  const seconds = secondsOf(plan, options);
  const lines = [...seconds].map(([name, sum]) => {
    const cases = plan.cases.filter(({ question }) => question.name === name);
    const count = cases.reduce((total, { peers, rounds }) => total + peers.length * rounds, 0);
    return `${name.padEnd(14)} ${String(cases.length).padStart(2)} cases, ${String(count).padStart(4)} measurements, ${minutes(sum)}`;
  });
  const total = [...seconds.values()].reduce((sum, one) => sum + one, options.quick ? 5 : lookSeconds);
  const missing = absent.map(({ peer, reason }) => `${peer} is skipped: ${reason}`);
  return `${[...lines, `all together ${minutes(total)}, with the look at the machine`, ...missing].join('\n')}\n`;
}

function minutes(seconds: number): string {
  return `${(seconds / 60).toFixed(1)} min`;
}

async function versions(): Promise<string> {
  const engine = await loadUws();
  const wrk = /^wrk \S+/.exec(versionOf('wrk', '-v') ?? '')?.[0].replace('debian/', '') ?? 'wrk';
  return `Node.js ${process.versions.node}, ${engine.name} ${engine.version}, ${wrk}`;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function commandText(): string {
  return ['npm run bench', ...quoted(process.argv.slice(2))].join(' ');
}

function quoted(args: readonly string[]): readonly string[] {
  const words = args.filter((word) => !['--publish', '--force', '--install'].includes(word));
  return words.length === 0 ? [] : ['--', ...words.map((word) => (/^[\w,./:=-]+$/.test(word) ? word : `'${word}'`))];
}
