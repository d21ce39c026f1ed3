// npm run dev: npm start, again whenever the sources have changed. Arguments reach the command: npm run dev -- -p 9000
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** Milliseconds without a change until the server starts again: an editor saves in several steps. */
const quiet = 200;

let server = start();
let timer;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.kill(signal);
    process.exit();
  });
}

watch(join(root, 'src'), { recursive: true }, () => {
  clearTimeout(timer);
  timer = setTimeout(restart, quiet);
});

function start() {
  return spawn(process.execPath, ['--max-semi-space-size=2', 'scripts/start.mjs', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  });
}

function restart() {
  const again = () => {
    server = start();
  };
  if (server.exitCode !== null || server.signalCode !== null) again();
  else {
    server.removeAllListeners('exit').once('exit', again);
    server.kill('SIGTERM');
  }
}
