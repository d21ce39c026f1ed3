import { type AddressList, localOrigin, networkOf, unknownOrigin } from '../../base/address.js';
import type { CodedLog } from '../../base/log.js';
import { Recent } from '../../base/recent.js';
import { shorten } from '../../base/text.js';
import type { Caller, ReplyHeaders } from '../exchange.js';
import { type Account, type Accounts, BusyError, type Credentials, type LoginRequest } from './accounts.js';
import type { BackOff } from './back-off.js';
import { type ClientCertificate, readClientCertificate } from './client-certificate.js';
import { crossSiteRefusal, type OriginatedRequest } from './same-origin.js';
import { type BasicCredentials, canonicalSecret, hasControl, readBasic, readBearer } from './secrets.js';
import { cookieName, type Login, readCookie, type SentCookie, type Session, type Sessions } from './sessions.js';

/** A request, as far as its access depends on it; read from the engine only when it is asked for. */
export interface ArrivingRequest extends OriginatedRequest {
  /** Value of the header Authorization, '' when absent. */
  readonly authorization: string;
  /** Value of the header Cookie, '' when absent; joined if it was repeated. */
  readonly cookie: string;
  /** True where a page is asked for by the name of its type, as browsers do. */
  readonly wantsPage: boolean;
  /** Behind the question mark, as received; '' without one. */
  readonly query: string;
  /** The certificate of the client in DER, found to be valid when it connected; undefined without one. */
  readonly certificate: Uint8Array | undefined;
  /** Where it comes from, see `originOf`: an address, `local` or `unknown`. */
  readonly origin: string;
  /** Path without the query, as received. */
  readonly path: string;
}

/** A request is not let in. The connection closes, since its body is not read. */
export class Denial {
  constructor(
    readonly status: 401 | 403 | 429 | 503,
    readonly reason: string,
    readonly headers: ReplyHeaders = {},
    /** True when the address as such is refused. */
    readonly isOfAddress = false,
    /** Makes the page that a browser gets in place of the reason: the one by which its user logs in. */
    readonly page: (() => string) | undefined = undefined,
  ) {}
}

/** A form that can be the login of no user. It is no guess: no wait follows, and no line of the audit, which anybody could fill so. */
export class MalformedLogin extends Denial {}

/** Decides who is let in at a listener: once per request, before its path and method are looked at. */
export interface Access {
  /** True when everybody has to log in. */
  readonly needsLogin: boolean;
  /** The addresses that are let in, as {@link AddressList} reads them; undefined: all. */
  readonly allowed?: string | undefined;
  /**
   * Who calls here: the same caller whatever comes, or whom credentials belong to, for as long as nobody else may log in; undefined:
   * each request has to be looked at.
   */
  readonly callers?: Caller | 'remembered' | undefined;
  /** How names wait here that failed to log in; undefined where nobody logs in. */
  readonly backOff?: BackOff | undefined;
  /** Told of credentials that have let somebody in, where they may be remembered. */
  admitted?: ((authorization: string, origin: string, caller: Caller) => void) | undefined;
  /** A client got no connection because of its certificate, for that reason; its address is as the engine gives it. */
  certificateRefused(origin: string, reason: string): void;
  /** True where browsers log in by a page. */
  readonly hasSessions: boolean;
  /** Tells whether nothing that comes from there is let in. */
  excludes(origin: string): boolean;
  /** The denial of an address, for what is served without a login; undefined: it is let in. */
  checkAddress(request: Pick<ArrivingRequest, 'origin'>): Denial | undefined;
  /** Answers later only where a password has to be verified. A promise never rejects. */
  check(request: ArrivingRequest): Caller | Denial | Promise<Caller | Denial>;
}

/** How browsers log in at a listener. */
export interface ListenerSessions {
  readonly sessions: Sessions;
  /** By which the cookies of this listener are named. */
  readonly port: number;
  /** True where it speaks TLS. */
  readonly isSecure: boolean;
  /** Makes the page to log in. */
  readonly page: (asked: AskedPage) => string;
}

/** A page that was asked for without a login. */
export interface AskedPage {
  /** Path and query as received, where the browser goes on when its user has logged in. */
  readonly target: string;
  /** True where a link of another site leads there: browsers send no cookie along, so that a session may be there. */
  readonly isFromElsewhere: boolean;
}

