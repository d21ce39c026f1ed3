import { type AddressList, localOrigin, networkOf, unknownOrigin } from '../../base/address.js';
import type { CodedLog } from '../../base/log.js';
import { Recent } from '../../base/recent.js';
import { shorten } from '../../base/text.js';
import type { Caller, ReplyHeaders } from '../exchange.js';
import { type Account, type Accounts, BusyError } from './accounts.js';
import type { BackOff } from './back-off.js';
import { type ClientCertificate, readClientCertificate } from './client-certificate.js';
import { type BasicCredentials, readBasic, readBearer } from './secrets.js';

/** A request, as far as its access depends on it; read from the engine only when it is asked for. */
export interface ArrivingRequest {
  /** Value of the header Authorization, '' when absent. */
  readonly authorization: string;
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
  ) {}
}

/** Decides who is let in at a listener: once per request, before its path and method are looked at. */
export interface Access {
  /** True when everybody has to log in. */
  readonly needsLogin: boolean;
  /** A client got no connection because of its certificate, for that reason; its address is as the engine gives it. */
  certificateRefused(origin: string, reason: string): void;
  /** Tells whether nothing that comes from there is let in. */
  excludes(origin: string): boolean;
  /** Answers later only where a password has to be verified. A promise never rejects. */
  check(request: ArrivingRequest): Caller | Denial | Promise<Caller | Denial>;
}

/** Settings of the access of one listener. */
export interface ListenerAccessOptions {
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

/** The access of one listener: address list, login, waiting times after failures. */
export class ListenerAccess implements Access {
  readonly #options: ListenerAccessOptions;
  readonly #anonymous: Caller;
  readonly #challenge: Denial;
  readonly #callers = new WeakMap<Account, Caller>();
  /** By networks. */
  readonly #lines = new Recent<{ count: number; readonly since: number }>(mostNetworks);
  /** Of connections, by the object that each has. */
  readonly #certificates = new WeakMap<Uint8Array, ClientCertificate>();
  /** Logins that are being verified: a client that opens several connections at once is verified once. */
  readonly #running = new Map<string, Promise<Caller | Denial>>();

  constructor(options: ListenerAccessOptions) {
    this.#options = options;
    this.#anonymous = { name: '-', method: 'none', grant: options.grantOf([]) };
    const realm = options.realm.replace(/["\\]/g, '\\$&');
    // The same for a missing, malformed or wrong credential and for an unknown user.
    const login = 'log in with a name and its password, or with a token';
    this.#challenge = new Denial(401, options.asksForCertificates ? `show a certificate, or ${login}` : login, {
      'WWW-Authenticate': `Basic realm="${realm}", charset="UTF-8"`,
    });
  }

  get needsLogin(): boolean {
    return this.#options.accounts !== undefined;
  }

  excludes(origin: string): boolean {
    return this.#options.allowed?.includes(origin) === false;
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
    if (shown === undefined || !now.knowsCertificates) return this.#checkLogin(request, now);
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

  #checkLogin(request: ArrivingRequest, now: Accounts): Caller | Denial | Promise<Caller | Denial> {
    const { authorization } = request;
    if (authorization === '') return this.#challenge;
    const token = readBearer(authorization);
    const owner = token === undefined ? undefined : now.byToken(token);
    if (owner !== undefined) return this.#callerOf(owner, 'bearer');
    const credentials = token === undefined ? readBasic(authorization) : { name: unknownToken, password: token };
    const { origin } = request;
    // Malformed credentials are no guess: they are not counted.
    if (credentials === undefined) return this.#refuseMalformed(origin);
    const network = networkOf(origin);
    // Without a known network, failures could not be counted.
    if (network === undefined) return this.#refuseAddress(origin);
    const { name, password } = credentials;
    // The wait is checked before the cache of verified logins: a cache hit would reveal a right guess.
    const wait = this.#options.backOff.wait(network, name);
    if (wait > 0) return this.#wait(origin, wait);
    const digest = now.verified.digest(network, name, password);
    const known = now.verified.find(digest);
    if (known !== undefined) return this.#callerOf(known, 'basic');
    return this.#running.get(digest) ?? this.#login({ origin, network, path: request.path }, credentials, now, digest);
  }

  /** A credential that was not verified lately, and that guessing is to be slow with. */
  #login(
    { origin, network, path }: { readonly origin: string; readonly network: string; readonly path: string },
    credentials: BasicCredentials,
    accounts: Accounts,
    digest: string,
  ): Caller | Denial | Promise<Caller | Denial> {
    const { backOff } = this.#options;
    const { name } = credentials;
    const attempt = backOff.begin(network, name);
    if (typeof attempt === 'number') return this.#wait(origin, attempt);
    const settle = (found: Account | undefined): Caller | Denial => {
      attempt.ended(found === undefined ? 'failed' : 'succeeded');
      if (found === undefined) return this.#refuseLogin(origin, path);
      // A login of the program's own may be taken back at any moment.
      if (accounts.authenticate === undefined) accounts.verified.add(digest, found);
      return this.#callerOf(found, 'basic');
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

function shownOrigin(origin: string): string {
  return origin === localOrigin ? 'a local socket' : origin;
}
