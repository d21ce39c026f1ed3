// npm test: builds, then every check and test of the project, Rust and TypeScript. Arguments are vitest's; with any, only
// vitest runs: npm test -- test/wire/recipes.test.ts -t "by name". --long (npm run test:long) runs the files that import
// test/support/long.ts, with their long counts, and models of record tables. --all (npm run test:all) runs everything, on both engines.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildAddon,
  buildTypeScript,
  filesBelow,
  installDependencies,
  root,
  run,
  runTool,
  statusOf,
  tool,
} from './steps.mjs';
import { requireNode } from './toolchain.mjs';

const isLong = process.argv.includes('--long');
const isAll = process.argv.includes('--all');
const given = process.argv.slice(2).filter((argument) => argument !== '--long' && argument !== '--all');
const only =
  isLong && given.length === 0
    ? ['src', 'test'].flatMap((folder) => filesBelow(folder, '.test.ts')).filter(hasLongCounts)
    : given;
if (isLong) process.env.MI_HTTPD_LONG = '1';
if (isAll) process.env.MI_HTTPD_ALL = '1';

requireNode();
installDependencies();
buildAddon();
buildTypeScript();
if (only.length === 0) {
  step('types', () => runTool('tsc', ['-p', 'tsconfig.json']));
  step('style and structure', () => runTool('biome', ['check', '--error-on-warnings']));
  step('dead exports', () => runTool('knip', []));
  cargoStep('fmt', ['fmt', '--check']);
  cargoStep('clippy', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings']);
  step('Rust tests', () => run('cargo', ['test', '--locked', '--quiet']));
  step('fuzz targets', () => run(process.execPath, ['scripts/fuzz.mjs', '10']));
  step('vulnerabilities and licences', () => run(process.execPath, ['scripts/audit.mjs']));
  step('instruction counts', () => run(process.execPath, ['scripts/instructions.mjs']));
}
if (isLong && given.length === 0) step('models of record tables', () => run(process.execPath, ['scripts/models.mjs']));
step('TypeScript tests', () => {
  // Nothing is printed after the last line of vitest, which tells the counts.
  process.exitCode = statusOf(tool('vitest'), ['run', ...only]) === 0 ? 0 : 1;
});

function hasLongCounts(file) {
  return /from '[./]+\/support\/long\.js'/.test(readFileSync(join(root, file), 'utf8'));
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
