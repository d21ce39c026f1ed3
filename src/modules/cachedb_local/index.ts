import { coded } from '../../base/codes.js';
import { defineParameters } from '../../config/parameter.js';
import { defineBuiltIn } from '../../module.js';
import { CacheRoom, LocalCache, shareCaches } from './local-cache.js';

const noClustering = { refused: 'caches are not shared with other servers', isShared: true } as const;

/** Parameters of cachedb_local, with the names of OpenSIPS, and the limits. */
const parameters = defineParameters({
  cachedb_url: {
    type: 'list',
    help:
      'a system of the cache commands and its collection, repeated for more: `local:///COLLECTION` or ' +
      '`local:GROUP:///COLLECTION`; without any, `local` is there',
    check: cacheUrlProblem,
  },
  cache_collections: {
    type: 'string',
    default: '',
    help: 'names of collections with the sizes of their hash tables; accepted without effect: URLs name them',
  },
  cache_table_size: {
    type: 'int',
    default: 9,
    min: -2147483648,
    max: 2147483647,
    help: 'size of the hash table (2.x); accepted without effect: tables grow by themselves',
  },
  cache_clean_period: {
    type: 'int',
    default: 600,
    min: 1,
    max: 86400,
    unit: 's',
    help: 'time between two searches for expired entries, which nobody sees from their time on',
  },
  max_entries: {
    type: 'int',
    default: 100000,
    min: 1,
    max: 10000000,
    help: 'entries of all collections together; a further one is refused with 500',
  },
  max_bytes: {
    type: 'int',
    default: 16777216,
    min: 1024,
    max: 2147483647,
    unit: 'bytes',
    help: 'memory of all entries, counted as 2 for each character and 128 for each entry; what goes beyond is refused',
  },
  cluster_id: { type: 'int', help: 'cluster that shares the cache', ...noClustering },
  cluster_persistency: { type: 'string', help: 'where the cache comes from after a restart', ...noClustering },
  enable_restart_persistency: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '0: the cache is gone when the server ends; 1 has no effect but a warning',
    isShared: true,
    check: (value) => (value === 0 ? undefined : 'caches live in memory only, and end with the server'),
  },
});

const url = /^local:(?:([A-Za-z0-9_.-]{1,64}):)?\/\/\/?([A-Za-z0-9_.-]{0,64})$/;

/** A connection that `cache_*` commands name as their system, and the collection that it leads to. */
interface CacheUrl {
  /** `local` or `local:group`. */
  readonly system: string;
  readonly collection: string;
}

/** Reads `local:///collection` or `local:group:///collection`; without a collection it is `default`. */
export function parseCacheUrl(text: string): CacheUrl | undefined {
  const match = url.exec(text);
  if (match === null) return undefined;
  const [, group, collection] = match;
  return {
    system: group === undefined ? 'local' : `local:${group}`,
    collection: collection === undefined || collection === '' ? 'default' : collection,
  };
}

/** The fault of a URL; undefined if there is none. */
export function cacheUrlProblem(text: string): string | undefined {
  return parseCacheUrl(text) === undefined ? 'give local:///COLLECTION or local:GROUP:///COLLECTION' : undefined;
}

/** Caches in the memory of this process: the system `local` of the cache commands. */
export const cachedbLocalModule = defineBuiltIn({
  name: 'cachedb_local',
  parameters,
  load({ parameters: values, caches, mi, log }) {
    const room = new CacheRoom({ maxEntries: values.max_entries, maxBytes: values.max_bytes });
    const collections = new Map<string, LocalCache>();
    const shared = new Map<string, LocalCache>();
    // Of two URLs with one system the last counts, as in OpenSIPS.
    const urls = values.cachedb_url.length === 0 ? ['local://'] : values.cachedb_url;
    const systems = new Map(urls.map((url) => parseCacheUrl(url) ?? fail(url)).map((url) => [url.system, url]));
    for (const { system, collection } of systems.values()) {
      const cache = collections.get(collection) ?? new LocalCache(room);
      collections.set(collection, cache);
      shared.set(system, cache);
      caches.add(system, cache);
    }
    mi.statistics.add('cachedb_local', 'cache_entries', 'computed', () => room.entries, {
      help: 'Entries of all collections, with expired ones that have not been searched for.',
    });
    mi.statistics.add('cachedb_local', 'cache_bytes', 'computed', () => room.bytes, {
      unit: 'bytes',
      help: 'Bytes of all collections, with expired entries that have not been searched for.',
    });
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
      forThreads: () => shareCaches(shared, room),
      start: () => {
        timer = setInterval(() => {
          clean().catch((error: unknown) =>
            log.error({ code: 'cache-expiry-failed', err: error }, 'search for expired cache entries failed'),
          );
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
  throw coded('ERR_CACHE', new Error(`cachedb_url ${JSON.stringify(url)} cannot be read`));
}
