import { AddressList, networkOf } from '../../base/address.js';
import { coded, type LogCode } from '../../base/codes.js';
import { FileWatch } from '../../base/file-watch.js';
import type { CodedLog } from '../../base/log.js';
import { suggestNames } from '../../base/nearest.js';
import { reasonOf } from '../../base/text.js';
import type { ParameterValues } from '../../config/parameter.js';
import { authenticateBy, type OwnLogin } from '../../gateway/own-login.js';
import type { EngineChoice } from '../../http/engine/engine.js';
import { isLoopback } from '../../http/listen/listener.js';
import type { ListenSetting } from '../../http/listen/setting.js';
import { type Access, ListenerAccess, type ListenerSessions } from '../../http/login/access.js';
import {
  type AccountSettings,
  Accounts,
  type Authenticate,
  readAccountFile,
  readPasswordFile,
} from '../../http/login/accounts.js';
import { BackOff } from '../../http/login/back-off.js';
import { parseIdentity } from '../../http/login/client-certificate.js';
import { parsePasswordHash, parseTokenHash, passwordWeakness } from '../../http/login/secrets.js';
import { type SessionOptions, Sessions } from '../../http/login/sessions.js';
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
  readonly address: string;
  readonly port: number;
  /** Those of the parameter `listen`. */
  readonly options: ReadonlyMap<string, string>;
  /** Of listeners that do not choose one themselves. */
  readonly engine: EngineChoice;
}

/** What the server is to the sessions of browsers. */
export interface SessionHost extends Pick<SessionOptions, 'isInUse' | 'ended'> {
  /** Makes the page to log in. */
  readonly page: ListenerSessions['page'];
}

/** How browsers log in at a listener. */
export interface SessionsHere extends ListenerSessions {
  readonly access: ListenerAccess;
}

/** The access to all listeners: accounts, levels, address lists. One for each server. */
export class AccessControl {
  /** Undefined where browsers log in by no page. */
  readonly sessions: Sessions | undefined;
  readonly #page: ListenerSessions['page'] | undefined;
  /** Of the listeners where browsers log in by a page, by their names. */
  readonly #withSessions = new Map<string, SessionsHere>();
  readonly #settings: AccessSettings;
  readonly #log: CodedLog;
  readonly #failed: () => void;
  readonly #changed: () => void;
  readonly #backOff = new BackOff();
  /** What the accounts are made of. */
  #files: AccountSettings;
  #accounts: Accounts;
  readonly #authenticate: Authenticate | undefined;
  #watch: FileWatch | undefined;

  /**
   * @param failed told of every request that was not let in
   * @param changed told when other users may log in: replies that last belong to those of before
   * @param ownLogin a login of the program's own
   * @param host undefined where browsers cannot log in by a page
   * @throws Error naming the file and line, or the parameter, that is wrong
   */
  constructor(
    settings: AccessSettings,
    log: CodedLog,
    failed: () => void,
    changed: () => void,
    ownLogin?: OwnLogin,
    host?: SessionHost,
  ) {
    const { auth_username: name, auth_password: password, auth_password_file: file } = settings;
    const other = name ?? settings.auth_file ?? settings.auth_tokens;
    if (ownLogin !== undefined && other !== undefined) {
      throw coded(
        'ERR_ACCOUNTS',
        new Error('authenticate takes the place of auth_username, auth_file and auth_tokens; leave these out'),
      );
    }
    this.#authenticate = ownLogin && authenticateBy(ownLogin);
    if ((name === undefined) !== (password === undefined && file === undefined)) {
      const own = file === undefined ? 'auth_password' : 'auth_password_file';
      const [given, missing] = name === undefined ? [own, 'auth_username'] : ['auth_username', 'auth_password'];
      throw coded('ERR_ACCOUNTS', new Error(`parameter ${given} is set without ${missing}; set both, or none`));
    }
    this.#settings = settings;
    this.#log = log;
    this.#failed = failed;
    this.#changed = changed;
    this.#files = this.#readCoded();
    this.#accounts = new Accounts(this.#files);
    // A login of the program's own is asked at every request, and may take its answer back.
    const hasSessions = settings.sessions > 0 && ownLogin === undefined && this.#hasLogins;
    if (host !== undefined && hasSessions) {
      const { isInUse, ended, page } = host;
      const { session_idle: idle, session_lifetime: lifetime } = settings;
      this.#page = page;
      this.sessions = new Sessions({ idle: idle * 1000, lifetime: lifetime * 1000, isInUse, ended });
    }
  }

