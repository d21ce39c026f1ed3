import type { Server } from '#src/index.js';
import { type HttpReply, type PostOptions, post } from './mi-client.js';

/** Gets a page. */
export function get(
  server: Server,
  path: string,
  { headers = {}, method = 'GET' }: PostOptions = {},
): Promise<HttpReply> {
  return post(server, '', { path, method, headers: { 'Content-Type': null, ...headers } });
}

/** Submits a form, urlencoded unless the headers say otherwise. */
export function postForm(
  server: Server,
  path: string,
  body: string,
  headers: Readonly<Record<string, string | null>> = {},
): Promise<HttpReply> {
  return post(server, body, { path, headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers } });
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/** Text as a browser would show it. */
export function unescapeHtml(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_all, name: string) => entities[name] ?? '');
}

/** The text that a page shows as its result; undefined for a page without one. */
export function resultText(page: string): string | undefined {
  const text = /<pre class="json" id="result">([^<]*)<\/pre>/.exec(page)?.[1];
  return text === undefined ? undefined : unescapeHtml(text);
}

/** The result that a page shows. */
export function resultOf(page: string): unknown {
  const text = resultText(page);
  return text === undefined ? undefined : JSON.parse(text);
}
