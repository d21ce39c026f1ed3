import { coded } from '../base/codes.js';
import { aFunction, checkGiven, checkParts, type Members, required, type Wanted } from '../base/given.js';

/** A cache of texts by key, as the `cache_*` commands use it. Each may answer by a promise. */
export interface Cache {
  /** @param expire seconds from now; 0: never */
  store(key: string, value: string, expire: number): void | Promise<void>;
  /** @returns undefined when the key is not there */
  fetch(key: string): string | undefined | Promise<string | undefined>;
  /** A key that is not there is no error. */
  remove(key: string): void | Promise<void>;
}

const aSystem: Wanted = {
  text: "a text that is not empty, such as 'mine' or 'mine:group'",
  is: (value) => typeof value === 'string' && value !== '',
};

const cacheMembers: Members<Cache> = {
  store: required(aFunction),
  fetch: required(aFunction),
  remove: required(aFunction),
};

/** The caches of a server by the names of their connections: `local`, `local:group`. */
export class CacheSystems {
  readonly #caches = new Map<string, Cache>();

  /** @throws TypeError for a name or a cache that is none; Error when the name is taken */
  add(system: string, cache: Cache): void {
    checkGiven('name of a cache', system, aSystem);
    checkParts(`cache ${system}`, cache, cacheMembers);
    if (this.#caches.has(system))
      throw coded('ERR_MODULE', new Error(`two caches are named ${system}; give one another group`));
    this.#caches.set(system, cache);
  }

  find(system: string): Cache | undefined {
    return this.#caches.get(system);
  }

  get names(): readonly string[] {
    return [...this.#caches.keys()];
  }
}
