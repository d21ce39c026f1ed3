import { coded } from '../../base/codes.js';
import { reasonOf } from '../../base/text.js';
import { refusalBody } from '../../gateway/jsonrpc-refusal.js';
import { isEngineChoice } from '../../http/engine/engine.js';
import { httpCounterNames } from '../../http/limits/counters.js';
import { HttpServer, type HttpServerOptions } from '../../http/server.js';
import { daysLeft } from '../../http/tls/certificate.js';
import { type Command, shapedCommand as command } from '../../mi/commands/command.js';
import { anything, either, list, number, object, ok, oneOf, text, whole } from '../../mi/commands/shape.js';
import { MiAnswer } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { JsonText } from '../../mi/results/result.js';
import type { Statistics } from '../../mi/statistics.js';
import { defineBuiltIn, type ServerFacts } from '../../module.js';
import { compressionsOpen } from '../../native/compression.js';
import { AccessControl, protectCommands } from './access-control.js';
import { refuseSharedFile } from './audit-file.js';
import { healthPaths, landingPaths } from './landing.js';
import { listenerNotices, listeners, loopbackNotice, refuseExposure, warnOfExposure } from './listeners.js';
import { Logins } from './login.js';
import { parameters } from './parameters.js';
import { sessionCommands } from './session-commands.js';

