import { coded } from '../../../base/codes.js';
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

/** A server on an app. */
interface MountState {
  /** Undefined once the mount is closed. */
  server: HostedServer | undefined;
  readonly idle: UwsReply[];
  /** Those that have not ended. */
  readonly active: Set<MountedReply>;
  readonly pace: Pace;
}

/** A route of an app, which keeps it as long as the process runs: the next server with the same root takes it over. */
interface Slot {
  state: MountState;
  /** As the handlers want it told. */
  route: object | undefined;
}

/** What an app was given, for all servers on it. */
interface MountedApp {
  readonly pace: Pace;
  /** By the method, where it is one, and the pattern. */
  readonly slots: Map<string, Slot>;
}

const mountedApps = new WeakMap<UwsApp, MountedApp>();

/** It counts nothing, and tells when a connection is closed from within. */
const watching = {
  opened: () => {},
  closed: () => {},
  refusal: () => ({ statusLine: '', headers: [], body: '' }),
} satisfies Partial<EngineHandlers>;

function mountedAppOf(app: UwsApp): MountedApp {
  const known = mountedApps.get(app);
  if (known !== undefined) return known;
  // The engine is the owner's, and does not tell its version.
  const made: MountedApp = { pace: new Pace(writeSizesOf('')), slots: new Map() };
  const watch = (raw: UwsResponse, delta: number): void => tellOfConnection(raw, delta, watching, made.pace);
  app.filter(watch);
  mountedApps.set(app, made);
  return made;
}

/**
 * Serves roots of a server by an app of the program: each by a path of its own, and what is below it. All other routes, listen
 * sockets and connections are the owner's. For the limits each request counts as a connection.
 *
 * @param roots names of the roots, such as `mi`
 * @throws Error naming a root that another server has on this app
 */
export function mount(app: UwsApp, server: HostedServer, handlers: EngineHandlers, roots: readonly string[]): Mount {
  const { pace, slots } = mountedAppOf(app);
  const taken = roots.find((root) => slots.get(`/${root}`)?.state.server !== undefined);
  if (taken !== undefined) {
    const text = `root path "${taken}" is served by another server on this app; give one of them another root`;
    throw coded('ERR_ROOT', new Error(text));
  }
  const state: MountState = { server, idle: [], active: new Set(), pace };
  const use = (key: string, route: object | undefined, add: (slot: Slot) => void): void => {
    const slot = slots.get(key) ?? { state, route };
    slot.state = state;
    slot.route = route;
    if (!slots.has(key)) add(slot);
    slots.set(key, slot);
  };
  for (const { path, route } of handlers.posts) {
    use(`POST ${path}`, route, (slot) => app.post(path, (raw, request) => arrived(slot, raw, request, 'POST', path)));
  }
  for (const pattern of roots.flatMap((root) => [`/${root}`, `/${root}/*`])) {
    use(pattern, undefined, (slot) =>
      app.any(pattern, (raw, request) =>
        arrived(slot, raw, request, request.getCaseSensitiveMethod(), request.getUrl()),
      ),
    );
  }
  return {
    close: () => {
      state.server = undefined;
      for (const reply of state.active) reply.close();
      state.idle.length = 0;
    },
  };
}

function arrived({ state, route }: Slot, raw: UwsResponse, request: UwsRequest, method: string, path: string): void {
  const { server, idle, active, pace } = state;
  const handlers = server?.handlers;
  if (server === undefined || handlers === undefined) {
    answer(raw, { statusLine: '503 Service Unavailable', headers: [['Retry-After', '1']], body: '' });
  } else if (!dropsOfClosed(pace, raw) && isLetIn(server, handlers, raw, request)) {
    const reply = idle.pop() ?? new MountedReply(handlers, idle, active, pace, raw);
    reply.serve(raw, request, method, path, route);
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
