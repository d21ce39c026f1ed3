import { coded } from '../base/codes.js';
import {
  aBoolean,
  aFunction,
  aNumber,
  aText,
  checkMembers,
  headerNames,
  type Members,
  oneOf,
  required,
} from '../base/given.js';
import { type Chunk, checkReplyHeaders, type Exchange, type ReplyHeaders } from './exchange.js';

/** A request, as its refusal knows it. */
export interface RefusedRequest {
  /** As received; not always one that the root serves. */
  readonly method: string;
  /** Lower case, parameters cut, '' when absent. */
  readonly mediaType: string;
  /** True when it is JSON, or asks for JSON by name: then a refusal is best JSON too. */
  readonly wantsJson: boolean;
}

/** A request whose head has come, as its root chooses a service by it. */
export interface ArrivedRequest extends RefusedRequest {
  /** True when it has an Origin, which browsers send with what a page sends. */
  readonly hasOrigin: boolean;
}

/** Takes the requests of one kind. */
export interface Service {
  /** True when {@link RootDeclaration.headers} are kept for them; default: yes. */
  readonly keepsHeaders?: boolean;
  /** Called once per request, with the whole body. Answers at once, later, or calls `exchange.flush()`. */
  onRequest(exchange: Exchange): void | Promise<void>;
}

/** The short reply to a request that is refused. */
export interface Refusal {
  readonly body: string;
  /** Content-Type among them wins over that of the root. */
  readonly headers?: ReplyHeaders;
}

/** A root path that a module registers, and how it is served. */
export interface RootDeclaration extends Service {
  /** Name of the module, for listings and errors. */
  readonly module: string;
  /** One path segment of `[A-Za-z0-9_]+`: `mi` serves `/mi`, `/mi/` and all below. */
  readonly root: string;
  /** Content-Type of its replies, such as `application/json`. */
  readonly contentType: string;
  /** A few words for the landing page about the root. */
  readonly about?: string;
  /** Default: both. HEAD is served wherever GET is. */
  readonly methods?: readonly ('GET' | 'POST')[];
  /**
   * Tells whether a POST body of this media type is taken; false: 415. Default: all are. Not asked beside {@link choose}.
   * @param mediaType lower case, parameters cut, '' when absent
   */
  readonly accepts?: (mediaType: string) => boolean;
  /** 'fields' (default): form bodies (urlencoded, multipart) are decoded, others stay raw; 'raw': none is. */
  readonly body?: 'raw' | 'fields';
  /** The body is lent, without a copy, until `onRequest` returns. */
  readonly borrowBody?: boolean;
  /** True when nobody asks for the query of a POST: `exchange.query` is empty then. */
  readonly ignoresQuery?: boolean;
  /** True when GET with a body is refused, which may be a call that was meant to be a POST; else the body is dropped. */
  readonly refusesGetBody?: boolean;
  /** Names of request headers kept for `exchange.header(name)`. */
  readonly headers?: readonly string[];
  /**
   * Asked once per request, by its head, for roots with requests of several kinds: what takes it; undefined: 415.
   * Default: {@link accepts}, and {@link onRequest} for all.
   */
  readonly choose?: (request: ArrivedRequest) => Service | undefined;
  /** Seconds until an exchange that `onRequest` left unanswered is answered 504; default 240, 0: never. */
  readonly timeout?: number;
  /** True where `onRequest` answers in time by itself: {@link timeout} then counts for what its streams are waited for. */
  readonly keepsTime?: boolean;
  /** Runs when the server starts, before it listens. A failure fails the start. */
  onInit?(): void | Promise<void>;
  /**
   * Gives the body of a reply begun with `exchange.flush()`, piece by piece, at the pace of the reader;
   * see `ChunkSource.next` for what it may return and how long its bytes must stay as they are.
   *
   * @param position bytes given so far
   * @param max most bytes wanted now
   */
  onFlush?(exchange: Exchange, position: number, max: number): Chunk | string | Promise<Chunk | string>;
  /**
   * Makes the body of the short replies that the HTTP layer gives itself (400, 403, 404, 405, 413, 415, 429, 500, 503,
   * 504); 401 is the same everywhere.
   * Default, also where it returns undefined: JSON for requests that want it, else by content type a small page,
   * `{"error":reason}`, or a line of text.
   */
  refuse?(status: number, reason: string, request: RefusedRequest): string | Refusal | undefined;
}

