// The commands about caches in a thread that has listeners: over the caches that home shares. Others are JavaScript at home.
import { CacheSystems } from '../../mi/cache-systems.js';
import { openCaches } from '../cachedb_local/local-cache.js';
import { type CommandsHere, only } from '../here.js';
import { cacheCommands } from './commands.js';

export const cacheHere: CommandsHere = ({ log, given }) => {
  const caches = new CacheSystems();
  for (const [system, cache] of openCaches(given.cachedb_local)) caches.add(system, cache);
  return cacheCommands(caches, log).map((command) => ({
    command,
    takes: (parameters) => {
      const system = only(parameters, 'system');
      return typeof system === 'string' && caches.find(system) !== undefined;
    },
  }));
};
