// The engine with connections that have no address while the test says so, as after a reset. To be imported before
// anything of the server is.
import { createRequire } from 'node:module';
import { Server, Socket } from 'node:net';
import { isNode } from '../engine.js';

type Handler = (response: { getRemoteAddress(): ArrayBuffer }, ...rest: unknown[]) => void;
type Routes = Record<'any' | 'post' | 'filter', (...given: unknown[]) => unknown>;

const require = createRequire(import.meta.url);

/** The moments at which connections have no address: their requests alone, or their arrival too. */
export const noAddress = { inRequests: false, onArrival: false };

function hideAddress(handler: Handler, isHidden: () => boolean): Handler {
  return (response, ...rest) => {
    if (isHidden()) response.getRemoteAddress = () => new ArrayBuffer(0);
    handler(response, ...rest);
  };
}

function appWithout(app: Routes): Routes {
  const { any, post, filter } = app;
  for (const [name, add] of Object.entries({ any, post })) {
    app[name as 'any' | 'post'] = (path, handler) =>
      add.call(
        app,
        path,
        hideAddress(handler as Handler, () => noAddress.inRequests),
      );
  }
  app.filter = (handler) =>
    filter.call(
      app,
      hideAddress(handler as Handler, () => noAddress.onArrival),
    );
  return app;
}

/** The same for connections that Node.js accepts. */
function hideOnNode(): void {
  let isArriving = false;
  const server = Server.prototype as unknown as Record<'emit', (name: string, ...rest: unknown[]) => boolean>;
  const { emit } = server;
  server.emit = function (this: unknown, name, ...rest) {
    isArriving = name === 'connection';
    try {
      return emit.call(this, name, ...rest);
    } finally {
      isArriving = false;
    }
  };
  const socket = Socket.prototype as unknown as { _getpeername?(): object };
  const { _getpeername: getPeer } = socket;
  if (getPeer === undefined) throw new Error('a socket of Node.js finds its address otherwise');
  socket._getpeername = function (this: unknown) {
    return (isArriving ? noAddress.onArrival : noAddress.inRequests) ? {} : getPeer.call(this);
  };
}

if (isNode) hideOnNode();
let engines = 0;
for (const name of ['uws-20.69', 'uws-20.51']) {
  try {
    const target = `@uwsjs/${process.platform}-${process.arch}-${process.versions.node.split('.', 1)}`;
    const binary = createRequire(require.resolve(name)).resolve(`${target}/uws.node`);
    const exports = require(binary) as Record<'App' | 'SSLApp', (options?: object) => Routes>;
    const cached = require.cache[require.resolve(binary)];
    if (cached === undefined) continue;
    const { App, SSLApp } = exports;
    cached.exports = {
      ...exports,
      App: () => appWithout(App()),
      SSLApp: (options: object) => appWithout(SSLApp(options)),
    };
    engines += 1;
  } catch {
    // One of them does not load here.
  }
}
if (engines === 0) throw new Error('no engine could be replaced');