/** The HTTP server and its registry of root paths. */
export const httpdModule = defineBuiltIn({
  name: 'httpd',
  parameters,
  load({ parameters, mi, log, status, facts, eventStreams }) {
    const windowSize = parameters.buf_size || Math.max(1024, Math.floor(facts.privateMemory / 4));
    const denied = mi.statistics.add('httpd', 'access_denied', 'counter', {
      help: 'Requests not let in: a wrong login, an address that is not allowed, or one that has to wait.',
    });
    let logins: Logins | undefined;
    let usersChanged = (): void => {};
    const access = new AccessControl(
      parameters,
      log,
      () => denied.add(1),
      () => {
        usersChanged();
        eventStreams.end();
      },
      facts.authenticate,
      // An app of the program has routes for the roots alone.
      facts.app === undefined
        ? {
            isInUse: (id) => eventStreams.isReadIn(id),
            ended: (session, reason) => {
              eventStreams.endOf(session.id);
              logins?.ended(session, reason);
            },
            page: (asked) => logins?.asked(asked) ?? '',
          }
        : undefined,
    );
    const wanted = typeof facts.engine === 'string' ? facts.engine : parameters.engine;
    const engineChoice = isEngineChoice(wanted) ? wanted : 'auto';
    const listening = listeners(parameters, access, facts.sockets, engineChoice);
    const hasCallers = listening.some((listener) => listener.access !== undefined);
    const audit = protectCommands(mi, parameters, hasCallers, log);
    const { threads } = facts;
    if (threads > 0) refuseThreads(facts);
    const lost = threads > 0 ? status.add('httpd', { status: 1, details: 'all threads serve' }) : undefined;
    const httpd = new HttpServer({
      listeners: listening,
      opensSockets: facts.opensSockets,
      app: facts.app,
      threads,
      threadsChanged: () => {
        const serving = httpd.threads.filter(({ isServing }) => isServing).length;
        lost?.set(serving === threads ? 1 : -1, `${serving} of ${threads} threads serve`);
      },
      servesEverybody: parameters.allow_unauthenticated === 1,
      windowSize,
      postBufSize: parameters.post_buf_size,
      receiveBufSize: parameters.receive_buf_size,
      // All bodies together: what the window leaves of the private memory, and room for the largest one at least.
      bodiesTotal: Math.max(facts.privateMemory - windowSize, parameters.receive_buf_size),
      connTimeout: parameters.conn_timeout,
      replyTimeout: parameters.reply_timeout,
      maxReplySize: parameters.max_reply_size,
      name: parameters.server_name,
      color: parameters.server_color,
      allowedHosts: parameters.allowed_hosts,
      maxConnections: parameters.max_connections,
      maxConnectionsAddress: parameters.max_connections_address,
      stayEncrypted: parameters.tls_hsts,
      compression:
        parameters.compression > 0
          ? { level: parameters.compression_level, isForUnix: parameters.compression === 2 }
          : undefined,
      jsonRefusal: refusalBody,
      sessions: access.sessions,
      trustChanged: () => eventStreams.end(),
      ...counters(mi.statistics),
      engine: typeof facts.engine === 'object' ? facts.engine : undefined,
      engineChoice,
      log,
    });
    usersChanged = () => httpd.usersChanged();
    if (parameters.history === 'off') mi.history.turnOff();
    else
      mi.history.choose(
        (parameters.history ?? '')
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== ''),
      );
    const health = parameters.health === 1 ? healthPaths(httpd, status) : [];
    const landing = parameters.landing === 1 ? landingPaths(httpd, facts, health) : [];
    for (const path of [...landing, ...health]) httpd.registerPath(path);
    if (access.sessions !== undefined) {
      logins = new Logins({ httpd, mi, access });
      logins.register();
    }
    mi.statistics.add('httpd', 'sessions', 'computed', () => access.sessions?.size ?? 0, {
      help: 'Sessions of browsers that have logged in by a page.',
    });
    mi.statistics.add('httpd', 'exchanges', 'computed', () => httpd.openExchanges, {
      help: 'Requests whose reply has not ended.',
    });
    mi.statistics.add('httpd', 'node_listeners', 'computed', () => httpd.nodeListeners, {
      help: 'Listeners that the HTTP server of Node.js serves.',
    });
    mi.statistics.add('mem', 'bodies', 'computed', () => httpd.bodyBytes, {
      unit: 'bytes',
      help: 'Memory of request bodies that are being received in pieces.',
    });
    mi.statistics.add('mem', 'body_slots', 'computed', () => httpd.bodySlots, {
      help: 'Request bodies that are being received in pieces.',
    });
    mi.statistics.add('mem', 'compressions', 'computed', () => compressionsOpen(), {
      help: 'Replies that are being compressed, of 16 at most.',
    });
    if (listening.some(({ tls }) => tls !== undefined)) {
      mi.statistics.add('httpd', 'tls_days_left', 'computed', () => httpd.certificates?.daysLeft ?? 0, {
        unit: 'days',
        help: 'Time until the first certificate ends.',
      });
    }
    return {
      httpd,
      check: () => {
        refuseExposure(httpd, parameters, facts.configFiles);
        refuseSharedFile(parameters, listening, facts.configFiles);
        audit?.check();
        const notice = facts.opensSockets ? loopbackNotice(parameters, access, facts.configFiles) : undefined;
        if (notice !== undefined) log.info({ code: 'loopback-only' }, notice);
        return listenerNotices(parameters, listening);
      },
      exposed: () => warnOfExposure(httpd, log, facts.configFiles),
      start: async () => {
        await audit?.open();
        access.watch();
      },
      reload: () => {
        audit?.reopen();
        access.reload();
      },
      stop: () => access.close(),
      finish: () => audit?.close(),
      commands: [
        command({
          name: 'list_root_path',
          aliases: ['httpd_list_root_path'],
          readOnly: true,
          help: 'Lists the registered root paths and the modules that own them, newest first.',
          result: list(object({ http_root: text, module: text })),
          run: () => httpd.roots.map(({ module, root }) => ({ http_root: root, module })),
        }),
        reloadTlsCommand(httpd),
        reloadUsersCommand(access),
        recentCallsCommand(mi),
        ...sessionCommands(access.sessions),
      ],
    };
  },
});

/** @throws TypeError naming the option that leaves threads nothing to do, or that they cannot be given */
function refuseThreads({ app, opensSockets, engine }: ServerFacts): void {
  const refuse = (option: string, remedy: string): never => {
    throw coded(
      'ERR_ARGUMENT',
      new TypeError(`threads and option ${option} do not mix: ${remedy}; leave one of them out`),
    );
  };
  if (app !== undefined) refuse('app', 'an app of the program serves in the thread that made it');
  if (!opensSockets) refuse('listen', 'without a socket there is nothing that threads could serve');
  if (typeof engine === 'object') refuse('engine', 'an engine that the program has loaded is not given to threads');
}

