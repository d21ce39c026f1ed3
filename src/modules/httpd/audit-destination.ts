import { pino } from 'pino';

/** A file that is written off the main thread. */
export type AuditDestination = ReturnType<typeof pino.destination>;

/** Bytes of lines that may wait to be written; more are dropped, and told by the event `drop`. */
const longestQueue = 8388608;

/** Opens the file, and makes it where it is not there. */
export function openDestination(file: string): AuditDestination {
  return pino.destination({ dest: file, append: true, sync: false, mode: 0o600, maxLength: longestQueue });
}
