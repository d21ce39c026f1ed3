// node scripts/fuzz.mjs [SECONDS] [SEED] [TARGET...]: fuzzes each parser of the addon for SECONDS (10).
//
// Builds with the stable compiler: what cargo-fuzz adds is a nightly address sanitizer, which safe code does not need.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inParallel, outcomeOf, root } from './steps.mjs';

const crate = join(root, 'crate/fuzz');
const output = join(root, 'build/fuzz');

const [seconds = '10', seedText, ...only] = process.argv.slice(2);
if (!/^[1-9][0-9]{0,5}$/.test(seconds)) {
  process.stderr.write(`fuzz: SECONDS is ${seconds}; give 1 to 999999\n`);
  process.exit(2);
}
const seed = Number(seedText ?? 1 + Math.floor(Math.random() * 2 ** 31));

const compiler = process.env.CXX ?? 'c++';
if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
  process.stdout.write(`fuzz: skipped, no C++ compiler (${compiler}); libFuzzer is C++, install one or set CXX\n`);
  process.exit(0);
}

const targets = readdirSync(join(crate, 'targets')).map((file) => file.replace(/\.rs$/, ''));
const unknown = only.filter((target) => !targets.includes(target));
if (unknown.length > 0) {
  process.stderr.write(`fuzz: no target ${unknown.join(', ')}; there are ${targets.join(', ')}\n`);
  process.exit(2);
}

const triple = build();
const results = await inParallel(only.length > 0 ? only : targets, fuzz);
const findings = results.filter((isGood) => !isGood).length;
if (findings > 0) process.stderr.write(`fuzz: ${findings} target(s) failed; inputs are in build/fuzz\n`);
process.exit(findings > 0 ? 1 : 0);

/** Builds all targets, returns the triple they are built for. */
function build() {
  const version = spawnSync('rustc', ['-vV'], { encoding: 'utf8' });
  const host = /^host: (\S+)$/m.exec(version.stdout ?? '')?.[1];
  if (host === undefined) {
    process.stderr.write('fuzz: rustc cannot be run; install Rust from https://rustup.rs\n');
    process.exit(1);
  }
  const flags = [
    '--cfg fuzzing',
    '-Cpasses=sancov-module',
    '-Cllvm-args=-sanitizer-coverage-level=4',
    '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
    '-Cllvm-args=-sanitizer-coverage-pc-table',
    '-Cllvm-args=-sanitizer-coverage-trace-compares',
    '-Cdebug-assertions',
    '-Ccodegen-units=1',
  ];
  // With an explicit target, build scripts and macros, which run on the host, are not instrumented.
  const args = ['build', '--release', '--locked', '--target', host, '--target-dir', join(output, 'target')];
  const { status } = spawnSync('cargo', args, {
    cwd: crate,
    stdio: 'inherit',
    env: { ...process.env, RUSTFLAGS: flags.join(' ') },
  });
  if (status !== 0) process.exit(1);
  return host;
}

/** Runs one target; whether it found nothing. */
async function fuzz(target) {
  const corpus = join(output, 'corpus', target);
  const artifacts = join(output, 'artifacts', target);
  mkdirSync(artifacts, { recursive: true });
  // Finds are added to the first directory, which is why it is a copy.
  cpSync(join(crate, 'corpus', target), corpus, { recursive: true });
  process.stdout.write(`fuzz: ${target}, ${seconds} s, seed ${seed}\n`);
  const { status, stderr } = await outcomeOf(join(output, 'target', triple, 'release', target), [
    corpus,
    `-seed=${seed}`,
    `-max_total_time=${seconds}`,
    `-artifact_prefix=${artifacts}/`,
    '-max_len=4096',
    '-timeout=5',
    '-print_final_stats=1',
  ]);
  const runs = /stat::number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1] ?? '0';
  process.stdout.write(`fuzz: ${target}, ${runs} runs, ${status === 0 ? 'nothing found' : 'FAILED'}\n`);
  if (status !== 0) process.stderr.write(`${stderr.slice(-4000)}\n`);
  return status === 0;
}
