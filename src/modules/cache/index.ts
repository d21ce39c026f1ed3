import { defineBuiltIn } from '../../module.js';
import { cacheCommands } from './commands.js';

/** The commands about caches. Loaded always; the caches are those of other modules. */
export const cacheModule = defineBuiltIn({
  name: 'cache',
  load: ({ caches, log }) => ({ commands: cacheCommands(caches, log) }),
});
