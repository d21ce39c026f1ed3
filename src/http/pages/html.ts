import type { Exchange, ReplyHeaders } from '../exchange.js';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML shows it literally, in content and in quoted attributes alike. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** The text of an insertion, without its elements. */
export function plainText(value: Insertion): string {
  const characters = new Map(Object.entries(entities).map(([character, entity]) => [entity, character]));
  // Outside of elements nothing else than the entities begins with an ampersand, and no "<" is left.
  const text = insert(value).replace(/<[^<>]*>/g, '');
  return text.replace(/&[a-z0-9#]{1,5};/g, (entity) => characters.get(entity) ?? entity);
}

/** HTML that is safe as it is; only {@link html} makes it, so that no text can pass for it. */
export class Markup {
  private constructor(readonly text: string) {}

  /** For the constant parts of a template and what it escaped itself. */
  static of(strings: TemplateStringsArray, values: readonly Insertion[]): Markup {
    let text = strings[0] ?? '';
    for (const [index, value] of values.entries()) text += insert(value) + (strings[index + 1] ?? '');
    return new Markup(text);
  }

  toString(): string {
    return this.text;
  }
}

/** A value in a template; texts and numbers are escaped, `undefined` and false leave nothing. */
export type Insertion = string | number | Markup | undefined | false | readonly Insertion[];

/** A template that escapes all that is inserted, unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...values: readonly Insertion[]): Markup {
  return Markup.of(strings, values);
}

function insert(value: Insertion): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  return typeof value === 'object' ? value.map(insert).join('') : escapeHtml(String(value));
}

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
  /** Path of its icon; left out, it has none. */
  readonly icon?: string;
  /** Paths of its style sheets. */
  readonly styles: readonly string[];
  /** Paths of its scripts, which are modules. */
  readonly scripts?: readonly string[];
}

/** The beginning of a page, up to what its body holds. */
export function documentStart({ title, icon = 'data:,', styles, scripts = [] }: DocumentHead): Markup {
  const sheets = styles.map((path) => html`<link rel="stylesheet" href="${path}">\n`);
  const modules = scripts.map((path) => html`<script type="module" src="${path}"></script>\n`);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${icon}">
${sheets}${modules}</head>
<body>
`;
}

/** The end of a page. */
export const documentEnd: Markup = html`</body>\n</html>\n`;

/** A page of one sentence, with a way on. */
export function notePage(title: string, text: string, hasWay: boolean): Markup {
  const way = hasWay ? html`\n<p><a href="/">Start page</a></p>` : undefined;
  return html`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><main>
<h1>${title}</h1><p>${text}</p>${way}</main></body></html>
`;
}

/** A line that names the server and its start. */
export function serverLine(server: string, startedAt: number): Markup {
  const since = new Date(startedAt).toISOString();
  const shown = since.slice(0, 19).replace('T', ' ');
  return html`<p class="server">${server}, running since <time datetime="${since}">${shown} UTC</time></p>\n`;
}
