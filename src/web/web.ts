import { coded } from '../base/codes.js';
import { abortReason } from '../base/lazy-abort.js';
import { nearestNames } from '../base/nearest.js';
import { packageFile } from '../base/package.js';
import { shorten } from '../base/text.js';
import type { CallTracer } from '../gateway/call-tracer.js';
import { curlLine, refusalBody, retryHeaders, statusOf } from '../gateway/jsonrpc-refusal.js';
import type { Exchange, ReplyHeaders } from '../http/exchange.js';
import type { AllowedHosts } from '../http/limits/allowed-hosts.js';
import { crossSiteRefusal } from '../http/login/same-origin.js';
import type { Sessions } from '../http/login/sessions.js';
import { Assets, sharedAssets } from '../http/pages/assets.js';
import {
  html,
  type Insertion,
  type Markup,
  pageHeaders,
  plainText,
  privateHeaders,
  replyPage,
} from '../http/pages/html.js';
import { FieldError, isFormType } from '../http/request/forms.js';
import { linesType, weigher } from '../http/request/head.js';
import { statusLine } from '../http/request/reply-head.js';
import type { Refusal } from '../http/roots.js';
import type { HttpServer } from '../http/server.js';
import type { Runner } from '../mi/calls/run.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import { type CallParameters, type Submitted, WrongParameter } from '../mi/commands/parameters.js';
import { withoutSecrets } from '../mi/commands/secrets.js';
import { codes, explained, type MiError, RefusedCall } from '../mi/errors.js';
import type { Events } from '../mi/events/events.js';
import type { EventStreams } from '../mi/events/streams.js';
import type { LogConsumers, LogLevel } from '../mi/log-consumers.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import type { ForeignStatistic } from '../mi/statistics.js';
import type { StatusReports } from '../mi/status-reports.js';
import type { BuiltInContext } from '../module.js';
import { hasJsonField, isMeantAsCall, isSubmitted, isViewOnly, readArguments } from './arguments.js';
import { auditPage } from './audit-page.js';
import { rangeOf } from './charts.js';
import { ContactsPages } from './contacts.js';
import { FleetPages } from './fleet-page.js';
import { latencySection } from './latencies.js';
import { LiveEvents, wantsEvents } from './live.js';
import { overview } from './overview.js';
import {
  auditPath,
  commandForm,
  commandHeading,
  confirmation,
  contactsPath,
  type FormOptions,
  fleetPath,
  foldedForm,
  isUnconfirmed,
  livePath,
  menu,
  type PageKind,
  page,
  pageName,
  pageParts,
  pathOf,
  type Site,
  titleOf,
} from './page.js';
import { type PinChange, pinChangeOf, pinCookie, pinsOf } from './pins.js';
import { type Frame, Results } from './results.js';
import { searchPage } from './search.js';
import { countFitting, statisticsSection } from './statistics-page.js';
import { sessionsPage, sessionsPath, userBar } from './user.js';
import { quoted } from './visible.js';

/** Settings of a web interface. */
interface WebOptions {
  /** Path of its root: `/mi`. */
  readonly base: string;
  /** Method of its forms; both are always taken. */
  readonly formMethod: 'get' | 'post';
  /** Path of a root that speaks JSON-RPC, for the lines to copy; undefined: none does. */
  readonly jsonRpcPath: string | undefined;
  /** Bytes of a result that a page shows. */
  readonly shownSize: number;
  /** Milliseconds that a page counts the rest of a result. */
  readonly countTime: number;
  /** Name and version of the software. */
  readonly server: string;
  /** What the server is called, and the color of its name. */
  readonly host: string;
  readonly color: string | undefined;
  readonly startedAt: () => number;
  /** Of browsers that log in by a page; undefined: none does. */
  readonly sessions: Sessions | undefined;
  readonly hosts: AllowedHosts;
  readonly status: StatusReports;
  readonly runner: Runner;
  /** Values that one form may give. */
  readonly maxValues: number;
  readonly events: Events;
  readonly streams: EventStreams;
  readonly logConsumers: LogConsumers;
  readonly logLevel: Pick<LogLevel, 'value'>;
  /** Streams of events that may be open at once. */
  readonly maxStreams: number;
  /** Undefined: nothing is traced. */
  readonly tracer: CallTracer | undefined;
}

