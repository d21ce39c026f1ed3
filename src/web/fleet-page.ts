import { coded } from '../base/codes.js';
import { isObject, type JsonObject, type JsonValue, stringify } from '../base/json.js';
import { abortReason } from '../base/lazy-abort.js';
import { shorten } from '../base/text.js';
import { retryHeaders } from '../gateway/jsonrpc-refusal.js';
import type { Exchange, ReplyHeaders } from '../http/exchange.js';
import { crossSiteRefusal } from '../http/login/same-origin.js';
import { html, type Insertion, type Markup } from '../http/pages/html.js';
import type { Runner } from '../mi/calls/run.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import { openParameters } from '../mi/commands/secrets.js';
import { codes, explained, MiError, RefusedCall } from '../mi/errors.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { discardResult, JsonText } from '../mi/results/result.js';
import { SplicedJson } from '../mi/results/spliced-json.js';
import { readArguments } from './arguments.js';
import { fleetPath } from './page.js';
import { grouped, timeText } from './quantities.js';
import { cell, headCell, recordRow, recordTable } from './tables.js';
import { visible } from './visible.js';

/** Values of an answer that are compared, and UTF-16 units that are shown of one. */
const mostValues = 200;
const longestValue = 400;

/** Bytes of an answer that a page is made of, in one go. */
const longestAnswer = 1 << 20;

/** What the form has. */
const fields = ['command', 'arg', 'nodes', 'group', 'version', 'timeout', 'rolling'] as const;

type Form = Readonly<Record<(typeof fields)[number], string>>;

/** A member, as `fleet:members` tells it. */
interface Member {
  readonly name: string;
  readonly state: 'here' | 'away' | 'twice';
  readonly reason?: string;
  readonly ready?: boolean;
  readonly unready?: readonly string[];
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly digest?: string;
  readonly heard?: number;
  readonly opensips?: readonly { readonly name: string; readonly version: string; readonly up: boolean }[];
}

/** What `fleet:call` tells. */
interface Told {
  readonly dry_run?: boolean;
  readonly turns?: readonly (readonly string[])[];
  readonly changes?: boolean;
  readonly level?: string;
  readonly nodes?: Readonly<Record<string, { readonly result?: JsonValue; readonly error?: JsonObject }>>;
  readonly missing: readonly string[];
  readonly why?: Readonly<Record<string, { readonly reason: string; readonly outcome?: string }>>;
  readonly not_asked?: readonly string[];
  readonly stopped?: string;
  readonly ms?: number;
}

interface FleetOptions {
  /** Path of the web root: `/mi`. */
  readonly base: string;
  /** Name of the server. */
  readonly host: string;
  readonly mi: ManagementInterface;
  readonly runner: Runner;
  /** Values that one form may give. */
  readonly maxValues: number;
  readonly show: (exchange: Exchange, status: number, title: string, main: Insertion, headers?: ReplyHeaders) => void;
  readonly refuse: (exchange: Exchange, status: number, reason: Insertion, headers?: ReplyHeaders) => void;
}

/** The page of the fleet: who is there, and one command on many. */
export class FleetPages {
  readonly #options: FleetOptions;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** The command that lists members; undefined without module fleet, or where this server asks nobody. */
  get lister(): CommandEntry | undefined {
    return this.#command('fleet:members');
  }

  /** Answers a request for the page, or to run a command. @param commands those of the module, for the end of the page */
  handle(exchange: Exchange, lister: CommandEntry, commands: Markup): void {
    const missing = this.#options.mi.denial(lister, exchange);
    if (missing !== undefined) {
      this.#options.refuse(exchange, 403, explained(missing));
      return;
    }
    const form = formOf(exchange);
    if (exchange.method !== 'POST') this.#list(exchange, lister, form, commands, undefined);
    else this.#ask(exchange, lister, form, commands);
  }

