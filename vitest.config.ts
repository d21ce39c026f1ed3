import { defineConfig } from 'vitest/config';

/** Folders of test/, and `unit` for what lies beside the source, with the milliseconds that one test of each may take on a machine with other work. */
const timeouts = {
  unit: 60_000,
  wire: 120_000,
  client: 120_000,
  command: 120_000,
  conformance: 120_000,
  docs: 120_000,
  bench: 120_000,
  browser: 240_000,
  faults: 600_000,
  package: 600_000,
};

export default defineConfig({
  resolve: { alias: { '#src': new URL('src', import.meta.url).pathname } },
  test: {
    // A process of its own for each file: tests replace the timers, the engine and the addon that a process has.
    pool: 'forks',
    maxWorkers: 2,
    maxConcurrency: 3,
    reporters: ['default', './scripts/summary-reporter.mjs'],
    restoreMocks: true,
    expect: { poll: { timeout: 60_000, interval: 10 } },
    // The server writes to standard output itself.
    disableConsoleIntercept: true,
    projects: Object.entries(timeouts).map(([name, testTimeout]) => ({
      extends: true,
      test: {
        name,
        include: [name === 'unit' ? 'src/**/*.test.ts' : `test/${name}/**/*.test.ts`],
        testTimeout,
        hookTimeout: testTimeout,
      },
    })),
  },
});
