import { stringify } from '../base/text.js';
import { codes, MiError } from '../mi/errors.js';

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
  return stringify({ jsonrpc: '2.0', error: refusalError(status, reason, path), id: null });
}

/** The error object for an HTTP status that refuses. */
export function refusalError(status: number, reason: string, path?: string): MiError {
  const remedy = status === 415 && path !== undefined ? `; send JSON as application/json: ${curlLine(path)}` : '';
  return new MiError(codeOf[status] ?? codes.invalidRequest, undefined, reason + remedy);
}

/** What to type for a call; whoever reads it knows by which scheme and name the server is reached. */
export function curlLine(path: string): string {
  return `curl -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","method":"which","id":1}' http://HOST:PORT${path}`;
}
