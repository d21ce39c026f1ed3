import { escapeExpression } from './change.js';
import type { DifferenceTable, Match } from './differences.js';
import { isRequest, kindOf, type RecordedReply, type Recording, requestsOf } from './recording.js';

/** Whether a difference that is given by `match` concerns an exchange. */
export function concerns(match: Match, recording: Recording, table: DifferenceTable): boolean {
  const [response] = recording.responses;
  const reply = response === undefined || 'none' in response ? undefined : response;
  const none = response !== undefined && 'none' in response ? response.none : undefined;
  const kind = kindOf(recording);
  const { http, rpc } = kind;
  const holds = <T>(wanted: T | undefined, test: (wanted: T) => boolean): boolean =>
    wanted === undefined || test(wanted);
  return (
    holds(match.versions, (versions) => versions.includes(recording.version)) &&
    holds(match.interfaces, (interfaces) => interfaces.includes(recording.interface)) &&
    holds(match.configs, (configs) => configs.includes(recording.config)) &&
    holds(match.http, (methods) => methods.includes(http)) &&
    holds(match.rpc, (methods) => rpc !== undefined && methods.some((method) => isMethod(method, rpc, table))) &&
    holds(match.request, (pattern) => new RegExp(pattern).test(kind.head + kind.sent.toString('latin1', 0, 4096))) &&
    holds(match.head, (pattern) => new RegExp(pattern).test(kind.head)) &&
    holds(match.target, (pattern) => new RegExp(pattern).test(kind.target)) &&
    holds(match.type, (pattern) => new RegExp(pattern).test(kind.type)) &&
    holds(match.wantsJson, (is) => kind.wantsJson === is) &&
    holds(match.id, (pattern) => new RegExp(pattern).test(kind.id)) &&
    holds(match.headWhole, (is) => kind.isHeadWhole === is) &&
    holds(match.bodyWhole, (is) => (kind.missing === 0) === is) &&
    holds(match.followedBy, (what) => followedBy(recording) === what) &&
    holds(match.answered, (which) => answered(recording) === which) &&
    holds(match.json, (wanted) => wanted.includes(kind.json)) &&
    holds(match.deeper, (levels) => kind.depth > levels) &&
    holds(match.longer, (bytes) => kind.length > bytes) &&
    holds(match.notLonger, (bytes) => kind.length <= bytes) &&
    holds(match.not, (others) => !others.some((other) => concerns(other, recording, table))) &&
    holds(match.status, (statuses) => reply !== undefined && statuses.includes(reply.status)) &&
    holds(match.none, (kinds) => none !== undefined && kinds.includes(none)) &&
    holds(match.body, (pattern) => reply !== undefined && new RegExp(pattern).test(textOf(reply))) &&
    holds(match.bodyUnfinished, (is) => (reply?.bodyUnfinished ?? false) === is) &&
    holds(match.leftOut, (kinds) => reply?.leftOut !== undefined && kinds.includes(reply.leftOut)) &&
    holds(match.closes, (is) => (reply !== undefined && /close/i.test(reply.headers.Connection ?? '')) === is)
  );
}

/** The kind of the bytes behind the first request. */
function followedBy(recording: Recording): NonNullable<Match['followedBy']> {
  const { next } = kindOf(recording);
  if (next === undefined) return 'nothing';
  return isRequest(next) ? 'request' : 'text';
}

/** Which of the requests were answered, and whether a wait for something more was in vain. */
function answered(recording: Recording): Match['answered'] {
  const replies = recording.responses.filter((response) => !('none' in response)).length;
  if (replies < requestsOf(recording).length) return 'less';
  return replies < recording.responses.length ? 'then nothing' : 'all';
}

function textOf({ body, bodyBase64 = '' }: RecordedReply): string {
  return body ?? Buffer.from(bodyBase64, 'base64').toString('latin1');
}

function isMethod(pattern: string, method: string, { sipCommands }: DifferenceTable): boolean {
  if (pattern === 'sip') return Object.values(sipCommands).some((names) => names.includes(method));
  return fits(pattern, method);
}

/** Whether a text fits `pattern`, in which `*` stands for anything. */
function fits(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map(escapeExpression);
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}
