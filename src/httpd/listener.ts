import { BlockList, isIP } from 'node:net';
import type { Engine, UwsApp, UwsRequest, UwsResponse } from './engine.js';
import { bracketed, type ListenSetting } from './listen-setting.js';
import { type Listener, listen } from './tcp-socket.js';
import type { TlsSetting } from './tls/setting.js';

/** One listener of a server: where, and who may do what there. */
export interface ListenerOptions {
  readonly setting: ListenSetting;
  /** Present where the setting says https. */
  readonly tls?: TlsSetting;
}

/** What is listened on. */
export interface Listening {
  readonly options: ListenerOptions;
  /** `127.0.0.1:8888`, `[::1]:8888`, `*:8888` or `/run/x.sock`. */
  readonly bound: string;
  /** 0 of a Unix socket. */
  readonly port: number;
  /** Where a client on this machine reaches it, without a path: `http://127.0.0.1:8888`. */
  readonly url: string;
}

/** A listener that takes connections until it is stopped. */
export interface OpenListener extends Listening {
  /** Takes no new connections; those that are open stay. */
  stop(): void;
  /** Closes every connection at once. */
  close(): void;
}

/** What the listeners of a server do with what arrives. */
export interface ListenerHandlers {
  request(response: UwsResponse, request: UwsRequest): void;
  connection(response: UwsResponse, delta: number): void;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Opens a listener with an app of its own: whether it speaks TLS is a matter of the app.
 *
 * @throws Error in one line naming what cannot be listened on, and why
 */
export async function openListener(
  engine: Engine,
  options: ListenerOptions,
  handlers: ListenerHandlers,
): Promise<OpenListener> {
  const { setting } = options;
  if (setting.kind !== 'http') throw new Error(`listener ${setting.kind} is not available yet`);
  const app = engine.uws.App();
  serve(app, handlers);
  let listener: Listener;
  try {
    listener = await listen(engine, app, setting.address, setting.port);
  } catch (error) {
    app.close();
    throw error;
  }
  const { port, socket } = listener;
  return {
    options,
    ...placeOf(setting, port),
    stop: () => engine.uws.us_listen_socket_close(socket),
    close: () => void app.close(),
  };
}

/** Where a listener is: the port is the one that it got. */
export function placeOf(setting: ListenSetting, port: number): Omit<Listening, 'options'> {
  const { kind, address, path } = setting;
  if (kind === 'unix') return { bound: path, port: 0, url: `http://unix:${path}:` };
  const host = address === '*' || address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return { bound: `${bracketed(address)}:${port}`, port, url: `${kind}://${bracketed(host)}:${port}` };
}

/** Whether only this machine can reach it. */
export function isLocal({ kind, address }: ListenSetting): boolean {
  const family = isIP(address);
  return kind === 'unix' || (family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6'));
}

function serve(app: UwsApp, { request, connection }: ListenerHandlers): void {
  app.any('/*', request);
  app.filter(connection);
}
