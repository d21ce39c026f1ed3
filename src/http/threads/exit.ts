/** Closes what threads have open, without a turn of the loop; false when it takes too long. */
type Close = () => boolean;

const open = new Set<Close>();

/** The end of the process, also where it is called without `process.exit`. It is in no typings. */
const ending = process as unknown as { reallyExit?: (code?: number) => never };

let really: ((code?: number) => never) | undefined;

/**
 * Calls `close` when the process ends by itself: `process.exit`, an exception that nothing catches. Node.js aborts a process that ends
 * with sockets of the engine open in a thread: a status that says so would be taken for a crash.
 *
 * @returns what takes it back once all is closed
 */
export function closeAtExit(close: Close): () => void {
  if (open.size === 0) watch();
  open.add(close);
  return () => {
    open.delete(close);
    if (open.size === 0) unwatch();
  };
}

function watch(): void {
  process.on('exit', closeAll);
  const given = ending.reallyExit;
  if (given === undefined) return;
  really = given;
  ending.reallyExit = exit;
}

function unwatch(): void {
  process.off('exit', closeAll);
  // Another one may have been put in its place since.
  if (really !== undefined && ending.reallyExit === exit) ending.reallyExit = really;
  really = undefined;
}

function exit(code?: number): never {
  const end = really;
  closeAll();
  return (end ?? process.exit).call(process, code);
}

function closeAll(): void {
  const closing = [...open];
  open.clear();
  const areClosed = closing.map((close) => close());
  // An abort would leave a core and an error that nobody caused.
  if (areClosed.includes(false)) process.kill(process.pid, 'SIGKILL');
}
