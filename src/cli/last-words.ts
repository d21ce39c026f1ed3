/** Milliseconds that a reader gets to take what a process says at its end. */
const patience = 2000;

/**
 * Ends the process although a module of the user's own may hold a timer or a socket, once a text is written. A reader
 * that has left, or that reads nothing for two seconds, or a full disk, changes nothing of the status.
 */
export function exitWith(status: number, name: 'stdout' | 'stderr', text: string): void {
  const exit = (): never => process.exit(status);
  setTimeout(exit, patience);
  process[name].write(text, exit);
}

/** Lets a reader leave early, as `head` does. */
export function allowLeaving(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
