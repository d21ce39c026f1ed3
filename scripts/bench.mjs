// npm run bench: builds, then runs every benchmark in bench/, or those named: npm run bench -- reply-shapes
import { basename } from 'node:path';
import { buildAddon, buildTypeScript, filesBelow, installDependencies, run, runTool } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

const only = process.argv.slice(2);

requireNode();
installDependencies();
buildAddon();
buildTypeScript();
runTool('tsc', ['-p', 'tsconfig.test.json']);
for (const file of filesBelow('build/bench', '.bench.js')) {
  const name = basename(file, '.bench.js');
  if (only.length === 0 || only.includes(name)) run(process.execPath, [file]);
}
