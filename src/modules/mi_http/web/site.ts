import type { HttpServer } from '../../../httpd/server.js';
import type { BuiltInContext } from '../../../module.js';
import type { PendingCalls } from '../pending.js';
import { WebInterface } from './web.js';

/** Most bytes of a result that a page shows: what browsers still lay out at once. */
const mostShown = 262144;

/** What sets the web interfaces of one server apart. */
export interface WebRoot {
  readonly root: string;
  /** 0: GET; 1: POST. */
  readonly formMethod: number;
  readonly pending: PendingCalls;
  /** Values that one form may give. */
  readonly maxValues: number;
}

/** Path of the root that takes JSON-RPC; undefined without one. */
export function jsonRpcPath(httpd: HttpServer): string | undefined {
  const jsonRpc = httpd.roots.find(({ module }) => module === 'mi_http');
  return jsonRpc === undefined ? undefined : `/${jsonRpc.root}`;
}

/** Makes the web interface of a root; to be called when all modules have registered their commands and roots. */
export function webInterface(
  context: BuiltInContext<object>,
  { root, formMethod, pending, maxValues }: WebRoot,
): WebInterface {
  const { mi, httpd, log, facts } = context;
  return new WebInterface(mi, log, {
    base: `/${root}`,
    formMethod: formMethod === 1 ? 'post' : 'get',
    jsonRpcPath: jsonRpcPath(httpd),
    shownSize: Math.min(httpd.windowSize, mostShown),
    server: `${facts.name} ${facts.version}`,
    startedAt: facts.startedAt,
    hosts: httpd.allowedHosts,
    pending,
    maxValues,
  });
}
