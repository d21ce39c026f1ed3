import type { Sessions } from '../../http/login/sessions.js';
import { type Command, shapedCommand as command } from '../../mi/commands/command.js';
import { list, number, object, oneOf, text, whole } from '../../mi/commands/shape.js';
import { invalidParams, MiAnswer } from '../../mi/errors.js';

/** The commands about the sessions of browsers. */
export function sessionCommands(sessions: Sessions | undefined): readonly Command[] {
  return [listSessions(sessions), endSession(sessions)];
}

/** `httpd:list_sessions` */
function listSessions(sessions: Sessions | undefined): Command {
  return command({
    name: 'list_sessions',
    level: 'admin',
    readOnly: true,
    help:
      'Lists the sessions of browsers that have logged in by a page, the one that was used last first: its name, user and level, ' +
      'where it began, the seconds since its last request, and those until it ends in any case.',
    result: object({
      Sessions: list(
        object({
          session: text,
          user: text,
          level: text,
          by: oneOf('password', 'token'),
          from: text,
          listener: text,
          agent: text,
          since: text,
          idle: number,
          left: number,
        }),
      ),
    }),
    run: () => ({
      Sessions: (sessions?.all ?? []).map((one) => ({
        session: one.id,
        user: one.account.name,
        level: one.account.grant,
        by: one.isOfToken ? 'token' : 'password',
        from: one.origin,
        listener: one.listener,
        agent: one.agent,
        since: new Date(one.beganAt).toISOString(),
        idle: Math.round(one.idleFor),
        left: Math.round(one.leftFor),
      })),
    }),
  });
}

/** `httpd:end_session` */
function endSession(sessions: Sessions | undefined): Command {
  const all = () => sessions?.all ?? [];
  return command({
    name: 'end_session',
    level: 'admin',
    help:
      'Ends a session of a browser by its name, or all of a `user`, and with it the streams that are read in it; its next request gets ' +
      'the page to log in. Gives the number of sessions that have ended.',
    recipes: [{ session: 'string' }, { user: 'string' }],
    parameters: {
      session: { help: 'Its name, which `httpd:list_sessions` tells.', suggest: () => all().map(({ id }) => id) },
      user: {
        help: 'Who has logged in.',
        suggest: () => [...new Set(all().map(({ account }) => account.name))],
      },
    },
    namedOnly: true,
    result: object({ ended: whole }),
    run: ({ session, user }) => {
      if (session === undefined && user === undefined) throw invalidParams('give a session or a user');
      const ended =
        sessions?.end(({ id, account }) => (session === undefined ? account.name === user : id === session), 'ended') ??
        0;
      if (ended === 0 && session !== undefined) throw new MiAnswer(404, 'No such session');
      return { ended };
    },
  });
}
