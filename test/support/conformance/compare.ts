import { standingHeaders } from '../engine.js';
import { comparable, escapeExpression } from './change.js';
import type { ExpectedReply, ExpectedResponse } from './differences.js';
import type { Recording } from './recording.js';
import type { ObservedReply } from './wire.js';

/** The outcome of an exchange: replies, whether the connection was open afterwards, and bytes that came too much. */
export interface Observed {
  readonly replies: readonly ObservedReply[];
  readonly connection: 'open' | 'closed' | 'more bytes followed';
}

/** Every way in which an exchange differs from the expected one; none when it does not. */
export function disagreements(
  expected: readonly ExpectedResponse[],
  { replies, connection }: Observed,
  recording: Recording,
): readonly string[] {
  const wanted = expected.filter((response) => !('none' in response)) as readonly ExpectedReply[];
  const problems: string[] = [];
  if (replies.length !== wanted.length) problems.push(`${replies.length} replies instead of ${wanted.length}`);
  for (const [index, reply] of replies.entries()) {
    const one = wanted[index];
    if (one === undefined)
      problems.push(`unexpected: ${reply.statusLine} ${reply.body.toString('latin1').slice(0, 200)}`);
    else problems.push(...replyProblems(one, reply, recording).map((text) => `reply ${index + 1}: ${text}`));
  }
  const wantedConnection = expected.some(isClosed) ? 'closed' : (wanted.at(-1)?.connection ?? 'open');
  if (recording.volatileConnection !== true && connection !== wantedConnection) {
    problems.push(`connection ${connection} instead of ${wantedConnection}`);
  }
  return problems;
}

/** Without what the engine of Node.js sends with every reply on a connection that stays open. */
function withoutStanding(headers: ObservedReply['headers']): readonly (readonly [string, string])[] {
  return [...headers].filter(([name, value]) => !standingHeaders.includes(name) || value === 'close');
}

function isClosed(response: ExpectedResponse): boolean {
  return 'none' in response && (response.none === 'closed' || response.none === 'idle');
}

function replyProblems(expected: ExpectedReply, reply: ObservedReply, recording: Recording): readonly string[] {
  const problems: string[] = [];
  const compare = (what: string, actual: unknown, wanted: unknown): void => {
    const [is, should] = [JSON.stringify(actual), JSON.stringify(wanted)];
    if (is !== should) problems.push(`${what} ${is} instead of ${should}`);
  };
  if (reply.fault !== undefined) problems.push(reply.fault);
  if (expected.statuses?.includes(reply.status) !== true) compare('status', reply.status, expected.status);
  if (expected.statusLine !== undefined) compare('status line', reply.statusLine, expected.statusLine);
  compare('headers', comparable(withoutStanding(reply.headers)), comparable(Object.entries(expected.headers)));
  compare('interim replies', reply.interim, expected.interim ?? []);
  const body = mask(reply.body.toString('utf8'), recording);
  if (expected.bodyUnfinished === true) problems.push('the recorded stall has no row in the table');
  if (expected.leftOut !== undefined)
    problems.push(`the recorded ${expected.leftOut} is not kept, and no row tells ours: ${body}`);
  else if (expected.bodyPattern !== undefined) {
    if (!new RegExp(expected.bodyPattern, 's').test(body))
      problems.push(`body ${body} does not fit ${expected.bodyPattern}`);
  } else if (expected.bodyBase64 !== undefined) {
    compare('body (base64)', reply.body.toString('base64'), expected.bodyBase64);
  } else {
    const wanted = withoutExpired(mask(expected.body ?? '', recording));
    compare('body', atRecordedTime(withoutExpired(body), wanted), wanted);
  }
  return problems;
}

/** Seconds that a replay may be slower than the recording. */
const mostLate = 30;

const secondsLeft = /("(?:Expires|ttl)":\s*"?)(\d+)\b/g;

/** The body with remaining times as they were when the expected one was recorded, unless it differs by more than a delay. */
function atRecordedTime(body: string, expected: string): string {
  const recorded = [...expected.matchAll(secondsLeft)].map(([, , seconds]) => Number(seconds));
  return body.replace(secondsLeft, (all, member: string, seconds: string) => {
    const before = recorded.shift() ?? 0;
    const late = before - Number(seconds);
    return late > 0 && late <= mostLate ? `${member}${before}` : all;
  });
}

/** Subscriptions are shown as expired in the second in which they end, and not in the next one. */
function withoutExpired(body: string): string {
  const left = body.replace(/\{"name":"\w+","id":\d+,"Subscribers":\[\{[^{}]*"ttl":"expired"\}\]\},?/g, '');
  return left === body ? body : left.replace(/,\]/, ']');
}

const server = /"Server":(\s*)"(?:OpenSIPS|mi-httpd) \([^"]*\)"/;

/** Puts marks where the name of the server is, and where values change from run to run. */
function mask(body: string, { volatileMembers = [] }: Recording): string {
  let masked = body.replace(server, '"Server":$1"{server}"');
  for (const name of volatileMembers) {
    const text = escapeExpression(JSON.stringify(name));
    masked = masked.replace(new RegExp(`(${text}:\\s*)(?:"(?:[^"\\\\]|\\\\.)*"|[-+.\\w]+)`, 'g'), '$1{volatile}');
  }
  return masked;
}
