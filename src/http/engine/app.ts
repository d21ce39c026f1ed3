import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { reasonOf } from '../../base/text.js';
import { firstHeadLimit } from '../../native/native.js';
import { checkEngine, UnknownEngine } from './pins.js';

/** An open listen socket of the engine; only handed back to it. */
export interface UwsListenSocket {
  readonly uwsListenSocket?: never;
}

/** What can be sent as it is. */
export type UwsBytes = string | Uint8Array;

/** A response of the engine, valid until it has ended or was aborted. */
export interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  write(chunk: UwsBytes): boolean;
  end(body?: UwsBytes, closeConnection?: boolean): UwsResponse;
  endWithoutBody(reportedContentLength?: number, closeConnection?: boolean): UwsResponse;
  tryEnd(chunk: UwsBytes, totalSize: number): [taken: boolean, ended: boolean];
  getWriteOffset(): number;
  close(): UwsResponse;
  cork(write: () => void): UwsResponse;
  pause(): void;
  resume(): void;
  onAborted(callback: () => void): UwsResponse;
  onData(callback: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  onWritable(callback: (offset: number) => boolean): UwsResponse;
  getRemoteAddress(): ArrayBuffer;
}

/** A request of the engine, only valid until its handler returns. */
export interface UwsRequest {
  getUrl(): string;
  /** Undefined without a question mark, whatever the typings say. */
  getQuery(): string | undefined;
  getCaseSensitiveMethod(): string;
  getHeader(lowerCaseName: string): string;
  forEach(visit: (lowerCaseName: string, value: string) => void): void;
}

/** An application of the engine: routes and listen sockets. */
export interface UwsApp {
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  /** For the method in capital letters alone, before {@link any}. */
  post(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  filter(callback: (response: UwsResponse, delta: number) => void): UwsApp;
  listen(host: string, port: number, options: number, callback: (socket: UwsListenSocket | false) => void): UwsApp;
  listen_unix(callback: (socket: UwsListenSocket | false) => void, path: string): UwsApp;
  close(): UwsApp;
  /** What stands for this app in the next two. */
  getDescriptor(): UwsDescriptor;
  /** Connections that arrive on the listen sockets of this app are served by that one; both have to be TLS, or none. */
  addChildAppDescriptor(child: UwsDescriptor): void;
  removeChildAppDescriptor(child: UwsDescriptor): void;
}

/** What is done with the requests and the connections (1: come, -1: gone) of an app. */
export interface UwsHandlers {
  request(response: UwsResponse, request: UwsRequest): void;
  /** What takes POST of exactly these paths in place of {@link request}: what nearly all requests are. */
  readonly posts: readonly { readonly path: string; request(response: UwsResponse, request: UwsRequest): void }[];
  connection(response: UwsResponse, delta: number): void;
}

/** Stands for an app; only handed back to the engine. */
export type UwsDescriptor = unknown;

/** Options of an app that speaks TLS. */
export interface UwsTlsOptions {
  readonly cert_file_name?: string;
  readonly key_file_name?: string;
  readonly passphrase?: string;
  readonly ssl_ciphers?: string;
}

/** What is used of uWebSockets.js, from whatever package it comes. */
export interface UwsModule {
  App(): UwsApp;
  /** @throws Error without any reason when the files or the list of ciphers are not to its taste */
  SSLApp(options: UwsTlsOptions): UwsApp;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
  /** Absent from the typings of all packages, present in the engine. */
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT?: number;
  _cfg?(setting: string): void;
}

/** A loaded engine. */
export interface Engine {
  readonly name: string;
  readonly version: string;
  readonly uws: UwsModule;
  /** What is wrong with the way it was loaded, and what to do, in one line; undefined: nothing. */
  readonly notice?: string | undefined;
}

interface Candidate {
  readonly specifier: string;
  readonly version: string;
  readonly nodeMajors: readonly number[];
  readonly supports: string;
}

const engineName = 'uWebSockets.js';

/** Newest first. */
const candidates: readonly Candidate[] = [
  {
    specifier: 'uws-20.69',
    version: '20.69.0',
    nodeMajors: [22, 24, 26],
    supports: 'Node.js 22, 24 and 26 with glibc 2.38 or later',
  },
  {
    specifier: 'uws-20.51',
    version: '20.51.4',
    nodeMajors: [20, 22],
    supports: 'Node.js 20 and 22 with glibc 2.27 or later',
  },
];

/** The engine's limit for a head. Its own default, 4096 bytes, is too small for long URLs and tokens. */
const headLimitVariable = 'UWS_HTTP_MAX_HEADERS_SIZE';
const headLimit = '16384';

const shortHeads =
  'heads of requests are limited to 4096 bytes in this process: the engine was loaded in a worker thread with an ' +
  `environment of its own, and is loaded once; start the process with ${headLimitVariable}=${headLimit}, or the worker ` +
  'with env: SHARE_ENV';

const require = createRequire(import.meta.url);

let loaded: Engine | undefined;

/**
 * Loads the newest engine that works here, once per process. It must not be imported statically: it reads the
 * limit for heads from the environment when it is loaded.
 *
 * @param given an engine that the embedder brings, taken as it is
 * @throws Error in one line, naming this platform and what is supported, when no engine loads, or one is found that is not
 *   the one this version was made with
 */
export async function loadEngine(given?: object): Promise<Engine> {
  if (given !== undefined) {
    if (!isEngine(given)) throw new TypeError('option engine is not uWebSockets.js: it lacks App, SSLApp or others');
    silence(given);
    return { name: engineName, version: 'of the embedder', uws: given };
  }
  loaded ??= loadNewest();
  return loaded;
}

function isEngine(given: object): given is UwsModule {
  const used = ['App', 'SSLApp', 'us_listen_socket_close', 'us_socket_local_port'];
  return used.every((name) => typeof (given as Readonly<Record<string, unknown>>)[name] === 'function');
}

function loadNewest(): Engine {
  const before = process.env[headLimitVariable];
  process.env[headLimitVariable] = before ?? headLimit;
  try {
    // In a worker thread the environment may be a copy, of which the engine sees nothing. It asks once in a process.
    const isAsSet = firstHeadLimit(headLimitVariable) > 0;
    return { ...firstThatLoads(), notice: isAsSet ? undefined : shortHeads };
  } finally {
    if (before === undefined) delete process.env[headLimitVariable];
  }
}

function firstThatLoads(): Engine {
  const failures: string[] = [];
  const major = Number(process.versions.node.split('.', 1));
  for (const { specifier, version, nodeMajors } of candidates) {
    if (!nodeMajors.includes(major)) continue;
    try {
      return loadBinary(specifier, `${process.platform}-${process.arch}-${major}`);
    } catch (error) {
      if (error instanceof UnknownEngine) throw error;
      failures.push(`${version}: ${lastLine(error)}`);
    }
  }
  const supported = candidates.map(({ version, supports }) => `${version} for ${supports}`).join(', ');
  throw new Error(
    `no HTTP engine loads on ${platform()}; supported on Linux, macOS and Windows, x64 and arm64: ` +
      `${supported} (${failures.join('; ') || 'none of them is for this Node.js'})`,
  );
}

/**
 * Loads the binary itself, past the scripts that its packages put around it: no code of theirs runs that is not known.
 * It may be another version than the one that was asked for, where npm has installed just that one.
 */
function loadBinary(specifier: string, target: string): Engine {
  const fromWrapper = createRequire(require.resolve(specifier));
  const path = fromWrapper.resolve(`@uwsjs/${target}/uws.node`);
  const { version } = JSON.parse(readFileSync(fromWrapper.resolve(`@uwsjs/${target}/package.json`), 'utf8')) as Engine;
  const checked = checkEngine(path, target, version);
  // Not by import(): where a CommonJS module fails to load, Node.js 20 ends the process, caught or not.
  const uws = require(path) as UwsModule;
  silence(uws);
  return { name: engineName, version: checked, uws };
}

/** The engine names itself in every reply unless told not to. */
function silence(uws: UwsModule): void {
  uws._cfg?.('silent');
}

/** Platform, architecture, Node.js and C library of this process: what decides whether a binary loads. */
function platform(): string {
  return `${process.platform} ${process.arch}, Node.js ${process.versions.node}${cLibrary()}`;
}

function cLibrary(): string {
  if (process.platform !== 'linux') return '';
  const { header } = process.report.getReport() as unknown as { readonly header: { glibcVersionRuntime?: string } };
  const { glibcVersionRuntime: version } = header;
  return version === undefined ? ', not glibc (musl?)' : `, glibc ${version}`;
}

/** The engine's own error has a paragraph first; the reason of the loader comes last. */
function lastLine(error: unknown): string {
  const text = reasonOf(error);
  return (
    text
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('- ') && line !== 'Require stack:')
      .at(-1) ?? text
  );
}

