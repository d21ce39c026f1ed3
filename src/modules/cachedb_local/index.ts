import { defineBuiltIn } from '../../module.js';
import { LocalCache, type Room } from './local-cache.js';
import { parameters, parseCacheUrl } from './parameters.js';

/** Caches in the memory of this process: the system `local` of the cache commands. */
export const cachedbLocalModule = defineBuiltIn({
  name: 'cachedb_local',
  parameters,
  load({ parameters: values, caches, mi, log }) {
    const room: Room = { maxEntries: values.max_entries, maxBytes: values.max_bytes, entries: 0, bytes: 0 };
    const collections = new Map<string, LocalCache>();
    // Of two URLs with one system the last counts, as in OpenSIPS.
    const urls = values.cachedb_url.length === 0 ? ['local://'] : values.cachedb_url;
    const systems = new Map(urls.map((url) => parseCacheUrl(url) ?? fail(url)).map((url) => [url.system, url]));
    for (const { system, collection } of systems.values()) {
      const cache = collections.get(collection) ?? new LocalCache(room);
      collections.set(collection, cache);
      caches.add(system, cache);
    }
    mi.statistics.add('cachedb_local', 'cache_entries', 'computed', () => room.entries);
    mi.statistics.add('cachedb_local', 'cache_bytes', 'computed', () => room.bytes);
    const stopped = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    let isCleaning = false;
    const clean = async (): Promise<void> => {
      if (isCleaning) return;
      isCleaning = true;
      try {
        for (const cache of collections.values()) if (!stopped.signal.aborted) await cache.clean(stopped.signal);
      } finally {
        isCleaning = false;
      }
    };
    return {
      start: () => {
        timer = setInterval(() => {
          clean().catch((error: unknown) => log.error({ err: error }, 'search for expired cache entries failed'));
        }, values.cache_clean_period * 1000);
        // A cache in memory is no reason for a process to stay.
        timer.unref();
      },
      stop: () => {
        clearInterval(timer);
        stopped.abort();
      },
    };
  },
});

/** Checked before, with the parameters. */
function fail(url: string): never {
  throw new Error(`cachedb_url ${JSON.stringify(url)} cannot be read`);
}
