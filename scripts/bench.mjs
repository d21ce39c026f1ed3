// npm run bench: builds, then measures mi-httpd against its rivals (bench/main.ts; --help tells how), or runs one
// benchmark by itself with its arguments: npm run bench -- dump 10000
import { basename } from 'node:path';
import { bundle } from './bundle.mjs';
import { buildAddon, buildTypeScript, filesBelow, installDependencies, run } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

const [first, ...rest] = process.argv.slice(2);

requireNode();
installDependencies();
buildAddon();
buildTypeScript();
const single = filesBelow('bench', '.bench.ts').find((file) => first === basename(file, '.bench.ts'));
if (single !== undefined) run(process.execPath, [bundle(single), ...rest]);
else run(process.execPath, [bundle('bench/main.ts'), ...process.argv.slice(2)]);
