import { type Logger, pino } from 'pino';

/**
 * The log of the daemon, on standard output: lines for people on a terminal, JSON lines otherwise.
 * Written synchronously, so that the last words of a process that dies are not lost.
 */
export async function daemonLog(): Promise<Logger> {
  const options = { base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime };
  if (!process.stdout.isTTY) return pino(options, pino.destination({ dest: 1, sync: true }));
  // Only now: services have no terminal, and it is a sixth of the files that a start reads.
  const { default: pretty } = await import('pino-pretty');
  return pino(options, pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }));
}
