import { coded } from '../base/codes.js';
import type { CodedLog } from '../base/log.js';
import { reasonOf } from '../base/text.js';
import type { InheritedSocket } from '../http/listen/inherited.js';
import { listenPlace, notifyService } from '../native/addon.js';

/** Milliseconds between two requests for more time while the server stops, and how much each asks for. */
const stopInterval = 5_000;
const stopExtension = 2 * stopInterval;

/** Milliseconds; the timers of Node.js take no more than 24 days. */
const longestInterval = 60_000;

/** The service manager that started the process with `Type=notify`, if one did; see sd_notify(3). */
export class ServiceManager {
  readonly #log: CodedLog;
  readonly #watchdog = watchdogTime();
  #socket = process.env.NOTIFY_SOCKET ?? '';
  #timer: NodeJS.Timeout | undefined;

  /** From now on processes that this one starts do not find the manager: they are not its service. */
  constructor(log: CodedLog) {
    this.#log = log;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
  }

  /** @param isServing tells whether the server takes requests; while it does not, the watchdog of the manager runs out */
  tellReady(status: string, isServing: () => boolean): void {
    this.#tell('READY=1');
    this.#tellStatus(status);
    if (this.#watchdog === undefined || this.#timer !== undefined) return;
    const feed = (): void => {
      // A turn of the loop lies between a timer and this: what the engine was told of in it has been handled.
      setImmediate(() => {
        if (isServing()) this.#tell('WATCHDOG=1');
      });
    };
    feed();
    this.#repeat(feed, Math.min(this.#watchdog / 2, longestInterval));
  }

  tellReloading(status: string): void {
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    this.#tellStatus(status);
  }

  /** Asks for more time for as long as the loop turns: the time of a stop is limited by its own deadlines. */
  tellStopping(status: string): void {
    this.#tell('STOPPING=1');
    this.#tellStatus(status);
    this.#repeat(() => this.#tell(`EXTEND_TIMEOUT_USEC=${stopExtension * 1000}`), stopInterval);
  }

  #tellStatus(status: string): void {
    this.#tell(`STATUS=${status}`);
  }

  /** Takes the place of what is repeated. */
  #repeat(run: () => void, interval: number): void {
    clearInterval(this.#timer);
    if (this.#socket !== '') this.#timer = setInterval(run, interval).unref();
  }

  #tell(message: string): void {
    if (this.#socket === '') return;
    try {
      notifyService(this.#socket, message);
    } catch (error) {
      const reason = reasonOf(error);
      this.#log.warn(
        { code: 'service-manager-unreachable' },
        `the service manager cannot be told at NOTIFY_SOCKET ${this.#socket}: ${reason}`,
      );
      this.#socket = '';
      clearInterval(this.#timer);
    }
  }
}

/** Milliseconds after which the manager takes the process for hung; undefined where it does not watch this one. */
function watchdogTime(): number | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID: watched = String(process.pid) } = process.env;
  const time = Number(WATCHDOG_USEC) / 1000;
  return time > 0 && watched === String(process.pid) ? time : undefined;
}

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
    throw coded(
      'ERR_SERVICE_MANAGER',
      new Error(`LISTEN_FDS of the service manager is ${JSON.stringify(LISTEN_FDS)}, not a number of sockets`),
    );
  }
  return Array.from({ length: count }, (_, place) => {
    const [descriptor, name] = [first + place, names[place] || 'unknown'];
    try {
      return { descriptor, name, ...listenPlace(descriptor) };
    } catch (error) {
      throw coded(
        'ERR_SERVICE_MANAGER',
        new Error(
          `the socket ${JSON.stringify(name)} of the service manager, descriptor ${descriptor}, cannot be listened on: ` +
            `${reasonOf(error)}; give it ListenStream= in the socket unit, and no Accept=yes`,
        ),
      );
    }
  });
}

/** More than any socket unit has. */
const mostSockets = 1000;
