// What the browser keeps of a session, as long as its window is open.

/** The calls of this session, and the statistics that were looked at. */
export const callsKey = 'mi-history';
export const statisticsKey = 'mi-statistics';

/** Forgets all of it: another user is next. */
export function forgetAll() {
  for (const key of [callsKey, statisticsKey]) sessionStorage.removeItem(key);
}

/** Undefined where nothing is kept, or nothing may be. */
export function readKept(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key)) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(key, value) {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage that is full or switched off costs what it would have kept, nothing else.
  }
}
