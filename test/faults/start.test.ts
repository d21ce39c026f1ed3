// The n-th call of the addon fails while a server is made and started: it says so, and leaves nothing behind.

import { assert, test } from 'vitest';
import { reaches, settled } from '../support/at-rest.js';
import { faults, InjectedFault } from '../support/faults/seams.js';

// Loaded now, behind the seams.
const { createServer } = await import('#src/index.js');
const { faultyModule } = await import('../support/faults/faulty-module.js');

const nothing = (): void => {};
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

for (const kind of ['native', 'timer'] as const) {
  test(`when one call of kind ${kind} fails, a server does not start, or as if nothing had failed`, async () => {
    const run = async (): Promise<void> => {
      const httpd = { ip: '127.0.0.1', port: 0 };
      const server = createServer({ httpd, log, usrloc: {}, modules: [faultyModule()] });
      await server.start();
      await server.close({ deadline: 0 });
    };
    await run();
    const before = await settled();
    faults.arm(kind, 0);
    await run();
    const calls = faults.seen;
    faults.disarm();
    await reaches(before);
    const step = Math.max(1, Math.floor(calls / 100));
    for (let n = 1; n <= calls; n += step) {
      faults.arm(kind, n);
      const { failed } = faults;
      try {
        await run();
      } catch (error) {
        assert(error instanceof InjectedFault, `${kind} ${n} (${failed}): ${error}`);
      }
      faults.disarm();
      await reaches(before);
    }
  });
}
