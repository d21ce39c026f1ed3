import { stringify } from '../base/json.js';
import type { ReplyHeaders } from '../http/exchange.js';
import { codes, MiAnswer, type MiError, RefusedCall } from '../mi/errors.js';

const codeOf: Readonly<Record<number, number>> = {
  429: codes.rateLimited,
  500: codes.internalError,
  503: codes.serverError,
  504: codes.serverError,
};

/**
 * The JSON-RPC error that an HTTP refusal carries, where the original's body was empty. Clients show
 * `data`. The id is null: JSON-RPC 2.0 §5 asks for it where the id could not be read.
 *
 * @param status HTTP status; 400, 405, 413 and 415 are an invalid request
 * @param path of a root that takes calls, for the remedy
 */
export function refusalBody(status: number, reason: string, path?: string): string {
  const remedy = status === 415 && path !== undefined ? `; send JSON as application/json: ${curlLine(path)}` : '';
  const error = new MiAnswer(codeOf[status] ?? codes.invalidRequest, undefined, reason + remedy);
  return stringify({ jsonrpc: '2.0', error, id: null });
}

/** The headers of a reply that refuses a call. */
export function retryHeaders({ retryAfter }: RefusedCall): ReplyHeaders | undefined {
  return retryAfter === undefined ? undefined : { 'Retry-After': String(retryAfter) };
}

/** A command line that makes a call; the reader knows the scheme and name of the server. */
export function curlLine(path: string): string {
  return `curl -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","method":"which","id":1}' http://HOST:PORT${path}`;
}

/** The status of an error where its code is all that there is: the code itself where it is one, as 2.4 did. */
export function statusOf(error: MiError): number {
  if (error instanceof RefusedCall) return error.status;
  const { code } = error;
  if (code >= 400 && code < 600) return code;
  return { [codes.serverError]: 500, [codes.permissionDenied]: 403 }[code] ?? 400;
}
