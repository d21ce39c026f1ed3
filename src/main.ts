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

begin().catch(async (error: unknown) => {
  const { exitWithError } = await import('./cli/verb.js');
  exitWithError(error);
});
