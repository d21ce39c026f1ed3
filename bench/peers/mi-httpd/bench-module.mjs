// Commands of the benchmark: one that takes its time without taking the processor's, as one that asks a database does, and one that
// takes a long text.
import { setTimeout as pause } from 'node:timers/promises';

export default ({ defineModule, command }) =>
  defineModule({
    name: 'bench',
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
      command({
        name: 'measure',
        help: 'The length of a text.',
        recipes: [{ text: 'string' }],
        run: ({ text }) => text.length,
      }),
    ],
  });
