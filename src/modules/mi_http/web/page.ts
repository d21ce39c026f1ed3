import type { ReplyHeaders } from '../../../httpd/exchange.js';
import { html, type Insertion, type Markup } from '../../../httpd/markup.js';

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

const safety: ReplyHeaders = {
  'Content-Security-Policy': contentSecurityPolicy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Headers of every page. Pages are never stored: they hold what the management interface tells. */
export const pageHeaders: ReplyHeaders = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-store',
  ...safety,
};

/** Headers of a result as JSON. */
export const rawHeaders: ReplyHeaders = {
  'Content-Type': 'application/json',
  'Cache-Control': 'no-store',
  ...safety,
};

/** What all pages of one server share. */
export interface Site {
  /** Path of the root: `/mi`. */
  readonly base: string;
  /** Name and version of the server. */
  readonly server: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Names of all modules with commands, in the order in which they were registered. */
  readonly modules: readonly string[];
}

/** A page without its end, for results that are streamed into it, and what ends it. */
export interface PageParts {
  readonly head: Markup;
  readonly tail: Markup;
}

/** A whole page. */
export function page(site: Site, title: string, module: string | undefined, main: Insertion): string {
  const { head, tail } = pageParts(site, title, module);
  return html`${head}${main}${tail}`.text;
}

/** @param module whose commands are shown, if it is one's */
export function pageParts(site: Site, title: string, module: string | undefined): PageParts {
  const { base, server, startedAt, modules } = site;
  const since = new Date(startedAt).toISOString();
  const links = modules.map((name) => {
    const current = name === module ? html` aria-current="page"` : undefined;
    return html`<li><a href="${base}/${name}"${current}>${name}</a></li>
`;
  });
  const head = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} - OpenSIPS Management Interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${base}/-/style.css">
<script type="module" src="${base}/-/page.js"></script>
</head>
<body>
<header>
<h1><a href="${base}">Management Interface</a></h1>
<p class="server">${server}, running since <time datetime="${since}">${since.slice(0, 19).replace('T', ' ')} UTC</time></p>
</header>
<nav aria-label="Modules">
<ul>
${links}</ul>
</nav>
<main>
`;
  return { head, tail: html`</main>\n</body>\n</html>\n` };
}
