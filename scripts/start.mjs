// npm start: installs and builds what is missing, then runs the command in this process, so that signals reach it.
import { join } from 'node:path';
import { buildAddon, buildTypeScript, installDependencies, root } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

// npm runs this through a shell, and hands SIGTERM to that alone: when the shell is gone, the server has to stop too.
const shell = process.env.npm_lifecycle_event === 'start' && process.platform !== 'win32' ? process.ppid : undefined;

requireNode();
installDependencies();
buildAddon();
buildTypeScript();

const args = process.argv.slice(2);
// A verb (load, passwd, token) takes no configuration.
const isVerb = args[0] !== undefined && !args[0].startsWith('-');
const needsFile = !isVerb && !args.some((arg) => /^(-f|--file)/.test(arg));
const main = join(root, 'dist/main.js');
process.argv = [process.argv[0], main, ...(needsFile ? ['-f', 'mi-httpd.cfg'] : []), ...args];
await import(new URL('../dist/main.js', import.meta.url));
if (shell !== undefined) setInterval(stopWithShell, 100).unref();

function stopWithShell() {
  if (process.ppid === shell) return;
  clearInterval(this);
  process.kill(process.pid, 'SIGTERM');
}
