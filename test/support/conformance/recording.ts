import { readdirSync, readFileSync } from 'node:fs';

/** Text to be sent: as it is, or pieces with how often each is repeated. Latin-1 in raw requests, else UTF-8. */
export type Repeated = string | readonly (readonly [text: string, times: number])[];

/** The request of the client: parts to be put together, the bytes of one write, or those of several. */
export type RecordedRequest =
  | {
      readonly method: string;
      readonly path: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly bodyBase64?: string;
      readonly bodyParts?: Repeated;
    }
  | { readonly raw: Repeated }
  | { readonly segments: readonly Repeated[] };

/** A reply that the original gave, or how it gave none. */
export type RecordedResponse = RecordedReply | RecordedSilence;

export interface RecordedReply {
  readonly status: number;
  readonly statusLine: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyBase64?: string;
  /** The kind of a body that is not kept here: the pages, metrics and very long dumps of the original. */
  readonly leftOut?: 'page' | 'metrics' | 'long';
  /** Status lines of 1xx that came before. */
  readonly interim?: readonly string[];
  /** Whether the connection was open some time after the reply. */
  readonly connection?: 'open' | 'closed' | 'more bytes followed';
  /** The head came at once, the end of the body only when another client came. */
  readonly bodyUnfinished?: boolean;
  readonly bodyUntilClose?: boolean;
}

interface RecordedSilence {
  /** The connection was closed, or stayed open, without a reply; or the server ended. */
  readonly none: 'closed' | 'silent' | 'crashed';
}

/** One exchange with the original, as it was on the wire. */
export interface Recording {
  readonly file: string;
  readonly name: string;
  readonly version: '2.4' | '3.4' | '4.0';
  readonly interface: 'mi_http' | 'mi_html' | 'mi_json' | 'httpd' | 'prometheus';
  /** Names the module parameters that differ from the usual ones; servers.ts has them. */
  readonly config: string;
  /** Exchanges of a group leave traces for one another; they are replayed in order on one server. */
  readonly group?: string;
  readonly overTls?: boolean;
  /** Sent as plain bytes to the TLS port. */
  readonly plainTcp?: boolean;
  readonly request: RecordedRequest;
  readonly responses: readonly RecordedResponse[];
  /** Members whose values change from run to run. */
  readonly volatileMembers?: readonly string[];
  /** Whether the connection stays open changes from run to run. */
  readonly volatileConnection?: boolean;
}

/** Every exchange that was recorded, in the order of the files. */
export function readRecordings(directory = 'test/conformance/data'): readonly Recording[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.jsonl'))
    .sort()
    .flatMap((file) =>
      readFileSync(`${directory}/${file}`, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => ({ ...(JSON.parse(line) as Omit<Recording, 'file'>), file })),
    );
}

/** The bytes of each write. */
export function writesOf(request: RecordedRequest): readonly Buffer[] {
  if ('segments' in request) return request.segments.map((segment) => Buffer.from(spell(segment), 'latin1'));
  if ('raw' in request) return [Buffer.from(spell(request.raw), 'latin1')];
  const body = bodyOf(request);
  const headers = Object.entries({ Host: '127.0.0.1', ...request.headers }).map(([name, value]) => `${name}: ${value}`);
  const isFramed = headers.some((line) => /^(content-length|transfer-encoding):/i.test(line));
  if (body !== undefined && !isFramed) headers.push(`Content-Length: ${body.length}`);
  const head = [`${request.method} ${request.path} HTTP/1.1`, ...headers, '', ''].join('\r\n');
  return [Buffer.concat([Buffer.from(head), body ?? Buffer.alloc(0)])];
}

/** The kind of a request, as its bytes tell it. */
export interface RequestKind {
  /** HTTP method. */
  readonly http: string;
  /** As it is sent, with the query. */
  readonly target: string;
  /** All bytes up to the empty line, Latin-1; names of headers in lower case. */
  readonly head: string;
  /** Whether the empty line is there. */
  readonly isHeadWhole: boolean;
  /** Lower case, without parameters; '' when absent. */
  readonly type: string;
  readonly wantsJson: boolean;
  /** All that follows the empty line. */
  readonly sent: Buffer;
  /** The body, out of its chunks; all that follows where there is no telling its end. */
  readonly body: Buffer;
  /** Bytes that are announced, else those of the body. */
  readonly length: number;
  /** Of the bytes that are announced, those that are not sent. */
  readonly missing: number;
  /** The bytes behind the body, which need not be a request. */
  readonly next: RequestKind | undefined;
  readonly json: JsonKind;
  /** Arrays and objects that are open at once. */
  readonly depth: number;
  /** JSON-RPC method. */
  readonly rpc: string | undefined;
  /** Parameters by position or by name, in their order. */
  readonly params: readonly unknown[];
  /** The id, as it is written. */
  readonly id: string;
}

/** The kind of a body to a strict reader (RFC 8259). */
export type JsonKind = 'empty' | 'invalid' | 'object' | 'array' | 'value';

const kinds = new WeakMap<RecordedRequest, RequestKind>();

