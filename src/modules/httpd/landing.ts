import { stringify } from '../../base/json.js';
import type { Exchange } from '../../http/exchange.js';
import { Assets, sharedAssets } from '../../http/pages/assets.js';
import {
  documentEnd,
  documentStart,
  html,
  type Markup,
  notePage,
  privateHeaders,
  replyPage,
  serverLine,
} from '../../http/pages/html.js';
import { prefersJson, weigher } from '../../http/request/head.js';
import type { RootDeclaration } from '../../http/roots.js';
import type { HttpServer, ListedRoot } from '../../http/server.js';
import type { StatusReports } from '../../mi/status-reports.js';
import type { ServerFacts } from '../../module.js';

const style = '-/style.css';

/** `/`: the root paths with links, as a page or as JSON; and the style sheet of that page. */
export function landingPaths(
  httpd: HttpServer,
  facts: ServerFacts,
  health: readonly RootDeclaration[],
): readonly RootDeclaration[] {
  const assets = new Assets(sharedAssets);
  const path = (root: string, header: string, answer: (exchange: Exchange) => void): RootDeclaration => ({
    module: 'httpd',
    root,
    contentType: 'text/html; charset=utf-8',
    methods: ['GET'],
    refusesGetBody: true,
    headers: ['host', header],
    onRequest: (exchange) => {
      const refusal = httpd.allowedHosts.refusal(exchange);
      if (refusal === undefined) answer(exchange);
      else exchange.refuse(403, refusal);
    },
  });
  return [
    path('', 'accept', (exchange) => {
      // In the order in which they were registered.
      const roots = httpd.roots.toReversed();
      if (prefersJson(exchange.header('accept') ?? '')) {
        const body = {
          server: `${facts.name} ${facts.version}`,
          roots: roots.map(({ root, module }) => ({ path: `/${root}`, module })),
        };
        const headers = { ...privateHeaders, 'Content-Type': 'application/json', Vary: 'Accept' };
        exchange.reply(200, `${stringify(body)}\n`, headers);
      } else {
        replyPage(exchange, 200, page(facts, roots, health).text, { Vary: 'Accept' });
      }
    }),
    path(style, 'if-none-match', (exchange) => {
      assets.reply(exchange, 'style.css');
    }),
  ];
}

function page(
  { name, version, startedAt }: ServerFacts,
  roots: readonly ListedRoot[],
  health: readonly RootDeclaration[],
): Markup {
  const server = `${name} ${version}`;
  return html`${documentStart({ title: server, styles: [`/${style}`] })}<header>
<h1>${name}</h1>
${serverLine(server, startedAt())}</header>
<main>
${list(
  'Root paths',
  roots.map(({ root, module, about, servesGet }) => item(root, about ?? '', `module ${module}`, servesGet)),
)}${list(
  'Health',
  health.map(({ root, about }) => item(root, about ?? '', 'plain text', true)),
)}</main>
${documentEnd}`;
}

function list(title: string, items: readonly Markup[]): Markup | undefined {
  if (items.length === 0) return undefined;
  return html`<section aria-label="${title}">
<h2>${title}</h2>
<ul class="commands">
${items}</ul>
</section>
`;
}

function item(root: string, about: string, note: string, isLink: boolean): Markup {
  const path = `/${root}`;
  const name = isLink ? html`<a href="${path}">${path}</a>` : html`<code>${path}</code>`;
  const text = about === '' ? note : `${about} (${note})`;
  return html`<li>${name} <span class="help">${text}</span></li>\n`;
}

/**
 * `/healthz`: the process answers. `/readyz`: it takes requests and all of its parts are ready, as `sr_list_status`
 * tells; that ends when it is told to stop.
 */
export function healthPaths(httpd: HttpServer, status: StatusReports): readonly RootDeclaration[] {
  const unready = (): string | undefined => {
    if (!httpd.isListening) return 'the server stops';
    const [first] = status.unready;
    if (first === undefined) return undefined;
    // Its details are for those who may call sr_get_status.
    return `not ready: ${first.group} ${first.name}`;
  };
  return [
    plain('healthz', 'the process answers', () => undefined, 'ok'),
    plain('readyz', 'it takes requests, is not stopping, and all of its parts are ready', unready, 'ready'),
  ];
}

/** @param problem why the answer is 503, if it is */
function plain(path: string, about: string, problem: () => string | undefined, text: string): RootDeclaration {
  return {
    module: 'httpd',
    root: path,
    about,
    contentType: 'text/plain; charset=utf-8',
    methods: ['GET'],
    refusesGetBody: true,
    headers: ['accept'],
    onRequest: (exchange) => {
      const headers = { 'Cache-Control': 'no-store', Vary: 'Accept' };
      const reason = problem();
      const status = reason === undefined ? 200 : 503;
      // For those who came by a link of the start page. Probes name no page.
      if (weigher(exchange.header('accept') ?? '')('text/html') > 0)
        replyPage(exchange, status, notePage(`/${path}`, reason ?? text, true).text, headers);
      else exchange.reply(status, `${reason ?? text}\n`, headers);
    },
  };
}
