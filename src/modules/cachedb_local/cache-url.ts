const url = /^local:(?:([A-Za-z0-9_.-]{1,64}):)?\/\/\/?([A-Za-z0-9_.-]{0,64})$/;

/** A connection that `cache_*` commands name as their system, and the collection that it leads to. */
export interface CacheUrl {
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

/** Says what is wrong with a URL, or undefined when nothing is. */
export function cacheUrlProblem(text: string): string | undefined {
  return parseCacheUrl(text) === undefined ? 'give local:///COLLECTION or local:GROUP:///COLLECTION' : undefined;
}
