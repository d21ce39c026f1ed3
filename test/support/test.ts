import type { Browser, Page } from 'playwright-core';
import { test as base, type TestContext } from 'vitest';
import type { Server } from '#src/index.js';
import type { TabOptions } from './browser/chromium.js';
import type { Lifetime } from './lifetime.js';
import type { TlsFiles } from './tls-files.js';

type Helper = (lifetime: Lifetime, ...given: never[]) => unknown;

/** A helper without its first parameter, which is the test that takes it. */
type Taken<F extends Helper> = F extends (lifetime: Lifetime, ...given: infer A) => infer R
  ? (...given: A) => R
  : never;

/** Loaded when a test takes it: some tests replace the engine or the addon before anything of the server is loaded. */
function taken<F extends Helper>(load: () => Promise<F>) {
  return async ({ onTestFinished }: TestContext, use: (helper: Taken<F>) => Promise<void>): Promise<void> => {
    const helper = await load();
    await use(((...given: never[]) => helper({ onTestFinished }, ...given)) as Taken<F>);
  };
}

const withHelpers = base.extend({
  lifetime: async ({ onTestFinished }, use: (lifetime: Lifetime) => Promise<void>) => use({ onTestFinished }),
  /** A server by the API of the package. */
  startServer: taken(async () => (await import('./mi-client.js')).startServer),
  startMi: taken(async () => (await import('./url-client.js')).startMi),
  /** The HTTP server alone. */
  start: taken(async () => (await import('./http-server.js')).start),
  startDaemon: taken(async () => (await import('./daemon.js')).startDaemon),
  runCommand: taken(async () => (await import('./daemon.js')).runCommand),
  temporaryFiles: taken(async () => (await import('./daemon.js')).temporaryFiles),
  temporaryFile: taken(async () => (await import('./accounts.js')).temporaryFile),
  files: async ({ onTestFinished }, use: (files: TlsFiles) => Promise<void>) => {
    const { TlsFiles } = await import('./tls-files.js');
    await use(new TlsFiles({ onTestFinished }));
  },
  udpReceiver: taken(async () => (await import('./event-receiver.js')).udpReceiver),
  tcpReceiver: taken(async () => (await import('./event-receiver.js')).tcpReceiver),
  stopClock: taken(async () => (await import('./usrloc-service.js')).stopClock),
});

type OpenTab = (server: Server, options?: TabOptions) => Promise<Page>;

/** `test` with the helpers that tests take from test/support: each undoes its work when the test ends. */
export const test = withHelpers.extend<{ readonly browser: Browser; readonly openTab: OpenTab }>({
  /** Launched for the first test of a file that takes it, and closed after the last one. */
  browser: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads there which fixtures it takes.
    async ({}, use) => {
      const { launchBrowser } = await import('./browser/chromium.js');
      const browser = await launchBrowser();
      await use(browser);
      await browser.close();
    },
    { scope: 'worker' },
  ],
  openTab: async ({ browser, onTestFinished }, use) => {
    const { openTab } = await import('./browser/chromium.js');
    await use((server, options) => openTab({ onTestFinished }, browser, server, options));
  },
});
