import { BlockList, isIP } from 'node:net';
import { joinHostPort } from '../../base/address.js';
import type { Log } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import type { Engine, EngineHandlers } from '../engine/engine.js';
import type { Access } from '../login/access.js';
import { CertifiedListener } from '../tls/certified-listener.js';
import type { TlsSetting } from '../tls/suites.js';
import { type ListenSetting, settingName } from './setting.js';
import { listen, listenUnix, tryAddress, tryUnix } from './sockets.js';

/** One listener of a server: where, and who may do what there. */
export interface ListenerOptions {
  readonly setting: ListenSetting;
  /** Present where the setting says https. */
  readonly tls?: TlsSetting;
  /** Left out, everybody is let in, and nothing is known of callers. */
  readonly access?: Access | undefined;
}

/** A place that is listened on. */
export interface Listening {
  readonly options: ListenerOptions;
  /** `127.0.0.1:8888`, `[::1]:8888`, `*:8888` or `/run/x.sock`. */
  readonly bound: string;
  /** 0 of a Unix socket. */
  readonly port: number;
  /** Where a client on this machine reaches it, without a path: `http://127.0.0.1:8888`. */
  readonly url: string;
  /** True when only this machine can reach it. */
  readonly isLocal: boolean;
}

/** A listener that takes connections until it is stopped. */
export interface OpenListener extends Listening {
  /** Present where it speaks TLS. */
  readonly secure: CertifiedListener | undefined;
  /** Takes no new connections; those that are open stay. */
  stop(): void;
  /** Closes every connection. */
  close(): Promise<void>;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Opens a listener with an app of its own: whether it speaks TLS is a matter of the app.
 *
 * @throws Error in one line naming what cannot be listened on or served, and why
 */
export async function openListener(
  engine: Engine,
  options: ListenerOptions,
  handlers: EngineHandlers,
  log: Log,
): Promise<OpenListener> {
  const { setting } = options;
  const secure = certifiedListener(engine, options, handlers, log);
  const app = secure?.app ?? engine.open(handlers);
  try {
    const socket = await (setting.kind === 'unix'
      ? listenUnix(app, setting.path, setting.options.get('mode'))
      : listen(app, setting.address, setting.port));
    const stop = (): void => {
      socket.removeFile?.();
      socket.close();
    };
    const close = (): Promise<void> => {
      socket.removeFile?.();
      return app.close();
    };
    return { options, secure, ...placeOf(setting, socket.port), stop, close };
  } catch (error) {
    await app.close();
    throw error;
  }
}

function certifiedListener(
  engine: Engine,
  { setting, tls }: ListenerOptions,
  handlers: EngineHandlers,
  log: Log,
): CertifiedListener | undefined {
  if (setting.kind !== 'https') return undefined;
  const name = settingName(setting);
  if (tls === undefined) throw new Error(`listener ${name} has neither certificate nor key`);
  try {
    return new CertifiedListener(engine, tls, handlers, log);
  } catch (error) {
    throw new Error(`cannot serve ${name}: ${reasonOf(error)}`);
  }
}

/** Handlers of apps that no connection ever reaches. */
const noHandlers: EngineHandlers = {
  posts: [],
  receiver: () => ({ request: () => {}, bodyPiece: () => {}, tooMany: () => {}, gone: () => {} }),
  opened: () => {},
  closed: () => {},
  refusal: () => '',
};

/**
 * Tries all of {@link openListener} that can be tried while another server listens there, such as the one that is to be
 * restarted.
 *
 * @returns the app that loaded the certificate, where it speaks TLS; to be closed
 * @throws Error in one line that says why it could not be opened
 */
export async function tryListener(
  engine: Engine,
  options: ListenerOptions,
  log: Log,
): Promise<CertifiedListener | undefined> {
  const { setting } = options;
  if (setting.kind === 'unix') tryUnix(setting.path);
  else await tryAddress(setting.address, setting.port);
  return certifiedListener(engine, options, noHandlers, log);
}

/** Where a listener is: the port is the one that it got. */
export function placeOf(setting: ListenSetting, port: number): Omit<Listening, 'options'> {
  const { kind, address, path } = setting;
  if (kind === 'unix') return { bound: path, port: 0, url: `http://unix:${path}:`, isLocal: true };
  const host = address === '*' || address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  const family = isIP(address);
  const isLocal = family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
  return { bound: joinHostPort(address, port), port, url: `${kind}://${joinHostPort(host, port)}`, isLocal };
}