const rootMembers: Members<RootDeclaration> = {
  module: required(aText),
  root: required(aText),
  contentType: required({ ...aText, text: "a text, such as 'application/json'" }),
  about: aText,
  methods: {
    text: "an array of 'GET' and 'POST'",
    is: (value) => Array.isArray(value) && value.length > 0 && value.every((one) => one === 'GET' || one === 'POST'),
  },
  accepts: aFunction,
  body: oneOf(['raw', 'fields']),
  borrowBody: aBoolean,
  ignoresQuery: aBoolean,
  refusesGetBody: aBoolean,
  headers: headerNames,
  keepsHeaders: aBoolean,
  choose: aFunction,
  timeout: aNumber,
  keepsTime: aBoolean,
  onInit: aFunction,
  onRequest: required(aFunction),
  onFlush: aFunction,
  refuse: aFunction,
};

/** @throws TypeError for what a module of the user's own declares, but cannot be */
export function checkRoot(declaration: RootDeclaration): void {
  const given: { readonly root?: unknown } | null | undefined = declaration;
  checkMembers(typeof given?.root === 'string' ? `root path "${given.root}"` : 'registerRoot', given, rootMembers);
}

/** A registered root: its declaration, and what requests need of it, worked out once. */
export interface Root {
  readonly declaration: RootDeclaration;
  /** Milliseconds, 0: never. */
  readonly deadline: number;
  /** Methods for the Allow header (RFC 9110 §10.2.1). */
  readonly allow: string;
  readonly servesGet: boolean;
  readonly servesPost: boolean;
  /** True for what is served without a login, to addresses that are let in: the page to log in. */
  readonly isOpen: boolean;
  /** True for what is so on listeners without such a page, too: links that are secrets themselves. */
  readonly isOpenEverywhere: boolean;
  /** Names of {@link RootDeclaration.headers} in lower case. */
  readonly keptHeaders: string[];
  /** Chooses the service of a request; undefined: its body is of a type that is not taken. */
  choose(request: ArrivedRequest): Service | undefined;
}

/** Where a path leads. */
export interface RootMatch {
  readonly root: Root;
  /** The path behind the root: '', '/' or '/rest'. */
  readonly rest: string;
}

const defaultTimeout = 240;

/** Tells whether a text can be a root path: one segment, so that no path has two. */
export function isRootName(text: string): boolean {
  return /^[A-Za-z0-9_]+$/.test(text);
}

/** Root paths of one server. A root is one segment, so that a path has at most one and order does not matter. */
export class RootRegistry {
  readonly #roots = new Map<string, Root>();
  /** The paths that nearly all requests have, found without taking them apart. */
  readonly #common = new Map<string, RootMatch>();

