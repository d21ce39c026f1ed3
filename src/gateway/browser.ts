import { shorten } from '../base/text.js';
import type { Exchange } from '../http/exchange.js';
import type { AllowedHosts } from '../http/limits/allowed-hosts.js';
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

/** True for a request for pages, false for a JSON-RPC call. */
export function wantsPage({ method, mediaType }: RefusedRequest): boolean {
  return method === 'GET' || method === 'HEAD' || (method === 'POST' && isFormType(mediaType));
}

/** Tells whether a browser sent this request: it says where the request comes from, or its name, which no page can change. */
export function isBrowser(exchange: Exchange): boolean {
  return (
    ['sec-fetch-site', 'origin', 'referer'].some((name) => exchange.header(name) !== undefined) ||
    /^mozilla\//i.test(exchange.header('user-agent') ?? '')
  );
}

/**
 * Why a request that may change something is refused: it cannot be shown to come from a page of this server. Browsers
 * tell by Sec-Fetch-Site (Fetch Metadata), older ones by Origin or Referer. What was typed, or clicked in a mail, comes
 * from no page (`none`); as GET it is refused too, while a POST is one of our forms that is sent again.
 */
export function crossSiteRefusal(exchange: Exchange): string | undefined {
  const site = exchange.header('sec-fetch-site');
  const host = exchange.header('host') ?? '';
  const remedy = 'run it from its page on this server, or use JSON-RPC';
  if (site !== undefined) {
    if (site === 'same-origin' || (site === 'none' && exchange.method === 'POST')) return undefined;
    if (site === 'none') {
      return `the request comes from no page of this server, but from an address that was typed or a link elsewhere; ${remedy}`;
    }
    return `the request comes from another site (Sec-Fetch-Site: ${shorten(site, 40)}); ${remedy}`;
  }
  const from = exchange.header('origin') ?? exchange.header('referer');
  if (from === undefined) {
    return `the request does not tell which page it comes from (no Sec-Fetch-Site, Origin or Referer); ${remedy}`;
  }
  if (isOf(from, host)) return undefined;
  return `the request comes from ${JSON.stringify(shorten(from, 100))}, not from ${JSON.stringify(shorten(host, 100))}; ${remedy}`;
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

/** True if a URL names the host of the Host header, default ports left out. */
function isOf(url: string, host: string): boolean {
  try {
    const from = new URL(url);
    return /^https?:$/.test(from.protocol) && from.host === new URL(`${from.protocol}//${host}`).host;
  } catch {
    return false;
  }
}
