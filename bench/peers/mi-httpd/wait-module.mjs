// A command that takes its time without taking the processor's, as one that asks a database does.
import { setTimeout as pause } from 'node:timers/promises';

export default ({ defineModule, command }) =>
  defineModule({
    name: 'wait',
    commands: [
      command({
        name: 'wait',
        help: 'Answers after some milliseconds.',
        recipes: [{ milliseconds: 'int' }],
        run: async ({ milliseconds }, call) => {
          await pause(milliseconds, undefined, { signal: call.signal });
          return 'OK';
        },
      }),
    ],
  });