  /** Newest first, the order in which the original tries and lists them. */
  get newestFirst(): readonly Root[] {
    return [...this.#roots.values()].reverse();
  }

  /**
   * Registers one exact path, such as `/` or `/name`, that is no root and not listed as one.
   * @param isOpen true where it is served without a login
   * @throws Error when it is taken
   */
  registerPath(declaration: RootDeclaration, isOpen: boolean | 'everywhere' = false): void {
    const path = `/${declaration.root}`;
    if (this.#common.has(path)) throw coded('ERR_ROOT', new Error(`path ${path} is already served`));
    this.#common.set(path, { root: rootOf(declaration, isOpen), rest: '' });
  }

  /** @throws Error when the root is no single segment, or taken (naming both modules), or declares what cannot be */
  register(declaration: RootDeclaration): void {
    const { module, root: name, timeout = defaultTimeout } = declaration;
    if (!isRootName(name)) {
      throw coded(
        'ERR_ROOT',
        new Error(`module ${module}: root path "${name}" is not one or more of letters, digits and "_"`),
      );
    }
    const taken = this.#roots.get(name);
    if (taken !== undefined) {
      throw coded(
        'ERR_ROOT',
        new Error(
          `module ${module}: root path "${name}" is already registered by module ${taken.declaration.module}; ` +
            'give one of them another root',
        ),
      );
    }
    const served = this.#common.get(`/${name}`);
    if (served !== undefined) {
      throw coded(
        'ERR_ROOT',
        new Error(
          `module ${module}: path "/${name}" is served by module ${served.root.declaration.module} already; ` +
            'give this root another name, or turn that path off',
        ),
      );
    }
    if (!(timeout >= 0)) {
      throw coded(
        'ERR_ROOT',
        new RangeError(`module ${module}: timeout ${timeout} of root path "${name}" is not 0 (never) or more seconds`),
      );
    }
    checkReplyHeaders({ 'Content-Type': declaration.contentType });
    const root = rootOf(declaration);
    this.#roots.set(name, root);
    this.#common.set(`/${name}`, { root, rest: '' });
    this.#common.set(`/${name}/`, { root, rest: '/' });
  }

  /** Keeps more headers of the requests of a root for `exchange.header(name)`: in lower case. */
  keepHeaders(name: string, headers: readonly string[]): void {
    const root = this.#roots.get(name);
    if (root !== undefined) root.keptHeaders.push(...headers.filter((header) => !root.keptHeaders.includes(header)));
  }

  /** Finds the root of a path as received, if it is one of the common ones, which need no decoding. */
  findCommon(path: string): RootMatch | undefined {
    return this.#common.get(path);
  }

  /** Finds the root of a decoded path by its first segment, case-sensitively. */
  find(path: string): RootMatch | undefined {
    const slash = path.indexOf('/', 1);
    const end = slash === -1 ? path.length : slash;
    const root = this.#roots.get(path.slice(1, end));
    return root === undefined ? undefined : { root, rest: path.slice(end) };
  }
}

function rootOf(declaration: RootDeclaration, isOpen: boolean | 'everywhere' = false): Root {
  const { methods = ['GET', 'POST'], headers = [], timeout = defaultTimeout } = declaration;
  const servesGet = methods.includes('GET');
  const servesPost = methods.includes('POST');
  return {
    declaration,
    deadline: timeout * 1000,
    allow: [...(servesGet ? ['GET', 'HEAD'] : []), ...(servesPost ? ['POST'] : [])].join(', '),
    servesGet,
    servesPost,
    isOpen: isOpen !== false,
    isOpenEverywhere: isOpen === 'everywhere',
    keptHeaders: headers.map((header) => header.toLowerCase()),
    choose: declaration.choose?.bind(declaration) ?? onlyServiceOf(declaration),
  };
}

function onlyServiceOf(declaration: RootDeclaration): Root['choose'] {
  return ({ method, mediaType }) =>
    method === 'POST' && declaration.accepts?.(mediaType) === false ? undefined : declaration;
}

/** Stands for the root of requests whose path leads nowhere, or is not known yet. */
export const nowhere: Root = rootOf({
  module: 'httpd',
  root: '',
  contentType: 'text/plain; charset=utf-8',
  methods: [],
  onRequest: () => {},
});

/**
 * Percent-decodes a path once (RFC 3986 §2.1).
 *
 * @returns undefined when an escape is malformed, decodes to NUL, or to what is not UTF-8
 */
export function decodePath(path: string): string | undefined {
  if (!path.includes('%')) return path;
  try {
    const decoded = decodeURIComponent(path);
    return decoded.includes('\0') ? undefined : decoded;
  } catch {
    return undefined;
  }
}
