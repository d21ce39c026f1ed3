import { type Command, command } from '../../mi/commands/command.js';
import { invalidParams } from '../../mi/errors.js';
import { type BuiltInContext, defineBuiltIn } from '../../module.js';
import { embedded, informationCommands, processTitle } from './information.js';
import { logConsumerCommands, raiseLogLines } from './log-consumers.js';
import { reflectionCommands } from './reflection.js';

/** The commands and statistics that every server has. Loaded always. */
export const coreModule = defineBuiltIn({
  name: 'core',
  load(context) {
    const { mi, facts, logConsumers } = context;
    mi.statistics.add('core', 'timestamp', 'computed', () => facts.upTime());
    mi.statistics.add('core', 'log_dropped', 'computed', () => logConsumers.dropped);
    return {
      commands: [
        ...informationCommands(context),
        ...reflectionCommands(context),
        ...controlCommands(context),
        ...logConsumerCommands(context),
      ],
      // After all modules have declared theirs: it is the last one of OpenSIPS.
      start: () => raiseLogLines(context),
    };
  },
});

/** Commands that change how the server runs: kill, log_level. */
function controlCommands(context: BuiltInContext<object>): readonly Command[] {
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
