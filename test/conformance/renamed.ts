import type { Recording } from './recording.js';

/**
 * Recordings as others would have made them: other names of cases, ids, and versions of texts within them. The kind of
 * each exchange stays; a row that knows it by its name or by its bytes misses it.
 */
export function renamed(recordings: readonly Recording[]): readonly Recording[] {
  return recordings.map((recording, index) => {
    const text = JSON.stringify(recording);
    // Only plain requests: in others lengths and pieces are part of what is recorded.
    const { request } = recording;
    const isPlain = 'method' in request && request.body?.endsWith('"id":1}') === true;
    const other = isPlain
      ? text
          .replaceAll('\\"id\\":1}', `\\"id\\":${7000 + index}}`)
          .replaceAll('\\"id\\":\\t1\\n}', `\\"id\\":\\t${7000 + index}\\n}`)
      : text;
    const isGrouped = recording.group !== undefined;
    return { ...(JSON.parse(isGrouped ? text : other) as Recording), name: `unseen.${index}` };
  });
}