  #command(name: string): CommandEntry | undefined {
    return this.#options.mi.commands.entries.find(({ fullName }) => fullName === name);
  }

  #ask(exchange: Exchange, lister: CommandEntry, form: Form, commands: Markup): void {
    const { refuse, mi, maxValues, show, base, host } = this.#options;
    const caller = this.#command('fleet:call');
    const refusal = crossSiteRefusal(exchange);
    if (caller === undefined || refusal !== undefined) {
      refuse(exchange, 403, html`the fleet would be asked, and ${refusal ?? 'this server asks nobody'}`);
      return;
    }
    const isDry = exchange.argument('dry') !== undefined;
    // What is shown nowhere does not come back with the page either.
    const isOpen = openParameters(caller.command, { command: form.command, params: form.arg })('params');
    const shown = isOpen ? form : { ...form, arg: '' };
    const again = (alert: Insertion): void => this.#list(exchange, lister, shown, commands, alert);
    let entry: CommandEntry | undefined;
    try {
      entry = mi.commands.find(form.command, () => []);
    } catch {
      // Members alone may have it.
    }
    let given: JsonObject;
    try {
      given = paramsOf(form, entry, maxValues, isDry);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      again(alertOf(error instanceof MiError ? explained(error) : error.message));
      return;
    }
    // What does not come back is asked for twice.
    if (entry?.command.destructive === true && !isDry && exchange.argument('confirm') === undefined) {
      const kept = fields.filter((name) => isOpen || name !== 'arg');
      const asked = kept.map((name) => html`<input type="hidden" name="${name}" value="${form[name]}">`);
      const anew = html`<p><label for="arg">Parameters again, since there is a secret among them</label>
<input type="password" id="arg" name="arg" autocomplete="off"></p>
`;
      show(
        exchange,
        200,
        'Run on the fleet?',
        html`<h2>Run ${entry.fullName} on the fleet?</h2>
<p>It runs on ${form.nodes === '' && form.group === '' && form.version === '' ? 'every member' : 'the members that were chosen'}, and what it ends or deletes does not come back.</p>
<form class="confirm" method="post" action="${base}/${fleetPath}">${asked}
${!isOpen && anew}<p class="bar"><button type="submit" name="confirm" value="1" class="danger">Run on the fleet of <bdi>${host}</bdi></button> <a href="${base}/${fleetPath}">Leave it</a></p>
</form>
`,
      );
      return;
    }
    this.#run(
      exchange,
      caller,
      given,
      (value) => {
        const isText = value instanceof JsonText || (value instanceof SplicedJson && value.length <= longestAnswer);
        if (!isText) {
          discardResult(value);
          again(alertOf('the results are too long for a page: ask for them by JSON-RPC, or for fewer members'));
          return;
        }
        const text = value instanceof JsonText ? value.text : value.text();
        again(answerMarkup(JSON.parse(text) as Told, form.command));
      },
      (error) => again(alertOf(`${error.code} ${explained(error)}`)),
    );
  }

  /** Shows the members, behind what came of a call. */
  #list(exchange: Exchange, lister: CommandEntry, form: Form, commands: Markup, told: Insertion): void {
    const { show } = this.#options;
    const page = (members: readonly Member[], alert: Insertion): Markup =>
      html`<div class="fleet">
<h2>Fleet</h2>
${this.#form(form, members)}${told}${alert}${members.length > 0 && membersMarkup(members)}</div>
${commands}`;
    this.#run(
      exchange,
      lister,
      {},
      (value) => {
        const { members } = value as unknown as { readonly members: readonly Member[] };
        const none = members.length === 0 && html`<p class="none">No member has told of itself.</p>\n`;
        show(exchange, 200, 'Fleet', page(members, none));
      },
      (error) => {
        const isAway = error instanceof RefusedCall;
        const headers = isAway ? retryHeaders(error) : {};
        show(exchange, isAway ? error.status : 500, 'Fleet', page([], alertOf(explained(error))), headers);
      },
    );
  }

  #form(form: Form, members: readonly Member[]): Markup {
    const { base, mi } = this.#options;
    const input = (name: keyof Form, label: string, more?: Markup): Markup =>
      html`<p><label for="${name}">${label}</label>
<input id="${name}" name="${name}" value="${form[name]}" autocomplete="off" spellcheck="false" autocapitalize="off"${more}></p>
`;
    const names = [...new Set(mi.commands.entries.map((entry) => mi.commands.flatName(entry)))];
    const tags = [...new Set(members.flatMap(({ tags: told = [] }) => told))];
    const options = (id: string, values: readonly string[]): Markup =>
      html`<datalist id="${id}">${values.map((value) => html`<option value="${value}">`)}</datalist>\n`;
    return html`<form class="call" method="post" action="${base}/${fleetPath}" accept-charset="utf-8">
${input('command', 'Command', html` list="fleet-commands" required`)}${input('arg', 'Parameters as JSON, or words separated by blanks')}${input('nodes', 'Members, parted by commas, with * for any characters; empty: all', html` list="fleet-names"`)}${input('group', 'Tags', html` list="fleet-tags"`)}${input('version', 'Version')}${input('timeout', 'Seconds for an answer', html` inputmode="decimal"`)}${input('rolling', 'So many at a time, until the first error; empty: all at once', html` inputmode="numeric"`)}${options('fleet-commands', names)}${options(
  'fleet-names',
  members.map(({ name }) => name),
)}${options('fleet-tags', tags)}<p class="run bar"><button type="submit">Run on the fleet</button> <button type="submit" name="dry" value="1">Who would be asked?</button></p>
</form>
`;
  }

  /** Runs a command as the caller. */
  #run(
    exchange: Exchange,
    entry: CommandEntry,
    params: JsonObject,
    done: (value: unknown) => void,
    failed: (error: MiError) => void,
  ): void {
    this.#options.runner.run(
      {
        result: (_exchange, _place, value, { fullName }, call) => {
          exchange.onGone = () => call.abort(abortReason(coded('ERR_GONE', new Error('the client left'))));
          exchange.about = fullName;
          done(value);
          return undefined;
        },
        error: (_exchange, _place, error) => {
          if (exchange.finished) return;
          if (error.code === codes.permissionDenied) this.#options.refuse(exchange, 403, explained(error));
          else failed(error);
        },
        wait: (_exchange, _place, waited) => {
          exchange.onGone = () => void waited.leave();
        },
      },
      exchange,
      0,
      entry,
      params,
      Object.keys(params).length,
    );
  }
}

