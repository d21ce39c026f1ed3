import { coded } from '../base/codes.js';
import type { JsonValue } from '../base/json.js';
import { isPrintingResult, printJson } from './results/json.js';

/**
 * The codes that JSON-RPC 2.0 §5.1 reserves, those that OpenSIPS added to them, and -32003 and -32004, which are ours.
 *
 * ```ts
 * throw new MiError(codes.invalidParams, undefined, 'capacity: give 1 or more');
 * ```
 */
export const codes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  serverError: -32000,
  methodAmbiguous: -32001,
  permissionDenied: -32003,
  rateLimited: -32004,
} as const;

const messages: Readonly<Record<number, string>> = {
  [codes.parseError]: 'Parse error',
  [codes.invalidRequest]: 'Invalid Request',
  [codes.methodNotFound]: 'Method not found',
  [codes.invalidParams]: 'Invalid params',
  [codes.internalError]: 'Internal error',
  [codes.serverError]: 'Server error',
  [codes.methodAmbiguous]: 'Method ambiguous',
  [codes.permissionDenied]: 'Permission denied',
  [codes.rateLimited]: 'Too many calls',
};

/**
 * An error that the client is told about: it becomes the `error` member of the reply.
 *
 * A command throws it to refuse: `throw new MiError(404, 'AOR not found')`. OpenSIPS commands use
 * HTTP-like numbers (400, 404, 480, 500); the HTTP status stays 200 all the same.
 *
 * ```ts
 * throw new MiError(486, 'Trunk busy', { trunk: 'north', free: 0 });
 * ```
 */
export class MiError extends Error {
  override readonly name = 'MiError';
  readonly data: JsonValue | undefined;

  /**
   * @param code integer; the `code` of the reply
   * @param message one short sentence; left out, the code's own text
   * @param data the exact fault and the remedy: a text, or any JSON, of types declared by `type` or `interface`
   */
  constructor(
    readonly code: number,
    message: string = messages[code] ?? 'Error',
    data?: JsonValue | object,
  ) {
    super(message);
    // A type declared by `interface` has no index signature. What is no JSON is found when it is printed.
    this.data = data as JsonValue | undefined;
    if (!Number.isInteger(code)) throw coded('ERR_ARGUMENT', new TypeError(`error code ${code} is not an integer`));
  }

  /** The `error` member, in the order that OpenSIPS gives it: code, message, data. */
  toJSON(): { code: number; message: string; data?: JsonValue } {
    if (isPrintingResult())
      throw coded('ERR_RESULT', new TypeError('result holds an MiError, which is no value: throw it'));
    return errorMember(this);
  }
}

/**
 * An {@link MiError} that this server makes on the way of a call. It is an answer, and no fault: nobody reads its stack, and to take
 * that would cost more than the rest of the call.
 */
export class MiAnswer extends MiError {
  /** As of {@link MiError}. */
  constructor(code: number, message?: string, data?: JsonValue | object) {
    const { stackTraceLimit } = Error;
    // A program may have frozen it.
    Reflect.set(Error, 'stackTraceLimit', 0);
    try {
      super(code, message, data);
    } finally {
      Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
    }
  }
}

/** The `error` member of a reply, as an object of its own. */
export function errorMember({ code, message, data }: MiError): { code: number; message: string; data?: JsonValue } {
  return data === undefined ? { code, message } : { code, message, data };
}

/** The `data` of an error as a text, JSON compact; without it, the message. */
export function explained({ data, message }: MiError): string {
  if (typeof data === 'string') return data;
  try {
    return printJson(data) ?? message;
  } catch {
    // Not logged here: the printing of the whole error logs it.
    return message;
  }
}

/** OpenSIPS' error for a command that gave nothing: its result is no JSON, which is logged for the author of the command. */
export class NothingError extends MiAnswer {
  /** @param what `a function` */
  constructor(readonly what: string) {
    super(codes.serverError, undefined, 'Command handler returned null');
  }
}

/** A call that is not run, or that is not waited for any longer. Where it is the only call of a request, its HTTP status tells so too. */
export class RefusedCall extends MiAnswer {
  /**
   * @param status 429: the client calls too often; 503: the server stops, or too many calls are pending; 504: the deadline passed
   * @param retryAfter whole seconds after which a call may be run; undefined: no time is known
   */
  constructor(
    readonly status: 429 | 503 | 504,
    data: string,
    readonly retryAfter?: number,
  ) {
    super(status === 429 ? codes.rateLimited : codes.serverError, undefined, data);
  }
}

/** -32602 with the original's text for the cause, which clients show. */
export function invalidParams(data: string): MiError {
  return new MiAnswer(codes.invalidParams, undefined, data);
}

/** -32000 with the reason. */
export function serverError(data: string): MiError {
  return new MiAnswer(codes.serverError, undefined, data);
}
