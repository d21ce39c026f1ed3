import { chmodSync, lstatSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { tryFolder } from '../real-path.js';
import type { UwsApp, UwsListenSocket } from './engine.js';
import type { ListenSocket } from './tcp-socket.js';

/** Owner and group may connect. */
const defaultMode = '0660';

/**
 * Listens on a Unix socket. A file that a server has left behind is replaced; one that is in use is not.
 *
 * @param mode octal digits: who may connect is who may write
 * @throws Error in one line naming the path and the reason
 */
export async function listenUnix(app: UwsApp, path: string, mode = defaultMode): Promise<ListenSocket> {
  tryUnix(path);
  if (statusOf(path) !== undefined) {
    if (await isLive(path)) {
      throw cannotListenAt(path, 'a server listens there; stop it, or choose another path', 'EADDRINUSE');
    }
    // The file may be gone meanwhile, by whoever cleans up.
    if (statusOf(path) !== undefined) remove(path);
  }
  let socket: UwsListenSocket | false = false;
  // The callback runs before this returns. The file is for its owner alone until its mode is set.
  app.listen_unix((opened) => {
    socket = opened;
  }, path);
  if (socket === false) throw noPermission(path);
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
  return { socket, port: 0, removeFile };
}

/**
 * Finds out whether a socket could be made there. A server that listens there already is left alone.
 * @throws Error in one line naming the path and the reason
 */
export function tryUnix(path: string): void {
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

/** Whether somebody takes connections there. A full queue, or a socket that this user may not use, is somebody too. */
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
  const error: NodeJS.ErrnoException = new Error(`cannot listen on unix:${path}: ${reason} (${code})`);
  error.code = code;
  return error;
}
