import type { EngineHandlers, EngineResponse, HostedServer, Mount, Receiver, RefusalReply } from '../engine.js';
import {
  addressOf,
  closeConnection,
  dropsOfClosed,
  Pace,
  tellOfConnection,
  UwsReply,
  whileClosable,
  writeSizesOf,
} from './response.js';
import type { UwsApp, UwsRequest, UwsResponse } from './types.js';

/** The members of an app that are used here. */
const used = ['any', 'post', 'filter'] as const;

/** True for an app of uWebSockets.js, `App()` or `SSLApp()`, as far as can be told. */
export function isUwsApp(given: object): given is UwsApp {
  return used.every((name) => typeof (given as Readonly<Record<string, unknown>>)[name] === 'function');
}

/** The functions that the app is given know this alone: it keeps them as long as the process runs. */
interface MountState {
  /** Undefined once the mount is closed. */
  server: HostedServer | undefined;
  /** By index of its path. */
  readonly routes: readonly object[];
  readonly idle: UwsReply[];
  /** Those that have not ended. */
  readonly active: Set<MountedReply>;
  readonly pace: Pace;
}

/**
 * Serves roots of a server by an app of the program: each by a path of its own, and what is below it. All other routes, listen
 * sockets and connections are the owner's. For the limits each request counts as a connection.
 *
 * @param roots names of the roots, such as `mi`
 */
export function mount(app: UwsApp, server: HostedServer, handlers: EngineHandlers, roots: readonly string[]): Mount {
  const { posts } = handlers;
  const state: MountState = {
    server,
    routes: posts.map(({ route }) => route),
    idle: [],
    active: new Set(),
    // The engine is the owner's, and does not tell its version.
    pace: new Pace(writeSizesOf('')),
  };
  for (const [index, { path }] of posts.entries()) {
    app.post(path, (raw, request) => arrived(state, raw, request, 'POST', path, index));
  }
  for (const root of roots) {
    for (const pattern of [`/${root}`, `/${root}/*`]) {
      app.any(pattern, (raw, request) =>
        arrived(state, raw, request, request.getCaseSensitiveMethod(), request.getUrl(), -1),
      );
    }
  }
  // It counts nothing, and tells when a connection is closed from within.
  const watching = { ...handlers, opened: () => {}, closed: () => {} };
  const watch = (raw: UwsResponse, delta: number): void => {
    if (state.server !== undefined) tellOfConnection(raw, delta, watching, state.pace);
  };
  app.filter(watch);
  return {
    close: () => {
      state.server = undefined;
      for (const reply of state.active) reply.close();
      state.idle.length = 0;
    },
  };
}

function arrived(
  state: MountState,
  raw: UwsResponse,
  request: UwsRequest,
  method: string,
  path: string,
  index: number,
): void {
  const { server, pace } = state;
  const handlers = server?.handlers;
  if (server === undefined || handlers === undefined) {
    answer(raw, { statusLine: '503 Service Unavailable', headers: [['Retry-After', '1']], body: '' });
  } else if (!dropsOfClosed(pace, raw) && isLetIn(server, handlers, raw, request)) {
    const reply = state.idle.pop() ?? new MountedReply(handlers, state.idle, state.active, pace, raw);
    reply.serve(raw, request, method, path, state.routes[index]);
  }
}

function isLetIn(server: HostedServer, handlers: EngineHandlers, raw: UwsResponse, request: UwsRequest): boolean {
  const remoteAddress = addressOf(raw);
  let isIn = true;
  const refuse = (status: number, reason: string): void => {
    isIn = false;
    answer(raw, handlers.refusal(status, reason, request.getHeader('content-type').includes('json')));
  };
  whileClosable(
    () => {
      handlers.opened({
        remoteAddress,
        tellsEveryReply: true,
        refuse: (reason) => refuse(503, reason),
        close: () => {
          isIn = false;
          closeConnection(raw);
        },
        onGone: () => {},
      });
      const reason = isIn ? server.refusal(remoteAddress) : undefined;
      if (reason !== undefined) refuse(403, reason);
    },
    () => closeConnection(raw),
  );
  if (!isIn) handlers.closed(true);
  return isIn;
}

function answer(raw: UwsResponse, { statusLine, headers, body }: RefusalReply): void {
  raw.writeStatus(statusLine);
  for (const [name, value] of headers) raw.writeHeader(name, value);
  raw.end(body, true);
}

/** A response that tells when it has ended, since its request counts as a connection. */
class MountedReply extends UwsReply {
  override readonly tellsEveryReply = true;
  readonly #closed: EngineHandlers['closed'];
  readonly #active: Set<MountedReply>;

  constructor(handlers: EngineHandlers, idle: UwsReply[], active: Set<MountedReply>, pace: Pace, raw: UwsResponse) {
    const receiver = (response: EngineResponse): Receiver => {
      const inner = handlers.receiver(response);
      return {
        request: (...given) => inner.request(...given),
        bodyPiece: (...given) => inner.bodyPiece(...given),
        tooMany: (...given) => inner.tooMany(...given),
        gone: () => {
          this.#ended();
          inner.gone();
        },
      };
    };
    super(receiver, idle, pace, raw);
    this.#closed = handlers.closed;
    this.#active = active;
  }

  override serve(raw: UwsResponse, request: UwsRequest, method: string, path: string, route: object | undefined): void {
    this.#active.add(this);
    super.serve(raw, request, method, path, route);
  }

  override end(body: string | Uint8Array, isClosing: boolean, isLastAsked: boolean): void {
    super.end(body, isClosing, isLastAsked);
    this.#ended();
  }

  override endHead(length: number | undefined, isClosing: boolean, isLastAsked: boolean): void {
    super.endHead(length, isClosing, isLastAsked);
    this.#ended();
  }

  override writeOf(...given: Parameters<UwsReply['writeOf']>): ReturnType<UwsReply['writeOf']> {
    const taken = super.writeOf(...given);
    if (taken.isComplete) this.#ended();
    return taken;
  }

  override endBody(writeHead: (() => void) | undefined): void {
    super.endBody(writeHead);
    this.#ended();
  }

  override close(): void {
    super.close();
    this.#ended();
  }

  /** Once for each request. */
  #ended(): void {
    if (this.#active.delete(this)) this.#closed(true);
  }
}
