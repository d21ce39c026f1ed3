import type { Log } from '../base/log.js';
import { reasonOf } from '../base/text.js';
import { notifyService } from '../native/addon.js';

/** Milliseconds between two requests for more time while the server stops, and how much each asks for. */
const stopInterval = 5_000;
const stopExtension = 2 * stopInterval;

/** Milliseconds; the timers of Node.js take no more than 24 days. */
const longestInterval = 60_000;

/** The service manager that started the process with `Type=notify`, if one did; see sd_notify(3). */
export class ServiceManager {
  readonly #log: Log;
  readonly #watchdog = watchdogTime();
  #socket = process.env.NOTIFY_SOCKET ?? '';
  #timer: NodeJS.Timeout | undefined;

  /** From now on processes that this one starts do not find the manager: they are not its service. */
  constructor(log: Log) {
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
      this.#log.warn({}, `the service manager cannot be told at NOTIFY_SOCKET ${this.#socket}: ${reason}`);
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
