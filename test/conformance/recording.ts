import { readdirSync, readFileSync } from 'node:fs';

/** Text to be sent: as it is, or pieces with how often each is repeated. Latin-1 in raw requests, else UTF-8. */
export type Repeated = string | readonly (readonly [text: string, times: number])[];

/** What the client sent: a request to be put together, the bytes of one write, or those of several. */
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
  /** What stood in the body and is not kept here: the pages, metrics and very long dumps of the original. */
  readonly leftOut?: 'page' | 'metrics' | 'long';
  /** Status lines of 1xx that came before. */
  readonly interim?: readonly string[];
  /** Whether the connection was open some time after the reply. */
  readonly connection?: 'open' | 'closed' | 'more bytes followed';
  /** The head came at once, the end of the body only when another client came. */
  readonly bodyUnfinished?: boolean;
  readonly bodyUntilClose?: boolean;
}

export interface RecordedSilence {
  /** The connection was closed, or stayed open, without a reply; or the server ended. */
  readonly none: 'closed' | 'silent' | 'crashed';
}

/** One exchange with the original, as it was on the wire. */
export interface Recording {
  readonly file: string;
  readonly name: string;
  readonly version: '2.4' | '3.4' | '4.0';
  readonly interface: 'mi_http' | 'mi_html' | 'mi_json' | 'httpd' | 'prometheus';
  /** Names the module parameters that differ from the usual ones; test/conformance/servers.ts has them. */
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

/** The HTTP method and the JSON-RPC method of an exchange, where the bytes tell them. */
export function methodsOf({ request }: Recording): { readonly http: string; readonly rpc: string | undefined } {
  const text = Buffer.concat([...writesOf(request)]).toString('utf8');
  const http = /^[^ \r\n]*/.exec(text)?.[0] ?? '';
  const end = /\r?\n\r?\n/.exec(text);
  const body = end === null ? '' : text.slice(end.index + end[0].length);
  return { http, rpc: rpcMethod(body) };
}

function rpcMethod(body: string): string | undefined {
  try {
    const { method } = JSON.parse(body) as { method?: unknown };
    return typeof method === 'string' ? method : undefined;
  } catch {
    return undefined;
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
