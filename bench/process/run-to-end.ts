import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * All that a process prints until it ends.
 *
 * @throws Error with what it said on standard error when it fails
 */
export async function outputOf(child: ChildProcess, name: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let complaint = '';
  child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
  child.stderr?.on('data', (piece: Buffer) => {
    complaint = (complaint + piece.toString()).slice(-2000);
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (status !== 0) throw new Error(`${name} ended with ${signal ?? status}: ${complaint.trim()}`);
  return Buffer.concat(pieces);
}

/** Ends a process and waits until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await closed;
  clearTimeout(late);
}
