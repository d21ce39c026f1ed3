import type { Recording } from './recording.js';

/** Ids have as many digits as OpenSIPS keeps. */
const firstId = 700_000_000;

/** Where a limit is not the subject, and not near: the least that is recorded is 1 KiB. */
const smallBody = 600;

/**
 * Recordings as others would have made them: other names of cases, longer ids, and larger bodies. The kind of
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
          .replaceAll('\\"id\\":1}', `\\"id\\":${firstId + index}}`)
          .replaceAll('\\"id\\":\\t1\\n}', `\\"id\\":\\t${firstId + index}\\n}`)
      : text;
    const isGrouped = recording.group !== undefined;
    return enlarged({ ...(JSON.parse(isGrouped ? text : other) as Recording), name: `unseen.${index}` });
  });
}

/** A small body of JSON with blanks within, which mean nothing. */
function enlarged(recording: Recording): Recording {
  const { request } = recording;
  if (!('method' in request) || request.body === undefined || request.body.length > smallBody) return recording;
  if (Object.keys(request.headers ?? {}).some((name) => name.toLowerCase() === 'content-length')) return recording;
  const body = request.body.replace(/("id":\d+)\}$/, (_all, id: string) => `${id}${' '.repeat(300)}}`);
  return { ...recording, request: { ...request, body } };
}
