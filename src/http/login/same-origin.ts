import { shorten } from '../../base/text.js';

/** A request, as far as it tells where it comes from. */
export interface OriginatedRequest {
  readonly method: string;
  /** Undefined when absent. */
  header(name: string): string | undefined;
}

/**
 * Why a request that may change something is refused: it cannot be shown to come from a page of this server. Browsers
 * tell by Sec-Fetch-Site (Fetch Metadata), older ones by Origin or Referer. What was typed, or clicked in a mail, comes
 * from no page (`none`); as GET it is refused too, while a POST is one of our forms that is sent again.
 */
export function crossSiteRefusal(request: OriginatedRequest): string | undefined {
  const site = request.header('sec-fetch-site');
  const host = request.header('host') ?? '';
  const remedy = 'run it from its page on this server, or use JSON-RPC';
  if (site !== undefined) {
    if (site === 'same-origin' || (site === 'none' && request.method === 'POST')) return undefined;
    if (site === 'none') {
      return `the request comes from no page of this server, but from an address that was typed or a link elsewhere; ${remedy}`;
    }
    return `the request comes from another site (Sec-Fetch-Site: ${shorten(site, 40)}); ${remedy}`;
  }
  const from = request.header('origin') ?? request.header('referer');
  if (from === undefined) {
    return `the request does not tell which page it comes from (no Sec-Fetch-Site, Origin or Referer); ${remedy}`;
  }
  if (isOf(from, host)) return undefined;
  return `the request comes from ${JSON.stringify(shorten(from, 100))}, not from ${JSON.stringify(shorten(host, 100))}; ${remedy}`;
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
