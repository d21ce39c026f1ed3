import { coded } from '../../base/codes.js';
import { LazyAbort } from '../../base/lazy-abort.js';
import { type CodedLog, childOf, type Log, quietLog } from '../../base/log.js';
import { parseTraceContext, type TraceContext } from './trace-context.js';

/** The caller of a command. */
export interface Client {
  /** Address of the other end of the connection; '' for a Unix socket, and for one whose address is not known. */
  readonly remoteAddress: string;
  /** Where the call comes from: its address, `local` by a Unix socket, `unknown` where the address is not known. */
  readonly origin: string;
  /** The name (`-` without one) and the level that the login gave. Undefined: everything is allowed. */
  readonly caller:
    | {
        readonly name: string;
        readonly grant: string;
        /** The user of the certificate that the client has shown beside its login. */
        readonly certificate?: string | undefined;
      }
    | undefined;
  /** Where the connection came in: `http:127.0.0.1:8888`. */
  readonly listener: string;
}

/** The caller as faces have it. */
export interface CallSource extends Client {
  /** The first value of a header of its request, where it is kept. */
  header?(name: string): string | undefined;
  /** The headers of a trace, '' without. */
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** The headers that were read last. All calls of a batch have the same, which take a millisecond where they are long. */
let lastRead:
  | { readonly traceparent: string; readonly tracestate: string; readonly trace: TraceContext | undefined }
  | undefined;

/** The trace that a request says that it belongs to. */
export function traceOf(source: CallSource | undefined): TraceContext | undefined {
  const { traceparent = '', tracestate = '' } = source ?? {};
  if (traceparent === '') return undefined;
  if (lastRead?.traceparent !== traceparent || lastRead.tracestate !== tracestate)
    lastRead = { traceparent, tracestate, trace: parseTraceContext(traceparent, tracestate) };
  return lastRead.trace;
}

/** The fields of log lines about a call that belongs to a trace. */
export function traceFields(trace: TraceContext | undefined): { readonly trace_id?: string } {
  return trace === undefined ? {} : { trace_id: trace.traceId };
}

/** Counts a call and its time, once; true: it has failed, by what is known of that. */
export type EndOfCall = (hasFailed?: boolean, error?: unknown) => void;

let endOf: (call: Call) => EndOfCall | undefined;
let setEndOf: (call: Call, end: EndOfCall | undefined) => void;

/** For the runner, which calls it at the end of the call unless a face has taken it. */
export function setEnd(call: Call, end: EndOfCall): void {
  setEndOf(call, end);
}

/** For the runner, and for a face that prints the result while it is sent: it calls what it is given at the end of that. */
export function takeEnd(call: Call): EndOfCall | undefined {
  const end = endOf(call);
  if (end !== undefined) setEndOf(call, undefined);
  return end;
}

/** Calls that have been asked for their id. */
let identified = 0;

let sourceOf: (call: Call) => CallSource | undefined;

/** The object behind the view `call.client`, for code that needs no view. Handlers cannot reach it. */
export function clientOf(call: Call): CallSource | undefined {
  return sourceOf(call);
}

/**
 * One MI command being run. Its signal is aborted when nobody waits for the result any more: the client left, the
 * deadline passed or the server stops.
 */
export class Call extends LazyAbort {
  /** The call of commands that do without one. Many share it, so that it cannot be aborted. */
  static readonly none: Call = new (class extends Call {
    override abort(): void {}
  })('none');

  /** When the time for its result began, by `performance.now()`; undefined while nobody had to wait. */
  waitedSince: number | undefined = undefined;
  /** Told when it is aborted. Not by {@link signal}, whose listeners run where it was first asked for. */
  onAbort: (() => void) | undefined = undefined;
  /** As {@link onAbort}, for the command, where a signal would cost more than all else of it. */
  onLeave: (() => void) | undefined = undefined;
  #end: EndOfCall | undefined = undefined;
  readonly #source: CallSource | undefined;
  readonly #parentLog: CodedLog;
  #client: Client | undefined;
  #id: string | undefined;
  /** Null: it has been looked for. */
  #trace: TraceContext | null | undefined;
  #log: Log | undefined;

  /**
   * @param command full name of the command
   * @param client the caller; `undefined` within the process
   * @param log where {@link log} writes
   */
  constructor(
    readonly command: string,
    client?: CallSource,
    log: CodedLog = quietLog,
  ) {
    super();
    this.#source = client;
    this.#parentLog = log;
  }

  /** A name of this call, which no other call of this process has. */
  get id(): string {
    if (this.#id === undefined) {
      identified += 1;
      this.#id = identified.toString(36);
    }
    return this.#id;
  }

  /**
   * The log of the server, with `command` and `call`, the {@link id}, among the fields of each line, and with `trace_id` where
   * there is a {@link trace}. Made on first use.
   */
  get log(): Log {
    // Its lines are those of the command: they have the code that its author gives them, or none.
    this.#log ??= childOf(this.#parentLog as Log, {
      command: this.command,
      call: this.id,
      ...traceFields(this.trace),
    });
    return this.#log;
  }

  /**
   * The trace that the request belongs to, as its headers `traceparent` and `tracestate` tell (W3C Trace Context); undefined where
   * there is none, or it is malformed. It is handed on nowhere unless the command does.
   */
  get trace(): TraceContext | undefined {
    if (this.#trace === undefined) this.#trace = traceOf(this.#source) ?? null;
    return this.#trace ?? undefined;
  }

  /** The caller; undefined within the process. Created on first use, and frozen. */
  get client(): Client | undefined {
    if (this.#client === undefined && this.#source !== undefined) this.#client = viewOf(this.#source);
    return this.#client;
  }

  /**
   * The first value of a header of the request, such as `traceparent`; undefined where it has none, or did not come by HTTP.
   * @throws TypeError when no command and no server declares it in its `headers`: nothing else is kept
   */
  header(name: string): string | undefined {
    try {
      return this.#source?.header?.(name);
    } catch (cause) {
      const remedy = `add it to the headers of command ${this.command}, or to those of createServer`;
      throw coded('ERR_COMMAND', new TypeError(`header ${name} is not kept: ${remedy}`, { cause }));
    }
  }

  override abort(reason: Error): void {
    const { onAbort, onLeave } = this;
    this.onAbort = undefined;
    this.onLeave = undefined;
    onAbort?.();
    onLeave?.();
    super.abort(reason);
  }

  static {
    sourceOf = (call) => call.#source;
    endOf = (call) => call.#end;
    setEndOf = (call, end) => {
      call.#end = end;
    };
  }
}

/** A view without the rest of the request, which handlers are not to have. */
function viewOf({ remoteAddress, origin, caller, listener }: Client): Client {
  const known = caller === undefined ? undefined : Object.freeze({ ...caller });
  return Object.freeze({ remoteAddress, origin, caller: known, listener });
}
