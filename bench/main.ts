// npm run bench: mi-httpd against its rivals. `--help` tells the rest.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadUws } from '#src/http/engine/uws/loader.js';
import { installPeers } from './install.js';
import { buildClient } from './load/client.js';
import { wrkMissing } from './load/wrk.js';
import { describeMachine, makeCertificate, warnings } from './machine.js';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.js';
import { miHttpd } from './peers/mi-httpd.js';
import { nginx } from './peers/nginx.js';
import { originalPeer } from './peers/original.js';
import type { Peer } from './peers/peer.js';
import { versionOf } from './peers/program.js';
import { peers as allPeers, baseline } from './peers/table.js';
import { questions as allQuestions } from './questions/table.js';
import { document, type Roles } from './report/document.js';
import { Progress } from './report/progress.js';
import { publish, writeReport } from './report/publish.js';
import { type Result, readResult, type Skipped } from './result.js';
import { runAll } from './runner.js';
import { sampleReplies } from './sample-replies.js';

// With `exit`, what was started ends and what was written for a while goes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const roles: Roles = { own: miHttpd.name, baseline, constant: nginx.name };

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage());
  else await run(options);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run(options: BenchOptions): Promise<void> {
  if (options.install) installPeers();
  const result = options.from === undefined ? await measure(options) : readResult(options.from);
  writeReport(options.out, result, allQuestions, roles);
  if (options.publish) publish(result, allQuestions, roles);
  process.stdout.write(document(result, allQuestions, roles, undefined));
  process.stderr.write(`bench: report and charts are in ${options.out}${options.publish ? ', and published' : ''}\n`);
  if (result.skipped.some(({ reason }) => reason.startsWith('failed: '))) process.exitCode = 1;
}

async function measure(options: BenchOptions): Promise<Result> {
  if (process.platform !== 'linux') throw new Error('servers are measured by /proc, which only Linux has');
  // Both are told before anything is measured, while something can still be done about it.
  const doubts = warnings();
  for (const doubt of doubts) process.stderr.write(`bench: mind that ${doubt}\n`);
  const noWrk = wrkMissing();
  if (noWrk !== undefined) throw new Error(noWrk);
  mkdirSync('build', { recursive: true });
  buildClient();
  const { present, absent } = choosePeers(options);
  for (const { peer, reason } of absent) process.stderr.write(`bench: ${peer} is skipped: ${reason}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const replies = await sampleReplies(folder);
  const place = { folder, certificate: makeCertificate(folder), replies };
  const questions = allQuestions.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const found = await runAll(questions, present, options, place, new Progress(process.stderr));
  return {
    format: 1,
    date: new Date().toISOString().slice(0, 10),
    command: ['npm run bench', ...quoted(process.argv.slice(2))].join(' '),
    quick: options.quick,
    seconds: options.seconds,
    repeats: options.repeats,
    machine: describeMachine(),
    versions: await versions(),
    warnings: doubts,
    peers: present.map(({ name, what }) => ({ name, what: what() })),
    rows: found.rows,
    skipped: [...absent, ...found.skipped],
  };
}

function choosePeers({ peers: names, original }: BenchOptions): {
  present: readonly Peer[];
  absent: readonly Skipped[];
} {
  const wanted = allPeers.filter(({ name }) => names.length === 0 || names.includes(name));
  if (original !== undefined) wanted.splice(2, 0, originalPeer(original.url, original.pid));
  const reasons = wanted.map((peer) => ({ peer, reason: peer.unavailable() }));
  const absent = reasons.flatMap(({ peer: { name }, reason }) =>
    reason === undefined ? [] : [{ peer: name, reason }],
  );
  if (original === undefined && names.length === 0) {
    absent.push({ peer: 'OpenSIPS', reason: 'none was named (--original URL --original-pid PID)' });
  }
  return { present: reasons.flatMap(({ peer, reason }) => (reason === undefined ? [peer] : [])), absent };
}

async function versions(): Promise<string> {
  const engine = await loadUws();
  const wrk = /^wrk \S+/.exec(versionOf('wrk', '-v') ?? '')?.[0].replace('debian/', '') ?? 'wrk';
  return `Node.js ${process.versions.node}, ${engine.name} ${engine.version}, ${wrk}`;
}

function quoted(args: readonly string[]): readonly string[] {
  const words = args.filter((word) => word !== '--publish' && word !== '--install');
  return words.length === 0 ? [] : ['--', ...words.map((word) => (/^[\w,./:=-]+$/.test(word) ? word : `'${word}'`))];
}