/** Group `httpd`; its slots lie side by side, so that the HTTP layer can count in them without knowing statistics. */
function counters(statistics: Statistics): Pick<HttpServerOptions, 'counters' | 'sharedCounters'> {
  const [first, ...rest] = httpCounterNames.map(({ name, kind, ...about }) =>
    statistics.add('httpd', name, kind, about),
  );
  if (first === undefined) return {};
  return {
    counters: first.values.subarray(first.slot, first.slot + rest.length + 1),
    sharedCounters: { rows: statistics.shared.rows, first: first.slot },
  };
}

/** `httpd:audit_recent`: who changed what. */
function recentCallsCommand(mi: ManagementInterface): Command {
  return command({
    name: 'audit_recent',
    level: 'admin',
    readOnly: true,
    help:
      'Lists the calls that may have changed something last, and those that were denied, of 1000 that are kept, oldest first, as ' +
      '`audit_file` has them: all, or those of a caller (`who`) or a command; the last count of them. Kept where callers log in, or ' +
      'calls are limited or audited.',
    optional: { who: 'string', command: 'string', count: 'int' },
    parameters: {
      who: { help: 'The name of a caller.' },
      command: { help: 'Any name of a command.' },
      count: { help: 'Calls, the last ones.', min: 0, default: 1000 },
    },
    result: object({
      Calls: list(
        object(
          {
            time: text,
            who: text,
            level: text,
            from: text,
            listener: text,
            command: text,
            outcome: either(text, whole),
            ms: number,
          },
          { certificate: text, params: anything },
        ),
      ),
    }),
    run: ({ who, command: named, count = 1000 }, { client }) => {
      const entry = named === undefined ? undefined : mi.find(named, client);
      const found = (mi.audit?.recent ?? []).filter(
        (one) => (who === undefined || one.who === who) && (entry === undefined || one.command === entry.fullName),
      );
      const lines = count === 0 ? [] : found.slice(-count).map(({ line }) => line);
      return new JsonText(`{"Calls":[${lines.join(',')}]}`);
    },
  });
}

/** `httpd:reload_tls`: certificates are read again without losing a connection. */
function reloadTlsCommand(httpd: HttpServer): Command {
  return command({
    name: 'reload_tls',
    level: 'admin',
    aliases: ['httpd_reload_tls'],
    help:
      'Reads the certificates and keys of all listeners with TLS again, and the CAs and CRLs by which certificates of clients ' +
      'are judged; open connections go on with those they have, but where clients are judged by others now, theirs end. ' +
      'Where new files are bad, the former ones stay, and the error says why.',
    result: list(
      object({
        listener: text,
        certificate: text,
        outcome: oneOf('reloaded', 'unchanged', 'kept'),
        expires: text,
        days_left: whole,
      }),
    ),
    run: () => {
      const { certificates } = httpd;
      if (certificates === undefined || certificates.isEmpty) throw new MiAnswer(404, 'No listener has TLS');
      const reloads = certificates.reload();
      const problems = reloads.flatMap(({ listener, problem }) =>
        problem === undefined ? [] : [`${listener}: ${problem}`],
      );
      if (problems.length > 0) throw new MiAnswer(500, 'Certificate not reloaded', problems.join('; '));
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

/** `httpd:reload_users`: users and tokens are read again. */
function reloadUsersCommand(access: AccessControl): Command {
  return command({
    name: 'reload_users',
    level: 'admin',
    aliases: ['httpd_reload_users'],
    help:
      'Reads the files of users and tokens again: auth_file, auth_tokens, auth_password_file, client_users. Where one is bad, ' +
      'all stay as they were, and the error says why.',
    result: ok,
    run: () => {
      if (!access.hasAccounts) throw new MiAnswer(404, 'No file of users is set');
      try {
        access.reload();
      } catch (error) {
        throw new MiAnswer(500, 'Users not reloaded', reasonOf(error));
      }
      return 'OK';
    },
  });
}
