import type { Log } from '../base/log.js';
import { reasonOf } from '../base/text.js';
import { notifyService } from '../native/process.js';

/** The service manager that started the process with `Type=notify`, if one did; see sd_notify(3). */
export class ServiceManager {
  readonly #log: Log;
  #socket = process.env.NOTIFY_SOCKET ?? '';

  constructor(log: Log) {
    this.#log = log;
  }

  tellReady(): void {
    this.#tell('READY=1');
  }

  tellReloading(): void {
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** Nothing is told after it. */
  tellStopping(): void {
    this.#tell('STOPPING=1');
    this.#socket = '';
  }

  #tell(message: string): void {
    if (this.#socket === '') return;
    try {
      notifyService(this.#socket, message);
    } catch (error) {
      const reason = reasonOf(error);
      this.#log.warn({}, `the service manager cannot be told at NOTIFY_SOCKET ${this.#socket}: ${reason}`);
      this.#socket = '';
    }
  }
}
