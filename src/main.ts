#!/usr/bin/env -S node --max-semi-space-size=2
// A small young generation: its collections are short, and a server that keeps little alive needs no more (docs/performance.md).
// Signals come first. Everything else is imported late, so that a signal during those imports has its effect, and an
// addon that does not load is told like any other reason not to start.
import { Signals } from './cli/signals.js';

const [verb, ...rest] = process.argv.slice(2);

async function begin(): Promise<void> {
  if (verb !== 'load' && verb !== 'dump' && verb !== 'passwd' && verb !== 'token') {
    const signals = new Signals();
    const { run } = await import('./cli/serve.js');
    return run(process.argv.slice(2), signals);
  }
  const { allowLeaving } = await import('./cli/verb.js');
  allowLeaving();
  if (verb === 'load') return (await import('./cli/load.js')).load(rest);
  if (verb === 'dump') return (await import('./cli/dump.js')).dump(rest);
  const accounts = await import('./cli/accounts.js');
  return accounts[verb](rest);
}

/** An error with a message made for people is told in one line; a defect keeps its stack. Then the process ends. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isDefect = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return (isDefect ? error.stack : undefined) ?? error.message;
}

begin().catch(async (error: unknown) => {
  const { exitWith } = await import('./cli/verb.js');
  exitWith(1, 'stderr', `mi-httpd: ${describe(error)}\n`);
});
