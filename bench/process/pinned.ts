// Starts a process on one core, so that server and load do not take time from one another, and so that it ends with us.
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;

/** Server and load have a core of their own. */
export const isPinned = cpus().length > 1 && works('taskset', '-c', '1', 'true');

/**
 * True when a process may run before all others of its core: the meter of delays must not wait for the maker of the load.
 * Needs the right to (root has it, unless a container takes it away).
 */
export const hasPriority = works('chrt', '--fifo', '1', 'true');

const diesWithParent = works('setpriv', '--pdeathsig', 'TERM', 'true');

/** The core of servers, and the core of what makes the load. */
export const serverCore = 0;
export const loadCore = 1;

/** Processes that are started here and have not ended. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  // Not SIGKILL: a server of several processes has to end its own.
  for (const child of running) child.kill('SIGTERM');
});

/**
 * @param core where the process runs, if processes can be pinned here
 * @param isFirst whether it runs before all others of its core, if that can be had here
 */
export function startOn(
  core: number,
  command: readonly string[],
  options: SpawnOptions,
  isFirst = false,
): ChildProcess {
  const [program = '', ...args] = [
    ...(isPinned ? ['taskset', '-c', String(core)] : []),
    ...(isFirst && hasPriority ? ['chrt', '--fifo', '1'] : []),
    ...(diesWithParent ? ['setpriv', '--pdeathsig', 'TERM'] : []),
    ...command,
  ];
  const child = spawn(program, args, options);
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}
