// The scenario in which calls are made to fail: one exchange of every sort, each on a connection of its own.
import { setTimeout as delay } from 'node:timers/promises';
import { decode } from '../decode.js';
import { RawClient, type RawResponse } from '../raw-client.js';

/** The bytes that a client sends, piece by piece, and the way it leaves. */
export interface Conversation {
  readonly name: string;
  readonly pieces: readonly string[];
  /** Replies that a client that stays gets; 0: it leaves with a reset. */
  readonly replies: number;
  /** Whether replies are indented. */
  readonly pretty?: true;
  /** Its text tells of the moment, so that two differ. */
  readonly isOfNow?: boolean;
}

function call(method: string, id: number | undefined = 7): string {
  const body = JSON.stringify({ jsonrpc: '2.0', method, id });
  return post('/mi', body);
}

function post(path: string, body: string): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
}

/** The same request with another header. */
function withHeader(request: string, header: string): string {
  return request.replace('\r\n', `\r\n${header}\r\n`);
}

const gzip = 'Accept-Encoding: gzip';
const lines = 'Accept: application/x-ndjson';

/** As it was before it was compressed, which may be cut in other pieces each time. */
function decoded(reply: RawResponse): RawResponse {
  if (reply.headers.get('content-encoding') !== 'gzip') return reply;
  const body = decode('gzip', reply.body);
  return { ...reply, body, text: body.toString('utf8') };
}

/** Requests of every sort in one. */
const batch = `[${[
  '{"jsonrpc":"2.0","method":"part:small","id":1}',
  '{"jsonrpc":"2.0","method":"part:later","id":2}',
  '{"jsonrpc":"2.0","method":"part:small"}',
  '{"jsonrpc":"2.0","method":"part:smal","id":3}',
  '{"jsonrpc":"2.0","method":"part:rows","id":4}',
  '{"jsonrpc":"2.0","method":"part:refuses","id":5}',
  '5',
  '{"jsonrpc":"2.0","method":"part:text","id":"6"}',
].join(',')}]`;

const chunkedHead = 'POST /raw HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n';
const large = 'z'.repeat(3000);

