import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import type { CodedLog, Notice } from '../base/log.js';
import { openStandardOutput, type StandardOutput } from '../native/addon.js';

/** Bytes of lines that may wait to be written; more are dropped, and counted. */
const longestQueue = 1048576;

/** Milliseconds that the last lines get to be written when the process ends. */
const lastLines = 1000;

/** Standard output and standard error, each written from a thread of its own. */
export interface Outputs {
  readonly output: StandardOutput;
  readonly errors: StandardOutput;
  /** Set once standard output is a log: only then lines that are lost at the end are worth a word. */
  isLog: boolean;
}

/**
 * Takes over standard output and standard error of the process: a full disk or a pipe without a reader
 * costs lines, and neither ends the process nor keeps it waiting.
 */
export function takeOutputs(): Outputs {
  const { code, text } = { code: 'log-lines-lost', text: 'log lines lost: {lines} ({reason})' } satisfies Notice;
  const inJson = `{"level":40,"time":"{time}","pid":${process.pid},"code":"${code}","lost":{lines},"msg":"${text}"}`;
  const output = openStandardOutput(1, longestQueue, isatty(1) ? `[{time}] WARN: ${text} [${code}]` : inJson);
  const errors = openStandardOutput(2, longestQueue, 'mi-httpd: lines of standard error lost: {lines} ({reason})');
  replaceStream('stdout', 1, output);
  replaceStream('stderr', 2, errors);
  const outputs: Outputs = { output, errors, isLog: false };
  process.on('exit', () => writeLast(outputs));
  // Node.js would write to standard error by itself: what a full pipe does not take at once would be lost.
  process.on('uncaughtException', (error: unknown) => {
    errors.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
  return outputs;
}

/** The log of the daemon, on standard output: lines for people on a terminal, JSON lines otherwise. */
export async function daemonLog({ output }: Outputs): Promise<Logger> {
  const options = { base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime };
  const log = pino(options, isatty(1) ? await prettyLines(output) : output);
  Object.defineProperty(log, 'dropped', { get: () => output.dropped() });
  logWarnings(log);
  return log;
}

/** Loaded late: services have no terminal, and it is a sixth of the files that a start reads. */
async function prettyLines(output: StandardOutput): Promise<{ write(line: string): void }> {
  const { prettyLine } = await import('./pretty-lines.js');
  return { write: (line) => output.write(prettyLine(line)) };
}

/** Modules of the user's own may write to the streams, and use the console. */
function replaceStream(name: 'stdout' | 'stderr', descriptor: 1 | 2, output: StandardOutput): void {
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: unknown, _encoding, done) {
      output.write(String(chunk));
      done();
    },
  });
  const value = Object.assign(stream, { fd: descriptor, isTTY: isatty(descriptor) });
  Object.defineProperty(process, name, { value, configurable: true, enumerable: true, writable: false });
}

/** Node.js would write warnings of the process to standard error by itself, and wait for it. */
function logWarnings(log: CodedLog): void {
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning');
  process.on('warning', (warning) =>
    log.warn({ code: 'process-warning', err: warning }, `${warning.name}: ${warning.message}`),
  );
}

function writeLast({ output, errors, isLog }: Outputs): void {
  output.finish(lastLines);
  const untold = output.untold();
  if (isLog && untold > 0) errors.write(`mi-httpd: log lines lost: ${untold}\n`);
  errors.finish(lastLines);
}