  /** The accounts as of now. */
  get accounts(): Accounts {
    return this.#accounts;
  }

  /** How browsers log in at a listener; undefined where they do not by a page. */
  sessionsAt(listener: string): SessionsHere | undefined {
    return this.#withSessions.get(listener);
  }

  /** True when there is anybody who could log in. */
  get hasAccounts(): boolean {
    return this.#hasLogins || this.#settings.client_users !== undefined;
  }

  /** True when there is anybody who could log in without a certificate. */
  get #hasLogins(): boolean {
    const { auth_username: name, auth_file: users, auth_tokens: tokens } = this.#settings;
    return this.#authenticate !== undefined || name !== undefined || users !== undefined || tokens !== undefined;
  }

  /**
   * Reads the files of all users again. Logins are verified anew.
   * @throws Error telling what is wrong; then everything stays as it was
   */
  reload(): void {
    this.#use(this.#readCoded());
  }

  /**
   * The access of a listener.
   *
   * @returns undefined where everybody may do everything
   * @throws Error for a wrong option
   */
  accessOf(listener: NamedListener): Access | undefined {
    const { name, kind, options, engine } = listener;
    const asksForCertificates = options.has('client_ca');
    const needsLogin = this.#needsLogin(name, options, engine);
    const level = levelOf(name, options.get('level'));
    // A Unix socket has no addresses: its file mode says who may connect.
    const allow = kind === 'unix' ? undefined : (options.get('allow') ?? this.#settings.allow_from);
    if (!needsLogin && level === 'admin' && allow === undefined && !asksForCertificates) return undefined;
    const sessions = needsLogin ? this.#sessionsOf(listener) : undefined;
    const access = new ListenerAccess({
      sessions,
      allowed: allow === undefined ? undefined : addressList(name, allow),
      accounts: needsLogin ? () => this.#accounts : undefined,
      // The grants of accounts have been checked when they were read.
      grantOf: (granted) => granted.reduce<Level>((lowest, one) => lowerLevel(one as Level, lowest), level),
      name,
      asksForCertificates,
      realm: this.#settings.auth_realm,
      backOff: this.#backOff,
      failed: this.#failed,
      log: this.#log,
    });
    if (sessions !== undefined) this.#withSessions.set(name, { ...sessions, access });
    return access;
  }

  /** By plain HTTP a cookie can be read on the way, unless that stays on this machine. */
  #sessionsOf({ kind, address, port }: NamedListener): ListenerSessions | undefined {
    const { sessions } = this;
    const page = this.#page;
    if (sessions === undefined || page === undefined) return undefined;
    if (kind === 'http' && !isLoopback(address) && this.#settings.sessions < 2) return undefined;
    return { sessions, port, isSecure: kind === 'https', page };
  }

  #needsLogin(name: string, options: ReadonlyMap<string, string>, engine: EngineChoice): boolean {
    const option = options.get('auth');
    const asksForCertificates = options.has('client_ca');
    if (option !== undefined && option !== 'on' && option !== 'off') {
      throw coded('ERR_LISTENER', new Error(`listener ${name}: auth is "${option}"; give on or off`));
    }
    if (option === 'off') {
      if (asksForCertificates && options.get('client_cert') === 'optional') {
        throw coded(
          'ERR_LISTENER',
          new Error(
            `listener ${name} has auth=off and client_cert=optional, which lets everybody in; remove one of them`,
          ),
        );
      }
      return false;
    }
    const canLogIn = this.#hasLogins || (asksForCertificates && this.#settings.client_users !== undefined);
    if (option === 'on' && !canLogIn) {
      throw coded(
        'ERR_LISTENER',
        new Error(
          `listener ${name} has auth=on, and there is nobody who could log in; ` +
            'set auth_file, auth_tokens, or auth_username and auth_password',
        ),
      );
    }
    if (asksForCertificates && !canLogIn) {
      // Told at once, since the start would end with it next.
      const other =
        (options.get('engine') ?? engine) === 'node'
          ? ''
          : '; only the engine node asks: add ;engine=node too, or modparam("httpd", "engine", "node")';
      throw coded(
        'ERR_LISTENER',
        new Error(
          `listener ${name} asks for certificates, and no user has one: set client_users, or accounts that log in beside a ` +
            `certificate; auth=off lets in every client with a certificate of client_ca${other}`,
        ),
      );
    }
    if (this.hasAccounts && !canLogIn) {
      throw coded(
        'ERR_LISTENER',
        new Error(
          `listener ${name} asks for no certificates, and there are client_users alone, so that nobody could log in: set ` +
            'client_ca there, or auth=off, or auth_file or auth_tokens',
        ),
      );
    }
    return canLogIn;
  }

  /** Reads the file of users by their certificates again, where that changes. */
  watch(): void {
    const { client_users: file } = this.#settings;
    if (file === undefined) return;
    this.#watch = new FileWatch(
      [file],
      () => this.#clientsChanged(file),
      (folder, error) => {
        const remedy = 'send SIGHUP or call httpd:reload_users after a change';
        this.#log.warn(
          { code: 'client-users-not-watched', folder, err: error },
          `changes of client_users in ${folder} are not noticed; ${remedy}`,
        );
      },
    );
  }

  /** Watches no longer. */
  close(): void {
    this.#watch?.close();
    this.sessions?.close();
  }

  #clientsChanged(file: string): void {
    try {
      this.#use({ ...this.#files, clients: this.#readClients() });
      this.#log.info(
        { code: 'client-users-renewed', file },
        `users are known by the certificates in the new client_users ${file}`,
      );
    } catch (error) {
      this.#log.error({ code: 'client-users-kept', file }, `the former client_users stay: ${reasonOf(error)}`);
    }
  }

  #use(read: AccountSettings): void {
    const now = new Accounts(read, this.#accounts.turns);
    this.#accounts = now;
    this.#files = read;
    // Whose name, level and secret are as they were goes on: files are read again for other reasons, too.
    this.sessions?.end(({ account, isOfToken, stamp }) => now.stampOf(account, isOfToken) !== stamp, 'users changed');
    this.#changed();
  }

  #readCoded(): AccountSettings {
    try {
      return this.#readAccounts();
    } catch (error) {
      throw error instanceof Error ? coded('ERR_ACCOUNTS', error) : error;
    }
  }

  #readAccounts(): AccountSettings {
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
      clients: this.#readClients(),
      authenticate: this.#authenticate,
    };
    if (settings.users.some((user) => user.name === name)) {
      throw coded(
        'ERR_ACCOUNTS',
        new Error(`user "${name}" of ${users} has the name of auth_username; give one of them another`),
      );
    }
    return settings;
  }

  #readClients(): AccountSettings['clients'] {
    const { client_users: file } = this.#settings;
    if (file === undefined) return undefined;
    const warn = (code: LogCode, text: string): void => this.#log.warn({ code }, text);
    const options = { grants: levels, warn, parseSecret: parseIdentity, isIdentity: true };
    return readAccountFile(file, { ...options, what: 'client user' });
  }
}

function levelOf(name: string, option: string | undefined): Level {
  if (option === undefined) return 'admin';
  if (isLevel(option)) return option;
  throw coded(
    'ERR_LISTENER',
    new Error(`listener ${name}: level "${option}" does not exist; ${suggestNames(option, 'known', levels)}`),
  );
}

function addressList(name: string, text: string): AddressList {
  try {
    return new AddressList(text);
  } catch (error) {
    throw coded('ERR_LISTENER', new Error(`listener ${name}: allow: ${reasonOf(error)}`));
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
  const dropped = mi.statistics.add('mi', 'audit_dropped', 'counter', { help: 'Lines that the audit log has lost.' });
  const isPlain = (allowCommands ?? denyCommands ?? auditFile) === undefined && addressRate + userRate === 0;
  if (isPlain && !hasCallers) return undefined;
  const file = auditFile === undefined ? undefined : new AuditFile(auditFile, log, () => dropped.add(1));
  mi.protect({
    allowCommands,
    denyCommands,
    audit: new Audit(file),
    addressRate: addressRate === 0 ? undefined : new RateLimit(addressRate),
    userRate: userRate === 0 ? undefined : new RateLimit(userRate),
    networkOf,
  });
  return file;
}
