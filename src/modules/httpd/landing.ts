import type { Exchange, ReplyHeaders } from '../../httpd/exchange.js';
import { html } from '../../httpd/markup.js';
import type { RootDeclaration } from '../../httpd/roots.js';
import type { HttpServer } from '../../httpd/server.js';
import type { ServerFacts } from '../../module.js';

const headers: ReplyHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  Vary: 'Accept',
};

/** `/`: the root paths with links, as a page or as JSON. */
export function landingPage(httpd: HttpServer, { name, version }: ServerFacts): RootDeclaration {
  return {
    module: 'httpd',
    root: '',
    contentType: 'text/html; charset=utf-8',
    methods: ['GET'],
    headers: ['host', 'accept'],
    onRequest: (exchange) => {
      const refusal = httpd.allowedHosts.refusal(exchange.header('host'));
      if (refusal !== undefined) {
        exchange.refuse(403, refusal);
        return;
      }
      const roots = httpd.roots.toReversed().map(({ root, module }) => ({ path: `/${root}`, module }));
      if (prefersJson(exchange)) {
        const body = `${JSON.stringify({ server: `${name} ${version}`, roots })}\n`;
        exchange.reply(200, body, { ...headers, 'Content-Type': 'application/json' });
        return;
      }
      const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${name}</title>
<link rel="icon" href="data:,">
</head>
<body>
<main>
<h1>${name} ${version}</h1>
<p>Root paths of this server:</p>
<ul>
${roots.map(({ path, module }) => html`<li><a href="${path}">${path}</a> (module ${module})</li>\n`)}</ul>
</main>
</body>
</html>
`;
      exchange.reply(200, page.text, headers);
    },
  };
}

/** Whether JSON is asked for with more weight than HTML (RFC 9110 §12.5.1); clients that take anything get JSON too. */
function prefersJson(exchange: Exchange): boolean {
  const accept = (exchange.header('accept') ?? '*/*').toLowerCase();
  const ranges = accept.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    return { type, weight: q === undefined ? 1 : Number(q.slice(2)) || 0 };
  });
  const weightOf = (...types: readonly string[]): number => {
    for (const type of types) {
      const range = ranges.find((one) => one.type === type);
      if (range !== undefined) return range.weight;
    }
    return 0;
  };
  return weightOf('application/json', 'application/*', '*/*') > weightOf('text/html', 'text/*');
}
