import { isMainThread } from 'node:worker_threads';

/** What has to be closed before this thread ends. */
const open = new Set<() => void>();

/**
 * Calls `close` when this worker thread ends by itself (`process.exit`, an exception that nobody catches): Node.js aborts the whole
 * process when a thread ends with sockets of the engine open. In the main thread the system closes them.
 *
 * @returns what takes it back once it is closed
 */
export function closeAtThreadExit(close: () => void): () => void {
  if (isMainThread) return () => {};
  if (open.size === 0) process.on('exit', closeAll);
  open.add(close);
  return () => {
    open.delete(close);
    if (open.size === 0) process.off('exit', closeAll);
  };
}

function closeAll(): void {
  for (const close of [...open]) close();
}
