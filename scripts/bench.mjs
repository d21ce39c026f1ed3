// npm run bench: builds, then measures mi-httpd against its rivals (bench/main.ts; --help tells how), or runs one
// benchmark by itself with its arguments: npm run bench -- dump 10000
import { basename } from 'node:path';
import { buildAddon, buildTests, buildTypeScript, filesBelow, installDependencies, run } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

const [first, ...rest] = process.argv.slice(2);

requireNode();
installDependencies();
buildAddon();
buildTypeScript();
buildTests();
const single = filesBelow('build/bench', '.bench.js').find((file) => first === basename(file, '.bench.js'));
if (single !== undefined) run(process.execPath, [single, ...rest]);
else run(process.execPath, ['build/bench/main.js', ...process.argv.slice(2)]);
