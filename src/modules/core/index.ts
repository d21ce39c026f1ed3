import { defineBuiltIn } from '../../module.js';
import { controlCommands } from './control.js';
import { informationCommands } from './information.js';
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
