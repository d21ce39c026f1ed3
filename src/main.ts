#!/usr/bin/env -S node --max-semi-space-size=2
// A small young generation: its collections are short, and a server that keeps little alive needs no more (docs/performance.md).
// Everything else is imported late, so that an addon that does not load is told like any other reason not to start.

/** An error with a message made for people is told in one line; a defect keeps its stack. Then the process ends. */
function fail(error: unknown): void {
  const text = error instanceof Error ? (isDefect(error) ? error.stack : error.message) : String(error);
  process.stderr.write(`mi-httpd: ${text}\n`, () => process.exit(1));
}

function isDefect(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

// Whoever reads may leave first, as `head` does; that is no reason to fail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const [verb, ...rest] = process.argv.slice(2);

function begin(): Promise<void> {
  switch (verb) {
    case 'load':
      return import('./load.js').then(({ load }) => load(rest));
    case 'passwd':
      return import('./account-line.js').then(({ passwd }) => passwd(rest));
    case 'token':
      return import('./account-line.js').then(({ token }) => token(rest));
    default:
      return import('./daemon.js').then(({ run }) => run(process.argv.slice(2)));
  }
}

begin().catch(fail);
