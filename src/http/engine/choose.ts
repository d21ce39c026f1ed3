import { reasonOf } from '../../base/text.js';
import {
  type Engine,
  type EngineChoice,
  type EngineHandlers,
  type HostedServer,
  isEngineChoice,
  type Mount,
  type NodeHandler,
} from './engine.js';
import { loadUws } from './uws/loader.js';
import { UnknownEngine } from './uws/pins.js';

/** What the engines of a server are made with. */
export interface EngineOptions {
  /** uWebSockets.js as an embedder brings it, taken as it is, wherever node is not asked for. */
  readonly given?: object | undefined;
  /** For listeners that do not choose themselves. */
  readonly choice?: EngineChoice | undefined;
  /** Milliseconds for which a connection may stand still, where the engine can be told; 0: without limit. */
  readonly patience: number;
}

/** The engines of a server: one of each kind that is asked for. */
export class Engines {
  readonly #options: EngineOptions;
  readonly #loaded = new Map<EngineChoice, Promise<Engine>>();

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /**
   * Loads an engine, or gives the one that is loaded.
   *
   * @param own what a listener chooses for itself
   * @throws Error in one line that says why it does not load; with `auto` only where a binary is not the one that is known
   */
  of(own?: string): Promise<Engine> {
    const { choice = 'auto' } = this.#options;
    const name = own !== undefined && isEngineChoice(own) ? own : choice;
    let engine = this.#loaded.get(name);
    if (engine === undefined) {
      engine = this.#load(name);
      this.#loaded.set(name, engine);
    }
    return engine;
  }

  async #load(choice: EngineChoice): Promise<Engine> {
    const { given, patience } = this.#options;
    if (choice === 'node') return nodeEngine(patience);
    try {
      return await loadUws(given);
    } catch (error) {
      if (choice === 'uws' || given !== undefined || isForeign(error)) throw error;
      return await nodeEngine(patience, `${reasonOf(error)}; ${slower}`);
    }
  }
}

/** Loaded late: it is 40 kB, and the HTTP and TLS of Node.js, which most servers do without. */
async function nodeEngine(patience: number, notice?: string): Promise<Engine> {
  const { NodeEngine } = await import('./node/engine.js');
  return new NodeEngine(patience, notice);
}

/**
 * Makes the handler of the requests of a host. What it needs is loaded late, too: requests that come before wait for it.
 */
export function nodeHandlerOf(server: HostedServer): NodeHandler {
  let handler: NodeHandler | undefined;
  const loaded = import('./node/hosted.js').then(({ nodeHandler }) => {
    handler = nodeHandler(server);
    return handler;
  });
  return (request, response, next) => {
    if (handler !== undefined) handler(request, response, next);
    else void loaded.then((late) => late(request, response, next));
  };
}

/**
 * Serves roots by an app of uWebSockets.js that the program has made.
 *
 * @param roots names of the roots, such as `mi`
 * @throws TypeError where the app is none
 */
export async function mountOn(
  app: object,
  server: HostedServer,
  handlers: EngineHandlers,
  roots: readonly string[],
): Promise<Mount> {
  const { isUwsApp, mount } = await import('./uws/mounted.js');
  if (!isUwsApp(app)) throw new TypeError('option app is no app of uWebSockets.js: it lacks any, post or filter');
  return mount(app, server, handlers, roots);
}

/** Tells whether a binary is not the one that it should be: nothing is served beside it. */
function isForeign(error: unknown): boolean {
  return error instanceof UnknownEngine && error.isExpected;
}

const slower =
  'the HTTP server of Node.js serves in its place: a short call takes some 3.6 times the CPU; modparam("httpd", ' +
  '"engine", "node") says that this is meant';
