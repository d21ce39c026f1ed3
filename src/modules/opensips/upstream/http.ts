import { isIPv6, type Socket } from 'node:net';
import type { JsonValue } from '../../../base/json.js';
import { isObject } from '../../../base/json.js';
import { reasonOf, shorten } from '../../../base/text.js';
import { codes, MiAnswer } from '../../../mi/errors.js';
import type { Attempt } from './attempt.js';
import { ChunkedBody } from './chunked-body.js';
import { type Envelope, jsonRpc, notJson, type Reply } from './envelope.js';
import { Lane, type LaneContext } from './lane.js';
import { lendingSocket } from './lending-socket.js';
import { ReplyReader } from './reply-reader.js';
import type { Request } from './request.js';
import { bracketed } from './setting.js';
import { type TransportSetting, type UpstreamCall, UpstreamFailure } from './transport.js';

/** Bytes of head and body that httpd reads at once; what is longer hangs, or closes its connection. */
const longestRequest = 16384;

/** HTTPD is one process: more connections would wait for each other there. */
const connections = 4;

/** Bytes of the head of a reply. */
const longestHead = 16384;

/** Milliseconds after which a connection that is not used is closed: before httpd does, which a request might cross. */
const idleTime = 15_000;

/** Milliseconds that a connection may take to be made. */
const connectTime = 3_000;

/** Milliseconds after which a call that may be repeated counts as lost. */
const patience = 10_000;

type HttpSetting = Extract<TransportSetting, { kind: 'http' }>;

/** mi_http, or mi_json of 2.x: head and body in one write, by connections that are used again. */
export class HttpLane extends Lane {
  readonly patience = patience;
  readonly #http: HttpSetting;
  readonly #host: string;
  readonly #login: string;
  readonly #idle: Connection[] = [];
  readonly #busy = new Map<Attempt, Connection>();

  constructor(setting: HttpSetting, context: LaneContext) {
    super(setting, context, connections);
    this.#http = setting;
    this.#host = `${bracketed(setting.host)}:${setting.port}`;
    const login = Buffer.from(setting.userInfo).toString('base64');
    this.#login = setting.userInfo === '' ? '' : `Authorization: Basic ${login}\r\n`;
  }

  misfit(request: Request, call: UpstreamCall): string {
    const { text, misfit } = this.#print(call, request, 0x7fffffff);
    if (misfit !== '') return misfit;
    const length = Buffer.byteLength(text);
    return length > longestRequest ? `it has ${length} bytes with its head, and HTTP takes ${longestRequest}` : '';
  }

