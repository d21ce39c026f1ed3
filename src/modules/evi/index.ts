import type { MiEvent } from '../../mi/events/event.js';
import { defineBuiltIn } from '../../module.js';
import { eventCommands } from './commands.js';

/** Events of OpenSIPS' core that need thresholds, several processes or SIP connections. */
const foreignEvents = [
  'E_CORE_THRESHOLD',
  'E_CORE_SHM_THRESHOLD',
  'E_CORE_PKG_THRESHOLD',
  'E_CORE_PROC_AUTO_SCALE',
  'E_CORE_TCP_DISCONNECT',
] as const;

/** The commands about events. Loaded always; transports are modules of their own. */
export const eviModule = defineBuiltIn({
  name: 'evi',
  load: ({ events, log }) => {
    events.declareForeign(foreignEvents);
    const told = new Set<MiEvent>();
    const subscribed = (event: MiEvent): void => {
      if (!event.isForeign || told.has(event)) return;
      told.add(event);
      log.warn({ event: event.name }, `somebody subscribed to ${event.name}, which this server never raises`);
    };
    return { commands: eventCommands(events, subscribed) };
  },
});
