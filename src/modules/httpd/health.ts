import type { RootDeclaration } from '../../httpd/roots.js';
import type { HttpServer } from '../../httpd/server.js';

/** `/healthz`: the process answers. `/readyz`: it takes requests, which ends when it is told to stop. */
export function healthPaths(httpd: HttpServer): readonly RootDeclaration[] {
  return [
    plain('healthz', 'the process answers', () => true, 'ok'),
    plain('readyz', 'it takes requests, and is not stopping', () => httpd.isListening, 'ready'),
  ];
}

function plain(path: string, about: string, isGood: () => boolean, text: string): RootDeclaration {
  return {
    module: 'httpd',
    root: path,
    about,
    contentType: 'text/plain; charset=utf-8',
    methods: ['GET'],
    onRequest: (exchange) => {
      const headers = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
      if (isGood()) exchange.reply(200, `${text}\n`, headers);
      else exchange.reply(503, 'the server stops\n', headers);
    },
  };
}