  protected send(attempt: Attempt): void {
    const { text } = this.#print(attempt.call, attempt.request, attempt.id);
    const idle = this.#idle.pop();
    const connection = idle ?? new Connection(this.#http, (gone) => this.#forgetIdle(gone));
    this.#busy.set(attempt, connection);
    connection.run(Buffer.from(text), this.#eventsOf(attempt, connection));
  }

  protected forget(attempt: Attempt): void {
    this.#busy.get(attempt)?.cut(new UpstreamFailure('timeout', 'the reply comes too slowly', true));
    this.#busy.delete(attempt);
  }

  protected release(): void {
    const failure = new UpstreamFailure('closed', 'the server stops', true);
    for (const connection of this.#busy.values()) connection.cut(failure);
    for (const connection of this.#idle.splice(0)) connection.cut(failure);
    this.#busy.clear();
  }

  #print(call: UpstreamCall, request: Request, id: number): { text: string; misfit: string } {
    if (this.setting.dialect === '2.4') return this.#printGet(call);
    const body = request.text(id);
    return {
      text:
        `POST ${this.#http.path} HTTP/1.1\r\nHost: ${this.#host}\r\n${this.#login}` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      misfit: '',
    };
  }

  /** The form of mi_json: values stand behind each other, with commas that no value can have. */
  #printGet({ method, params }: UpstreamCall): { text: string; misfit: string } {
    if (params !== undefined && !Array.isArray(params) && Object.keys(params).length > 0) {
      return { text: '', misfit: 'mi_json takes values by position, and no names' };
    }
    const values = Array.isArray(params) ? (params as readonly JsonValue[]) : [];
    if (values.some((value) => !['string', 'number', 'bigint'].includes(typeof value) || /^$|,/.test(String(value)))) {
      return { text: '', misfit: 'mi_json takes texts without commas and numbers as values, and none that is empty' };
    }
    const list = values.map((value) => encodeURIComponent(wellFormed(String(value)))).join(',');
    const query = list === '' ? '' : `?params=${list}`;
    const target = `${this.#http.path}/${encodeURIComponent(method)}${query}`;
    return { text: `GET ${target} HTTP/1.1\r\nHost: ${this.#host}\r\n${this.#login}\r\n`, misfit: '' };
  }

  #eventsOf(attempt: Attempt, connection: Connection): ConnectionEvents {
    const end = (isReusable: boolean): void => {
      // One that was given up at its end has ended already.
      if (!this.#busy.delete(attempt)) return;
      if (isReusable && !this.isClosed) {
        this.#idle.push(connection);
        connection.rest();
      } else connection.close();
      this.over(attempt);
    };
    const failed = (failure: UpstreamFailure): void => {
      this.#busy.delete(attempt);
      connection.close();
      const { kind, reason, mayHaveRun } = failure;
      // The reason alone is told of the transport, whose name stands in front.
      const named = new UpstreamFailure(
        kind,
        `${this.name}${kind === 'down' ? ' does not work' : ''}: ${reason}`,
        mayHaveRun,
      );
      const hasBegun = body.fail(named);
      if (!hasBegun) {
        this.countFailure();
        attempt.failed(named);
      }
      this.over(attempt);
      if (kind === 'down' && !mayHaveRun) this.fail(reason, false);
    };
    const envelope = this.setting.dialect === '2.4' ? miJson : jsonRpc(attempt.id);
    const body = new ReplyReader(envelope, this.context.room, this.sinkOf(attempt), () => {
      if (this.#busy.get(attempt) === connection) end(false);
    });
    return {
      data: (piece) => {
        body.push(piece);
        if (body.isStream) attempt.comes(piece.length, this.context.limits.standstill);
      },
      end: (isReusable) => {
        body.end();
        end(isReusable);
      },
      failed,
      cut: (failure) => {
        body.fail(failure);
      },
    };
  }

  #forgetIdle(connection: Connection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

/** Half of a character becomes U+FFFD, as in JSON that is printed here. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

/** The reply of mi_json: a value without anything around it, or an error. */
const miJson: Envelope = {
  misfit: 'what came is neither a result nor an error of mi_json',
  start: (text) => ({ isResult: !/^\s*\{\s*"error"\s*:/.test(text), at: 0 }),
  end: (text) => text.length,
  read: (text) => readJsonReply(text.trim()),
};

function readJsonReply(text: string): Reply {
  // A command that has nothing to tell answers with nothing.
  if (text === '') return { kind: 'result', text: '"OK"' };
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return { kind: 'broken', reason: notJson };
  }
  const error = isObject(value) && Object.keys(value).length === 1 ? value.error : undefined;
  if (!isObject(error)) return { kind: 'result', text };
  const code = typeof error.code === 'number' && Number.isInteger(error.code) ? error.code : codes.serverError;
  return { kind: 'error', error: new MiAnswer(code, typeof error.message === 'string' ? error.message : undefined) };
}

/** What a {@link Connection} tells about the request that it runs. */
interface ConnectionEvents {
  /** @param piece is lent */
  data(piece: Buffer): void;
  /** @param isReusable true if the connection takes another request */
  end(isReusable: boolean): void;
  /** @param failure its reason is without the name of the transport */
  failed(failure: UpstreamFailure): void;
  /** It is closed from here. */
  cut(failure: UpstreamFailure): void;
}

/** One connection, which runs one request at a time. */
class Connection {
  readonly #socket: Socket;
  #events: ConnectionEvents | undefined;
  #isConnected = false;
  /** The head as far as it has come; undefined once it is read. */
  #head: Buffer | undefined;
  /** Bytes of the body to come; Infinity: up to the end of the connection. */
  #left = 0;
  /** In place of {@link #left}. */
  #chunks: ChunkedBody | undefined;
  #isLast = false;

  /** @param gone told when it closes while it is idle */
  constructor({ host, port }: HttpSetting, gone: (connection: Connection) => void) {
    const socket = lendingSocket({}, (piece) => this.#receive(piece));
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setTimeout(connectTime, () => this.#timeOut(gone));
    socket.on('connect', () => {
      this.#isConnected = true;
      socket.setTimeout(0);
    });
    socket.on('error', (error) => this.#lose(reasonOf(error), gone));
    socket.on('close', () => this.#lose('the connection was closed without a reply', gone));
    socket.connect({ host, port, family: isIPv6(host) ? 6 : 0 });
    socket.unref();
  }

  /** Sends a request in one write: in two, httpd may miss the second. */
  run(request: Buffer, events: ConnectionEvents): void {
    this.#events = events;
    this.#head = Buffer.alloc(0);
    if (this.#isConnected) this.#socket.setTimeout(0);
    this.#socket.write(request);
  }

  /** Waits for the next request, though not for ever. */
  rest(): void {
    this.#socket.setTimeout(idleTime);
  }

  cut(failure: UpstreamFailure): void {
    const events = this.#events;
    this.close();
    events?.cut(failure);
  }

  close(): void {
    this.#events = undefined;
    this.#socket.destroy();
  }

  #timeOut(gone: (connection: Connection) => void): void {
    if (!this.#isConnected) this.#lose(`no connection within ${connectTime} ms`, gone);
    else if (this.#events === undefined) {
      gone(this);
      this.close();
    }
  }

  #lose(reason: string, gone: (connection: Connection) => void): void {
    const events = this.#events;
    if (events === undefined) {
      gone(this);
      this.#socket.destroy();
      return;
    }
    // Without a length the body ends here.
    if (this.#head === undefined && this.#chunks === undefined && this.#left === Number.POSITIVE_INFINITY) {
      this.#events = undefined;
      events.end(false);
      return;
    }
    this.close();
    events.failed(new UpstreamFailure('down', reason, this.#isConnected));
  }

  #receive(piece: Buffer): void {
    if (this.#events === undefined) {
      // Nothing was asked.
      this.#socket.destroy();
      return;
    }
    if (this.#head === undefined) {
      this.#body(piece);
      return;
    }
    const head = this.#head.length === 0 ? piece : Buffer.concat([this.#head, piece]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) {
      this.#head = Buffer.from(head);
      if (head.length > longestHead) this.#break(`the head of the reply has more than ${longestHead} bytes`);
      return;
    }
    this.#head = undefined;
    if (this.#readHead(head.toString('latin1', 0, end))) this.#body(head.subarray(end + 4));
  }

  /** @returns false when there is no body to be read */
  #readHead(head: string): boolean {
    const [statusLine = '', ...lines] = head.split('\r\n');
    const status = Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(statusLine)?.[1]);
    if (status === 401) return this.#break('it asks for a login: give USER:PASSWORD@ in its URL', true);
    // Such a body may have no end.
    if (status !== 200)
      return this.#break(`it answered ${JSON.stringify(shorten(statusLine, 100, '…'))}`, status !== 500);
    const fields = new Map(
      lines.map((line) => {
        const at = line.indexOf(':');
        return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
      }),
    );
    const coding = fields.get('transfer-encoding');
    const length = fields.get('content-length');
    // OpenSIPS sends no results so, but a proxy in front of it may.
    if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || length !== undefined)) {
      return this.#break(
        `the reply has Transfer-Encoding ${JSON.stringify(shorten(coding, 64, '…'))}, or a length beside it`,
      );
    }
    this.#chunks = coding === undefined ? undefined : new ChunkedBody((piece) => this.#events?.data(piece));
    this.#left = length === undefined ? Number.POSITIVE_INFINITY : Number(length);
    if (Number.isNaN(this.#left)) return this.#break('the reply has no sound length');
    this.#isLast = statusLine.startsWith('HTTP/1.0') || fields.get('connection')?.toLowerCase() === 'close';
    return true;
  }

  #body(piece: Buffer): void {
    const events = this.#events;
    if (this.#chunks !== undefined) {
      this.#chunk(this.#chunks, piece);
      return;
    }
    const own = piece.length > this.#left ? piece.subarray(0, this.#left) : piece;
    this.#left -= own.length;
    events?.data(own);
    // What took the bytes may have closed.
    if (this.#left > 0 || this.#events !== events || events === undefined) return;
    this.#events = undefined;
    events.end(!this.#isLast && own.length === piece.length);
  }

  #chunk(chunks: ChunkedBody, piece: Buffer): void {
    const events = this.#events;
    const taken = chunks.push(piece);
    // What took the bytes may have closed.
    if (this.#events !== events || events === undefined) return;
    if (taken < 0) {
      this.#break('the reply is not in sound chunks');
      return;
    }
    if (!chunks.isOver) return;
    this.#events = undefined;
    events.end(!this.#isLast && taken === piece.length);
  }

  #break(reason: string, isUnrun = false): false {
    const events = this.#events;
    this.close();
    events?.failed(new UpstreamFailure(isUnrun ? 'down' : 'broken', reason, !isUnrun));
    return false;
  }
}
