import { defineModule } from '../../module.js';
import { eventCommands } from './commands.js';

/** The commands about events. Loaded always; transports are modules of their own. */
export const eviModule = defineModule({
  name: 'evi',
  load: ({ events }) => ({ commands: eventCommands(events) }),
});
