// node scripts/checks.mjs: every check that runs nothing of the server in Node.js: types, style, dead code, Rust, packages.
import { spawnSync } from 'node:child_process';
import { setPriority } from 'node:os';
import { root, run, runTool } from './steps.mjs';

// npm test runs the tests of the server beside them.
setPriority(10);

step('types', () => runTool('tsc', ['-p', 'tsconfig.json']));
step('style and structure', () => runTool('biome', ['check', '--error-on-warnings']));
step('dead exports', () => runTool('knip', []));
cargoStep('fmt', ['fmt', '--check']);
cargoStep('clippy', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings']);
step('Rust tests', () => run('cargo', ['test', '--locked', '--quiet']));
step('fuzz targets', () => run(process.execPath, ['scripts/fuzz.mjs', '10']));
step('vulnerabilities and licences', () => run(process.execPath, ['scripts/audit.mjs']));
step('instruction counts', () => run(process.execPath, ['scripts/instructions.mjs']));

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