/** Settings of the access of one listener. */
export interface ListenerAccessOptions {
  /** Undefined: nobody has a session here. */
  readonly sessions?: ListenerSessions | undefined;
  /** Addresses that are let in; undefined: all. */
  readonly allowed?: AddressList | undefined;
  /** The accounts as of now; undefined where no login is needed. */
  readonly accounts?: (() => Accounts) | undefined;
  /** The grant of a caller here, given those of its accounts: none of callers that need not log in. */
  readonly grantOf: (accountGrants: readonly string[]) => string;
  /** How this listener is called. */
  readonly name: string;
  /** True where clients are asked for certificates. */
  readonly asksForCertificates: boolean;
  readonly realm: string;
  /** Shared by the listeners of a server. */
  readonly backOff: BackOff;
  /** Told of every login that failed and every address that was sent away. */
  readonly failed: () => void;
  readonly log: CodedLog;
}

const shownPath = 200;

/** Lines about certificates that the clients of one network may cause in a minute, and networks that are remembered. */
const mostLines = 16;
const mostNetworks = 1024;

/** The name that unknown tokens are counted by: no account has a colon in its name. */
const unknownToken = ':token';

/** UTF-16 units of what a form gives as a name, a password or a token. */
const longestCredential = 1024;

/** The access of one listener: address list, login, waiting times after failures. */
export class ListenerAccess implements Access {
  readonly #options: ListenerAccessOptions;
  readonly #anonymous: Caller;
  readonly #challenge: Denial;
  /** For browsers that are to log in by the page. */
  readonly #quietChallenge: Denial;
  readonly #malformedLogin: MalformedLogin;
  readonly #callers = new WeakMap<Account, Caller>();
  /** By networks. */
  readonly #lines = new Recent<{ count: number; readonly since: number }>(mostNetworks);
  /** Of connections, by the object that each has. */
  readonly #certificates = new WeakMap<Uint8Array, ClientCertificate>();
  /** Logins that are being verified: a client that opens several connections at once is verified once. */
  readonly #running = new Map<string, Promise<Account | Denial>>();
  readonly #ofSessions = new WeakMap<Session, Caller>();
  admitted: Access['admitted'] = undefined;

