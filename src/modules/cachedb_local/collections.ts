const collectionName = /^[A-Za-z0-9_.-]{1,64}$/;
const url = /^local:([A-Za-z0-9_.-]{0,64}):?\/\/\/?(?:[^/]*\/)?([A-Za-z0-9_.-]{0,64})$/;

/** The collection that there is when nothing else is named. */
export const defaultCollection = 'default';

/** Names of collections of a list such as `creds; dlgs=5`; the size of their hash tables means nothing here. */
export function listedCollections(list: string): readonly string[] {
  return parts(list, /;/).map((part) => (part.split(/[=:]/, 1)[0] ?? '').trim());
}

/** Says what is wrong with a list of collections, or undefined when nothing is. */
export function collectionsProblem(list: string): string | undefined {
  const wrong = parts(list, /;/).find((part) => !/^[A-Za-z0-9_.-]{1,64}\s*(?:[=:]\s*\d{1,2})?$/.test(part));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is no collection; give names parted by ";"`;
}

/** A connection that `cache_*` commands name as their system, and the collection that it leads to. */
export interface CacheUrl {
  readonly system: string;
  readonly collection: string;
}

/** Reads `local:///collection` or `local:group:///collection`, several parted by blanks. */
export function listedUrls(list: string): readonly CacheUrl[] {
  return parts(list, /\s/).map((text) => {
    const [, group = '', collection = ''] = url.exec(text) ?? [];
    return {
      system: group === '' ? 'local' : `local:${group}`,
      collection: collection === '' ? defaultCollection : collection,
    };
  });
}

/** Says what is wrong with a list of URLs, or undefined when nothing is. */
export function urlsProblem(list: string): string | undefined {
  const wrong = parts(list, /\s/).find((text) => !url.test(text));
  return wrong === undefined
    ? undefined
    : `${JSON.stringify(wrong)} is neither local:///COLLECTION nor local:GROUP:///COLLECTION`;
}

/** Whether a text can name a collection. */
export function isCollectionName(text: string): boolean {
  return collectionName.test(text);
}

function parts(list: string, separator: RegExp): readonly string[] {
  return list
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
