import { defineParameters } from '../../config/parameter.js';
import { Runner } from '../../mi/calls/run.js';
import { defineBuiltIn } from '../../module.js';
import { callParameters, checkRoot } from '../call-parameters.js';
import { JsonCalls, judgedHeaders } from './json-calls.js';
import { printError } from './tree.js';

/** Parameters of mi_json, with the names of OpenSIPS 2.x as aliases. */
const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'json',
    aliases: ['mi_json_root'],
    help: 'root path: commands are run by GET /[root]/COMMAND?params=A,B',
    check: checkRoot,
  },
  ...callParameters,
});

/** MI over HTTP as OpenSIPS 2.x had it in JSON, for clients of that time (docs/compatibility.md, "mi_json"). */
export const miJsonModule = defineBuiltIn({
  name: 'mi_json',
  parameters,
  needs: ['httpd'],
  load({ httpd, mi, parameters: { root, mi_timeout: timeout, max_pending: maxPending } }) {
    const runner = new Runner(mi, { maxPending, timeout });
    let calls: JsonCalls | undefined;
    httpd.registerRoot({
      module: 'mi_json',
      root,
      contentType: 'application/json',
      body: 'raw',
      refusesGetBody: true,
      headers: judgedHeaders,
      timeout,
      refuse: (status, reason) => printError(status, reason),
      onInit: () => {
        calls = new JsonCalls(mi, { runner, hosts: httpd.allowedHosts, longestReply: httpd.windowSize });
      },
      onRequest: (exchange) => calls?.handle(exchange),
    });
    return { stop: () => runner.stop() };
  },
});
