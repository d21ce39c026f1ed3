// Which engine serves the tests of this process, and where the two answer otherwise. docs/reference/engines.md tells the same.

/** True in the projects whose servers are those of Node.js, see vitest.config.ts. */
export const isNode = process.env.MI_HTTPD_TEST_ENGINE === 'node';

/** Threads that have the listeners in this project, see threads-server.ts; 0: none. */
export const threads = Number(process.env.MI_HTTPD_TEST_THREADS ?? 0);

/** Why tests of what follows a request in the same piece are left out: docs/guide/threads.md#what-is-different. */
export const pipelinesLittle = threads > 0 && 'the engine closes where a reply comes from another thread';

/** The package as it is run on Node.js, see node-command.ts: its files are looked for in the checkout. */
export const nodeDist = 'build/node-dist';

/** Options of servers that processes of tests start. */
export const engineOptions = isNode ? ({ engine: 'node' } as const) : {};

/** One answer that differs. */
interface Difference<Answer> {
  /** What is sent or looked at, as the page of the engines has it. */
  readonly what: string;
  readonly uws: Answer;
  readonly node: Answer;
}

/** Statuses, or what becomes of the connection. */
export const differences = {
  http10: { what: 'HTTP/1.0', uws: 505, node: 200 },
  absoluteForm: { what: 'an absolute target, `GET http://host/path`', uws: 505, node: 200 },
  optionsAll: { what: '`OPTIONS *`', uws: 505, node: 204 },
  connect: { what: '`CONNECT host:80`', uws: 505, node: 405 },
  emptyLine: { what: 'an empty line before the request', uws: 'nothing', node: 200 },
  lowerCaseMethod: { what: 'a method that HTTP does not have, such as `get`', uws: 405, node: 400 },
  emptyLength: { what: '`Content-Length` without a value', uws: 200, node: 400 },
  longLength: { what: '`Content-Length` of 19 digits', uws: 400, node: 413 },
  proxyPreface: { what: 'a preface of the PROXY protocol', uws: 200, node: 400 },
  expectation: { what: 'an expectation other than `100-continue`', uws: 200, node: 417 },
  longBeyondRoom: { what: 'a body in chunks that is too long, and finds no room either', uws: 413, node: 503 },
  trailers: { what: 'trailers behind a chunked body', uws: 505, node: 200 },
  chunkExtension: { what: 'a chunk extension', uws: 'nothing', node: 200 },
  looseChunk: { what: 'a bare line feed or a blank behind the size of a chunk', uws: 200, node: 400 },
  largeChunk: { what: 'a chunk of 2^63 bytes', uws: 400, node: 'nothing' },
  longExtension: { what: 'chunk extensions of 100,000 bytes', uws: 400, node: 413 },
  badLine: { what: 'a request line that is malformed', uws: 505, node: 400 },
  blanks: { what: 'two blanks in the request line', uws: 505, node: 200 },
  noLine: { what: 'more than a head may have, without a request line', uws: 431, node: 400 },
  upgrade: { what: 'the connection after a request for an upgrade', uws: 'open', node: 'closed' },
  badChunk: { what: 'a chunk that does not end where it says', uws: 200, node: 400 },
  chunked: { what: 'the connection after a chunked request', uws: 'closed', node: 'open' },
  pending: { what: 'a request that follows while a reply is pending', uws: 'closed', node: 'served' },
  refusalType: { what: 'the reason of a refusal of the parser', uws: 'a page', node: 'text or JSON' },
} as const satisfies Readonly<Record<string, Difference<number | string>>>;

type Answers = { readonly [Name in keyof typeof differences]: (typeof differences)[Name]['uws' | 'node'] };

/** The answers of the engine that serves these tests. */
export const answers = Object.fromEntries(
  Object.entries(differences).map(([name, { uws, node }]) => [name, isNode ? node : uws]),
) as Answers;

/** The name of the engine, as the server tells it. */
export const engineName = isNode ? /^node:http \d+\.\d+\.\d+$/ : /^uWebSockets\.js 20\.(51|69)\.\d+$/;

/** Headers of every reply on a connection that stays open, which the other engine does not send. */
export const standingHeaders: readonly string[] = isNode ? ['connection', 'keep-alive'] : [];

/** The header Connection of a reply after which the connection stays open. */
export const openConnection = isNode ? 'keep-alive' : undefined;

/** Seconds after which an idle connection is closed, at least and at most, where conn_timeout is 30. */
export const idleSeconds: readonly [least: number, most: number] = isNode ? [29, 36] : [7, 14];