  constructor(options: ListenerAccessOptions) {
    this.#options = options;
    this.#anonymous = { name: '-', method: 'none', grant: options.grantOf([]) };
    const realm = options.realm.replace(/["\\]/g, '\\$&');
    // The same for a missing, malformed or wrong credential and for an unknown user.
    const login = 'log in with a name and its password, or with a token';
    const reason = options.asksForCertificates ? `show a certificate, or ${login}` : login;
    this.#challenge = new Denial(401, reason, { 'WWW-Authenticate': `Basic realm="${realm}", charset="UTF-8"` });
    // Browsers do not ask for a token by themselves.
    const quiet = { 'WWW-Authenticate': `Bearer realm="${realm}"` };
    this.#quietChallenge = new Denial(401, reason, quiet);
    this.#malformedLogin = new MalformedLogin(401, reason, quiet);
  }

  get needsLogin(): boolean {
    return this.#options.accounts !== undefined;
  }

  get hasSessions(): boolean {
    return this.#options.sessions !== undefined;
  }

  get backOff(): BackOff {
    return this.#options.backOff;
  }

  get callers(): Caller | 'remembered' | undefined {
    const { accounts, asksForCertificates } = this.#options;
    if (asksForCertificates) return undefined;
    if (accounts === undefined) return this.#anonymous;
    // A login of the program's own is asked each time.
    return accounts().authenticate === undefined ? 'remembered' : undefined;
  }

  get allowed(): string | undefined {
    return this.#options.allowed?.text;
  }

  excludes(origin: string): boolean {
    return this.#options.allowed?.includes(origin) === false;
  }

  checkAddress({ origin }: Pick<ArrivingRequest, 'origin'>): Denial | undefined {
    return this.excludes(origin) ? this.#refuseAddress(origin) : undefined;
  }

  /** Verifies what a form gives, as what a header gives is. */
  async login(credentials: Credentials, request: LoginRequest): Promise<Login | Denial> {
    const accounts = this.#options.accounts?.();
    if (accounts === undefined) return this.#quietChallenge;
    const isOfToken = credentials.token !== undefined;
    const found = await this.#verifyForm(credentials, accounts, request);
    if (found instanceof MalformedLogin) return found;
    if (found instanceof Denial) return found.status === 401 ? this.#quietChallenge : found;
    const stamp = accounts.stampOf(found, isOfToken);
    // Others may log in since it was verified.
    const isAsBefore = stamp !== undefined && this.#options.accounts?.().stampOf(found, isOfToken) === stamp;
    return isAsBefore ? { account: found, isOfToken, stamp } : this.#quietChallenge;
  }

  #verifyForm(
    credentials: Credentials,
    accounts: Accounts,
    request: LoginRequest,
  ): Account | Denial | Promise<Account | Denial> {
    const { token } = credentials;
    const name = token === undefined ? canonicalSecret(credentials.name) : unknownToken;
    const password = token === undefined ? canonicalSecret(credentials.password) : token;
    const isMalformed = [name, password].some(
      (text) => text === '' || text.length > longestCredential || hasControl(text),
    );
    if (isMalformed || (token === undefined && name.includes(':'))) {
      this.#refuseMalformed(request.origin);
      return this.#malformedLogin;
    }
    const owner = token === undefined ? undefined : accounts.byToken(token);
    return owner ?? this.#verify({ name, password }, accounts, request);
  }

  check(request: ArrivingRequest): Caller | Denial | Promise<Caller | Denial> {
    const { allowed, accounts, asksForCertificates } = this.#options;
    if (allowed !== undefined) {
      const { origin } = request;
      if (this.excludes(origin)) return this.#refuseAddress(origin);
    }
    const shown = asksForCertificates ? this.#shownBy(request) : undefined;
    // It was valid when the connection began.
    if (shown !== undefined && shown.expiresAt <= Date.now()) {
      return this.#refuseCertificate(request, shown, shown.isReadable ? 'has expired' : 'cannot be read');
    }
    if (accounts === undefined) return this.#anonymous;
    const now = accounts();
    if (shown === undefined || !now.knowsCertificates) {
      const { admitted } = this;
      return admitted === undefined ? this.#checkLogin(request, now) : this.#checkToTell(request, now, admitted);
    }
    const [owner, ...others] = now.byCertificate(shown);
    if (owner === undefined) return this.#refuseCertificate(request, shown, 'is of no user');
    if (others.length > 0) {
      const names = [owner, ...others].map(({ name }) => name).join(' and ');
      return this.#refuseCertificate(
        request,
        shown,
        `bears the names of several users, ${names}`,
        'is of several users',
      );
    }
    if (request.authorization === '') return this.#callerOf(owner, 'certificate');
    // What is sent beside a certificate is verified as ever, and never gives more than the certificate does.
    const checked = this.#checkLogin(request, now);
    return checked instanceof Promise
      ? checked.then((login) => this.#callerOfBoth(owner, login))
      : this.#callerOfBoth(owner, checked);
  }

  /** As {@link #checkLogin}, and tells who was let in, unless others may log in by then. */
  #checkToTell(
    request: ArrivingRequest,
    now: Accounts,
    admitted: NonNullable<Access['admitted']>,
  ): Caller | Denial | Promise<Caller | Denial> {
    const { authorization, origin } = request;
    const checked = this.#checkLogin(request, now);
    if (authorization === '') return checked;
    const tell = (found: Caller | Denial): Caller | Denial => {
      if (!(found instanceof Denial) && this.#options.accounts?.() === now) admitted(authorization, origin, found);
      return found;
    };
    return checked instanceof Promise ? checked.then(tell) : tell(checked);
  }

  #checkLogin(request: ArrivingRequest, now: Accounts): Caller | Denial | Promise<Caller | Denial> {
    const { authorization } = request;
    if (authorization === '') return this.#bySession(request);
    const token = readBearer(authorization);
    const owner = token === undefined ? undefined : now.byToken(token);
    if (owner !== undefined) return this.#callerOf(owner, 'bearer');
    const credentials = token === undefined ? readBasic(authorization) : { name: unknownToken, password: token };
    // Malformed credentials are no guess: they are not counted.
    if (credentials === undefined) return this.#refuseMalformed(request.origin);
    const found = this.#verify(credentials, now, request);
    return found instanceof Promise ? found.then((one) => this.#callerOrDenial(one)) : this.#callerOrDenial(found);
  }

  #callerOrDenial(found: Account | Denial): Caller | Denial {
    return found instanceof Denial ? found : this.#callerOf(found, 'basic');
  }

