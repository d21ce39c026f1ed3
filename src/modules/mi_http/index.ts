import { defineModule } from '../../module.js';
import { JsonRpc } from './jsonrpc.js';
import { parameters } from './parameters.js';
import { refusalBody } from './refusal.js';

const mediaTypes: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'application/json-rpc',
  'application/jsonrpc',
]);

/** MI over HTTP as JSON-RPC 2.0. */
export const miHttpModule = defineModule({
  name: 'mi_http',
  parameters,
  needs: ['httpd'],
  load(context) {
    const { httpd, mi, parameters } = context;
    let jsonRpc: JsonRpc | undefined;
    mi.statistics.add('mem', 'windows_in_use', 'computed', () => jsonRpc?.windowsInUse ?? 0);
    mi.statistics.add('mem', 'ids_held', 'computed', () => jsonRpc?.idsHeld ?? 0);
    httpd.registerRoot({
      module: 'mi_http',
      root: parameters.root,
      contentType: 'application/json',
      methods: ['POST'],
      accepts: (mediaType) => mediaTypes.has(mediaType),
      body: 'raw',
      borrowBody: true,
      // For streams that give nothing. A call that is waited for has a timer of its own that runs out first and answers.
      timeout: parameters.mi_timeout,
      refuse: refusalBody,
      onInit: () => {
        // Now, not at load: by now every module has registered its commands.
        jsonRpc = new JsonRpc(mi, context.log, {
          windowSize: httpd.windowSize,
          pretty: parameters.pretty_printing === 1,
          timeout: parameters.mi_timeout,
          maxPending: parameters.max_pending,
        });
      },
      onRequest: (exchange) => jsonRpc?.handle(exchange),
    });
    return { stop: () => jsonRpc?.stop() };
  },
});
