import { SharedCount } from '../../base/shared-count.js';
import { defineParameters } from '../../config/parameter.js';
import { callRefusal, pageHeaderNames, wantsPage } from '../../gateway/browser.js';
import { refusalBody } from '../../gateway/jsonrpc-refusal.js';
import type { Exchange } from '../../http/exchange.js';
import type { Service } from '../../http/roots.js';
import { Runner } from '../../mi/calls/run.js';
import { defineBuiltIn } from '../../module.js';
import { type WebInterface, webInterface } from '../../web/web.js';
import { callParameters, countLimit, headersOf, rootProblem, streamLimit, valueLimit } from '../call-parameters.js';
import { tracingOf } from '../tracing.js';
import { callsInThread, takeAudited } from './in-threads.js';
import { JsonRpc } from './jsonrpc.js';
import { mediaTypes } from './media-types.js';

/** Parameters of mi_http, with the names of 3.x/4.0 and, as aliases, of 2.x. */
const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'mi',
    aliases: ['mi_http_root'],
    help: 'root path: JSON-RPC is served at http://ip:port/[root]',
    check: rootProblem,
  },
  pretty_printing: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: replies are indented, for people; 0: compact',
  },
  mi_http_method: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: 'method of the forms of the web interface: 0 GET, 1 POST',
  },
  html: {
    type: 'int',
    default: 1,
    min: 0,
    max: 1,
    help: '1: GET and forms give the pages of the web interface; 0: JSON-RPC alone',
  },
  max_batch: {
    type: 'int',
    default: 1000,
    min: 0,
    max: 100000,
    help: 'requests of one batch; a longer one is refused before any of it runs. 0: batches are refused',
  },
  ...valueLimit,
  ...streamLimit,
  ...countLimit,
  ...callParameters,
});

/** MI over HTTP: as JSON-RPC 2.0, and as pages for browsers. */
export const miHttpModule = defineBuiltIn({
  name: 'mi_http',
  parameters,
  needs: ['httpd'],
  load(context) {
    const { httpd, mi, parameters, facts, forThreads } = context;
    const { root } = parameters;
    const hasPages = parameters.html === 1;
    const pending = new SharedCount(SharedCount.make(facts.threads + 1));
    const runner = new Runner(mi, { maxPending: parameters.max_pending, pending, timeout: parameters.mi_timeout });
    const tracing = tracingOf(context, 'mi_http', parameters);
    let jsonRpc: JsonRpc | undefined;
    let web: WebInterface | undefined;
    const batches = mi.statistics.add('mi', 'batches', 'counter', { help: 'Batches run; their calls count as calls.' });
    mi.statistics.add('mem', 'windows_in_use', 'computed', () => (jsonRpc?.windowsInUse ?? 0) + (web?.streaming ?? 0), {
      help: 'Replies that are being streamed.',
    });
    mi.statistics.add('mem', 'ids_held', 'computed', () => jsonRpc?.idsHeld ?? 0, {
      help: 'Ids of requests that are kept for replies to come.',
    });
    const calls = { keepsHeaders: false, onRequest: (exchange: Exchange) => jsonRpc?.handle(exchange) };
    const browserCalls: Service = {
      onRequest: (exchange) => {
        const refusal = callRefusal(exchange, httpd.allowedHosts);
        if (refusal !== undefined) exchange.refuse(403, refusal);
        else jsonRpc?.handle(exchange);
      },
    };
    const pages: Service = { onRequest: (exchange) => web?.handle(exchange) };
    httpd.registerRoot({
      module: 'mi_http',
      root,
      contentType: 'application/json',
      about: hasPages
        ? 'management interface: pages, and JSON-RPC 2.0 by POST'
        : 'management interface: JSON-RPC 2.0 by POST',
      methods: hasPages ? ['GET', 'POST'] : ['POST'],
      // Calls that are not a browser's need no headers, which saves most of a microsecond.
      choose: (request) => {
        const { mediaType } = request;
        if (request.method === 'POST' && (mediaType === 'application/json' || mediaTypes.has(mediaType)))
          return request.hasOrigin ? browserCalls : calls;
        return hasPages && wantsPage(request) ? pages : undefined;
      },
      body: hasPages ? 'fields' : 'raw',
      borrowBody: true,
      refusesGetBody: true,
      ignoresQuery: true,
      headers: pageHeaderNames,
      timeout: parameters.mi_timeout,
      // Each call that is waited for has a timer of its own. A batch whose last call runs out of time prints its reply after that.
      keepsTime: true,
      refuse: (status, reason, request) =>
        web !== undefined && wantsPage(request) && !request.wantsJson
          ? web.refusalPage(status, reason)
          : refusalBody(status, reason, `/${root}`),
      onInit: () => {
        // Now, not at load: by now every module has registered its commands.
        const wanted = headersOf(mi);
        httpd.keepHeaders(root, wanted);
        calls.keepsHeaders = wanted.length > 0;
        const tracer = tracing.tracer();
        const replies = {
          windowSize: httpd.windowSize,
          chunkSize: Math.min(httpd.windowSize, httpd.chunkSize),
          pretty: parameters.pretty_printing === 1,
          maxBatch: parameters.max_batch,
          maxValues: parameters.max_values,
        };
        jsonRpc = new JsonRpc(mi, runner, { ...replies, batches, tracer });
        const { max_pending: maxPending, mi_timeout: timeout } = parameters;
        if (tracer === undefined)
          httpd.serveInThreads(
            (thread) => {
              // Of one that was lost, those that it had are no more.
              pending.lost(thread);
              const modules = forThreads();
              const calls = callsInThread(mi, facts, thread, {
                ...{ root, replies, maxPending, timeout, modules, perThread: facts.perThread },
                pending: pending.memory,
              });
              return calls && { calls, loadsModules: facts.perThread.length > 0 };
            },
            (told) => takeAudited(mi, told),
          );
        if (hasPages)
          web = webInterface(context, {
            root,
            formMethod: parameters.mi_http_method,
            countTime: parameters.count_time * 1000,
            runner,
            maxValues: parameters.max_values,
            maxStreams: parameters.max_streams,
            tracer,
          });
      },
      onRequest: calls.onRequest,
    });
    const stop = (): void => {
      runner.stop();
      httpd.giveUpInThreads('the server stops');
    };
    return { runner, check: () => tracing.check(), stop };
  },
});
