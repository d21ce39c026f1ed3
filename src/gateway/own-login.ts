import { coded } from '../base/codes.js';
import { shown } from '../base/given.js';
import type { Authenticate, Credentials, LoginRequest } from '../http/login/accounts.js';
import { isLevel, type Level } from '../mi/commands/command.js';

/**
 * A login of the program's own: whose credentials these are, and the level of that caller; undefined: nobody's. Failures are
 * counted, and make clients wait, as those of other logins do. What it throws is logged, and answered 503.
 *
 * ```ts
 * const authenticate: OwnLogin = async ({ token }) =>
 *   token === process.env.ROBOT_TOKEN ? { name: 'robot', level: 'operate' } : undefined;
 * ```
 */
export type OwnLogin = (
  credentials: Credentials,
  request: LoginRequest,
) => OwnCaller | undefined | Promise<OwnCaller | undefined>;

/** The caller whom a login of the program's own lets in. */
export interface OwnCaller {
  readonly name: string;
  readonly level: Level;
}

/** A login whose callers are checked: a level that does not exist would not be told from a lower one. */
export function authenticateBy(authenticate: OwnLogin): Authenticate {
  return async (credentials, request) => {
    const caller = await authenticate(credentials, request);
    if (caller === undefined) return undefined;
    const { name, level }: { readonly name: unknown; readonly level: unknown } = caller;
    if (typeof name !== 'string' || name === '' || typeof level !== 'string' || !isLevel(level)) {
      const remedy = 'give a name and a level, or undefined';
      throw coded('ERR_ACCOUNTS', new TypeError(`authenticate gave ${shown(caller)}; ${remedy}`));
    }
    return { name, grant: level };
  };
}
