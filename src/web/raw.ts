import type { Exchange, ReplyHeaders } from '../http/exchange.js';
import { privateHeaders } from '../http/pages/document.js';
import { html, type Markup } from '../http/pages/markup.js';
import { codes, type MiError } from '../mi/errors.js';
import type { Submitted } from './arguments.js';

/** Longest parameters in a link that is offered: heads of requests are limited. */
const longestArgument = 3000;

/** Whether the answer is no page: the bare result is asked for by `raw=1`, or JSON by `Accept`. */
export function isRaw(exchange: Exchange): boolean {
  return exchange.wantsJson || exchange.argument('raw') === '1';
}

/**
 * Headers of the bare result: JSON; with `text=1` plain text, which browsers show as it is; with `download=1` a file.
 * @param command its full name
 */
export function rawHeaders(exchange: Exchange, command: string): ReplyHeaders {
  const isText = exchange.argument('text') === '1';
  const headers = { 'Content-Type': isText ? 'text/plain; charset=utf-8' : 'application/json', ...privateHeaders };
  if (exchange.argument('download') !== '1') return headers;
  return { ...headers, 'Content-Disposition': `attachment; filename="${command.replace(':', '_')}.json"` };
}

/** A bare error looks like a result, so that the status has to tell: its code itself, as 2.4 did. */
export function rawErrorStatus({ code }: MiError): number {
  if (code >= 400 && code < 600) return code;
  return { [codes.serverError]: 500, [codes.permissionDenied]: 403 }[code] ?? 400;
}

/**
 * Links to the bare result, by the page's own path. They run the command anew.
 * @returns undefined when the parameters are too long for one
 */
export function rawLinks(path: string, { given }: Submitted): Markup | undefined {
  const arg = given === undefined ? '' : encodeURIComponent(JSON.stringify(given));
  if (arg.length > longestArgument) return undefined;
  const link = `${path}?arg=${arg}&raw=1`;
  return html`<a href="${link}">all of it as JSON</a>, <a href="${link}&amp;text=1">as text</a>, <a href="${link}&amp;download=1" download>as a file</a>`;
}

/** Longest request that is offered to copy: shells and terminals take no more. */
const longestCall = 16384;

/**
 * The JSON-RPC request of a call. The page's script makes a line for a shell of it: the browser alone knows by which
 * scheme and name the server is reached, be it through a proxy.
 *
 * @returns undefined when it would be too long to copy
 */
export function callText(method: string, { given }: Submitted): string | undefined {
  const call = JSON.stringify({ jsonrpc: '2.0', method, params: given, id: 1 });
  return call.length > longestCall ? undefined : call;
}
