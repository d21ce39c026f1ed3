import { test as base, type TestContext } from 'vitest';
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

/** `test` with the helpers that tests take from test/support: each undoes its work when the test ends. */
export const test = base.extend({
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
  openTab: taken(async () => (await import('./browser/chromium.js')).openTab),
  stopClock: taken(async () => (await import('./usrloc-service.js')).stopClock),
});
