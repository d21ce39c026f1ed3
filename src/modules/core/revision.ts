import { readFileSync } from 'node:fs';

/**
 * The source revision that the build recorded, as the member that `version` adds:
 * `{ git: '448fdf959' }`, or `{ unknown: 'unknown' }` for a build from no repository.
 */
export function sourceRevision(): Record<string, string> {
  try {
    const { git } = JSON.parse(readFileSync(new URL('../../revision.json', import.meta.url), 'utf8'));
    if (typeof git === 'string') return { git };
  } catch {
    // Built without a record: answered like an OpenSIPS built from no repository.
  }
  return { unknown: 'unknown' };
}
