import type { Exchange, ReplyHeaders } from '../exchange.js';
import { html, type Markup } from './markup.js';

/** Nothing but our own assets and forms; no script or style within a page, no frame around it. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of all that a browser may show and nobody may store; `nosniff` is in every reply. */
export const privateHeaders: ReplyHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': contentSecurityPolicy,
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Content-Type of a page. */
export const pageType = 'text/html; charset=utf-8';

/** Headers of every page; pages are sent by {@link replyPage}, long ones are streamed with these. */
export const pageHeaders: ReplyHeaders = { 'Content-Type': pageType, ...privateHeaders };

/** The one door for pages: none goes without {@link pageHeaders}. */
export function replyPage(exchange: Exchange, status: number, page: string | Uint8Array, headers?: ReplyHeaders): void {
  exchange.reply(status, page, headers === undefined ? pageHeaders : { ...pageHeaders, ...headers });
}

/** The settings of the head of a document. */
export interface DocumentHead {
  readonly title: string;
  /** Path of its style sheet. */
  readonly style: string;
  /** Path of its script, a module; undefined: it has none. */
  readonly script?: string;
}

/** The beginning of a page, up to what its body holds. */
export function documentStart({ title, style, script }: DocumentHead): Markup {
  const module = script !== undefined && html`<script type="module" src="${script}"></script>\n`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${style}">
${module}</head>
<body>
`;
}

/** The end of a page. */
export const documentEnd: Markup = html`</body>\n</html>\n`;

/** A line that names the server and its start. */
export function serverLine(server: string, startedAt: number): Markup {
  const since = new Date(startedAt).toISOString();
  const shown = since.slice(0, 19).replace('T', ' ');
  return html`<p class="server">${server}, running since <time datetime="${since}">${shown} UTC</time></p>\n`;
}