/** A command that was asked for, with what the answer needs. */
interface Asked {
  readonly entry: CommandEntry;
  readonly exchange: Exchange;
  readonly submitted: Submitted;
  readonly started: number;
}

/** The management interface as pages: menu, forms, results (docs/compatibility.md, "Web interface"). */
export class WebInterface {
  readonly #mi: ManagementInterface;
  readonly #options: WebOptions;
  #site: Site;
  /** Of the commands, when the modules of {@link #site} were read. */
  #version = 0;
  readonly #assets = new Assets(sharedAssets, packageFile('dist/web/assets/'));
  readonly #results: Results;
  readonly #events: LiveEvents;
  readonly #contacts: ContactsPages;
  readonly #fleet: FleetPages;

  /** Made when all commands are registered. */
  constructor(mi: ManagementInterface, options: WebOptions) {
    this.#mi = mi;
    this.#options = options;
    const { base, server, host, color, status, startedAt } = options;
    const isReady = (): boolean => status.unready.length === 0;
    const assets = `${base}/-/${this.#assets.version}`;
    this.#site = {
      base,
      assets,
      server,
      host,
      color,
      isReady,
      startedAt,
      modules: modulesOf(mi),
      hasLive: true,
      hasContacts: true,
      hasAudit: true,
      hasFleet: true,
    };
    this.#results = new Results(options.shownSize, options.countTime);
    this.#events = new LiveEvents(mi, options);
    this.#contacts = new ContactsPages({
      base,
      host,
      mi,
      runner: options.runner,
      results: this.#results,
      show: (exchange, status, title, main) =>
        replyPage(exchange, status, page(this.#siteOf(exchange), title, undefined, main, 'contacts')),
      refuse: (exchange, status, reason, headers) => this.#refuse(exchange, status, reason, undefined, headers),
    });
    this.#fleet = new FleetPages({
      base,
      host,
      mi,
      runner: options.runner,
      maxValues: options.maxValues,
      show: (exchange, status, title, main, headers) =>
        replyPage(exchange, status, page(this.#siteOf(exchange), title, fleetPath, main), headers),
      refuse: (exchange, status, reason, headers) => this.#refuse(exchange, status, reason, fleetPath, headers),
    });
  }

  /** The command that finds contacts, where there are contacts and no module has the name of their page. */
  get finder(): CommandEntry | undefined {
    return this.#site.modules.includes(contactsPath) ? undefined : this.#contacts.finder;
  }

  /** Results that are being streamed. */
  get streaming(): number {
    return this.#results.streaming;
  }

  /** Answers one exchange: GET, HEAD, or POST of a form. */
  handle(exchange: Exchange): void {
    const { version } = this.#mi.commands;
    if (version !== this.#version) {
      this.#version = version;
      this.#site = { ...this.#site, modules: modulesOf(this.#mi) };
    }
    const hostRefusal = this.#options.hosts.refusal(exchange);
    if (hostRefusal !== undefined) {
      this.#refuse(exchange, 403, hostRefusal);
      return;
    }
    // Anything behind the command is ignored, as in the original.
    const [, moduleName = '', commandName = ''] = exchange.path.split('/', 3);
    const { mediaType, method, lentBody } = exchange;
    const views = viewFields.get(moduleName);
    const pinChange = pinChangeOf(exchange, viewFields.get('statistics') ?? []);
    const isView = commandName === '' && views !== undefined && isViewOnly(exchange, views);
    const asksForPage = isView || ((commandName === '' || moduleName === '-') && !isMeantAsCall(exchange));
    if (method === 'POST' && !isFormType(mediaType) && lentBody.byteLength > 0) {
      this.#refuse(exchange, 415, `the body has no Content-Type; ${this.#remedy}`);
    } else if (moduleName === '-' && asksForPage) {
      if (!this.#assets.reply(exchange, exchange.path.slice('/-/'.length), takesGzip(exchange)))
        this.#refuse(exchange, 404, 'there is no such file');
    } else if (moduleName === contactsPath && commandName === '' && this.finder !== undefined) {
      this.#contacts.handle(exchange, this.finder);
    } else if (moduleName === fleetPath && commandName === '' && this.#fleet.lister !== undefined) {
      const list = menu(this.#site.base, [fleetPath], this.#mi.visibleTo(exchange));
      this.#fleet.handle(exchange, this.#fleet.lister, list);
    } else if (moduleName === 'statistics' && commandName === '' && pinChange !== undefined) {
      this.#pin(exchange, pinChange);
    } else if (commandName === '' && this.#isViewPage(moduleName)) {
      // Whatever else its query has, as that of a link which somebody passed on.
      if (method === 'POST') this.#refuseCall(exchange, `nothing is run here; ${this.#remedy}`);
      else if (moduleName === livePath) this.#live(exchange);
      else if (moduleName === auditPath) this.#audit(exchange);
      else this.#sessions(exchange);
    } else if (moduleName !== '' && moduleName !== '-' && !this.#site.modules.includes(moduleName)) {
      this.#refuseModule(exchange, moduleName);
    } else if (commandName !== '' && moduleName !== '-') {
      this.#command(exchange, moduleName, commandName);
    } else if (moduleName !== '' && moduleName !== '-' && !this.#siteOf(exchange).modules.includes(moduleName)) {
      this.#refuseModule(exchange, moduleName);
    } else if (!asksForPage) {
      this.#refuseCall(exchange, `nothing is run here; ${this.#remedy}`);
    } else if (moduleName === '') {
      const text = exchange.argument('find')?.trim() ?? '';
      if (text === '') this.#overview(exchange);
      else this.#find(exchange, text);
    } else {
      const list = menu(this.#site.base, [moduleName], this.#mi.visibleTo(exchange));
      if (moduleName === 'statistics') this.#statistics(exchange, list);
      else this.#reply(exchange, moduleName, moduleName, list);
    }
  }

  #live(exchange: Exchange): void {
    const events = this.#events;
    if (wantsEvents(exchange)) {
      events.stream(exchange);
      return;
    }
    const missing = this.#mi.denial(events.command, exchange);
    if (missing !== undefined) this.#refuse(exchange, 403, explained(missing));
    else this.#reply(exchange, 'Live', undefined, events.page(exchange), 'live');
  }

  get #auditCommand(): CommandEntry {
    return this.#mi.commands.find('httpd:audit_recent', () => []);
  }

  #audit(exchange: Exchange): void {
    const missing = this.#mi.denial(this.#auditCommand, exchange);
    if (missing !== undefined) {
      this.#refuse(exchange, 403, explained(missing));
      return;
    }
    const [who, command, outcome] = ['who', 'command', 'outcome'].map((name) => exchange.argument(name) ?? '');
    const { base } = this.#site;
    this.#reply(exchange, 'Audit', undefined, auditPage({ base, mi: this.#mi, who, command, outcome }));
  }

  /** True for the name of a page that shows something and runs nothing, unless a module has that name. */
  #isViewPage(name: string): boolean {
    if (this.#site.modules.includes(name)) return false;
    return name === livePath || name === auditPath || (name === sessionsPath && this.#options.sessions !== undefined);
  }

  #sessionCommand(name: 'list_sessions' | 'end_session'): CommandEntry {
    return this.#mi.commands.find(`httpd:${name}`, () => []);
  }

  #sessions(exchange: Exchange): void {
    const missing = this.#mi.denial(this.#sessionCommand('list_sessions'), exchange);
    if (missing !== undefined) {
      this.#refuse(exchange, 403, explained(missing));
      return;
    }
    const mayEnd = this.#mi.denial(this.#sessionCommand('end_session'), exchange) === undefined;
    const main = sessionsPage(this.#site.base, this.#options.sessions, exchange, mayEnd);
    this.#reply(exchange, 'Sessions', undefined, main);
  }

  /** How the server does, and all commands. */
  #overview(exchange: Exchange): void {
    const { base, modules } = this.#site;
    const mi = this.#mi;
    const { status } = this.#options;
    const range = rangeOf(exchange.argument('range'));
    const pins = this.#mayReadStatistics(exchange) ? pinsOf(exchange) : [];
    const show = (foreign: readonly ForeignStatistic[]): void => {
      if (exchange.finished) return;
      const top = overview({ base, mi, status, client: exchange, range, pins, foreign });
      const main = html`${top}${menu(base, modules, mi.visibleTo(exchange))}`;
      replyPage(exchange, 200, page(this.#siteOf(exchange), 'Overview', undefined, main, 'charts'));
    };
    const isOwn = (name: string): boolean => mi.statistics.all.some(({ fullName }) => fullName === name);
    // Other servers are asked for what is shown of them alone.
    if (pins.every(isOwn)) show([]);
    else this.#withForeign(show);
  }

  /** The command that a text is the name of, or all that have it. */
  #find(exchange: Exchange, text: string): void {
    const { base } = this.#site;
    const entry = this.#named(exchange, text);
    if (entry !== undefined) {
      exchange.reply(303, '', { Location: pathOf(base, entry), ...privateHeaders });
      return;
    }
    const site = this.#siteOf(exchange);
    const statistics = this.#mayReadStatistics(exchange) ? countFitting(this.#mi, text) : undefined;
    const entries = this.#mi.visibleTo(exchange);
    const main = searchPage({ base, text, entries, statistics, hasContacts: site.hasContacts });
    replyPage(exchange, 200, page(site, 'Find', undefined, main));
  }

  #mayReadStatistics(exchange: Exchange): boolean {
    const reader = this.#mi.commands.entries.find(({ fullName }) => fullName === 'statistics:get');
    return reader !== undefined && this.#mi.denial(reader, exchange) === undefined;
  }

  /** Runs something with the statistics of other servers. */
  #withForeign(show: (foreign: readonly ForeignStatistic[]) => void): void {
    const foreign = this.#mi.foreignStatistics?.values() ?? [];
    if (foreign instanceof Promise) void foreign.then(show);
    else show(foreign);
  }

  /** Pins a statistic to the overview of a browser, or lets it go. */
  #pin(exchange: Exchange, change: PinChange): void {
    const module = 'statistics';
    const refusal = crossSiteRefusal(exchange);
    if (refusal !== undefined) {
      this.#refuse(exchange, 403, `a pin changes what this browser keeps, and ${refusal}`, module);
      return;
    }
    if (!this.#mayReadStatistics(exchange)) {
      this.#refuseModule(exchange, module);
      return;
    }
    const { base } = this.#site;
    const { name, isPinned } = change;
    const answer = (foreign: readonly ForeignStatistic[]): void => {
      if (exchange.finished) return;
      const isHere =
        this.#mi.statistics.all.some(({ fullName }) => fullName === name) ||
        foreign.some((one) => `${one.group}:${one.name}` === name);
      if (isPinned && !isHere) {
        this.#refuse(exchange, 400, html`there is no statistic ${quoted(shorten(name, longestName, '…'))}`, module);
        return;
      }
      const Location = `${base}/${module}${viewQuery(exchange)}#group-${encodeURIComponent(name.split(':', 1)[0] ?? '')}`;
      exchange.reply(303, '', { Location, 'Set-Cookie': pinCookie(exchange, base, change), ...privateHeaders });
    };
    this.#withForeign(answer);
  }

  /** The commands of module statistics, and all statistics for those who may read them. */
  #statistics(exchange: Exchange, commands: Markup): void {
    const { base } = this.#site;
    const mi = this.#mi;
    if (!this.#mayReadStatistics(exchange)) {
      this.#reply(exchange, 'statistics', 'statistics', commands);
      return;
    }
    const site = this.#siteOf(exchange);
    const filter = exchange.argument('filter') ?? '';
    const chart = exchange.argument('chart') ?? '';
    const range = rangeOf(exchange.argument('range'));
    const pins = new Set(pinsOf(exchange));
    const resetter = mi.visibleTo(exchange).find(({ fullName }) => fullName === 'statistics:reset');
    const reset = resetter && pathOf(base, resetter);
    this.#withForeign((foreign) => {
      if (exchange.finished) return;
      const all = statisticsSection({ base, mi, filter, chart, range, pins, foreign, reset });
      const main = html`${all}${latencySection(mi, exchange)}${commands}`;
      replyPage(exchange, 200, page(site, 'statistics', 'statistics', main, 'charts'));
    });
  }

  /** A module without a command that the caller may run gets the same 404 as a module that does not exist. */
  #refuseModule(exchange: Exchange, module: string): void {
    const entry = this.#named(exchange, module);
    if (entry !== undefined) {
      if (isSubmitted(exchange.fields) && this.#refusesSecret(exchange, entry)) return;
      // A secret that stands in the URL is not told again.
      const query = entry.command.secrets.length === 0 ? exchange.query : '';
      const Location = `${pathOf(this.#site.base, entry)}${query === '' ? '' : `?${query}`}`;
      // With its method and its body.
      this.#refuse(exchange, 307, html`it is at <a href="${Location}">${Location}</a>`, undefined, { Location });
      return;
    }
    const near = nearest(module, this.#siteOf(exchange).modules, (one) => `${this.#site.base}/${one}`);
    this.#refuse(exchange, 404, html`no module ${quoted(shorten(module, longestName, '…'))} has commands${near}`);
  }

  /** Refuses a call whose secret may be in its URL. @returns true if it has */
  #refusesSecret(exchange: Exchange, entry: CommandEntry): boolean {
    if (exchange.method !== 'GET' || entry.command.secrets.length === 0) return false;
    const reason = `${titleOf(entry)} takes a secret, and what is in a URL is kept in logs and histories; send the form by POST`;
    this.#refuse(exchange, 405, reason, entry.module, { Allow: 'POST' });
    return true;
  }

  /** The command that JSON-RPC would find by this name, among those that the caller may run: `/mi/ul_dump`. */
  #named(exchange: Exchange, name: string): CommandEntry | undefined {
    return this.#mi.visibleTo(exchange).find((entry) => this.#mi.commands.finds(name, entry));
  }

  /** The page of a refusal of the HTTP layer, which has no module or command. */
  refusalPage(status: number, reason: string): Refusal {
    return { body: page(this.#site, statusLine(status), undefined, alert(status, reason)), headers: pageHeaders };
  }

  /** How calls are made. */
  get #remedy(): string {
    const { base, jsonRpcPath } = this.#options;
    const form = `a form is sent to ${base}/MODULE/COMMAND with a field arg`;
    return jsonRpcPath === undefined ? form : `${form}, JSON as application/json: ${curlLine(jsonRpcPath)}`;
  }

  #command(exchange: Exchange, module: string, name: string): void {
    const { commands } = this.#mi;
    // The path says whose command is meant, whatever the name alone finds.
    const flatName = (one: CommandEntry): string =>
      one.command.isForeign ? one.command.name : commands.ownFlatName(one);
    const entries = commands.all.filter((entry) => entry.module === module);
    const isNamed = ({ command }: CommandEntry): boolean => command.name === name || command.aliases.includes(name);
    const entry =
      entries.find((one) => one.fullName === name || pageName(one) === name || flatName(one) === name) ??
      entries.find(isNamed);
    if (entry === undefined) {
      const visible = this.#mi.visibleTo(exchange).filter((one) => one.module === module);
      if (visible.length === 0) {
        this.#refuseModule(exchange, module);
        return;
      }
      const names = visible.flatMap((one) => [pageName(one), flatName(one)]);
      const near = nearest(name, names, (text) => `${this.#site.base}/${module}/${encodeURIComponent(text)}`);
      this.#refuse(
        exchange,
        404,
        html`module ${module} has no command ${quoted(shorten(name, longestName, '…'))}${near}`,
        module,
      );
      return;
    }
    const missing = this.#mi.denial(entry, exchange);
    if (missing !== undefined && !isSubmitted(exchange.fields)) {
      this.#refuse(exchange, 403, explained(missing), module);
      return;
    }
    // A HEAD request runs nothing: its reply has no result.
    if (exchange.method === 'HEAD' || !isSubmitted(exchange.fields)) {
      if (isMeantAsCall(exchange)) {
        this.#refuseCall(exchange, `nothing is run without a field arg; ${this.#remedy}`, module);
        return;
      }
      this.#reply(exchange, titleOf(entry), module, this.#formPage(entry, exchange), 'command');
      return;
    }
    if (this.#refusesSecret(exchange, entry)) return;
    if (!entry.command.readOnly) {
      const refusal = crossSiteRefusal(exchange);
      if (refusal !== undefined) {
        const reason = html`${titleOf(entry)} may change the state of the server, and ${refusal}`;
        // Filled in as it was asked for: a press of the button runs it.
        const main = html`${alert(403, reason)}${this.#formPage(entry, exchange)}`;
        if (isRaw(exchange)) this.#refuse(exchange, 403, reason);
        else replyPage(exchange, 403, page(this.#siteOf(exchange), statusLine(403), module, main, 'command'));
        return;
      }
    }
    if (isUnconfirmed(entry, exchange.fields) && !isRaw(exchange)) {
      const { base, host, runner } = this.#options;
      const asked = { action: pathOf(base, entry), fields: exchange.fields, host, timeout: runner.timeout };
      this.#reply(exchange, `Run ${titleOf(entry)}?`, module, confirmation(entry, asked), 'command');
      return;
    }
    this.#run(exchange, entry);
  }

  #run(exchange: Exchange, entry: CommandEntry): void {
    const { runner, maxValues, tracer } = this.#options;
    let asked: Asked = { entry, exchange, submitted: { given: undefined, count: 0 }, started: performance.now() };
    try {
      const submitted = readArguments(entry.command, exchange.fields, maxValues);
      asked = { ...asked, submitted, started: performance.now() };
    } catch (error) {
      if (error instanceof FieldError) this.#refuse(exchange, error.status, error.message, entry.module);
      else this.#answerError(asked, runner.failures.errorOf(error, entry.fullName));
      return;
    }
    tracer?.called(exchange, 'http', entry.fullName, entry, asked.submitted.given);
    runner.run(
      {
        result: (_exchange, _place, value, { fullName }, call) => {
          exchange.onGone = () => call.abort(abortReason(coded('ERR_GONE', new Error('the client left'))));
          exchange.about = fullName;
          return isRaw(exchange)
            ? this.#results.raw(exchange, value, call, rawHeaders(exchange, fullName, exchange.wantsLines))
            : this.#results.show(exchange, value, call, this.#frame(asked));
        },
        error: (_exchange, _place, error) => this.#answerError(asked, error),
        wait: (_exchange, _place, waited) => {
          exchange.onGone = () => void waited.leave();
        },
      },
      exchange,
      0,
      entry,
      asked.submitted.given,
      asked.submitted.count,
    );
  }

  #answerError(asked: Asked, error: MiError): void {
    const { exchange, entry } = asked;
    const { failures } = this.#options.runner;
    if (exchange.finished) return;
    if (error instanceof RefusedCall) {
      this.#refuse(exchange, error.status, explained(error), entry.module, retryHeaders(error));
    } else if (isRaw(exchange)) {
      const body = `{"error":${failures.print(error, entry.fullName)}}`;
      exchange.reply(statusOf(error), body, rawHeaders(exchange, entry.fullName, false));
    } else if (error.code === codes.permissionDenied) {
      this.#refuse(exchange, 403, explained(error), entry.module);
    } else {
      this.#results.showError(exchange, error, failures.print(error, entry.fullName), this.#frame(asked));
    }
  }

  #frame({ entry, exchange, submitted, started }: Asked): Frame {
    const { head, tail } = pageParts(this.#siteOf(exchange), titleOf(entry), entry.module, 'command');
    const { jsonRpcPath: path } = this.#options;
    const given = withoutSecrets(entry.command, submitted.given);
    const request = callText(entry.fullName, given);
    // A link runs the command anew, which is nothing to be offered in passing where it changes something.
    const links =
      entry.command.readOnly && entry.command.secrets.length === 0
        ? rawLinks(pathOf(this.#site.base, entry), submitted)
        : undefined;
    const options = this.#formOptions(entry, exchange);
    return {
      head: html`${head}${commandHeading(entry)}`,
      folded: foldedForm(entry, options, given === undefined ? undefined : JSON.stringify(given)),
      opened: (error) => {
        const wrong = error instanceof WrongParameter ? error.parameter : undefined;
        return commandForm(entry, { ...options, wrong });
      },
      tail,
      time: performance.now() - started,
      all: links ?? 'JSON-RPC gives all of it',
      call: path === undefined || request === undefined ? undefined : { path, request, url: urlOf(exchange, path) },
      failed: (error) => this.#options.runner.failures.ofRest(error, entry.fullName),
    };
  }

  #formPage(entry: CommandEntry, exchange: Exchange): Markup {
    return html`${commandHeading(entry)}${commandForm(entry, this.#formOptions(entry, exchange))}`;
  }

  #formOptions(entry: CommandEntry, { fields }: Exchange): FormOptions {
    const { command } = entry;
    const candidates = new Set([this.#mi.commands.flatName(entry), command.name, ...command.aliases]);
    return {
      method: this.#options.formMethod,
      action: pathOf(this.#site.base, entry),
      names: [...candidates].filter((name) => name !== entry.fullName && this.#mi.commands.finds(name, entry)),
      fields,
      host: this.#options.host,
      timeout: this.#options.runner.timeout,
    };
  }

  /** The site as far as the caller may see it: modules without a command that it may run are left out. */
  #siteOf(exchange: Exchange): Site {
    const visible = new Set(this.#mi.visibleTo(exchange).map(({ module }) => module));
    const modules = this.#site.modules.filter((module) => visible.has(module));
    const may = (entry: CommandEntry): boolean => this.#mi.denial(entry, exchange) === undefined;
    const { finder } = this;
    const seesSessions = this.#isViewPage(sessionsPath) && may(this.#sessionCommand('list_sessions'));
    return {
      ...this.#site,
      modules,
      user: userBar(exchange, seesSessions ? `${this.#site.base}/${sessionsPath}` : undefined),
      hasLive: may(this.#events.command),
      hasContacts: finder !== undefined && may(finder),
      hasAudit: this.#mi.audit !== undefined && may(this.#auditCommand),
      hasFleet: this.#fleet.lister !== undefined && may(this.#fleet.lister),
      debugLink: this.#debugLink(exchange),
    };
  }

  /** What is logged in every detail costs time and tells much: it is not to be forgotten. */
  #debugLink(exchange: Exchange): string | undefined {
    if (this.#options.logLevel.value < debugLevel) return undefined;
    const entry = this.#mi.visibleTo(exchange).find(({ fullName }) => fullName === 'core:log_level');
    return entry && pathOf(this.#site.base, entry);
  }

  #reply(exchange: Exchange, title: string, module: string | undefined, main: Insertion, kind?: PageKind): void {
    replyPage(exchange, 200, page(this.#siteOf(exchange), title, module, main, kind));
  }

  /** Answers what was meant as a call and runs nothing. JSON that is sent as a form gets what JSON without a type gets. */
  #refuseCall(exchange: Exchange, reason: string, module?: string): void {
    if (!hasJsonField(exchange)) {
      this.#refuse(exchange, 400, reason, module);
      return;
    }
    const text = `the body is JSON in a form, and Content-Type says ${exchange.mediaType}`;
    exchange.reply(415, refusalBody(415, text, this.#options.jsonRpcPath), jsonHeaders);
  }

  #refuse(exchange: Exchange, status: number, reason: Insertion, module?: string, headers: ReplyHeaders = {}): void {
    if (isRaw(exchange)) {
      exchange.reply(status, refusalBody(status, plainText(reason)), { ...jsonHeaders, ...headers });
      return;
    }
    const text = page(this.#siteOf(exchange), statusLine(status), module, alert(status, reason));
    replyPage(exchange, status, text, headers);
  }
}

/** In the order in which they were registered, and then the nodes of others. */
function modulesOf({ commands }: ManagementInterface): readonly string[] {
  return [...new Set(commands.all.map(({ module }) => module))];
}

/** Fields of the pages that can be shown in several ways, by their modules. */
const viewFields: ReadonlyMap<string, readonly string[]> = new Map([
  ['', ['range', 'find']],
  ['statistics', ['filter', 'chart', 'range']],
]);

/** The fields that say how the page of statistics is shown, as a query. */
function viewQuery(exchange: Exchange): string {
  const kept = (viewFields.get('statistics') ?? []).flatMap((name) => {
    const value = exchange.argument(name) ?? '';
    return value === '' ? [] : [[name, value] as const];
  });
  return kept.length === 0 ? '' : `?${new URLSearchParams(Object.fromEntries(kept))}`;
}

const jsonHeaders: ReplyHeaders = { 'Content-Type': 'application/json', ...privateHeaders };

function alert(status: number, reason: Insertion): Markup {
  return html`<h2>${statusLine(status)}</h2>\n<p role="alert" class="error">${reason}</p>\n`;
}

/** The level of the log that has every detail. */
const debugLevel = 4;

/** UTF-16 units of a name that a page repeats. */
const longestName = 64;

function nearest(name: string, names: readonly string[], pathTo: (name: string) => string): Markup | undefined {
  const near = nearestNames(name, new Set(names));
  if (near.length === 0) return undefined;
  return html`; nearest: ${near.map((one) => html`<a href="${pathTo(one)}">${one}</a> `)}`;
}

/** Tells whether a client takes gzip, and does not like the file as it is better. */
function takesGzip(exchange: Exchange): boolean {
  const acceptEncoding = exchange.header('accept-encoding') ?? '';
  if (acceptEncoding === '') return false;
  const weightOf = weigher(acceptEncoding);
  const gzip = weightOf('gzip', 'x-gzip', '*');
  return gzip > 0 && weightOf('identity') <= gzip;
}

/** Longest parameters in a link that is offered: heads of requests are limited. */
const longestArgument = 3000;

/** True if the bare result is asked for, by `raw=1`, or by `Accept` for JSON. */
function isRaw(exchange: Exchange): boolean {
  return exchange.wantsJson || exchange.argument('raw') === '1';
}

/**
 * Headers of the bare result: JSON; with `text=1` plain text, which browsers show as it is; with `download=1` a file.
 * @param command its full name
 * @param isLines true for lines of JSON
 */
function rawHeaders(exchange: Exchange, command: string, isLines: boolean): ReplyHeaders {
  const json = isLines ? linesType : 'application/json';
  const isText = exchange.argument('text') === '1';
  const headers = { 'Content-Type': isText ? 'text/plain; charset=utf-8' : json, ...privateHeaders };
  if (exchange.argument('download') !== '1') return headers;
  return {
    ...headers,
    'Content-Disposition': `attachment; filename="${command.replaceAll(':', '_').replaceAll('/', '_')}.${isLines ? 'ndjson' : 'json'}"`,
  };
}

/**
 * Links to the bare result, by the page's own path. They run the command anew.
 * @returns undefined when the parameters are too long for one
 */
function rawLinks(path: string, { given }: Submitted): Markup | undefined {
  const arg = given === undefined ? '' : encodeURIComponent(JSON.stringify(given));
  if (arg.length > longestArgument) return undefined;
  const link = `${path}?arg=${arg}&raw=1`;
  return html`<a href="${link}">all of it as JSON</a>, <a href="${link}&amp;text=1">as text</a>, <a href="${link}&amp;download=1" download>as a file</a>`;
}

/**
 * The address by which a browser without scripts has reached the server, as far as its request tells: a proxy may have spoken TLS.
 */
function urlOf(exchange: Exchange, path: string): string {
  const isSecure = exchange.isSecure || exchange.header('referer')?.startsWith('https:') === true;
  return `${isSecure ? 'https' : 'http'}://${exchange.header('host') ?? 'localhost'}${path}`;
}

/** Longest request that is offered to copy: shells and terminals take no more. */
const longestCall = 16384;

/**
 * The JSON-RPC request of a call. The page's script makes a line for a shell of it: the browser alone knows by which
 * scheme and name the server is reached, be it through a proxy.
 *
 * @returns undefined when it would be too long to copy
 */
function callText(method: string, given: CallParameters): string | undefined {
  const call = JSON.stringify({ jsonrpc: '2.0', method, params: given, id: 1 });
  return call.length > longestCall ? undefined : call;
}

/** Most bytes of a result that a page shows: what browsers still lay out at once. */
const mostShown = 262144;

/** Settings that differ between the web interfaces of one server. */
interface WebRoot {
  readonly root: string;
  /** 0: GET; 1: POST. */
  readonly formMethod: number;
  /** Milliseconds that a page counts the rest of a result. */
  readonly countTime: number;
  readonly runner: Runner;
  /** Values that one form may give. */
  readonly maxValues: number;
  /** Streams of events that may be open at once. */
  readonly maxStreams: number;
  /** Undefined: nothing is traced. */
  readonly tracer: CallTracer | undefined;
}

/** Path of the root that takes JSON-RPC; undefined without one. */
export function jsonRpcPath(httpd: HttpServer): string | undefined {
  const jsonRpc = httpd.roots.find(({ module }) => module === 'mi_http');
  return jsonRpc === undefined ? undefined : `/${jsonRpc.root}`;
}

/** Makes the web interface of a root; to be called when all modules have registered their commands and roots. */
export function webInterface(
  context: BuiltInContext<object>,
  { root, formMethod, countTime, runner, maxValues, maxStreams, tracer }: WebRoot,
): WebInterface {
  const { mi, httpd, facts, status, events, eventStreams: streams, logConsumers, logLevel } = context;
  return new WebInterface(mi, {
    base: `/${root}`,
    formMethod: formMethod === 1 ? 'post' : 'get',
    jsonRpcPath: jsonRpcPath(httpd),
    shownSize: Math.min(httpd.windowSize, mostShown),
    countTime,
    server: `${facts.name} ${facts.version}`,
    host: httpd.name,
    color: httpd.color,
    startedAt: facts.startedAt,
    sessions: httpd.sessions,
    hosts: httpd.allowedHosts,
    status,
    runner,
    maxValues,
    events,
    streams,
    logConsumers,
    logLevel,
    maxStreams,
    tracer,
  });
}
