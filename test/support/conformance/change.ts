import { isNode } from '../engine.js';
import type { Expectation, ExpectedReply, ExpectedResponse } from './differences.js';

/** Framing is not compared as it is written: the body that comes out of it is. See the normalisations of the table. */
const uncompared: ReadonlySet<string> = new Set([
  'date',
  'content-length',
  'transfer-encoding',
  'x-content-type-options',
  'strict-transport-security',
  'vary',
]);

/** Headers as they are compared: without those that cannot be, names in lower case, in alphabetical order. */
export function comparable(headers: Iterable<readonly [string, string]>): Record<string, string> {
  const lower = [...headers].map(([name, value]) => [name.toLowerCase(), value] as const);
  return Object.fromEntries(lower.filter(([name]) => !uncompared.has(name)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The expectation as a difference changes it, which is about the first request where there are several. */
export function change(expected: readonly ExpectedResponse[], by: Expectation): readonly ExpectedResponse[] {
  if (by.responses !== undefined) return by.responses;
  return expected.map((response, index) => (index === 0 ? changed(response, by) : response));
}

function changed(response: ExpectedResponse, by: Expectation): ExpectedResponse {
  if ('none' in response && Object.keys(by).length === 0) return response;
  if (by.engineRefusal !== undefined) return refusedByEngine(by.engineRefusal, by.headers);
  if (by.page !== undefined) return changed(response, withPage(by, by.page));
  if (by.refusal !== undefined) return changed(response, withRefusal(by, by.refusal));
  const reply = 'none' in response ? { status: 0, headers: {}, connection: 'open' } : response;
  const { leftOut, bodyBase64, bodyPattern, bodyUnfinished, statusLine, body: _, ...kept } = reply as ExpectedReply;
  const body = bodyAfter(reply, by);
  const headers = Object.entries({ ...reply.headers, ...lowerKeys(by.headers) }).filter(([, value]) => value !== null);
  return {
    ...kept,
    ...(body === undefined && bodyBase64 !== undefined ? { bodyBase64 } : {}),
    ...(body === undefined && leftOut !== undefined ? { leftOut } : {}),
    ...(body === undefined && bodyPattern !== undefined ? { bodyPattern } : {}),
    ...((by.status ?? reply.status) === reply.status && statusLine !== undefined ? { statusLine } : {}),
    status: by.status ?? reply.status,
    headers: comparable(headers as [string, string][]),
    ...body,
    ...(by.connection === undefined ? {} : { connection: by.connection }),
  };
}

/** Headers of all pages. */
const pageHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Content-Type': 'text/html; charset=utf-8',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'same-origin',
};

function withPage({ page: _, ...by }: Expectation, title: string): Expectation {
  const bodyPattern = `^<!doctype html>\\n.*<title>[^<]*: ${title} - OpenSIPS Management Interface</title>.*</html>\\n$`;
  return { connection: 'open', bodyPattern, ...by, headers: { Connection: null, ...pageHeaders, ...by.headers } };
}

function withRefusal({ refusal: _, ...by }: Expectation, data: string): Expectation {
  const error = { code: -32600, message: 'Invalid Request', data };
  const body = JSON.stringify({ jsonrpc: '2.0', error, id: null });
  const headers = { Connection: null, 'Content-Type': 'application/json', ...by.headers };
  return { connection: 'open', body, ...by, headers };
}

/** Its page, or of Node.js the reason as text or JSON. */
const engineReason = isNode
  ? '^(?:\\{"jsonrpc":"2\\.0","error":\\{"code":-32600,"message":"Invalid Request","data":"[^"].*"\\},"id":null\\}|[^<{\\n]+\\n)$'
  : '^<h1>[^<]+</h1>.*<i>uWebSockets/\\d+ Server</i>$';

function refusedByEngine(statuses: readonly number[], headers: Expectation['headers']): ExpectedReply {
  const all = Object.entries({ connection: 'close', ...lowerKeys(headers) }) as [string, string][];
  const of = { headers: comparable(all), bodyPattern: engineReason, connection: 'closed' } as const;
  return { status: statuses[0] ?? 400, statuses, ...of };
}

function lowerKeys(headers: Expectation['headers']): Readonly<Record<string, string | null>> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

function bodyAfter(reply: ExpectedReply, by: Expectation): Pick<ExpectedReply, 'body' | 'bodyPattern'> | undefined {
  if (by.body !== undefined) return { body: by.body };
  if (by.bodyPattern !== undefined) return { bodyPattern: by.bodyPattern };
  let body = reply.body;
  const id = by.id ?? /"id":\s*("(?:[^"\\]|\\.)*"|[^"{}]*)\s*\}$/.exec(body ?? '')?.[1] ?? 'null';
  const [member, value] = by.error === undefined ? ['result', by.result] : ['error', JSON.stringify(by.error)];
  if (value !== undefined) {
    const text = `{"jsonrpc":"2.0","${member}":${value},"id":${id}}`;
    body = body?.startsWith('{\n') === true ? indented(text) : text;
  }
  if (body === undefined) return undefined;
  if (by.id !== undefined)
    body = body.replace(
      /("id":\s*)(?:"(?:[^"\\]|\\.)*"|[^"{}\s]*)(\s*\})$/,
      (_all, start, end) => `${start}${by.id}${end}`,
    );
  for (const [pattern, replacement] of by.replace ?? []) body = body.replace(new RegExp(pattern, 'g'), replacement);
  if (by.data !== undefined) body = withData(body, JSON.stringify(by.data));
  const { dataSuffixPattern } = by;
  const dataPattern =
    dataSuffixPattern === undefined ? by.dataPattern : escapeExpression(dataOf(body)) + dataSuffixPattern;
  if (dataPattern === undefined) return { body };
  const mark = '\u0000';
  return { bodyPattern: `^${escapeExpression(withData(body, mark)).replace(mark, () => `"${dataPattern}"`)}$` };
}

/** JSON in the style of `pretty_printing`. */
function indented(text: string): string {
  const open: string[] = [];
  const line = (): string => `\n${'\t'.repeat(open.length)}`;
  const printed = (token: string): string => {
    if (token === '[' || token === '{') open.push(token);
    if (token === '{') return `{${line()}`;
    if (token === ',') return open.at(-1) === '{' ? `,${line()}` : ', ';
    if (token === ':') return ':\t';
    return (token === ']' || token === '}') && open.pop() === '{' ? `${line()}}` : token;
  };
  return text.replace(/"(?:[^"\\]|\\.)*"|[[\]{}:,]/g, printed);
}

/** As it is written, without the quotes. */
function dataOf(body: string): string {
  return /"data":\s*"((?:[^"\\]|\\.)*)"/.exec(body)?.[1] ?? '';
}

export function escapeExpression(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Puts `data` where the printer of the original puts it: behind the message, in its style. */
function withData(body: string, data: string): string {
  if (/"data":/.test(body)) return body.replace(/("data":\s*)"(?:[^"\\]|\\.)*"/, (_all, start) => `${start}${data}`);
  return body.replace(
    /(\s*)("message":(\s*)"(?:[^"\\]|\\.)*")/,
    (all, before, _member, blank) => `${all},${before}"data":${blank}${data}`,
  );
}