export function kindOf({ request }: Recording): RequestKind {
  let kind = kinds.get(request);
  if (kind === undefined) {
    kind = readKind(Buffer.concat([...writesOf(request)]));
    kinds.set(request, kind);
  }
  return kind;
}

/** The requests of an exchange, one behind the other. */
export function requestsOf(recording: Recording): readonly RequestKind[] {
  const first = kindOf(recording);
  const requests = [first];
  for (let next = first.next; next !== undefined && isRequest(next); next = next.next) requests.push(next);
  return requests;
}

export function isRequest({ head }: Pick<RequestKind, 'head'>): boolean {
  return /^[A-Za-z]+ [^ \r\n]+ HTTP\/\d/.test(head);
}

function readKind(bytes: Buffer): RequestKind {
  const text = bytes.toString('latin1');
  const end = /\r?\n\r?\n/.exec(text);
  const head = end === null ? text : text.slice(0, end.index + end[0].length);
  const [http = '', target = ''] = head.split(/[ \r\n]/, 2);
  const header = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*?)\\r?$`, 'im').exec(head)?.[1] ?? '';
  const type = (header('Content-Type').split(';', 1)[0] ?? '').trim().toLowerCase();
  const sent = bytes.subarray(head.length);
  const isJson = /^application\/(json|json-rpc|jsonrpc)$/.test(type);
  const announced = header('Content-Length');
  const all = { body: sent, rest: Buffer.alloc(0) };
  const { body, rest } = isRequest({ head }) ? (framed(sent, announced, header('Transfer-Encoding')) ?? all) : all;
  return {
    http,
    target,
    head: head.replace(/(?<=\n)[^:\r\n]+:/g, (name) => name.toLowerCase()),
    isHeadWhole: end !== null,
    type,
    wantsJson: isJson || /^application\/json/.test(header('Accept')),
    sent,
    body,
    length: Number(announced) || body.length,
    missing: Math.max(0, (Number(announced) || 0) - sent.length),
    next: rest.length > 0 ? readKind(rest) : undefined,
    ...jsonKind(body),
  };
}

/** Parts the bytes behind a head into the body and the rest; undefined where the head does not tell the end. */
function framed(
  sent: Buffer,
  announced: string,
  coding: string,
): (Pick<RequestKind, 'body'> & { rest: Buffer }) | undefined {
  if (/^chunked$/i.test(coding)) {
    const chunks: Buffer[] = [];
    for (let at = 0; ; ) {
      const size = /^([0-9a-f]+)\r\n/i.exec(sent.toString('latin1', at, at + 20));
      if (size === null) break;
      const start = at + size[0].length;
      const end = start + Number.parseInt(size[1] ?? '', 16);
      if (end === start) {
        const trailed = sent.indexOf('\r\n\r\n', start - 2);
        if (trailed < 0) break;
        return { body: Buffer.concat(chunks), rest: sent.subarray(trailed + 4) };
      }
      if (sent.toString('latin1', end, end + 2) !== '\r\n') break;
      chunks.push(sent.subarray(start, end));
      at = end + 2;
    }
  } else if (/^\d+$/.test(announced)) {
    return { body: sent.subarray(0, Number(announced)), rest: sent.subarray(Number(announced)) };
  } else if (/^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(sent.toString('latin1', 0, 4096))) {
    return { body: sent.subarray(0, 0), rest: sent };
  }
  return undefined;
}

function jsonKind(body: Buffer): Pick<RequestKind, 'json' | 'depth' | 'rpc' | 'params' | 'id'> {
  let depth = 0;
  let most = 0;
  for (const [mark] of body
    .toString('latin1')
    .replace(/"(?:[^"\\]|\\.)*"/gs, '')
    .matchAll(/[[\]{}]/g)) {
    depth += mark === '[' || mark === '{' ? 1 : -1;
    most = Math.max(most, depth);
  }
  const none = { depth: most, rpc: undefined, params: [], id: 'null' };
  if (body.length === 0) return { json: 'empty', ...none };
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return { json: 'array', ...none };
    if (typeof value !== 'object' || value === null) return { json: 'value', ...none };
    const { method, params } = value as { method?: unknown; params?: unknown };
    const id = /"id"\s*:\s*("(?:[^"\\]|\\.)*"|[-+.\w]+)/.exec(text)?.[1] ?? 'null';
    return {
      json: 'object',
      depth: most,
      rpc: typeof method === 'string' ? method : undefined,
      params: typeof params === 'object' && params !== null ? Object.values(params) : [],
      id,
    };
  } catch {
    return { json: 'invalid', ...none };
  }
}

function bodyOf(request: Extract<RecordedRequest, { method: string }>): Buffer | undefined {
  if (request.body !== undefined) return Buffer.from(request.body);
  if (request.bodyBase64 !== undefined) return Buffer.from(request.bodyBase64, 'base64');
  if (request.bodyParts !== undefined) return Buffer.from(spell(request.bodyParts));
  return undefined;
}

export function spell(text: Repeated): string {
  return typeof text === 'string' ? text : text.map(([piece, times]) => piece.repeat(times)).join('');
}
