// npm run bench: builds, then runs every benchmark in bench/, or one with its arguments: npm run bench -- dump 10000
import { basename } from 'node:path';
import { buildAddon, buildTypeScript, filesBelow, installDependencies, run, runTool } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

const [only, ...args] = process.argv.slice(2);

requireNode();
installDependencies();
buildAddon();
buildTypeScript();
runTool('tsc', ['-p', 'tsconfig.test.json']);
for (const file of filesBelow('build/bench', '.bench.js')) {
  if (only === undefined || only === basename(file, '.bench.js')) run(process.execPath, [file, ...args]);
}
