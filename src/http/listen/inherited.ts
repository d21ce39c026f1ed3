import { lstatSync, type Stats } from 'node:fs';
import { joinHostPort } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import { realPath } from '../../base/files.js';
import type { App, ListenSocket } from '../engine/engine.js';
import { canonical, type ListenSetting, settingName } from './setting.js';

/** A listen socket that the service manager has opened. */
export interface InheritedSocket {
  readonly descriptor: number;
  /** As the service manager calls it. */
  readonly name: string;
  /** '' of a Unix socket. */
  readonly address: string;
  /** 0 of a Unix socket. */
  readonly port: number;
  /** '' of TCP. */
  readonly path: string;
}

const everyAddress: readonly string[] = ['0.0.0.0', '::'];

/**
 * Finds the listener of each socket: one that has its address. A listener that asks for a name (`;socket=NAME`) gets sockets
 * of that name alone, and with port 0 one of any port. `*` may have one of each family.
 *
 * @returns the sockets of each setting, in their order
 * @throws Error in one line for a socket that belongs to no listener, naming both
 */
export function inheritSockets(
  settings: readonly ListenSetting[],
  sockets: readonly InheritedSocket[],
): readonly (readonly InheritedSocket[])[] {
  const found = settings.map((): InheritedSocket[] => []);
  for (const socket of sockets) found[placeOf(socket, settings)]?.push(socket);
  return found;
}

function placeOf(socket: InheritedSocket, settings: readonly ListenSetting[]): number {
  const asksFor = ({ options }: ListenSetting): boolean => options.get('socket') === socket.name;
  const takes = (setting: ListenSetting): boolean => asksFor(setting) || !setting.options.has('socket');
  const exact = settings.findIndex((setting) => takes(setting) && isAt(socket, setting, setting.port));
  if (exact !== -1) return exact;
  const anyPort = settings.findIndex(
    (setting) => asksFor(setting) && setting.port === 0 && isAt(socket, setting, socket.port),
  );
  if (anyPort !== -1) return anyPort;
  const handed = `the service manager hands over the socket ${JSON.stringify(socket.name)} at ${addressOf(socket)}`;
  const asking = settings.filter(asksFor).map(settingName);
  if (asking.length > 0) {
    throw coded(
      'ERR_SERVICE_MANAGER',
      new Error(`${handed}, and the listener that asks for it is ${asking.join(' or ')}: give both the same address`),
    );
  }
  throw coded(
    'ERR_SERVICE_MANAGER',
    new Error(
      `${handed}, and no listener is there (${settings.map(settingName).join(', ')}): add one, or take the socket out of the ` +
        'socket unit',
    ),
  );
}

/** @param wanted the port that the socket has to have */
function isAt(socket: InheritedSocket, { kind, address, path }: ListenSetting, wanted: number): boolean {
  if (kind === 'unix') return socket.path.startsWith('/') && realPath(socket.path) === realPath(path);
  if (socket.path !== '' || socket.port !== wanted) return false;
  return address === '*' ? everyAddress.includes(socket.address) : canonical(address) === canonical(socket.address);
}

function addressOf({ address, port, path }: InheritedSocket): string {
  if (address !== '') return joinHostPort(address, port);
  return path === '' ? 'no address' : path;
}

/**
 * Has an app listen on the sockets of its listener. The file of a Unix socket stays as it is: it belongs to the service
 * manager.
 *
 * @param mode octal digits: a Unix socket that more users may connect to is refused
 * @throws Error in one line that says what is wrong with them
 */
export async function listenInherited(
  app: App,
  name: string,
  sockets: readonly InheritedSocket[],
  mode: string,
): Promise<ListenSocket> {
  for (const { path } of sockets) if (path !== '') checkFile(name, path, Number.parseInt(mode, 8));
  const open: ListenSocket[] = [];
  const close = (): void => {
    for (const socket of open) socket.close();
  };
  for (const { descriptor } of sockets) {
    const socket = await app.listenOn(descriptor);
    if (socket !== undefined) open.push(socket);
  }
  if (open.length < sockets.length) {
    close();
    throw coded(
      'ERR_LISTEN',
      new Error(`cannot listen on ${name}: the engine does not take the socket of the service manager`),
    );
  }
  return { port: sockets[0]?.port ?? 0, close };
}

function checkFile(name: string, path: string, wanted: number): void {
  const file: Stats | undefined = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) {
    throw coded(
      'ERR_LISTEN',
      new Error(
        `cannot listen on ${name}: the service manager hands over its socket, but the file is gone; with RuntimeDirectory= ` +
          'in the unit, set RuntimeDirectoryPreserve=yes there, then start the socket unit again',
      ),
    );
  }
  const mode = file.mode & 0o777;
  if ((mode & ~wanted) === 0) return;
  const [given, allowed] = [mode, wanted].map((bits) => `0${bits.toString(8).padStart(3, '0')}`);
  throw coded(
    'ERR_LISTEN',
    new Error(
      `cannot listen on ${name}: its socket has mode ${given}, and the listener ${allowed}: set SocketMode=${allowed} in the ` +
        `socket unit, or ;mode=${given} on the listener`,
    ),
  );
}
