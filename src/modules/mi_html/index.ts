import { defineParameters } from '../../config/parameter.js';
import { pageHeaderNames } from '../../gateway/browser.js';
import { refusalBody } from '../../gateway/jsonrpc-refusal.js';
import { isFormType } from '../../http/request/forms.js';
import { Runner } from '../../mi/calls/run.js';
import { defineBuiltIn } from '../../module.js';
import { jsonRpcPath, type WebInterface, webInterface } from '../../web/web.js';
import { callParameters, countLimit, rootProblem, streamLimit, valueLimit } from '../call-parameters.js';
import { tracingOf } from '../tracing.js';

/** Parameters of mi_html. */
const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'mi',
    help: 'root path of the pages; mi_http needs another one',
    check: rootProblem,
  },
  http_method: { type: 'int', default: 0, min: 0, max: 1, help: 'method of the forms: 0 GET, 1 POST' },
  ...valueLimit,
  ...streamLimit,
  ...countLimit,
  ...callParameters,
});

/** The web interface alone, on a root of its own. */
export const miHtmlModule = defineBuiltIn({
  name: 'mi_html',
  parameters,
  needs: ['httpd'],
  load(context) {
    const { httpd, mi, parameters } = context;
    const { root, http_method: formMethod } = parameters;
    const runner = new Runner(mi, { maxPending: parameters.max_pending, timeout: parameters.mi_timeout });
    const tracing = tracingOf(context, 'mi_html', parameters);
    let web: WebInterface | undefined;
    httpd.registerRoot({
      module: 'mi_html',
      root,
      contentType: 'text/html; charset=utf-8',
      about: 'management interface: pages',
      accepts: (mediaType) => mediaType === '' || isFormType(mediaType),
      refusesGetBody: true,
      headers: pageHeaderNames,
      timeout: parameters.mi_timeout,
      refuse: (status, reason, { wantsJson }) =>
        wantsJson
          ? { body: refusalBody(status, reason, jsonRpcPath(httpd)), headers: { 'Content-Type': 'application/json' } }
          : web?.refusalPage(status, reason),
      onInit: () => {
        web = webInterface(context, {
          root,
          formMethod,
          countTime: parameters.count_time * 1000,
          runner,
          maxValues: parameters.max_values,
          maxStreams: parameters.max_streams,
          tracer: tracing.tracer(),
        });
      },
      onRequest: (exchange) => web?.handle(exchange),
    });
    return { check: () => tracing.check(), stop: () => runner.stop() };
  },
});
