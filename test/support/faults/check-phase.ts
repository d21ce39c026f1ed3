// Finds connections that are closed in the check phase of libuv, where the engine never frees them. To be imported before
// anything of the server is: the engine and the timers are wrapped.
import { createRequire } from 'node:module';

/** Whether the running code was begun by setImmediate; told only where the engine, a timer or setImmediate begins it. */
let isChecking = false;
/** Calls of the engine that are under way. */
let calls = 0;

/** Connections that a call of the engine closed in the check phase. */
export let closedInCheck = 0;

type Callable = (...given: unknown[]) => unknown;

function begins(action: Callable, isCheck: boolean): Callable {
  return (...given) => {
    isChecking = isCheck;
    return action(...given);
  };
}

const { setTimeout: later, setInterval: again, setImmediate: soon } = globalThis;
globalThis.setTimeout = ((action: Callable, delay?: number) => later(begins(action, false), delay)) as typeof later;
globalThis.setInterval = ((action: Callable, delay?: number) => again(begins(action, false), delay)) as typeof again;
globalThis.setImmediate = ((action: Callable) => soon(begins(action, true))) as typeof soon;

const patched = new Set<object>();

/** Wraps what can be called on responses of an app, which they have in common. */
function patch(response: object): void {
  const methods = Object.getPrototypeOf(response) as Record<string, Callable>;
  if (patched.has(methods)) return;
  patched.add(methods);
  for (const name of ['end', 'endWithoutBody', 'tryEnd', 'write', 'close', 'cork']) {
    const method = methods[name];
    if (method === undefined) throw new Error(`the engine has no response.${name}`);
    methods[name] = function (this: unknown, ...given): unknown {
      calls += 1;
      try {
        return method.apply(this, given);
      } finally {
        calls -= 1;
      }
    };
  }
  for (const name of ['onData', 'onWritable']) {
    const method = methods[name];
    if (method === undefined) throw new Error(`the engine has no response.${name}`);
    methods[name] = function (this: unknown, action): unknown {
      return method.call(this, begins(action as Callable, false));
    };
  }
}

function watched(app: Record<string, Callable>): object {
  const { any, post, filter, close } = app;
  if (any === undefined || post === undefined || filter === undefined || close === undefined) {
    throw new Error('the engine has changed');
  }
  const serve = (action: Callable): Callable => {
    const served = begins(action, false);
    return (response, request) => {
      patch(response as object);
      return served(response, request);
    };
  };
  app.any = (pattern, action) => any.call(app, pattern, serve(action as Callable));
  app.post = (pattern, action) => post.call(app, pattern, serve(action as Callable));
  app.filter = (action) =>
    filter.call(app, (response: unknown, delta: unknown) => {
      // One that arrives is told of by the engine itself.
      if (delta === 1) isChecking = false;
      if (delta === -1 && calls > 0 && isChecking) closedInCheck += 1;
      (action as Callable)(response, delta);
    });
  app.close = () => {
    calls += 1;
    close.call(app);
    calls -= 1;
    return app;
  };
  return app;
}

const require = createRequire(import.meta.url);
for (const name of ['uws-20.69', 'uws-20.51']) {
  try {
    const engine = require(name) as Record<string, Callable>;
    for (const kind of ['App', 'SSLApp']) {
      const make = engine[kind];
      if (make !== undefined) engine[kind] = (...given) => watched(make(...given) as Record<string, Callable>);
    }
  } catch {
    // One of them does not load here; the server takes the other, too.
  }
}
