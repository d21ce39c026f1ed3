import type { Log } from '../../base/log.js';
import type { ParameterValues } from '../../config/parameter.js';
import { settingName } from '../../http/listen/setting.js';
import type { HttpServer } from '../../http/server.js';
import { ownFile } from './own-file.js';
import type { parameters } from './parameters.js';

/**
 * Refuses to be open to everybody: a listener that other machines can reach and where nobody has to log in.
 * @throws Error naming the listener and the lines to add
 */
export function refuseExposure(
  httpd: HttpServer,
  values: ParameterValues<typeof parameters>,
  configFiles: readonly string[],
): void {
  if (values.allow_unauthenticated === 1) return;
  const exposed = httpd.exposed.find(({ options }) => options.access?.needsLogin !== true);
  if (exposed === undefined) return;
  const { kind, port } = exposed.options.setting;
  const local = values.listen.length > 0 ? `"listen", "${kind}:127.0.0.1:${port}"` : '"ip", "127.0.0.1"';
  throw new Error(
    `listener ${settingName(exposed.options.setting)} can be reached by other machines, and nobody has to log in ` +
      `there: keep it on this machine, modparam("httpd", ${local}); or let users log in, modparam("httpd", ` +
      '"auth_file", "FILE") with lines of mi-httpd passwd (or auth_tokens, or auth_username and auth_password); or, ' +
      `where a firewall or proxy guards it, modparam("httpd", "allow_unauthenticated", 1); the last two ${ownFile(configFiles)}`,
  );
}

/** Warns of what other machines can do or see, once the server listens. */
export function warnOfExposure(httpd: HttpServer, log: Log, configFiles: readonly string[]): void {
  for (const { bound, options } of httpd.exposed) {
    const { access, setting } = options;
    if (access?.needsLogin !== true) {
      log.warn(
        { address: bound },
        `LISTENING ON ${bound} WITHOUT AUTHENTICATION: whoever reaches this port runs MI commands, kill included ` +
          'unless a level or list forbids it; if no firewall or proxy guards it, set modparam("httpd", "ip", ' +
          `"127.0.0.1"), or modparam("httpd", "auth_file", "FILE") ${ownFile(configFiles)}`,
      );
    } else if (setting.kind === 'http') {
      log.warn(
        { address: bound },
        `listening on ${bound} without TLS: passwords and tokens can be read on the way; use an https listener, or a ` +
          'proxy that encrypts',
      );
    }
  }
}
