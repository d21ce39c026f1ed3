import { browserHeaders } from '../../gateway/browser.js';
import { refusalBody } from '../../gateway/refusal.js';
import { isFormType } from '../../http/request/forms.js';
import { Runner } from '../../mi/calls/run.js';
import { defineBuiltIn } from '../../module.js';
import type { WebInterface } from '../../web/web.js';
import { jsonRpcPath, webInterface } from '../../web/web.js';
import { parameters } from './parameters.js';

/** The web interface alone, on a root of its own. */
export const miHtmlModule = defineBuiltIn({
  name: 'mi_html',
  parameters,
  needs: ['httpd'],
  load(context) {
    const { httpd, mi, parameters } = context;
    const { root, http_method: formMethod } = parameters;
    const runner = new Runner(mi, { maxPending: parameters.max_pending, timeout: parameters.mi_timeout });
    let web: WebInterface | undefined;
    httpd.registerRoot({
      module: 'mi_html',
      root,
      contentType: 'text/html; charset=utf-8',
      about: 'management interface: pages',
      accepts: (mediaType) => mediaType === '' || isFormType(mediaType),
      refusesGetBody: true,
      headers: browserHeaders,
      timeout: parameters.mi_timeout,
      refuse: (status, reason, { wantsJson }) =>
        wantsJson
          ? { body: refusalBody(status, reason, jsonRpcPath(httpd)), headers: { 'Content-Type': 'application/json' } }
          : web?.refusalPage(status, reason),
      onInit: () => {
        web = webInterface(context, { root, formMethod, runner, maxValues: parameters.max_values });
      },
      onRequest: (exchange) => web?.handle(exchange),
    });
    return { stop: () => runner.stop() };
  },
});
