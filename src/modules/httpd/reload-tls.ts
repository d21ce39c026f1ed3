import type { HttpServer } from '../../httpd/server.js';
import { daysLeft } from '../../httpd/tls/certificate.js';
import { type Command, command } from '../../mi/command.js';
import { MiError } from '../../mi/errors.js';

/** `httpd:reload_tls`: certificates are read again without losing a connection. */
export function reloadTlsCommand(httpd: HttpServer): Command {
  return command({
    name: 'reload_tls',
    level: 'admin',
    aliases: ['httpd_reload_tls'],
    help:
      'Reads the certificates and keys of all listeners with TLS again; open connections go on with those they have. ' +
      'Where new files are bad, the former certificate stays, and the error says why.',
    run: () => {
      const { certificates } = httpd;
      if (certificates === undefined || certificates.isEmpty) throw new MiError(404, 'No listener has TLS');
      const reloads = certificates.reload();
      const problems = reloads.flatMap(({ listener, problem }) =>
        problem === undefined ? [] : [`${listener}: ${problem}`],
      );
      if (problems.length > 0) throw new MiError(500, 'Certificate not reloaded', problems.join('; '));
      return reloads.map(({ listener, certificate, outcome, expiresAt }) => ({
        listener,
        certificate,
        outcome,
        expires: new Date(expiresAt).toISOString(),
        days_left: daysLeft(expiresAt),
      }));
    },
  });
}
