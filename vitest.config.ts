import { fileURLToPath } from 'node:url';
import type { Alias, Plugin } from 'vite';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { testSources } from './test/support/test-sources.js';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const package_ = { find: '#src/index.js', replacement: path('dist/index.js') };

/** vitest itself has to read the sources where it counts their lines, and where it looks whether they change. */
const isBuilt = process.argv.includes('run') && !process.argv.includes('--coverage');

const plainSources = testSources('plain', {}, isBuilt);

interface ProjectOptions {
  readonly alias?: Alias[];
  readonly env?: Readonly<Record<string, string>>;
  readonly sources?: Plugin;
}

/** @param testTimeout milliseconds that one test may take on a machine with other work */
function project(
  name: string,
  testTimeout: number,
  include: string,
  { alias = [], env = {}, sources = plainSources }: ProjectOptions = {},
): TestProjectInlineConfiguration {
  return {
    extends: true,
    plugins: [sources],
    resolve: { alias },
    test: { name, include: [include], env, testTimeout, hookTimeout: testTimeout },
  };
}

/** Tests of a folder in test/. */
function folder(name: string, testTimeout = 120_000): TestProjectInlineConfiguration {
  return project(name, testTimeout, `test/${name}/**/*.test.ts`);
}

const nodeSources = testSources('node', { 'http/engine/choose.ts': 'test/support/node-engine.ts' }, isBuilt);

/** npm run test:all */
const isAll = process.env.MI_HTTPD_ALL === '1';

/** Files that make a checkout of their own, with a package of its own. */
const ownCheckouts = ['fresh-machine', 'start'].map((name) => `test/command/${name}.test.ts`);

/** Left to npm run test:all where Node.js serves, or threads: they wait for timers, or start processes of their own. */
const longOnNode = ['http-timeouts', 'hostile-slow', 'embedded-process'].map((name) => `test/wire/${name}.test.ts`);

/** The same served by Node.js itself, in this process and in those that the tests start. */
function onNode(name: string, testTimeout = 120_000): TestProjectInlineConfiguration {
  const given = { sources: nodeSources, env: { MI_HTTPD_TEST_ENGINE: 'node' } };
  const made = project(`${name}-node`, testTimeout, `test/${name}/**/*.test.ts`, given);
  const exclude = isAll ? ownCheckouts : longOnNode;
  return { ...made, test: { ...made.test, exclude, globalSetup: './test/support/node-command.ts' } };
}

const threadsSources = testSources(
  'threads',
  { 'http/server.ts': 'test/support/threads-server.ts', 'http/threads/count.ts': 'test/support/threads-count.ts' },
  isBuilt,
);

/** Of test/wire, what npm test has with threads too: exchanges, limits, logins, what ends and stops, tables and their dumps. */
const withThreads = [
  ...['after-stop', 'auth-basic', 'cache', 'connection-shares', 'given-up-replies', 'http-exchanges', 'http-lifecycle'],
  ...[
    'http-replies',
    'pipelined-close',
    'rate-limits',
    'results',
    'streamed-results',
    'tls-reload',
    'usrloc',
    'usrloc-find',
  ],
].map((name) => `test/wire/${name}.test.ts`);

/** The tests of a folder with the listeners of their servers in so many threads. */
function onThreads(name: string, threads: number, some?: readonly string[]): TestProjectInlineConfiguration {
  const given = { sources: threadsSources, env: { MI_HTTPD_TEST_THREADS: String(threads) } };
  const made = project(`${name}-threads-${threads}`, 120_000, `test/${name}/**/*.test.ts`, given);
  // They say themselves how many threads there are, also none.
  const exclude = ['test/wire/threads*.test.ts', ...(isAll ? [] : longOnNode)];
  return { ...made, test: { ...made.test, exclude, ...(some === undefined ? {} : { include: [...some] }) } };
}

/** Where the processes that tests start tell what they have run; see scripts/coverage.mjs. */
const childCoverage = process.env.MI_HTTPD_CHILD_COVERAGE;

export default defineConfig({
  test: {
    // A process of its own for each file: tests replace the timers, the engine and the addon that a process has.
    pool: 'forks',
    // Twice the processors that CI has: tests wait for timers and processes for half of their time.
    maxWorkers: 4,
    maxConcurrency: 3,
    reporters: ['default', './scripts/summary-reporter.mjs'],
    restoreMocks: true,
    expect: { poll: { timeout: 60_000, interval: 10 } },
    // The server writes to standard output itself.
    disableConsoleIntercept: true,
    env: childCoverage === undefined ? {} : { NODE_V8_COVERAGE: childCoverage },
    server: { deps: { external: [/\/dist\//, /\/build\/test-sources\//] } },
    coverage: {
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts'],
      reporter: ['html', 'json'],
      reportsDirectory: 'build/coverage',
      reportOnFailure: true,
    },
    projects: [
      project('unit', 60_000, 'src/**/*.test.ts'),
      folder('wire'),
      onNode('wire'),
      ...(isAll ? [onThreads('wire', 1), onThreads('wire', 3)] : [onThreads('wire', 3, withThreads)]),
      ...(isAll ? [onThreads('conformance', 1), onThreads('conformance', 3)] : []),
      onNode('client'),
      ...(isAll ? [onNode('conformance'), onNode('command'), onNode('faults', 600_000)] : []),
      // The published form, bundled: tests that need nothing but the public API.
      project(
        'dist',
        120_000,
        'test/wire/{core,jsonrpc,mi-json,module,permissions,results,streamed,usrloc,web}*.test.ts',
        { alias: [package_] },
      ),
      folder('client'),
      // The tests of an embedder, by the package as it is published.
      project('embedding', 120_000, 'test/embedding/**/*.test.ts', {
        alias: [
          { find: /^mi-httpd$/, replacement: path('dist/index.js') },
          { find: /^mi-httpd\/testing$/, replacement: path('dist/testing.js') },
        ],
      }),
      folder('upstream'),
      folder('command'),
      folder('conformance'),
      folder('docs'),
      folder('bench'),
      folder('browser', 240_000),
      folder('faults', 600_000),
      folder('package', 600_000),
    ],
  },
});