  /** The caller whose browser has logged in before, by its cookie; else how it may log in. */
  #bySession(request: ArrivingRequest): Caller | Denial {
    const { sessions: here } = this.#options;
    if (here === undefined) return this.#challenge;
    const mode = request.header('sec-fetch-mode');
    const site = request.header('sec-fetch-site');
    const cookies = cookiesOf(request, here);
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (cookies.length > 0) {
      const refusal = reads ? undefined : crossSiteRefusal(request);
      // Told to all who bring a cookie, whether or not it is one of a session.
      if (refusal !== undefined)
        return new Denial(403, `a login by cookie counts for pages of this server: ${refusal}`);
      // Pictures, frames and scripts of others are no use of a session; a link is.
      const isOfOthers = site !== undefined && site !== 'same-origin' && site !== 'none';
      if (!isOfOthers || mode === 'navigate') {
        for (const cookie of cookies) {
          const session = here.sessions.find(cookie);
          if (session !== undefined) return this.#callerOfSession(session);
        }
      }
    }
    return this.#challengeOf(request, here, cookies.length > 0 || mode !== undefined);
  }

  /** @param isBrowser true for what is known to be one */
  #challengeOf(request: ArrivingRequest, { page }: ListenerSessions, isBrowser: boolean): Denial {
    const { method, path, query, wantsPage } = request;
    if (!wantsPage) return isBrowser ? this.#quietChallenge : this.#challenge;
    const target = query === '' || method === 'POST' ? path : `${path}?${query}`;
    const isFromElsewhere = request.header('sec-fetch-site') === 'cross-site';
    const { reason, headers } = this.#quietChallenge;
    return new Denial(401, reason, headers, false, () => page({ target, isFromElsewhere }));
  }

  #callerOfSession(session: Session): Caller {
    let caller = this.#ofSessions.get(session);
    if (caller === undefined) {
      const { id, account } = session;
      caller = { name: account.name, method: 'session', session: id, grant: this.#options.grantOf([account.grant]) };
      this.#ofSessions.set(session, caller);
    }
    return caller;
  }

  /** Whose a credential is. Nothing of the request is read later. */
  #verify(
    credentials: BasicCredentials,
    now: Accounts,
    { origin, path }: LoginRequest,
  ): Account | Denial | Promise<Account | Denial> {
    const network = networkOf(origin);
    // Without a known network, failures could not be counted.
    if (network === undefined) return this.#refuseAddress(origin);
    const { name, password } = credentials;
    // The wait is checked before the cache of verified logins: a cache hit would reveal a right guess.
    const wait = this.#options.backOff.wait(network, name);
    if (wait > 0) return this.#wait(origin, wait);
    const digest = now.verified.digest(network, name, password);
    const known = now.verified.find(digest);
    if (known !== undefined) return known;
    return this.#running.get(digest) ?? this.#login({ origin, network, path }, credentials, now, digest);
  }

  /** A credential that was not verified lately, and that guessing is to be slow with. */
  #login(
    { origin, network, path }: { readonly origin: string; readonly network: string; readonly path: string },
    credentials: BasicCredentials,
    accounts: Accounts,
    digest: string,
  ): Account | Denial | Promise<Account | Denial> {
    const { backOff } = this.#options;
    const { name } = credentials;
    const attempt = backOff.begin(network, name);
    if (typeof attempt === 'number') return this.#wait(origin, attempt);
    const settle = (found: Account | undefined): Account | Denial => {
      attempt.ended(found === undefined ? 'failed' : 'succeeded');
      if (found === undefined) return this.#refuseLogin(origin, path);
      // A login of the program's own may be taken back at any moment.
      if (accounts.authenticate === undefined) accounts.verified.add(digest, found);
      return found;
    };
    const { authenticate } = accounts;
    let account: Account | undefined | Promise<Account | undefined>;
    if (authenticate !== undefined) {
      const { password } = credentials;
      account = authenticate(name === unknownToken ? { token: password } : { name, password }, { origin, path });
    } else if (name !== unknownToken) account = accounts.byPassword(credentials, network, attempt.standing);
    if (!(account instanceof Promise)) return settle(account);
    const settled = account
      .then(settle, (error: unknown) => {
        attempt.ended('refused');
        return this.#cannotVerify(error);
      })
      .finally(() => this.#running.delete(digest));
    this.#running.set(digest, settled);
    return settled;
  }

  #callerOf(account: Account, method: Caller['method']): Caller {
    let caller = this.#callers.get(account);
    if (caller === undefined) {
      caller = { name: account.name, method, grant: this.#options.grantOf([account.grant]) };
      this.#callers.set(account, caller);
    }
    return caller;
  }

  /** A login, with no more than a certificate lets its client do. */
  #callerOfBoth({ name, grant }: Account, login: Caller | Denial): Caller | Denial {
    if (login instanceof Denial) return login;
    return { ...login, grant: this.#options.grantOf([login.grant, grant]), certificate: name };
  }

  #shownBy({ certificate }: ArrivingRequest): ClientCertificate | undefined {
    if (certificate === undefined) return undefined;
    let known = this.#certificates.get(certificate);
    if (known === undefined) {
      known = readClientCertificate(certificate);
      this.#certificates.set(certificate, known);
    }
    return known;
  }

  certificateRefused(origin: string, reason: string): void {
    const { failed, log, name } = this.#options;
    failed();
    if (!this.#isLineDue(origin)) return;
    log.warn(
      { code: 'client-certificate-refused', address: origin, listener: name },
      `certificate of a client from ${shownOrigin(origin)} refused by ${name}: ${reason}`,
    );
  }

  /** Tells whether a line about a certificate is to be written: nothing else slows clients down that cause some. */
  #isLineDue(origin: string): boolean {
    const now = performance.now();
    const network = networkOf(origin) ?? origin;
    const known = this.#lines.get(network);
    const lines = known !== undefined && now - known.since < 60_000 ? known : { count: 0, since: now };
    this.#lines.set(network, lines);
    lines.count += 1;
    return lines.count <= mostLines;
  }

  #refuseCertificate(
    { origin, path }: ArrivingRequest,
    { subject, fingerprint }: ClientCertificate,
    problem: string,
    told = problem,
  ): Denial {
    const { failed, log } = this.#options;
    failed();
    const denial = new Denial(403, `the certificate of this client ${told}`);
    if (!this.#isLineDue(origin)) return denial;
    log.warn(
      { code: 'client-certificate-denied', address: origin, path: shorten(path, shownPath), subject, fingerprint },
      `the certificate of a client from ${shownOrigin(origin)} ${problem}: ${subject}, sha256=${fingerprint}`,
    );
    return denial;
  }

  #refuseAddress(origin: string): Denial {
    this.#options.failed();
    const isUnknown = origin === unknownOrigin;
    const reason = isUnknown ? 'the address of this connection is not known' : `address ${origin} is not allowed here`;
    this.#options.log.debug({ code: 'address-denied', address: origin }, `request refused: ${reason}`);
    return new Denial(403, reason, {}, true);
  }

  #refuseMalformed(origin: string): Denial {
    this.#options.failed();
    this.#options.log.debug(
      { code: 'login-malformed', address: origin },
      `login from ${shownOrigin(origin)} is malformed`,
    );
    return this.#challenge;
  }

  /** Neither password nor name is logged: whoever mistypes may put the one in place of the other. */
  #refuseLogin(origin: string, path: string): Denial {
    const { failed, log } = this.#options;
    failed();
    const shown = shorten(path, shownPath);
    log.warn({ code: 'login-failed', address: origin, path: shown }, `login from ${shownOrigin(origin)} failed`);
    return this.#challenge;
  }

  #wait(origin: string, seconds: number): Denial {
    this.#options.failed();
    const reason = `too many failed logins from ${shownOrigin(origin)}; try again in ${seconds} s`;
    return new Denial(429, reason, { 'Retry-After': String(seconds) });
  }

  #cannotVerify(error: unknown): Denial {
    const { log } = this.#options;
    if (!(error instanceof BusyError))
      log.error({ code: 'login-not-verified', err: error }, 'a password cannot be verified');
    return new Denial(503, 'the login cannot be verified now; try again', { 'Retry-After': '1' });
  }
}

/** The cookies of a request that may be of a session here. Plain HTTP may have a proxy before it that speaks TLS. */
export function cookiesOf(
  { cookie }: Pick<ArrivingRequest, 'cookie'>,
  { port, isSecure: isTls }: Pick<ListenerSessions, 'port' | 'isSecure'>,
): readonly SentCookie[] {
  if (cookie === '') return [];
  return (isTls ? [true] : [true, false]).flatMap((isSecure) => {
    const name = cookieName(port, isSecure);
    const value = readCookie(cookie, name);
    return value === undefined ? [] : [{ name, value }];
  });
}

function shownOrigin(origin: string): string {
  return origin === localOrigin ? 'a local socket' : origin;
}
