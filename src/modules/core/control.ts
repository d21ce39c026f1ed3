import { type Command, command } from '../../mi/command.js';
import { invalidParams } from '../../mi/errors.js';
import type { BuiltInContext } from '../../module.js';
import { embedded } from './embedded.js';
import { processTitle } from './process-title.js';

/** Commands that change how the server runs: kill, log_level. */
export function controlCommands(context: BuiltInContext<object>): readonly Command[] {
  const { facts, log, logLevel } = context;
  return [
    command({
      name: 'kill',
      level: 'admin',
      help: 'Stops the server: what runs is finished first.',
      run: () => {
        if (facts.kill === undefined) throw embedded('core:kill', 'kill');
        // On a later turn, so that the answer leaves before the server stops.
        const { kill } = facts;
        setImmediate(() => {
          try {
            kill();
          } catch (error) {
            log.error({ err: error, command: 'core:kill' }, 'kill failed: the option kill of createServer throws');
          }
        });
        return 'OK';
      },
    }),
    command({
      name: 'log_level',
      level: 'admin',
      help:
        'Tells the log level of each process, or sets it: -3 alert, -2 critical, -1 error, 1 warning, 2 notice, ' +
        '3 info, 4 debug.',
      recipes: [{}, { level: 'int' }, { level: 'int', pid: 'int' }],
      run: ({ level, pid }) => {
        if (level === undefined) {
          const process_ = { PID: process.pid, 'Log level': logLevel.value, Type: processTitle(context) };
          return { Processes: [process_] };
        }
        if (pid !== undefined && pid !== process.pid) throw invalidParams('Bad PID');
        logLevel.value = level;
        return pid === undefined ? { 'New global log level': level } : { 'Log level': level };
      },
    }),
  ];
}
