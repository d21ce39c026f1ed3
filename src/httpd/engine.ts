import { createRequire } from 'node:module';

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

const require = createRequire(import.meta.url);

let loaded: Engine | undefined;

/**
 * Loads the newest engine that works here, once per process. It must not be imported statically: it reads the
 * limit for heads from the environment when it is loaded.
 *
 * @param given an engine that the embedder brings, taken as it is
 * @throws Error in one line, naming this platform and what is supported, when no engine loads
 */
export async function loadEngine(given?: UwsModule): Promise<Engine> {
  if (given !== undefined) {
    silence(given);
    return { name: engineName, version: 'of the embedder', uws: given };
  }
  loaded ??= loadNewest();
  return loaded;
}

function loadNewest(): Engine {
  const before = process.env[headLimitVariable];
  process.env[headLimitVariable] = before ?? headLimit;
  try {
    return firstThatLoads();
  } finally {
    if (before === undefined) delete process.env[headLimitVariable];
  }
}

function firstThatLoads(): Engine {
  const failures: string[] = [];
  const major = Number(process.versions.node.split('.', 1));
  for (const { specifier, version, nodeMajors } of candidates) {
    // The wrapper of one version loads the binary of the other where npm has installed just that one.
    if (!nodeMajors.includes(major)) continue;
    try {
      // Not by import(): where a CommonJS module fails to load, Node.js 20 ends the process, caught or not.
      const uws = require(specifier) as UwsModule;
      silence(uws);
      return { name: engineName, version, uws };
    } catch (error) {
      failures.push(`${version}: ${lastLine(error)}`);
    }
  }
  const supported = candidates.map(({ version, supports }) => `${version} for ${supports}`).join(', ');
  throw new Error(
    `no HTTP engine loads on ${platform()}; supported on Linux, macOS and Windows, x64 and arm64: ` +
      `${supported} (${failures.join('; ') || 'none of them is for this Node.js'})`,
  );
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
  const text = error instanceof Error ? error.message : String(error);
  return (
    text
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('- ') && line !== 'Require stack:')
      .at(-1) ?? text
  );
}

/** Has an app serve requests; with the path and the method known, two texts less are made of each. */
export function serveRequests(app: UwsApp, { request, posts }: UwsHandlers): void {
  for (const post of posts) app.post(post.path, post.request);
  app.any('/*', request);
}
