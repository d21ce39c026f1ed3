import type { Exchange } from '../../http/exchange.js';
import { type AskedPage, cookiesOf, Denial, MalformedLogin } from '../../http/login/access.js';
import type { Credentials } from '../../http/login/accounts.js';
import { crossSiteRefusal } from '../../http/login/same-origin.js';
import { cookieName, type Session, type SessionEnd, setCookie } from '../../http/login/sessions.js';
import { Assets, sharedAssets } from '../../http/pages/assets.js';
import { privateHeaders, replyPage } from '../../http/pages/html.js';
import { isFormType, parseQuery } from '../../http/request/forms.js';
import { decodePath, type RootDeclaration } from '../../http/roots.js';
import type { HttpServer } from '../../http/server.js';
import type { AuditedLogin } from '../../mi/calls/audit.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { isSubmitted } from '../../web/arguments.js';
import type { AccessControl, SessionsHere } from './access-control.js';
import { type LoginNotice, loginPage, loginPath, loginStyle, logoutPath } from './login-page.js';

/** Request headers that a login is judged by. */
const judgedHeaders = ['host', 'origin', 'referer', 'sec-fetch-site', 'user-agent', 'cookie', 'if-none-match'] as const;

/** UTF-16 units of the longest address that a browser goes on to. */
const longestTarget = 2000;

/** What logins need of the server. */
interface LoginSource {
  readonly httpd: HttpServer;
  readonly mi: ManagementInterface;
  readonly access: AccessControl;
}

/** Logs browsers in and out: by a page, and a cookie since. */
export class Logins {
  readonly #source: LoginSource;

  constructor(source: LoginSource) {
    this.#source = source;
  }

  /** The page of a 401. */
  asked({ target, isFromElsewhere }: AskedPage): string {
    return this.#page(target, undefined, isFromElsewhere);
  }

  /** A session has ended. */
  ended({ account, origin: from, listener, id }: Session, reason: SessionEnd): void {
    // A logout is told where it is asked for.
    if (reason === 'logout') return;
    const { name: who, grant: level } = account;
    const params = { session: id, reason };
    this.#tell({ who, level, from, listener, command: 'httpd:session_end', params, outcome: 'ok', ms: 0 });
  }

  /** Registers the paths of this. */
  register(): void {
    const { httpd } = this.#source;
    const assets = new Assets(sharedAssets);
    const path = (
      root: string,
      methods: readonly ('GET' | 'POST')[],
      onRequest: RootDeclaration['onRequest'],
    ): RootDeclaration => ({
      module: 'httpd',
      root,
      contentType: 'text/html; charset=utf-8',
      methods,
      accepts: isFormType,
      refusesGetBody: true,
      headers: judgedHeaders,
      onRequest,
    });
    const logIn = path(loginPath, ['GET', 'POST'], (exchange) => this.#logIn(exchange));
    const style = path(loginStyle, ['GET'], (exchange) => void assets.reply(exchange, 'style.css'));
    const logOut = path(logoutPath, ['POST'], (exchange) => this.#logOut(exchange));
    httpd.registerPath(logIn, true);
    httpd.registerPath(style, true);
    httpd.registerPath(logOut);
  }

  async #logIn(exchange: Exchange): Promise<void> {
    const { httpd, access } = this.#source;
    const here = access.sessionsAt(exchange.listener);
    const refusal = httpd.allowedHosts.refusal(exchange);
    if (refusal !== undefined) exchange.refuse(403, refusal);
    else if (here === undefined) exchange.refuse(404, 'browsers do not log in by a page here');
    else if (exchange.method === 'POST') await this.#verify(exchange, here);
    else {
      const told = exchange.argument('out') === '1' ? { text: 'You have logged out.', isError: false } : undefined;
      replyPage(exchange, 200, this.#page(exchange.argument('target') ?? '', told));
    }
  }

  /** A form was sent. */
  async #verify(exchange: Exchange, here: SessionsHere): Promise<void> {
    const target = exchange.argument('target') ?? '';
    const site = crossSiteRefusal(exchange);
    if (site !== undefined) {
      replyPage(exchange, 403, this.#page(target, { text: `Not logged in: ${site}`, isError: true }));
      return;
    }
    const begun = performance.now();
    const { origin, listener } = exchange;
    const token = exchange.argument('token');
    const by = token === undefined ? 'password' : 'token';
    const credentials: Credentials =
      token === undefined
        ? { name: exchange.argument('name') ?? '', password: exchange.argument('password') ?? '' }
        : { token };
    const found = await here.access.login(credentials, { origin, path: `/${loginPath}` });
    const ms = Math.round((performance.now() - begun) * 1000) / 1000;
    const login = { from: origin, listener, command: 'httpd:login', ms } as const;
    if (found instanceof Denial) {
      const { status, reason, headers } = found;
      // What has to wait, or is no guess, is told in no line: there may be any number.
      if (status === 401 && !(found instanceof MalformedLogin))
        this.#tell({ ...login, who: '-', level: '-', params: { by }, outcome: status });
      const text = status === 401 ? 'The name, the password or the token is wrong.' : `Not logged in: ${reason}.`;
      replyPage(exchange, status, this.#page(target, { text, isError: true }), headers);
      return;
    }
    // A browser that has left has no use for a session.
    if (exchange.finished) return;
    this.#endFormer(exchange, here);
    const isSecure = isByTls(exchange);
    const agent = exchange.header('user-agent') ?? '';
    const name = cookieName(here.port, isSecure);
    const { session, cookie } = here.sessions.open(found, { origin, listener, agent, cookieName: name, isSecure });
    const { name: who, grant: level } = found.account;
    this.#tell({ ...login, who, level, params: { by, session: session.id }, outcome: 'ok' });
    exchange.reply(303, '', {
      ...privateHeaders,
      Location: this.#targetOf(target),
      'Set-Cookie': setCookie(name, cookie, isSecure),
    });
  }

  /** A browser that logs in anew has no use for the session before. */
  #endFormer(exchange: Exchange, here: SessionsHere): void {
    const { sessions } = here;
    for (const sent of cookiesOf({ cookie: exchange.header('cookie') ?? '' }, here)) {
      const former = sessions.find(sent);
      if (former !== undefined) sessions.end(({ id }) => id === former.id, 'replaced');
    }
  }

  /** What this gets has been let in: by a cookie from pages of this server alone. */
  #logOut(exchange: Exchange): void {
    const { httpd, access } = this.#source;
    const refusal = httpd.allowedHosts.refusal(exchange) ?? crossSiteRefusal(exchange);
    if (refusal !== undefined) {
      exchange.refuse(403, refusal);
      return;
    }
    const { caller, listener, origin: from } = exchange;
    const here = access.sessionsAt(listener);
    const session = here?.sessions.all.find(({ id }) => id === caller?.session);
    if (caller === undefined || here === undefined || session === undefined) {
      exchange.refuse(
        400,
        'there is no session to end: the browser sends a password or a certificate with each request',
      );
      return;
    }
    here.sessions.end(({ id }) => id === session.id, 'logout');
    const { name: who, grant: level } = caller;
    const params = { session: session.id };
    this.#tell({ who, level, from, listener, command: 'httpd:logout', params, outcome: 'ok', ms: 0 });
    exchange.reply(303, '', {
      ...privateHeaders,
      Location: `/${loginPath}?out=1`,
      'Set-Cookie': setCookie(session.cookieName, '', session.isSecure),
    });
  }

  #tell(login: AuditedLogin): void {
    this.#source.mi.audit?.tellLogin(login);
  }

