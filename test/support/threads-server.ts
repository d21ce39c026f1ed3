// In place of src/http/server.ts where tests run on threads that have the listeners, as many as MI_HTTPD_TEST_THREADS says.
import { type HttpServerOptions, HttpServer as PlainServer } from '#src/http/server.js';

export type * from '#src/http/server.js';

const threads = Number(process.env.MI_HTTPD_TEST_THREADS);

/** A server whose listeners are in threads, unless a test brings what cannot be there. */
export class HttpServer extends PlainServer {
  constructor(options: HttpServerOptions) {
    const { app, engine, threads: asked = 0 } = options;
    const isPossible = app === undefined && engine === undefined;
    super({ ...options, threads: asked > 0 || !isPossible ? asked : threads });
  }
}
