// node scripts/instructions.mjs: counts the instructions of the addon's hot path and compares them with the stored baseline.
//   --write            stores what is counted as the baseline of this compiler
//   --counts FILE      takes the counts from a file instead of counting
//   --baseline FILE    compares with another baseline
// Times vary from run to run, instructions do not: a rise is a change of the code, and over 5 % it fails. They depend on the
// compiler and on what the processor can do, so each combination has a file; without one nothing is compared.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { inParallel, outcomeOf, root, run } from './steps.mjs';

const tolerated = 1.05;
const crate = join(root, 'crate/benches');
const program = join(root, 'build/benches/release/instructions');

const { values: options } = parseArgs({
  options: { write: { type: 'boolean' }, counts: { type: 'string' }, baseline: { type: 'string' } },
});
const missing = options.counts === undefined ? whatIsMissing() : undefined;
if (missing !== undefined) skip(missing);
const baselineFile = options.baseline ?? join(crate, 'instructions', `${compiler()}.json`);
if (!existsSync(baselineFile) && options.write !== true) {
  skip(`no baseline for this compiler and processor; node scripts/instructions.mjs --write makes ${baselineFile}`);
}
const counts = options.counts === undefined ? await countAll() : JSON.parse(readFileSync(options.counts, 'utf8'));
if (options.write === true) {
  mkdirSync(dirname(baselineFile), { recursive: true });
  writeFileSync(baselineFile, `${JSON.stringify(counts, undefined, 2)}\n`);
}
process.exitCode = compare(counts, JSON.parse(readFileSync(baselineFile, 'utf8'))) ? 0 : 1;

function whatIsMissing() {
  if (spawnSync('valgrind', ['--version']).status !== 0) return 'valgrind is not installed (apt-get install valgrind)';
  return spawnSync('rustc', ['--version']).status === 0 ? undefined : 'rustc is not installed (https://rustup.rs)';
}

function skip(reason) {
  process.stdout.write(`instruction counts: skipped, ${reason}\n`);
  process.exit(0);
}

/** The things that the counts depend on: the compiler, the target, and the instructions that memchr and the C library choose by. */
function compiler() {
  const { stdout = '' } = spawnSync('rustc', ['-vV'], { encoding: 'utf8' });
  const [, host] = /^host: (\S+)$/m.exec(stdout) ?? [];
  const [, release] = /^release: (\S+)$/m.exec(stdout) ?? [];
  const avx2 = existsSync('/proc/cpuinfo') && /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  return `${host}-rustc-${release}${avx2 ? '-avx2' : ''}`;
}

async function countAll() {
  run(
    'cargo',
    ['build', '--release', '--locked', '--quiet', '--bin', 'instructions', '--target-dir', join(root, 'build/benches')],
    {
      cwd: crate,
    },
  );
  const { stdout } = spawnSync(program, { encoding: 'utf8' });
  const workloads = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  // The cost of making ready is in both counts, so it is not in their difference.
  const counts = await inParallel(workloads, async ([name, repeats]) => {
    const once = await count(name, 1);
    return [name, Math.round(((await count(name, 2)) - once) / Number(repeats))];
  });
  return Object.fromEntries(counts);
}

/** Instructions of a whole run. */
async function count(name, times) {
  const args = ['--tool=callgrind', '--callgrind-out-file=/dev/null', program, name, String(times)];
  const { stderr, status } = await outcomeOf('valgrind', args);
  const collected = /Collected\s*:\s*(\d+)/.exec(stderr)?.[1];
  if (status === 0 && collected !== undefined) return Number(collected);
  process.stderr.write(`instruction counts: ${name} cannot be counted: ${stderr.trim().split('\n').at(-1)}\n`);
  process.exit(1);
}

/** Tells every workload; whether none has risen too far, or has no baseline. */
function compare(now, before) {
  let good = true;
  for (const [name, instructions] of Object.entries(now)) {
    const stored = before[name];
    const ratio = instructions / stored;
    const risen = stored === undefined || ratio > tolerated;
    if (risen) good = false;
    const verdict = risen ? 'ROSE' : ratio < 2 - tolerated ? 'fell; --write keeps it so' : '';
    const change = stored === undefined ? 'no baseline' : `${((ratio - 1) * 100).toFixed(1)} %`;
    process.stdout.write(`${String(instructions).padStart(9)} ${change.padStart(11)}  ${name} ${verdict}\n`);
  }
  const lost = Object.keys(before).filter((name) => now[name] === undefined);
  if (lost.length > 0) process.stdout.write(`not counted any more: ${lost.join(', ')}\n`);
  if (good && lost.length === 0) return true;
  process.stderr.write(
    `instruction counts: over ${((tolerated - 1) * 100).toFixed(0)} % more than the baseline, or other workloads; ` +
      'mend it, or store the new ones with node scripts/instructions.mjs --write and say why\n',
  );
  return false;
}
