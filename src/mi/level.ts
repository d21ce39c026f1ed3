/**
 * What a command does to the server, and what a caller may run: `read` tells, `operate` changes what the server
 * serves, `admin` changes the server itself. Each includes those before it.
 */
export type Level = (typeof levels)[number];

export const levels = ['read', 'operate', 'admin'] as const;

/** Whether a text names a level. */
export function isLevel(text: string): text is Level {
  return (levels as readonly string[]).includes(text);
}

/** Whether a caller of level `granted` may do what needs `needed`. An unknown word grants nothing. */
export function includesLevel(granted: string, needed: Level): boolean {
  return levels.indexOf(granted as Level) >= levels.indexOf(needed);
}

/** The lower of two levels. */
export function lowerLevel(one: Level, another: Level): Level {
  return includesLevel(one, another) ? another : one;
}