function formOf(exchange: Exchange): Form {
  return Object.fromEntries(fields.map((name) => [name, exchange.argument(name)?.trim() ?? ''])) as Form;
}

/** The parameters of the call that a form stands for. @throws MiError or FieldError for those of the inner command */
function paramsOf(form: Form, entry: CommandEntry | undefined, maxValues: number, isDry: boolean): JsonObject {
  const { command, arg, nodes, group, version, timeout, rolling } = form;
  let params: JsonValue | undefined;
  if (arg !== '')
    params =
      entry === undefined || /^[[{]/.test(arg)
        ? arg
        : (readArguments(entry.command, [{ name: 'arg', value: arg }], maxValues).given as JsonValue | undefined);
  const given = Object.entries({ params, nodes, group, version, timeout, rolling }).filter(
    ([, value]) => value !== undefined && value !== '',
  );
  return { command, ...Object.fromEntries(given), ...(isDry ? { dry_run: true } : {}) };
}

function alertOf(text: string): Markup {
  return html`<p role="alert" class="error"><bdi>${text}</bdi></p>\n`;
}

function membersMarkup(members: readonly Member[]): Markup {
  const here = members.filter(({ state }) => state === 'here');
  const usual = commonest(here.map(({ version = '' }) => version));
  const commands = commonest(here.map(({ digest = '' }) => digest));
  const heads = ['Member', 'State', 'Ready', 'Version', 'Commands', 'Tags', 'OpenSIPS'];
  const rows = members.map((member) => {
    const { name, state, reason, ready, unready = [], version, digest, tags = [], opensips = [], heard } = member;
    const nodes = opensips.map(
      (node) => html`<div>${visible(`${node.name} ${node.version}`)}${!node.up && html` <mark>down</mark>`}</div>`,
    );
    const told = state === 'here' ? html`here` : html`<mark>${state}</mark> ${reason !== undefined && visible(reason)}`;
    return recordRow([
      headCell('Member', visible(name)),
      cell('State', html`${told}${state !== 'here' && heard !== undefined && html`, heard ${timeText(heard)} ago`}`),
      cell(
        'Ready',
        ready === undefined ? undefined : ready ? 'ready' : html`<mark>not ready</mark> ${visible(unready.join(', '))}`,
      ),
      cell('Version', version === undefined ? undefined : differing(visible(version), version === usual)),
      cell('Commands', digest === undefined ? undefined : digest === commands ? 'as most' : html`<mark>others</mark>`),
      cell('Tags', tags.length === 0 ? undefined : visible(tags.join(', '))),
      cell('OpenSIPS', nodes.length === 0 ? undefined : nodes),
    ]);
  });
  return html`<h3>Members</h3>
<p class="hint"><span class="count" role="status">${grouped(here.length)} of ${grouped(members.length)} here</span></p>
${recordTable('Members', heads, rows)}`;
}

/** A row of answers. */
interface Answered {
  readonly name: string;
  readonly outcome: string;
  readonly values: ReadonlyMap<string, string>;
  readonly isBad: boolean;
}

/** What came of a call: a table of answers, in which what differs from most is marked. */
function answerMarkup(told: Told, command: string): Markup {
  if (told.dry_run === true) return dryMarkup(told, command);
  const { nodes = {}, missing, why = {}, not_asked: left = [], stopped, ms = 0 } = told;
  const answered: Answered[] = Object.entries(nodes).map(([name, { result, error }]) => {
    const values = new Map<string, string>();
    valuesOf(error ?? result ?? null, '', values);
    return { name, outcome: error === undefined ? 'result' : 'error', values, isBad: error !== undefined };
  });
  const rows = [
    ...answered,
    ...missing.map((name): Answered => {
      const { reason = '', outcome } = why[name] ?? {};
      const text = outcome === undefined ? reason : `${reason}; outcome ${outcome}`;
      return { name, outcome: 'missing', values: new Map([['', text]]), isBad: true };
    }),
    ...left.map((name): Answered => ({ name, outcome: 'not asked', values: new Map(), isBad: true })),
  ];
  const good = answered.filter(({ isBad }) => !isBad);
  const paths = new Set(good.flatMap(({ values }) => [...values.keys()]));
  const usual = new Map([...paths].map((path) => [path, commonest(good.map(({ values }) => values.get(path) ?? ''))]));
  let different = 0;
  const records = rows.map(({ name, outcome, values, isBad }) => {
    const all = isBad ? [...values.keys()] : [...paths];
    const differs = all.filter((path) => isBad || (values.get(path) ?? '') !== usual.get(path));
    if (!isBad && differs.length > 0) different += 1;
    const same = all.filter((path) => !differs.includes(path));
    const line = (path: string, isSame: boolean): Markup => {
      const value = values.get(path);
      const text = value === undefined ? html`(none)` : visible(shorten(value, longestValue, '…'));
      return html`<div>${path !== '' && html`<span class="path">${visible(path)}</span> `}${differing(text, isSame)}</div>`;
    };
    const few = same.length <= 3 && differs.length === 0;
    const rest = few
      ? same.map((path) => line(path, true))
      : same.length > 0 &&
        html`<details><summary>${grouped(same.length)} ${same.length === 1 ? 'value' : 'values'} as most</summary>${same.map((path) => line(path, true))}</details>`;
    return recordRow([
      headCell('Member', visible(name)),
      cell('Outcome', isBad ? html`<mark>${outcome}</mark>` : outcome),
      cell('Answer', html`${differs.map((path) => line(path, isBad))}${rest}`),
    ]);
  });
  const parts = [
    `${grouped(good.length)} of ${grouped(rows.length)} gave a result`,
    good.length > 1 && (different === 0 ? 'all the same' : `${grouped(different)} differ from most, which is marked`),
    `${ms} ms`,
  ].filter((part) => part !== false);
  return html`<h3>Answers to <bdi>${command}</bdi></h3>
<p class="hint"><span class="count" role="status">${parts.join('; ')}</span></p>
${stopped !== undefined && alertOf(stopped)}${recordTable('Answers', ['Member', 'Outcome', 'Answer'], records)}`;
}

function dryMarkup({ turns = [], missing, why = {}, level = '', changes }: Told, command: string): Markup {
  const rows = turns.flatMap((names, index) =>
    names.map((name) =>
      recordRow([
        headCell('Member', visible(name)),
        cell('Turn', String(index + 1)),
        cell('State', missing.includes(name) ? html`<mark>missing</mark> ${visible(why[name]?.reason ?? '')}` : 'here'),
      ]),
    ),
  );
  return html`<h3>Who would be asked for <bdi>${command}</bdi></h3>
<p class="hint">Nobody was asked. It ${changes === true ? 'may change something, and' : 'changes nothing, and'} is asked with level ${level}.</p>
${recordTable('Members that would be asked', ['Member', 'Turn', 'State'], rows)}`;
}

/** The single values of an answer, by the ways to them. */
function valuesOf(value: JsonValue, path: string, found: Map<string, string>): void {
  if (found.size >= mostValues) return;
  const isNested = typeof value === 'object' && value !== null;
  const members = isObject(value)
    ? Object.entries(value)
    : isNested
      ? [...(value as readonly JsonValue[]).entries()]
      : [];
  if (members.length === 0) found.set(path, typeof value === 'string' ? value : stringify(value));
  for (const [name, member] of members) valuesOf(member ?? null, path === '' ? String(name) : `${path}.${name}`, found);
}

/** The value that most have; of several the first. */
function commonest(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), ['', 0] as const)[0];
}

function differing(value: Markup, isSame: boolean): Markup {
  return isSame ? value : html`<mark>${value}</mark>`;
}
