// Makes one call fail: of the addon, of the engine, of a timer or of a handler. To be imported before anything of the
// server is. Nothing of this is in the server itself: the binaries that it loads are replaced where Node.js keeps
// them, and timers are the ones that everybody has.
import { readdirSync } from 'node:fs';
import { ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { isNode } from '../engine.js';

export type FaultKind = 'native' | 'engine' | 'timer' | 'early timer' | 'handler';

/** The error that a fault throws. */
export class InjectedFault extends Error {
  override readonly name = 'InjectedFault';
}

/** Counts the calls of one kind, and makes the n-th of them fail. */
class Faults {
  #kind: FaultKind | undefined;
  #failing = 0;
  /** Calls of the kind so far. */
  seen = 0;
  /** The call that failed, such as `scanner.scan`. */
  failed: string | undefined;

  /** @param failing number of the call that fails, from 1; 0: none, they are only counted */
  arm(kind: FaultKind, failing: number): void {
    this.#kind = kind;
    this.#failing = failing;
    this.seen = 0;
    this.failed = undefined;
  }

  disarm(): void {
    this.#kind = undefined;
  }

  /** Whether this call is the one that fails. */
  hits(kind: FaultKind, name: string): boolean {
    if (this.#kind !== kind) return false;
    this.seen += 1;
    if (this.seen !== this.#failing) return false;
    this.failed = name;
    return true;
  }

  /** @throws InjectedFault when this call is the one that fails */
  point(kind: FaultKind, name: string): void {
    if (this.hits(kind, name)) throw new InjectedFault(`${name} failed`);
  }
}

export const faults = new Faults();

type Callable = (...given: unknown[]) => unknown;

/** Functions that give back: each fails when it has been done, since its caller could do nothing else. */
const givesBack: ReadonlySet<string> = new Set(['free', 'release', 'take', 'copyOut', 'tail']);

/** Functions that only tell, or whose failure no caller could mend. */
const neverFails: ReadonlySet<string> = new Set([
  ...['reason', 'isBatch', 'inUse', 'idsHeld', 'slotsInUse', 'bytesHeld', 'heldBytes', 'dumpsOpen', 'size', 'bytes'],
]);

/** An object of the addon whose methods can fail. */
function faultyNative(name: string, target: object): object {
  return new Proxy(target, {
    get(_target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function' || typeof property !== 'string') return value;
      return (...given: unknown[]) => callNative(`${name}.${property}`, property, target, value as Callable, given);
    },
  });
}

function callNative(name: string, property: string, target: unknown, method: Callable, given: unknown[]): unknown {
  if (!neverFails.has(property) && !givesBack.has(property)) faults.point('native', name);
  const result = method.apply(target, given);
  if (givesBack.has(property)) faults.point('native', name);
  const isObject = typeof result === 'object' && result !== null && !ArrayBuffer.isView(result);
  return isObject ? faultyNative(property, result) : result;
}

/** A response of the engine: all that can be called on it can fail, but closing, which is the last resort. */
function faultyResponse(target: object): object {
  const proxy: object = new Proxy(target, {
    get(_target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function' || typeof property !== 'string') return value;
      return (...given: unknown[]) => {
        if (property !== 'close') faults.point('engine', `response.${property}`);
        const result = (value as Callable).apply(target, given);
        return result === target ? proxy : result;
      };
    },
  });
  return proxy;
}

function faultyApp(target: object): object {
  return new Proxy(target, {
    get(_target, property) {
      const value = Reflect.get(target, property) as Callable;
      if (property !== 'any' && property !== 'post') return (...given: unknown[]) => value.apply(target, given);
      return (pattern: unknown, handler: Callable) =>
        value.call(target, pattern, (response: object, request: unknown) => handler(faultyResponse(response), request));
    },
  });
}

const require = createRequire(import.meta.url);

/** Replaces the module that `require` gives for a file; a later load gets the replacement. */
function replace(path: string, make: (exports: Record<string, unknown>) => Record<string, unknown>): void {
  const exports = require(path) as Record<string, unknown>;
  const cached = require.cache[require.resolve(path)];
  if (cached === undefined) throw new Error(`${path} is not among the loaded modules`);
  cached.exports = make(exports);
}

const own = resolve('native');
for (const file of readdirSync(own).filter((name) => name.endsWith('.node'))) {
  replace(join(own, file), (exports) => {
    const functions = Object.entries(exports).filter(([, value]) => typeof value === 'function');
    const faulty = functions.map(([name, value]) => [
      name,
      (...given: unknown[]) => callNative(`addon.${name}`, name, exports, value as Callable, given),
    ]);
    return { ...exports, ...Object.fromEntries(faulty) };
  });
}

let engines = 0;
for (const name of ['uws-20.69', 'uws-20.51']) {
  try {
    const target = `@uwsjs/${process.platform}-${process.arch}-${process.versions.node.split('.', 1)}`;
    const binary = createRequire(require.resolve(name)).resolve(`${target}/uws.node`);
    replace(binary, (exports) => ({ ...exports, App: () => faultyApp((exports.App as () => object)()) }));
    engines += 1;
  } catch {
    // One of them does not load here; the server takes the other, too.
  }
}
if (engines === 0) throw new Error('no engine could be replaced; the faults of the engine would be those of nobody');

/** Replies of Node.js: what is called on them by the server can fail, as of those of the other engine. */
if (isNode) {
  const methods = ServerResponse.prototype as unknown as Record<string, Callable>;
  for (const name of ['writeContinue', 'writeHead', 'write', 'end']) {
    const method = methods[name];
    if (method === undefined) throw new Error(`Node.js has no response.${name}`);
    methods[name] = function (this: unknown, ...given: unknown[]): unknown {
      faults.point('engine', `response.${name}`);
      return method.apply(this, given);
    };
  }
}

const { setTimeout: later, setInterval: again, setImmediate: soon } = globalThis;

/** Timers whose making fails, or which run at once instead of when they should. */
globalThis.setTimeout = ((action: () => void, delay?: number) => {
  faults.point('timer', 'setTimeout');
  return later(action, faults.hits('early timer', 'setTimeout') ? 0 : delay);
}) as typeof setTimeout;
globalThis.setInterval = ((action: () => void, delay?: number) => {
  faults.point('timer', 'setInterval');
  return again(action, faults.hits('early timer', 'setInterval') ? 0 : delay);
}) as typeof setInterval;
globalThis.setImmediate = ((action: () => void) => {
  faults.point('timer', 'setImmediate');
  return soon(action);
}) as typeof setImmediate;
