// In place of src/http/threads/count.ts where tests run on threads that have the listeners, as many as MI_HTTPD_TEST_THREADS says.

import { servingThreads as plain } from '#src/http/threads/count.js';
import type { ServerSettings } from '#src/server.js';

export { threadsOfCores } from '#src/http/threads/count.js';

const threads = Number(process.env.MI_HTTPD_TEST_THREADS);

/** As many, unless a test asks for some itself or brings what cannot be there. */
export function servingThreads(settings: ServerSettings, ofFile: number): number {
  const asked = plain(settings, ofFile);
  const { app, listen = true, engine } = settings;
  return asked > 0 || app !== undefined || !listen || typeof engine === 'object' ? asked : threads;
}
