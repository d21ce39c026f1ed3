// npm test: builds, then every check and test of the project, Rust and TypeScript. Arguments are vitest's; with any, only
// vitest runs: npm test -- test/wire/recipes.test.ts -t "by name". --long (npm run test:long) runs the files that import
// test/support/long.ts, with their long counts, and models of record tables. --all (npm run test:all) runs everything, on both engines.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildAddon, buildTypeScript, filesBelow, installDependencies, root, run, statusOf, tool } from './steps.mjs';
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
if (isLong && given.length === 0) run(process.execPath, ['scripts/models.mjs']);
if (only.length > 0) process.exitCode = statusOf(tool('vitest'), ['run', ...only]) === 0 ? 0 : 1;
else process.exitCode = await everything();

/** Tests of the server wait for half of their time: the checks run meanwhile. @returns the status */
async function everything() {
  const checks = printed(process.execPath, ['scripts/checks.mjs'], () => false);
  const tests = printed(tool('vitest'), ['run'], (line) => !/^\d+ passed, \d+ failed, \d+ skipped$/.test(line));
  const { text, status: ofChecks } = await checks;
  process.stdout.write(`${text}\n== checks ended with ${ofChecks}\n\n`);
  const { text: counts, status: ofTests } = await tests;
  process.stdout.write(counts);
  return ofChecks === 0 && ofTests === 0 ? 0 : 1;
}

/**
 * Runs a program to its end.
 *
 * @param isPassedOn tells of a line whether it is printed at once
 * @returns all other lines, and its status or the signal that ended it
 */
function printed(command, args, isPassedOn) {
  return new Promise((resolve, reject) => {
    const env = process.stdout.isTTY ? { ...process.env, FORCE_COLOR: '1' } : process.env;
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const add = (line) => {
      if (isPassedOn(line)) process.stdout.write(`${line}\n`);
      else text += `${line}\n`;
    };
    createInterface({ input: child.stdout }).on('line', add);
    createInterface({ input: child.stderr }).on('line', add);
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ text, status: signal ?? status }));
  });
}

function hasLongCounts(file) {
  return /from '[./]+\/support\/long\.js'/.test(readFileSync(join(root, file), 'utf8'));
}
