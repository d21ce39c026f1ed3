import type { CodedLog } from '../../base/log.js';
import { shorten } from '../../base/text.js';
import type { Cache, CacheSystems } from '../../mi/cache-systems.js';
import { type Command, shapedCommand as command, type ParameterAbout } from '../../mi/commands/command.js';
import { object, ok, text } from '../../mi/commands/shape.js';
import { invalidParams, MiAnswer, type MiError } from '../../mi/errors.js';

/** The commands about the caches of a thread. */
export function cacheCommands(caches: CacheSystems, log: CodedLog): readonly Command[] {
  /** Runs one operation; whatever fails in it is the error that clients of OpenSIPS know. */
  const on = <T>(system: string, operation: 'store' | 'fetch' | 'remove', run: (cache: Cache) => T | Promise<T>) => {
    const failed = (data: string): MiError => new MiAnswer(500, `Cache ${operation} command failed`, data);
    const refused = (error: unknown): never => {
      if (error instanceof RangeError) throw failed(error.message);
      log.error({ code: 'cache-failed', err: error, system }, `cache ${system} failed to ${operation}`);
      throw failed('the log of the server tells why');
    };
    const cache = caches.find(system);
    if (cache === undefined) throw failed(unknown(system, caches));
    try {
      const result = run(cache);
      return result instanceof Promise ? result.catch(refused) : result;
    } catch (error) {
      return refused(error);
    }
  };
  const systems: ParameterAbout = { help: 'The name of a cache.', suggest: () => caches.names };
  const keys: ParameterAbout = { help: 'The key.' };
  return [
    command({
      name: 'store',
      where: 'anywhere',
      aliases: ['cache_store'],
      help: 'Stores a value under a key (attr) of a cache, such as local, for expire seconds; 0 or none: for good.',
      recipes: [
        { system: 'string', attr: 'string', value: 'string' },
        { system: 'string', attr: 'string', value: 'string', expire: 'int' },
      ],
      parameters: {
        system: systems,
        attr: keys,
        value: { help: 'The value, not empty.' },
        expire: { help: 'Seconds; 0: for good.', default: 0 },
      },
      result: ok,
      run: ({ system, attr, value, expire = 0 }) => {
        check(system, attr);
        if (value === '') throw invalidParams('Empty value');
        if (expire < 0) throw invalidParams('Negative expire value');
        const stored = on(system, 'store', (cache) => cache.store(attr, value, expire));
        return stored instanceof Promise ? stored.then(() => 'OK' as const) : 'OK';
      },
    }),
    command({
      name: 'fetch',
      where: 'anywhere',
      aliases: ['cache_fetch'],
      readOnly: true,
      help: 'Tells the value that a cache has under a key (attr).',
      result: object({ key: text, value: text }),
      recipes: [{ system: 'string', attr: 'string' }],
      parameters: { system: systems, attr: keys },
      run: ({ system, attr }) => {
        check(system, attr);
        const told = (value: string | undefined): { key: string; value: string } => {
          // An empty value is none in OpenSIPS; and a cache in JavaScript may give null.
          if (!value) throw new MiAnswer(400, 'Value not found');
          return { key: attr, value };
        };
        const found = on(system, 'fetch', (cache) => cache.fetch(attr));
        return found instanceof Promise ? found.then(told) : told(found);
      },
    }),
    command({
      name: 'remove',
      where: 'anywhere',
      destructive: true,
      aliases: ['cache_remove'],
      help: 'Removes a key (attr) from a cache; one that is not there is no error.',
      result: ok,
      recipes: [{ system: 'string', attr: 'string' }],
      parameters: { system: systems, attr: keys },
      run: ({ system, attr }) => {
        check(system, attr);
        const removed = on(system, 'remove', (cache) => cache.remove(attr));
        return removed instanceof Promise ? removed.then(() => 'OK' as const) : 'OK';
      },
    }),
  ];
}

function check(system: string, attr: string): void {
  if (system === '') throw invalidParams('Empty memory cache id');
  if (attr === '') throw invalidParams('Empty attribute name');
}

function unknown(system: string, { names }: CacheSystems): string {
  const what = `no cache is named ${JSON.stringify(shorten(system, 64))}`;
  return names.length === 0 ? `${what}; add loadmodule "cachedb_local.so"` : `${what}; there is ${names.join(', ')}`;
}
