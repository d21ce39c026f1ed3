import { chmodSync, lstatSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { BlockList, connect, createServer, isIP } from 'node:net';
import { dirname } from 'node:path';
import { joinHostPort } from '../../base/address.js';
import { coded, codedBySystem } from '../../base/codes.js';
import { tryFolder } from '../../base/files.js';
import type { CodedLog } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import type { App, Engine, EngineHandlers, ListenSocket } from '../engine/engine.js';
import type { Access } from '../login/access.js';
import type { TlsSetting } from '../tls/certificate.js';
import { CertifiedListener } from '../tls/certified-listener.js';
import { type InheritedSocket, listenInherited } from './inherited.js';
import { type ListenSetting, settingName } from './setting.js';

/** One listener of a server: where, and who may do what there. */
export interface ListenerOptions {
  readonly setting: ListenSetting;
  /** Present where the setting says https. */
  readonly tls?: TlsSetting;
  /** Left out, everybody is let in, and nothing is known of callers. */
  readonly access?: Access | undefined;
  /** Sockets of the service manager that it listens on; none or left out: it opens its own. */
  readonly inherited?: readonly InheritedSocket[] | undefined;
  /** True where other threads of the process listen at the same address, which has been found free. */
  readonly isShared?: boolean;
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
  log: CodedLog,
): Promise<OpenListener> {
  const { setting } = options;
  const secure = certifiedListener(engine, options, handlers, log);
  const app = secure?.app ?? engine.open(handlers);
  try {
    const socket = await openSocket(app, options);
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

function openSocket(app: App, { setting, inherited = [], isShared = false }: ListenerOptions): Promise<OpenSocket> {
  const name = settingName(setting);
  const { mode = defaultMode, socket } = Object.fromEntries(setting.options);
  if (inherited.length > 0) return listenInherited(app, name, inherited, mode);
  if (socket !== undefined) {
    throw coded(
      'ERR_LISTEN',
      new Error(
        `cannot listen on ${name}: the service manager hands over no socket ${JSON.stringify(socket)}; set ` +
          `FileDescriptorName=${socket} in the socket unit and start that, or leave ;socket=${socket} out`,
      ),
    );
  }
  if (setting.kind === 'unix') return listenUnix(app, setting.path, mode);
  if (isShared) return listenShared(app, setting.address, setting.port);
  return listen(app, setting.address, setting.port);
}

/** @throws Error in one line that says what is wrong with the certificate; undefined where there is none to have */
export function certifiedListener(
  engine: Engine,
  { setting, tls }: ListenerOptions,
  handlers: EngineHandlers,
  log: CodedLog,
): CertifiedListener | undefined {
  if (setting.kind !== 'https') return undefined;
  const name = settingName(setting);
  if (tls === undefined) throw coded('ERR_CERTIFICATE', new Error(`listener ${name} has neither certificate nor key`));
  try {
    return new CertifiedListener(engine, tls, handlers, log);
  } catch (error) {
    throw coded('ERR_CERTIFICATE', new Error(`cannot serve ${name}: ${reasonOf(error)}`));
  }
}

/** Handlers of apps that no connection ever reaches. */
const noHandlers: EngineHandlers = {
  posts: [],
  receiver: () => ({ request: () => {}, bodyPiece: () => {}, tooMany: () => {}, gone: () => {} }),
  opened: () => {},
  closed: () => {},
  certificateRefused: () => {},
  refusal: () => ({ statusLine: '503 Service Unavailable', headers: [], body: '' }),
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
  log: CodedLog,
): Promise<CertifiedListener | undefined> {
  const { setting } = options;
  if (setting.kind === 'unix') tryUnix(setting.path);
  else await tryAddress(setting.address, setting.port);
  return certifiedListener(engine, options, noHandlers, log);
}

/** True for an address that only this machine has. */
export function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** Where a listener is: the port is the one that it got. */
export function placeOf(setting: ListenSetting, port: number): Omit<Listening, 'options'> {
  const { kind, address, path } = setting;
  if (kind === 'unix') return { bound: path, port: 0, url: `http://unix:${path}:`, isLocal: true };
  const host = address === '*' || address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  const isLocal = isLoopback(address);
  return { bound: joinHostPort(address, port), port, url: `${kind}://${joinHostPort(host, port)}`, isLocal };
}

/** An open listen socket. */
interface OpenSocket extends ListenSocket {
  /** Of a Unix socket: removes its file, unless somebody has put another one in its place. Never fails. */
  readonly removeFile?: () => void;
}

const everyIPv6 = '::';
const everyIPv4 = '0.0.0.0';

const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; stop what listens there, or choose another port',
  EACCES: 'no permission for this port; use 1024 or more',
  EADDRNOTAVAIL: 'the address is not one of this machine; use one that is, or "*" for all',
};

/** @throws RangeError telling what is wrong: the engine would take a port modulo 65536 and '' for anything */
function checkEndpoint(ip: string, port: number): void {
  if (ip !== '*' && isIP(ip) === 0) {
    throw coded(
      'ERR_ARGUMENT',
      new RangeError(`ip ${JSON.stringify(ip)} is neither an IPv4 nor an IPv6 address; use one, or "*" for all`),
    );
  }
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw coded('ERR_ARGUMENT', new RangeError(`port ${port} is not an integer from 0 to 65535`));
  }
}

/**
 * Listens on an address. All addresses means one socket for both families, or IPv4 alone where the
 * system has no IPv6.
 *
 * @throws Error in one line naming address, port and reason
 */
async function listen(app: App, ip: string, port: number): Promise<OpenSocket> {
  return bind(app, await freeHost(ip, port), ip, port);
}

/** Listens where {@link probeShared} has found nothing else. */
async function listenShared(app: App, ip: string, port: number): Promise<OpenSocket> {
  const hosts = ip === '*' ? [everyIPv6, everyIPv4] : [ip];
  for (const host of hosts) {
    const socket = port === 0 ? await listenAnywhere(app, host) : await app.listen(host, port, true);
    if (socket !== undefined) return socket;
  }
  throw cannotListen(ip, port, 'EADDRINUSE');
}

/** A port that the system has chosen is not shared: it is listened on once more, by its number. */
async function listenAnywhere(app: App, host: string): Promise<OpenSocket | undefined> {
  for (let attempt = 0; attempt < portAttempts; attempt++) {
    const chosen = await app.listen(host, 0);
    chosen?.close();
    const socket = chosen && (await app.listen(host, chosen.port, true));
    if (socket !== undefined) return socket;
  }
  return undefined;
}

/** Another process may be quicker to take a port that has just been free. */
const portAttempts = 5;

/**
 * Finds out whether threads can listen at an address together.
 *
 * @throws Error in one line naming address, port and reason
 */
export async function probeShared({ address, port }: ListenSetting): Promise<void> {
  await freeHost(address, port);
}

/** The host to listen on, once it has been found that it can be. @throws Error in one line naming address, port and reason */
async function freeHost(ip: string, port: number): Promise<string> {
  checkEndpoint(ip, port);
  if (ip !== '*') {
    const problem = await probe(ip, port);
    if (problem !== undefined) throw cannotListen(ip, port, problem);
    return ip;
  }
  const withoutIPv6 = await probe(everyIPv6, port);
  if (withoutIPv6 === undefined) return everyIPv6;
  if (withoutIPv6 !== 'EAFNOSUPPORT' && withoutIPv6 !== 'EADDRNOTAVAIL') throw cannotListen('*', port, withoutIPv6);
  const problem = await probe(everyIPv4, port);
  if (problem !== undefined) throw cannotListen('*', port, problem);
  return everyIPv4;
}

/**
 * Finds out whether the address is one of this machine. The port is left alone: another server may have it.
 * @throws Error in one line naming address, port and reason
 */
async function tryAddress(ip: string, port: number): Promise<void> {
  checkEndpoint(ip, port);
  const problem = ip === '*' ? undefined : await probe(ip, 0);
  if (problem !== undefined) throw cannotListen(ip, port, problem);
}

async function bind(app: App, host: string, address: string, port: number): Promise<OpenSocket> {
  const socket = await app.listen(host, port);
  if (socket === undefined) throw cannotListen(address, port, 'EADDRINUSE');
  return socket;
}

/** The engine tells only that it failed. Node.js tells why: the code of the error, undefined when all is well. */
function probe(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

export function cannotListen(address: string, port: number, code: string): NodeJS.ErrnoException {
  const reason = remedies[code] ?? 'the system refused';
  return codedBySystem(code, new Error(`cannot listen on ${joinHostPort(address, port)}: ${reason} (${code})`));
}

/** Owner and group may connect. */
const defaultMode = '0660';

/**
 * Listens on a Unix socket. A file that a server has left behind is replaced; one that is in use is not.
 *
 * @param mode octal digits: who may connect is who may write
 * @throws Error in one line naming the path and the reason
 */
async function listenUnix(app: App, path: string, mode: string): Promise<OpenSocket> {
  tryUnix(path);
  if (statusOf(path) !== undefined) {
    if (await isLive(path)) {
      throw cannotListenAt(path, 'a server listens there; stop it, or choose another path', 'EADDRINUSE');
    }
    // The file may be gone meanwhile, by whoever cleans up.
    if (statusOf(path) !== undefined) remove(path);
  }
  // The file is for its owner alone until its mode is set.
  const socket = await app.listenUnix(path);
  if (socket === undefined) throw noPermission(path);
  chmodSync(path, Number.parseInt(mode, 8));
  const own = statusOf(path);
  const removeFile = (): void => {
    const now = statusOf(path);
    if (now === undefined || now.ino !== own?.ino || now.dev !== own.dev) return;
    try {
      unlinkSync(path);
    } catch {
      // It stays behind, and whoever listens there next replaces it.
    }
  };
  return { ...socket, removeFile };
}

/**
 * Finds out whether a socket could be made there. A server that listens there already is left alone.
 * @throws Error in one line naming the path and the reason
 */
function tryUnix(path: string): void {
  const folder = dirname(path);
  const before = statusOf(path);
  if (before !== undefined && !before.isSocket()) {
    throw cannotListenAt(path, 'there is a file of another kind; choose another path', 'EEXIST');
  }
  try {
    tryFolder(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      const isThere = statSync(folder, { throwIfNoEntry: false }) !== undefined;
      const reason = isThere ? `nothing can be made in ${folder}` : `there is no folder ${folder}`;
      throw cannotListenAt(path, `${reason}; ${remedy}`, code);
    }
    if (code === 'ENOTDIR') throw cannotListenAt(path, `${folder} is no folder; ${remedy}`, code);
    throw noPermission(path);
  }
}

const remedy = 'make one that this user may write to';

function noPermission(path: string): Error {
  return cannotListenAt(path, `no permission in ${dirname(path)}; ${remedy}`, 'EACCES');
}

function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // Not to be looked at is as good as not there: listening will fail.
    return undefined;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw cannotListenAt(path, `the file cannot be removed: ${message}`, code ?? 'EACCES');
  }
}

/** Tells whether a process takes connections there. A full queue, or a socket that this user may not use, counts as one. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}

function cannotListenAt(path: string, reason: string, code: string): NodeJS.ErrnoException {
  return codedBySystem(code, new Error(`cannot listen on unix:${path}: ${reason} (${code})`));
}
