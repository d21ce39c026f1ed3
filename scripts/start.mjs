// npm start: installs and builds what is missing, then runs the command in this process, so that signals reach it.
import { join } from 'node:path';
import { buildAddon, buildTypeScript, installDependencies, root } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

requireNode();
installDependencies();
buildAddon();
buildTypeScript();

const args = process.argv.slice(2);
// `load` talks to a server that runs already, so it takes no configuration.
const needsFile = args[0] !== 'load' && !args.some((arg) => /^(-f|--file)/.test(arg));
const main = join(root, 'dist/main.js');
process.argv = [process.argv[0], main, ...(needsFile ? ['-f', 'mi-httpd.cfg'] : []), ...args];
await import(new URL('../dist/main.js', import.meta.url));
