import type { Exchange } from '../http/exchange.js';
import type { AllowedHosts } from '../http/limits/allowed-hosts.js';
import { crossSiteRefusal } from '../http/login/same-origin.js';
import { isFormType } from '../http/request/forms.js';
import type { RefusedRequest } from '../http/roots.js';

/** Request headers that tell where a browser's request comes from, what it asks for, and in what form. */
export const browserHeaders = [
  'host',
  'origin',
  'referer',
  'sec-fetch-site',
  'if-none-match',
  'accept',
  'last-event-id',
  'accept-encoding',
] as const;

/** Those that pages need: a browser keeps its pins in a cookie. */
export const pageHeaderNames = [...browserHeaders, 'cookie'] as const;

/** True for a request for pages, false for a JSON-RPC call. */
export function wantsPage({ method, mediaType }: RefusedRequest): boolean {
  return method === 'GET' || method === 'HEAD' || (method === 'POST' && isFormType(mediaType));
}

/**
 * Tells whether a browser sent this request: it has logged in by our page, says where the request comes from, or its name, which
 * no page can change.
 */
export function isBrowser(exchange: Exchange): boolean {
  return (
    exchange.caller?.method === 'session' ||
    ['sec-fetch-site', 'origin', 'referer'].some((name) => exchange.header(name) !== undefined) ||
    /^mozilla\//i.test(exchange.header('user-agent') ?? '')
  );
}

/**
 * Why a JSON-RPC call with an Origin, which browsers alone send, is refused; undefined: it passes. A body without a type
 * is sent anywhere by any page without asking, unlike one of type JSON.
 */
export function callRefusal(exchange: Exchange, hosts: AllowedHosts): string | undefined {
  const refusal = hosts.refusal(exchange);
  if (refusal !== undefined || exchange.mediaType !== '') return refusal;
  const site = crossSiteRefusal(exchange);
  return site === undefined ? undefined : `${site}, and send it as application/json`;
}
