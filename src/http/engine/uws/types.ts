/** The used part of uWebSockets.js. Its own typings lack some of it and are wrong about some. */
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

/** Options of an app that speaks TLS. */
interface UwsTlsOptions {
  readonly cert_file_name?: string;
  readonly key_file_name?: string;
  readonly passphrase?: string;
  readonly ssl_ciphers?: string;
}

/** An open listen socket of the engine; only handed back to it. */
export interface UwsListenSocket {
  readonly uwsListenSocket?: never;
}

/** Stands for an app; only handed back to the engine. */
export type UwsDescriptor = unknown;

/** An application of the engine: routes and listen sockets. */
export interface UwsApp {
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  /** For the method in capital letters alone, before {@link any}. */
  post(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  filter(callback: (response: UwsResponse, delta: number) => void): UwsApp;
  listen(host: string, port: number, options: number, callback: (socket: UwsListenSocket | false) => void): UwsApp;
  listen_unix(callback: (socket: UwsListenSocket | false) => void, path: string): UwsApp;
  close(): UwsApp;
  /** Stands for this app in the next two. */
  getDescriptor(): UwsDescriptor;
  /** Connections that arrive on the listen sockets of this app are served by that one; both have to be TLS, or none. */
  addChildAppDescriptor(child: UwsDescriptor): void;
  removeChildAppDescriptor(child: UwsDescriptor): void;
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

/** A response of the engine, valid until it has ended or was aborted. */
export interface UwsResponse {
  writeStatus(status: string | Uint8Array): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  write(chunk: string | Uint8Array): boolean;
  end(body?: string | Uint8Array, closeConnection?: boolean): UwsResponse;
  endWithoutBody(reportedContentLength?: number, closeConnection?: boolean): UwsResponse;
  tryEnd(chunk: string | Uint8Array, totalSize: number): [taken: boolean, ended: boolean];
  getWriteOffset(): number;
  close(): UwsResponse;
  cork(write: () => void): UwsResponse;
  pause(): void;
  resume(): void;
  onAborted(callback: () => void): UwsResponse;
  onData(callback: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  onWritable(callback: (offset: number) => boolean): UwsResponse;
  getRemoteAddress(): ArrayBuffer;
  /** Not in old versions. */
  getRemotePort?(): number;
}
