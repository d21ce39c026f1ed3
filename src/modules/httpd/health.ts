import type { RootDeclaration } from '../../httpd/roots.js';
import type { HttpServer } from '../../httpd/server.js';

/** `/healthz`: the process answers. `/readyz`: it takes requests, which ends when it is told to stop. */
export function healthPaths(httpd: HttpServer): readonly RootDeclaration[] {
  return [plain('healthz', () => true, 'ok'), plain('readyz', () => httpd.isListening, 'ready')];
}

function plain(path: string, isGood: () => boolean, text: string): RootDeclaration {
  return {
    module: 'httpd',
    root: path,
    contentType: 'text/plain; charset=utf-8',
    methods: ['GET'],
    onRequest: (exchange) => {
      const headers = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
      if (isGood()) exchange.reply(200, `${text}\n`, headers);
      else exchange.reply(503, 'the server stops\n', headers);
    },
  };
}
