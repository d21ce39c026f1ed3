import { sourceRevision } from '#src/modules/core/anywhere.js';
import { isNode } from '../engine.js';
import { change, comparable, escapeExpression } from './change.js';
import type { Difference, DifferenceTable, Expectation, ExpectedResponse } from './differences.js';
import { concerns } from './match.js';
import { type RecordedResponse, type Recording, type RequestKind, requestsOf } from './recording.js';

/** The outcome that an exchange has to have, and the differences that lead to it. */
export interface Judged {
  readonly expected: readonly ExpectedResponse[];
  readonly applied: readonly Difference[];
}

/** Applies every difference that concerns an exchange, in the order of the table, to the recorded replies. */
export function judge(recording: Recording, table: DifferenceTable): Judged {
  let expected: readonly ExpectedResponse[] = recording.responses.map(asExpected);
  const applied: Difference[] = [];
  for (const difference of table.differences) {
    if (!(difference.match ?? []).some((match) => concerns(match, recording, table))) continue;
    const before = JSON.stringify(expected);
    const { kinds = [], node = [] } = difference;
    const of = (list: NonNullable<Difference['node']>): readonly Expectation[] =>
      list
        .filter(({ match }) => match?.some((one) => concerns(one, recording, table)) ?? true)
        .map(({ expect }) => expect);
    const special = caseOf(difference, recording) ?? difference.unseen;
    for (const expectation of [difference.expect, ...of(kinds), special, ...(isNode ? of(node) : [])]) {
      if (expectation !== undefined) expected = apply(expectation, expected, recording, table);
    }
    if (JSON.stringify(expected) !== before) applied.push(difference);
  }
  return { expected, applied };
}

function apply(
  { recorded, completed, idle, following, ...expectation }: Expectation,
  expected: readonly ExpectedResponse[],
  recording: Recording,
  table: DifferenceTable,
): readonly ExpectedResponse[] {
  if (recorded === true) return recording.responses.map(asExpected);
  const [first, ...others] = requestsOf(recording);
  const fillFor = (one: Expectation, request: RequestKind | undefined): Expectation =>
    request === undefined ? one : fill(one, request, recording, table);
  const changed = change(expected, fillFor(expectation, first));
  const replies = changed.filter((response) => !('none' in response));
  if (idle === true) return [...replies, { none: 'idle' }];
  if (following !== undefined) {
    const unanswered = others.slice(Math.max(0, replies.length - 1));
    return [...replies, ...unanswered.flatMap((one) => change([{ none: 'silent' }], fillFor(following, one)))];
  }
  if (completed !== true) return changed;
  return changed.map((response) => ({ ...response, after: [[' ', first?.missing ?? 0]] }));
}

function caseOf({ cases = {} }: Difference, { version, name }: Recording): Expectation | undefined {
  return cases[`${version} ${name}`] ?? cases[name];
}

function asExpected(response: RecordedResponse): ExpectedResponse {
  if ('none' in response) return response;
  const { status, statusLine, headers, body, bodyBase64, leftOut, interim, connection, bodyUnfinished } = response;
  return {
    status,
    statusLine,
    headers: comparable(Object.entries(headers)),
    ...(body === undefined ? {} : { body }),
    ...(bodyBase64 === undefined ? {} : { bodyBase64 }),
    ...(leftOut === undefined ? {} : { leftOut }),
    ...(interim === undefined ? {} : { interim }),
    ...(connection === undefined ? {} : { connection }),
    ...(bodyUnfinished === undefined ? {} : { bodyUnfinished }),
  };
}

/** The values that our process tells of itself: `{cwd}`, and as JSON `{argv}` and `{revision}`. */
const ownValues = {
  cwd: process.cwd(),
  argv: JSON.stringify(process.argv),
  revision: JSON.stringify(sourceRevision()).slice(1, -1),
};

function fill(
  { served, ...expectation }: Expectation,
  request: RequestKind,
  recording: Recording,
  table: DifferenceTable,
): Expectation {
  const { http, target, type, length, id, rpc, params } = request;
  const path = target.replace(/\?.*$/s, '');
  const { cwd, argv, revision } = ownValues;
  const values = {
    cwd,
    argv,
    revision,
    http,
    rpc: rpc ?? '',
    path,
    type,
    length: String(length),
    id,
    param1: String(params[0]),
    param2: String(params[1]),
    module: rpc?.replace(/:.*$/s, '') ?? path.split('/')[2] ?? '',
  };
  const aors = aorsOf(recording);
  const accepted = table.accepted[rpc ?? ''];
  const acceptedPattern = accepted === undefined ? '\\w+ accepts \\(.*' : escapeExpression(accepted);
  const filled = Object.entries(expectation).map(([key, value]) => {
    const isPattern = key.endsWith('Pattern');
    let text = JSON.stringify(value);
    if (isPattern) {
      const each = aors.map((aor) => `(?=.*"AOR":\\s*${escapeExpression(aor)})`).join('');
      text = text
        .replaceAll('{aors}', () => JSON.stringify(each).slice(1, -1))
        .replaceAll('{aorCount}', String(aors.length))
        .replaceAll('{accepted}', () => JSON.stringify(acceptedPattern).slice(1, -1));
    }
    for (const [name, replacement] of Object.entries(values)) {
      const inJson = key === 'dataPattern' ? JSON.stringify(replacement).slice(1, -1) : replacement;
      const escaped = isPattern ? escapeExpression(inJson) : replacement;
      text = text.replaceAll(`{${name}}`, () => JSON.stringify(escaped).slice(1, -1));
    }
    return [key, JSON.parse(text)];
  });
  const rest = { ...(Object.fromEntries(filled) as Expectation), ...refusalHeaders(expectation, request) };
  if (served !== true) return rest;
  const reply = servedReply(request);
  return { ...reply, ...rest, headers: { ...reply.headers, ...rest.headers } };
}

/** What the engine of Node.js refuses has the form of any other refusal. */
function refusalHeaders({ engineRefusal }: Expectation, { wantsJson }: RequestKind): Pick<Expectation, 'headers'> {
  if (!isNode || engineRefusal === undefined) return {};
  return { headers: { 'Content-Type': wantsJson ? 'application/json' : 'text/plain; charset=utf-8' } };
}

function servedReply({ rpc = '', params, id }: RequestKind): Expectation {
  const isVersion = /^(core:)?version$/.test(rpc) && params.length === 0;
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json', Connection: null },
    connection: 'open',
    ...(isVersion
      ? { body: `{"jsonrpc":"2.0","result":{"Server":"{server}"},"id":${id}}` }
      : { bodyPattern: `^\\{"jsonrpc":"2\\.0","(result|error)":.*,"id":${escapeExpression(id)}\\}$` }),
  };
}

/** The addresses of record that the recorded body lists, as they are written. */
function aorsOf({ responses: [response] }: Recording): readonly string[] {
  const body = response === undefined || 'none' in response ? '' : (response.body ?? '');
  return [...body.matchAll(/"AOR":\s*("(?:[^"\\]|\\.)*")/g)].map(([, aor = '']) => aor);
}