/** An app that serves. */
export interface ServingApp {
  readonly app: UwsApp;
  /** Once it is closed: it lets go of its handlers. */
  forget(): void;
}

/** A function that the engine is given, which it keeps for as long as the process runs, even of a closed app. */
interface Slot<Handler> {
  call: Handler;
}

/**
 * Has an app serve requests; with the path and the method known, two texts less are made of each. The functions that the
 * engine keeps know only slots, so that whatever the handlers know can be freed when the slots are emptied.
 */
export function serveRequests(app: UwsApp, { request, posts, connection }: UwsHandlers): ServingApp {
  const requests: Slot<UwsHandlers['request']>[] = [];
  const serve = (call: UwsHandlers['request']): UwsHandlers['request'] => {
    const slot = { call };
    requests.push(slot);
    return forwarded(slot);
  };
  for (const post of posts) app.post(post.path, serve(post.request));
  app.any('/*', serve(request));
  const change: Slot<UwsHandlers['connection']> = { call: connection };
  app.filter(forwarded(change));
  return { app, forget: () => empty(requests, change) };
}

/** On its own, so that the function knows its slot and nothing else. */
function forwarded<Given>(slot: Slot<(response: UwsResponse, given: Given) => void>) {
  return (response: UwsResponse, given: Given): void => slot.call(response, given);
}

function empty(requests: Slot<UwsHandlers['request']>[], change: Slot<UwsHandlers['connection']>): void {
  for (const slot of requests) slot.call = ignored;
  change.call = () => {};
}

/** A closed app has no connections; the engine ends the process when a request is neither answered nor closed. */
function ignored(response: UwsResponse): void {
  response.close();
}
