import { STATUS_CODES } from 'node:http';

/** By status. */
const lines: string[] = [];

/**
 * Status and reason phrase for a status line (RFC 9110 §15), such as `404 Not Found`.
 *
 * @throws RangeError when the status is no integer from 200 to 599: interim replies are the engine's
 */
export function statusLine(status: number): string {
  const known = lines[status];
  if (known !== undefined) return known;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`status ${status} is not an integer from 200 to 599`);
  }
  const line = `${status} ${STATUS_CODES[status] ?? 'Other'}`;
  lines[status] = line;
  return line;
}

/** Whether a reply of this status has neither body nor Content-Length (RFC 9110 §8.6, §15.3.5, §15.4.5). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}
