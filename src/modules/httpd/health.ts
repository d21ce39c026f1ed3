import type { RootDeclaration } from '../../httpd/roots.js';
import type { HttpServer } from '../../httpd/server.js';
import type { StatusReports } from '../../mi/status-reports.js';

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
    onRequest: (exchange) => {
      const headers = { 'Cache-Control': 'no-store' };
      const reason = problem();
      if (reason === undefined) exchange.reply(200, `${text}\n`, headers);
      else exchange.reply(503, `${reason}\n`, headers);
    },
  };
}
