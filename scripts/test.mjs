// npm test: builds, then every check and test of the project, Rust and TypeScript. Arguments name single test
// files, `npm test -- test/wire/http-framing.test.ts`; then only those run. --long (npm run test:long) runs the files
// that import test/long.ts, with their long counts.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildAddon,
  buildTests,
  buildTypeScript,
  filesBelow,
  installDependencies,
  root,
  run,
  runTool,
} from './steps.mjs';
import { requireNode } from './toolchain.mjs';

const isLong = process.argv.includes('--long');
const named = process.argv.slice(2).filter((argument) => argument !== '--long');
const only = isLong && named.length === 0 ? filesBelow('test', '.test.ts').filter(hasLongCounts) : named;
if (isLong) process.env.MI_HTTPD_LONG = '1';

requireNode();
installDependencies();
buildAddon();
buildTypeScript();
step('types of the tests', () => buildTests());
if (only.length === 0) {
  step('style and structure', () => runTool('biome', ['check', '--error-on-warnings']));
  cargoStep('fmt', ['fmt', '--check']);
  cargoStep('clippy', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings']);
  step('Rust tests', () => run('cargo', ['test', '--locked', '--quiet']));
  step('fuzz targets', () => run(process.execPath, ['scripts/fuzz.mjs', '10']));
  step('vulnerabilities and licences', () => run(process.execPath, ['scripts/audit.mjs']));
  step('instruction counts', () => run(process.execPath, ['scripts/instructions.mjs']));
}
step('TypeScript tests', () => {
  const files =
    only.length === 0
      ? filesBelow('build/test', '.test.js')
      : only.map((name) => join('build', name.replace(/\.ts$/, '.js')));
  const summary = join(root, 'build/summary.txt');
  rmSync(summary, { force: true });
  const reporters = [
    ...[`--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`, '--test-reporter-destination=stdout'],
    ...['--test-reporter=./scripts/summary-reporter.mjs', `--test-reporter-destination=${summary}`],
  ];
  const options = { onEnd: () => existsSync(summary) && process.stdout.write(`\n${readFileSync(summary, 'utf8')}`) };
  run(process.execPath, ['--enable-source-maps', '--test', '--test-concurrency=2', ...reporters, ...files], options);
});

function hasLongCounts(file) {
  return /from '(\.\.\/)+long\.js'/.test(readFileSync(join(root, file), 'utf8'));
}

function step(title, action) {
  process.stdout.write(`\n== ${title}\n`);
  action();
}

/** fmt and clippy are components of their own, which a plain Rust need not have. */
function cargoStep(name, args) {
  const found = spawnSync('cargo', [name, '--version'], { cwd: root }).status === 0;
  if (found) step(`cargo ${name}`, () => run('cargo', args));
  else
    process.stdout.write(
      `\n== cargo ${name}: skipped, this Rust has no ${name} (rustup component add ${name === 'fmt' ? 'rustfmt' : name})\n`,
    );
}
