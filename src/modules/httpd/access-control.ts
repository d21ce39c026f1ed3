import { AddressList, networkOf } from '../../base/address.js';
import type { LogCode } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { suggestNames } from '../../base/nearest.js';
import { reasonOf } from '../../base/text.js';
import type { ParameterValues } from '../../config/parameter.js';
import type { ListenSetting } from '../../http/listen/setting.js';
import { type Access, ListenerAccess } from '../../http/login/access.js';
import { Accounts, readAccountFile, readPasswordFile } from '../../http/login/accounts.js';
import { BackOff } from '../../http/login/back-off.js';
import { parsePasswordHash, parseTokenHash, passwordWeakness } from '../../http/login/secrets.js';
import { Audit } from '../../mi/calls/audit.js';
import { RateLimit } from '../../mi/calls/guard.js';
import { isLevel, type Level, levels, lowerLevel } from '../../mi/commands/command.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { AuditFile } from './audit-file.js';
import type { accessParameters } from './parameters.js';

/** The parameters of httpd about access. */
type AccessSettings = Pick<ParameterValues<typeof accessParameters>, keyof typeof accessParameters>;

/** A listener, as far as access to it goes. */
interface NamedListener {
  /** How messages name it: `http:127.0.0.1:8888`. */
  readonly name: string;
  readonly kind: ListenSetting['kind'];
  /** `auth`, `level` and `allow` of the parameter `listen`. */
  readonly options: ReadonlyMap<string, string>;
}

/** The access to all listeners: accounts, levels, address lists. One for each server. */
export class AccessControl {
  readonly #settings: AccessSettings;
  readonly #log: CodedLog;
  readonly #failed: () => void;
  readonly #backOff = new BackOff();
  #accounts: Accounts;

  /**
   * @param failed told of every request that was not let in
   * @throws Error naming the file and line, or the parameter, that is wrong
   */
  constructor(settings: AccessSettings, log: CodedLog, failed: () => void) {
    const { auth_username: name, auth_password: password, auth_password_file: file } = settings;
    if ((name === undefined) !== (password === undefined && file === undefined)) {
      const own = file === undefined ? 'auth_password' : 'auth_password_file';
      const [given, missing] = name === undefined ? [own, 'auth_username'] : ['auth_username', 'auth_password'];
      throw new Error(`parameter ${given} is set without ${missing}; set both, or none`);
    }
    this.#settings = settings;
    this.#log = log;
    this.#failed = failed;
    this.#accounts = this.#readAccounts();
  }

  /** True when there is anybody who could log in. */
  get hasAccounts(): boolean {
    const { auth_username: name, auth_file: users, auth_tokens: tokens } = this.#settings;
    return name !== undefined || users !== undefined || tokens !== undefined;
  }

  /**
   * Reads the files of users and tokens again. Logins are verified anew.
   * @throws Error telling what is wrong; then everything stays as it was
   */
  reload(): void {
    this.#accounts = this.#readAccounts(this.#accounts);
  }

  /**
   * The access of a listener.
   *
   * @returns undefined where everybody may do everything
   * @throws Error for a wrong option
   */
  accessOf({ name, kind, options }: NamedListener): Access | undefined {
    const needsLogin = this.#needsLogin(name, options.get('auth'));
    const level = levelOf(name, options.get('level'));
    // A Unix socket has no addresses: its file mode says who may connect.
    const allow = kind === 'unix' ? undefined : (options.get('allow') ?? this.#settings.allow_from);
    if (!needsLogin && level === 'admin' && allow === undefined) return undefined;
    return new ListenerAccess({
      allowed: allow === undefined ? undefined : addressList(name, allow),
      accounts: needsLogin ? () => this.#accounts : undefined,
      // The grants of accounts have been checked when they were read.
      grantOf: (granted) => (granted === undefined ? level : lowerLevel(granted as Level, level)),
      realm: this.#settings.auth_realm,
      backOff: this.#backOff,
      failed: this.#failed,
      log: this.#log,
    });
  }

  #needsLogin(name: string, option: string | undefined): boolean {
    if (option === undefined) return this.hasAccounts;
    if (option !== 'on' && option !== 'off') throw new Error(`listener ${name}: auth is "${option}"; give on or off`);
    if (option === 'on' && !this.hasAccounts) {
      throw new Error(
        `listener ${name} has auth=on, and there is nobody who could log in; ` +
          'set auth_file, auth_tokens, or auth_username and auth_password',
      );
    }
    return option === 'on';
  }

  #readAccounts(before?: Accounts): Accounts {
    const { auth_username: name, auth_password_file: file, auth_file: users, auth_tokens: tokens } = this.#settings;
    const warn = (code: LogCode, text: string): void => this.#log.warn({ code }, text);
    const password = file === undefined ? this.#settings.auth_password : readPasswordFile(file, warn);
    const weakness = password === undefined ? undefined : passwordWeakness(password);
    if (weakness !== undefined) {
      const where = file === undefined ? 'auth_password' : `the password in auth_password_file ${file}`;
      warn(
        'password-weak',
        `${where} ${weakness}: choose a longer one, or let users log in with auth_file and lines of mi-httpd passwd`,
      );
    }
    const common = { grants: levels, warn };
    const settings = {
      single: name === undefined || password === undefined ? undefined : { name, grant: 'admin', secret: password },
      users:
        users === undefined ? [] : readAccountFile(users, { ...common, what: 'user', parseSecret: parsePasswordHash }),
      tokens:
        tokens === undefined ? [] : readAccountFile(tokens, { ...common, what: 'token', parseSecret: parseTokenHash }),
    };
    if (settings.users.some((user) => user.name === name)) {
      throw new Error(`user "${name}" of ${users} has the name of auth_username; give one of them another`);
    }
    return new Accounts(settings, before?.turns);
  }
}

function levelOf(name: string, option: string | undefined): Level {
  if (option === undefined) return 'admin';
  if (isLevel(option)) return option;
  throw new Error(`listener ${name}: level "${option}" does not exist; ${suggestNames(option, 'known', levels)}`);
}

function addressList(name: string, text: string): AddressList {
  try {
    return new AddressList(text);
  } catch (error) {
    throw new Error(`listener ${name}: allow: ${reasonOf(error)}`);
  }
}

/**
 * Protects the MI commands by lists, rate limits and the audit log. Without any of them, and where no
 * listener knows its callers, calls cost nothing more.
 *
 * @returns the file of the audit log, to be opened when the server starts; undefined without one
 */
export function protectCommands(
  mi: ManagementInterface,
  parameters: ParameterValues<typeof accessParameters>,
  hasCallers: boolean,
  log: CodedLog,
): AuditFile | undefined {
  const {
    allow_commands: allowCommands,
    deny_commands: denyCommands,
    audit_file: auditFile,
    rate_limit_address: addressRate,
    rate_limit_user: userRate,
  } = parameters;
  const dropped = mi.statistics.add('mi', 'audit_dropped', 'counter');
  const isPlain = (allowCommands ?? denyCommands ?? auditFile) === undefined && addressRate + userRate === 0;
  if (isPlain && !hasCallers) return undefined;
  const file = auditFile === undefined ? undefined : new AuditFile(auditFile, log, () => dropped.add(1));
  mi.protect({
    allowCommands,
    denyCommands,
    audit: file === undefined ? undefined : new Audit(file),
    addressRate: addressRate === 0 ? undefined : new RateLimit(addressRate),
    userRate: userRate === 0 ? undefined : new RateLimit(userRate),
    networkOf,
  });
  return file;
}
