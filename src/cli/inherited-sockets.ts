import { reasonOf } from '../base/text.js';
import type { InheritedSocket } from '../http/listen/inherited.js';
import { listenPlace } from '../native/addon.js';

/** Number of the first descriptor that is handed over. */
const first = 3;

/**
 * Takes the listen sockets that the service manager has opened for this process, see sd_listen_fds(3). Processes that this one
 * starts find none.
 *
 * @throws Error in one line for a descriptor that is no listen socket
 */
export function takeInheritedSockets(): readonly InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = process.env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name];
  if (LISTEN_PID !== String(process.pid)) return [];
  const names = LISTEN_FDNAMES.split(':');
  const count = Number(LISTEN_FDS);
  if (!(Number.isInteger(count) && count >= 0 && count <= mostSockets)) {
    throw new Error(`LISTEN_FDS of the service manager is ${JSON.stringify(LISTEN_FDS)}, not a number of sockets`);
  }
  return Array.from({ length: count }, (_, place) => {
    const [descriptor, name] = [first + place, names[place] || 'unknown'];
    try {
      return { descriptor, name, ...listenPlace(descriptor) };
    } catch (error) {
      throw new Error(
        `the socket ${JSON.stringify(name)} of the service manager, descriptor ${descriptor}, cannot be listened on: ` +
          `${reasonOf(error)}; give it ListenStream= in the socket unit, and no Accept=yes`,
      );
    }
  });
}

/** More than any socket unit has. */
const mostSockets = 1000;