export const conversations: readonly Conversation[] = [
  { name: 'a small call', pieces: [call('part:small')], replies: 1 },
  { name: 'two calls, pipelined', pieces: [call('part:small') + call('part:small', 8)], replies: 2 },
  {
    name: 'a call in pieces',
    pieces: [call('part:small').slice(0, -10), '', call('part:small').slice(-10)],
    replies: 1,
  },
  { name: 'a notification', pieces: [post('/mi', '{"jsonrpc":"2.0","method":"part:small"}')], replies: 1 },
  { name: 'what is no JSON', pieces: [post('/mi', '{"jsonrpc":')], replies: 1 },
  { name: 'an unknown method', pieces: [call('part:smal')], replies: 1 },
  {
    name: 'parameters',
    pieces: [post('/mi', '{"jsonrpc":"2.0","method":"which","params":["pwd"],"id":1}')],
    replies: 1,
  },
  {
    name: 'statistics',
    pieces: [post('/mi', '{"jsonrpc":"2.0","method":"get_statistics","params":[["pending"]],"id":1}')],
    replies: 1,
  },
  { name: 'a long text', pieces: [call('part:text')], replies: 1 },
  { name: 'a stream', pieces: [call('part:rows')], replies: 1 },
  { name: 'a stream that waits', pieces: [call('part:rows_later')], replies: 1 },
  { name: 'dumps of a table', pieces: [call('part:dump')], replies: 1 },
  { name: 'a long text, indented', pieces: [call('part:text')], replies: 1, pretty: true },
  { name: 'a stream that waits, indented', pieces: [call('part:rows_later')], replies: 1, pretty: true },
  { name: 'dumps of a table, indented', pieces: [call('part:dump')], replies: 1, pretty: true },
  { name: 'a batch', pieces: [post('/mi', batch)], replies: 1 },
  { name: 'a batch, indented', pieces: [post('/mi', batch)], replies: 1, pretty: true },
  { name: 'a batch of notifications', pieces: [post('/mi', '[{"jsonrpc":"2.0","method":"part:later"}]')], replies: 1 },
  { name: 'a batch that is none', pieces: [post('/mi', '[{"jsonrpc":')], replies: 1 },
  {
    name: 'a client that leaves a batch',
    pieces: [post('/mi', batch.replace('part:later', 'part:waits'))],
    replies: 0,
  },
  { name: 'an asynchronous call', pieces: [call('part:later')], replies: 1 },
  { name: 'an asynchronous call that fails', pieces: [call('part:refuses')], replies: 1 },
  { name: 'a client that leaves a call', pieces: [call('part:waits')], replies: 0 },
  { name: 'a client that leaves a body', pieces: [call('part:small').slice(0, -5)], replies: 0 },
  { name: 'a client that leaves a stream', pieces: [call('part:rows')], replies: 0 },
  { name: 'a page', pieces: [get('/mi/core')], replies: 1 },
  { name: 'the overview', pieces: [get('/mi')], replies: 1, isOfNow: true },
  { name: 'a page with a result', pieces: [get('/mi/part/part:rows?arg=')], replies: 1 },
  { name: 'a page with a result that waits', pieces: [get('/mi/part/part:rows_later?arg=')], replies: 1 },
  { name: 'a page with an asynchronous result', pieces: [get('/mi/part/part:later?arg=')], replies: 1 },
  { name: 'a result as JSON', pieces: [get('/mi/part/part:dump?arg=&raw=1')], replies: 1 },
  { name: 'the landing page', pieces: [get('/')], replies: 1 },
  { name: 'a path that is not there', pieces: [get('/none')], replies: 1 },
  { name: 'a HEAD', pieces: [get('/raw').replace('GET', 'HEAD')], replies: 1 },
  { name: 'a root of a module', pieces: [post('/raw', large)], replies: 1 },
  { name: 'a chunked body', pieces: [`${chunkedHead}3\r\nabc\r\n`, '0\r\n\r\n'], replies: 1 },
  { name: 'a chunked body that is too large', pieces: [`${chunkedHead}ffff\r\n${'z'.repeat(0xffff)}\r\n`], replies: 1 },
  { name: 'a length that is too large', pieces: [post('/raw', 'z'.repeat(40_000))], replies: 1 },
  { name: 'a flushed body', pieces: [get('/raw/flush')], replies: 1 },
  { name: 'a compressed stream', pieces: [withHeader(call('part:rows'), gzip)], replies: 1 },
  { name: 'a client that leaves a compressed stream', pieces: [withHeader(call('part:rows'), gzip)], replies: 0 },
  { name: 'a compressed held body', pieces: [withHeader(get('/raw/held'), gzip)], replies: 1 },
  { name: 'lines of a stream', pieces: [withHeader(call('part:rows'), lines)], replies: 1 },
  { name: 'lines of a dump, by GET', pieces: [withHeader(get('/mi/part/part:dump?arg='), lines)], replies: 1 },
  { name: 'a client that leaves lines', pieces: [withHeader(call('part:rows_later'), lines)], replies: 0 },
  { name: 'a held body', pieces: [get('/raw/held')], replies: 1 },
];

/** The replies of a conversation, whole ones only, and whether it ended before there were as many as expected. */
export interface Outcome {
  readonly replies: readonly RawResponse[];
  readonly isCut: boolean;
}

const patience = 10_000;

/** Runs a conversation. Throws when the client gets neither its replies nor the end of the connection. */
export async function converse(port: number, { pieces, replies: expected, name }: Conversation): Promise<Outcome> {
  const client = await RawClient.connect(port);
  const overdue = new AbortController();
  const guard = delay(patience, 'overdue', { signal: overdue.signal, ref: false }).catch(() => 'in time');
  const talk = async (): Promise<Outcome> => {
    for (const piece of pieces) {
      client.send(piece);
      await delay(1);
    }
    const replies: RawResponse[] = [];
    try {
      while (replies.length < expected) {
        replies.push(decoded(await client.response(pieces[0]?.startsWith('HEAD'))));
      }
    } catch {
      return { replies, isCut: true };
    }
    return { replies, isCut: false };
  };
  const outcome = await Promise.race([talk(), guard]);
  overdue.abort();
  if (expected === 0) client.kill();
  else client.close();
  await client.closed;
  if (typeof outcome === 'string') throw new Error(`${name}: neither a reply nor the end of the connection`);
  return outcome;
}