  #page(target: string, told: LoginNotice | undefined, mayHaveSession = false): string {
    const { httpd, access } = this.#source;
    const { hasPasswords, hasTokens } = access.accounts;
    return loginPage({
      host: httpd.name,
      color: httpd.color,
      target: localTarget(target) ?? '',
      goOn: mayHaveSession ? this.#targetOf(target) : undefined,
      told,
      hasPasswords,
      hasTokens,
    });
  }

  /**
   * Where a browser goes on: to the page that was asked for. To browsers that counts as a step from a page of this server, so that
   * a link of another site, which leads to a login first, could run a command by it. So where a command may change something, its
   * form is shown, filled in; a press of its button runs it.
   */
  #targetOf(target: string): string {
    const { httpd, mi } = this.#source;
    const roots = httpd.roots.filter(({ servesGet }) => servesGet).toReversed();
    const pages = roots.find(({ module }) => module === 'mi_html' || module === 'mi_http') ?? roots[0];
    const home = `/${pages?.root ?? ''}`;
    const local = localTarget(target);
    if (local === undefined) return home;
    const [path = '', query = ''] = splitTarget(local);
    const [, root = '', ...names] = (decodePath(path) ?? '').split('/');
    if (root === '-') return home;
    const module = roots.find((one) => one.root === root)?.module;
    const isOfPages = module === 'mi_html' || module === 'mi_http';
    const runs = module === 'mi_json' || (isOfPages && runsCommand(query));
    if (!runs || mayRun(mi, names)) return local;
    return isOfPages ? `${path}?form#${query}` : home;
  }
}

/** True where the browser came by TLS: a proxy before plain HTTP may speak it, as the browser tells. */
function isByTls(exchange: Exchange): boolean {
  return exchange.isSecure || exchange.header('origin')?.startsWith('https://') === true;
}

/** Path and query of an address of this server; undefined for all else, above all for one of another server. */
function localTarget(target: string): string | undefined {
  if (!target.startsWith('/') || target.length > longestTarget || /[\\\p{Cc}]/u.test(target)) return undefined;
  try {
    const base = 'http://local.invalid';
    const { origin, pathname, search } = new URL(target, base);
    // Browsers take two slashes for the beginning of a host.
    return origin === base && !pathname.startsWith('//') ? `${pathname}${search}` : undefined;
  } catch {
    return undefined;
  }
}

function splitTarget(target: string): readonly string[] {
  const question = target.indexOf('?');
  return question === -1 ? [target, ''] : [target.slice(0, question), target.slice(question + 1)];
}

/** True if pages run a command for this query. */
function runsCommand(query: string): boolean {
  try {
    return isSubmitted(parseQuery(query));
  } catch {
    return true;
  }
}

/** True where every command that a path may mean changes nothing, and there is one. */
function mayRun({ commands }: ManagementInterface, names: readonly string[]): boolean {
  const found = commands.all.filter(({ command, fullName }) =>
    names.some(
      (name) =>
        name === command.name ||
        name === fullName ||
        command.aliases.includes(name) ||
        name.endsWith(`:${command.name}`) ||
        name.endsWith(`_${command.name}`),
    ),
  );
  return found.length > 0 && found.every(({ command }) => command.readOnly);
}
