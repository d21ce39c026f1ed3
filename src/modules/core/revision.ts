import { readFileSync } from 'node:fs';
import { packageFile } from '../../package-files.js';

/**
 * The source revision that the build recorded, as the member that `version` adds:
 * `{ git: '448fdf959' }`, or `{ unknown: 'unknown' }` for a build from no repository.
 */
export function sourceRevision(): Record<string, string> {
  try {
    const { git } = JSON.parse(readFileSync(packageFile('dist/revision.json'), 'utf8'));
    if (typeof git === 'string') return { git };
  } catch {
    // Built without a record: answered like an OpenSIPS built from no repository.
  }
  return { unknown: 'unknown' };
}
