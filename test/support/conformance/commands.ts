import { kindOf, type Recording } from './recording.js';

/** The names of all commands that the recorded JSON-RPC servers list. */
export function commandNames(recordings: readonly Recording[]): readonly string[] {
  const names = recordings.filter(isList).flatMap(({ responses }) => {
    const [reply] = responses;
    if (reply === undefined || 'none' in reply || reply.body === undefined) return [];
    return (JSON.parse(reply.body) as { result: readonly string[] }).result;
  });
  return [...new Set(names)];
}

function isList(recording: Recording): boolean {
  return recording.name === 'cmd.which' && kindOf(recording).rpc === 'which';
}
