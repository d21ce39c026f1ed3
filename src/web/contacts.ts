import { coded } from '../base/codes.js';
import type { JsonObject, JsonValue } from '../base/json.js';
import { abortReason } from '../base/lazy-abort.js';
import { retryHeaders } from '../gateway/jsonrpc-refusal.js';
import type { Exchange, ReplyHeaders } from '../http/exchange.js';
import { crossSiteRefusal } from '../http/login/same-origin.js';
import { html, type Insertion, type Markup, privateHeaders } from '../http/pages/html.js';
import { type Call, takeEnd } from '../mi/calls/call.js';
import type { Runner } from '../mi/calls/run.js';
import type { Result } from '../mi/commands/command.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import { codes, explained, MiError, RefusedCall } from '../mi/errors.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { csvHead, csvRows, type FoundAor, type ShownContact } from './csv.js';
import { contactsPath } from './page.js';
import { grouped } from './quantities.js';
import type { Results } from './results.js';
import { cell, recordRow, recordTable } from './tables.js';
import { datedMarkup } from './times.js';
import { visible } from './visible.js';

/** Addresses of record on a page, and in a piece of a download. */
const pageSize = 50;
const pieceSize = 1000;

/** What `usrloc:find` gives. */
interface Page {
  readonly records: readonly FoundAor[];
  readonly cursor: string | null;
  readonly matched: number;
  readonly total: number;
  readonly tables: readonly string[];
}

/** A row of the page. */
interface Row {
  readonly table: string;
  readonly aor: string;
  readonly contact: ShownContact;
}

/** What is looked for, and how it is shown: all of it stands in the URL. */
interface Query {
  readonly q: string;
  readonly table: string;
  readonly by: string;
  readonly sort: string;
  readonly after: string;
}

const queryFields = ['q', 'table', 'by', 'sort', 'after'] as const satisfies readonly (keyof Query)[];

/** The columns: field of `sort`, title, member of a contact. */
const columns = [
  ['aor', 'AOR', 'AOR'],
  ['contact', 'Contact', 'Contact'],
  ['received', 'Received', 'Received'],
  ['agent', 'User agent', 'User-agent'],
  ['expires', 'Expires', 'Expires'],
  ['q', 'q', 'Q'],
] as const;

/** Members that may be looked at alone. */
const searched = ['AOR', 'Contact', 'User-agent', 'Received', 'Callid', 'Socket', 'Path', 'Attr', 'SIP_instance'];

interface ContactsOptions {
  /** Path of the web root: `/mi`. */
  readonly base: string;
  /** Name of the server. */
  readonly host: string;
  readonly mi: ManagementInterface;
  readonly runner: Runner;
  readonly results: Results;
  readonly show: (exchange: Exchange, status: number, title: string, main: Insertion) => void;
  readonly refuse: (exchange: Exchange, status: number, reason: Insertion, headers?: ReplyHeaders) => void;
}

/** The page on which contacts are found, looked at and deleted. */
export class ContactsPages {
  readonly #options: ContactsOptions;

  constructor(options: ContactsOptions) {
    this.#options = options;
  }

  /** The command that finds contacts; undefined without module usrloc. */
  get finder(): CommandEntry | undefined {
    return this.#options.mi.commands.entries.find(({ fullName }) => fullName === 'usrloc:find');
  }

  /** Answers a request for the page, for what was found as a file, or to delete something. */
  handle(exchange: Exchange, finder: CommandEntry): void {
    const missing = this.#options.mi.denial(finder, exchange);
    if (missing !== undefined) this.#options.refuse(exchange, 403, explained(missing));
    else if (exchange.method !== 'POST') this.#find(exchange, finder);
    else if (exchange.argument('delete') !== undefined) this.#delete(exchange);
    else this.#ask(exchange);
  }

  #find(exchange: Exchange, finder: CommandEntry): void {
    const query = queryOf(exchange);
    const format = exchange.argument('format');
    const isFile = format === 'csv' || format === 'json';
    const params = { ...given(query), limit: isFile ? pieceSize : pageSize, ...(isFile ? { count: 0 } : {}) };
    this.#run(exchange, finder, params, (result, call) => {
      const page = result as unknown as Page;
      if (isFile) this.#download(exchange, format, page, (after) => next(finder, { ...params, after }, call), call);
      else this.#options.show(exchange, 200, titleOf(query), this.#list(exchange, query, page));
    });
  }

  #list(exchange: Exchange, query: Query, page: Page): Markup {
    const { base } = this.#options;
    const rows = page.records.flatMap(({ table, AOR, Contacts }) =>
      Contacts.map((contact) => ({ table, aor: AOR, contact })),
    );
    sortRows(rows, query.sort);
    const told = `${grouped(page.matched)} of ${grouped(page.total)}`;
    const tables = new Set(rows.map(({ table }) => table));
    const one =
      tables.size === 1 && page.tables.length > 1
        ? html`<p class="help">All in table ${visible([...tables].join(''))}.</p>\n`
        : undefined;
    const path = `${base}/${contactsPath}`;
    const link = (changes: Partial<Query>): string => `${path}${search({ ...query, ...changes })}`;
    const pages = html`<p class="bar">${query.after !== '' && html`<a href="${link({ after: '' })}">First page</a> `}${page.cursor !== null && html`<a href="${link({ after: page.cursor })}" rel="next">Next page</a>`}</p>\n`;
    const files = `${path}${search({ ...query, after: '', sort: '' })}`;
    const file = (format: string): string => `${files}${files === path ? '?' : '&'}format=${format}`;
    return html`${this.#head(exchange, query, page, html`<span class="count" role="status">${told}</span>`)}
${one}${rows.length === 0 ? html`<p class="none">No contact ${query.q === '' ? 'is registered' : html`has ${visible(query.q)}`}.</p>\n` : this.#table(exchange, query, rows, tables.size > 1, link)}
${(page.cursor !== null || query.after !== '') && pages}${rows.length > 0 && html`<p class="bar">All that were found: <a href="${file('csv')}" download>CSV</a> <a href="${file('json')}" download>JSON</a></p>\n`}</section>
`;
  }

  /** Heading, what was done, and the search; of a section that the caller ends. */
  #head(exchange: Exchange, query: Query, page: Pick<Page, 'tables'> | undefined, told?: Markup): Markup {
    const { base } = this.#options;
    const done = doneTexts[exchange.argument('done') ?? ''];
    const names = page?.tables ?? [];
    const choice = (name: keyof Query, label: string, none: string, values: readonly string[]): Markup =>
      html`<label for="${name}">${label}</label>
<select id="${name}" name="${name}"><option value="">${none}</option>${values.map((value) => html`<option${value === query[name] && html` selected`}>${value}</option>`)}</select>
`;
    const tables = query.table === '' || names.includes(query.table) ? names : [...names, query.table];
    const members = query.by === '' || searched.includes(query.by) ? searched : [...searched, query.by];
    return html`<section class="contacts" id="contacts" aria-labelledby="contacts-title">
<h2 id="contacts-title">Contacts</h2>
${done !== undefined && html`<p class="done" role="status">${done}</p>\n`}<form class="filter" method="get" action="${base}/${contactsPath}" role="search" aria-label="Contacts">
<label for="q">Those with</label>
<input type="search" id="q" name="q" value="${query.q}" autocomplete="off" spellcheck="false" autocapitalize="off">
${choice('by', 'in', 'any part', members)}${(tables.length > 1 || query.table !== '') && choice('table', 'of table', 'all', tables)}${query.sort !== '' && html`<input type="hidden" name="sort" value="${query.sort}">\n`}<button type="submit">Find</button>
${told}</form>`;
  }

  #table(
    exchange: Exchange,
    query: Query,
    rows: readonly Row[],
    hasTables: boolean,
    link: (changes: Partial<Query>) => string,
  ): Markup {
    const mayDelete = this.#deleters(exchange);
    const hasActs = mayDelete.contact || mayDelete.aor;
    const heads = columns.map(([field, title]) => {
      const [isUp, isDown] = [query.sort === field, query.sort === `-${field}`];
      const state = isUp ? html` aria-sort="ascending"` : isDown ? html` aria-sort="descending"` : undefined;
      return html`<th scope="col" role="columnheader"${state}><a href="${link({ sort: isUp ? `-${field}` : field })}">${title}</a></th>`;
    });
    const others = [hasTables && 'Table', hasActs && 'Delete'].filter((title) => title !== false);
    return html`<p class="hint">Sorted within this page. A contact opens to all that is known about it.</p>
${recordTable(
  'Contacts that were found',
  [...heads, ...others],
  rows.map((row) => this.#row(row, query, hasTables, mayDelete)),
)}`;
  }

  #row({ table, aor, contact }: Row, query: Query, hasTables: boolean, may: Deleters): Markup {
    const uri = String(contact.Contact ?? '');
    const text = (name: string): Markup | undefined => {
      const value = contact[name];
      return value === undefined || value === '' ? undefined : visible(String(value));
    };
    const members = Object.entries(contact).map(
      ([name, value]) => html`<div><dt>${name}</dt><dd>${visible(String(value))}</dd></div>\n`,
    );
    const all = html`<details><summary>${visible(uri)}</summary>
<dl>${members}</dl></details>`;
    const hasActs = may.contact || may.aor;
    return recordRow(
      [
        cell('AOR', visible(aor)),
        cell('Contact', all),
        cell('Received', text('Received')),
        cell('User agent', text('User-agent')),
        cell('Expires', expiry(contact.Expires)),
        cell('q', text('Q')),
        hasTables && cell('Table', visible(table)),
        hasActs && cell('Delete', this.#asking({ table, aor, contact }, query, may)),
      ],
      html` data-aor="${aor}" data-contact="${uri}"`,
    );
  }

  /** A form that leads to the question whether to delete. A link would be as long as the contact, thrice. */
  #asking({ table, aor, contact }: Row, query: Query, may: Deleters): Markup {
    const { base } = this.#options;
    const uri = String(contact.Contact ?? '');
    return html`<form class="acts" method="post" action="${base}/${contactsPath}">${hiddenFields({ t: table, aor, contact: uri })}${hiddenFields(query)}
${may.contact && html`<button type="submit" name="ask" value="contact" aria-label="Delete contact ${uri} of ${aor}">contact…</button>`} ${may.aor && html`<button type="submit" name="ask" value="aor" aria-label="Delete AOR ${aor}">AOR…</button>`}</form>`;
  }

  /** The page that asks whether to delete. */
  #ask(exchange: Exchange): void {
    const target = targetOf(exchange);
    const query = queryOf(exchange);
    const back = `${this.#options.base}/${contactsPath}${search(query)}`;
    if (target === undefined) {
      this.#options.refuse(
        exchange,
        400,
        html`the form does not tell what is to be deleted; <a href="${back}">back to the contacts</a>`,
      );
      return;
    }
    const { kind, table, aor, contact } = target;
    const what =
      kind === 'contact'
        ? html`Contact ${visible(contact)} of ${visible(aor)} in table ${visible(table)} is deleted.`
        : html`${visible(aor)} in table ${visible(table)} is deleted, with all of its contacts.`;
    const main = html`<h2>Delete ${kind === 'contact' ? 'a contact' : 'an address of record'}</h2>
<p>${what} A device that registers again is back then.</p>
<form class="confirm" method="post" action="${this.#options.base}/${contactsPath}">${hiddenFields({ ask: kind, t: table, aor, contact })}${hiddenFields(query)}
<p class="bar"><button type="submit" name="delete" value="1" class="danger">Delete ${kind === 'contact' ? 'contact' : 'AOR'} on <bdi>${this.#options.host}</bdi></button> <a href="${back}">Leave it</a></p>
</form>
`;
    this.#options.show(exchange, 200, 'Delete', main);
  }

  #delete(exchange: Exchange): void {
    const { refuse, base } = this.#options;
    const query = queryOf(exchange);
    const back = `${base}/${contactsPath}${search(query)}`;
    const target = targetOf(exchange);
    const entry = target === undefined ? undefined : this.#deleter(target.kind);
    const refusal = crossSiteRefusal(exchange);
    if (target === undefined || entry === undefined) {
      refuse(
        exchange,
        400,
        html`the form does not tell what is to be deleted; <a href="${back}">back to the contacts</a>`,
      );
    } else if (refusal !== undefined) {
      refuse(exchange, 403, html`a contact would be deleted, and ${refusal}`);
    } else {
      const { kind, table, aor, contact } = target;
      const params = kind === 'contact' ? { table_name: table, aor, contact } : { table_name: table, aor };
      this.#run(exchange, entry, params, () => {
        // The page that follows may be loaded again without deleting anything.
        const location = `${back}${back.includes('?') ? '&' : '?'}done=${kind}`;
        exchange.reply(303, '', { Location: location, ...privateHeaders });
      });
    }
  }

  /** Runs a command as the caller, and tells what goes wrong on a page with the search. */
  #run(exchange: Exchange, entry: CommandEntry, params: JsonObject, done: (result: Result, call: Call) => void): void {
    const { runner, refuse, show } = this.#options;
    runner.run(
      {
        result: (_exchange, _place, value, { fullName }, call) => {
          exchange.onGone = () => call.abort(abortReason(coded('ERR_GONE', new Error('the client left'))));
          exchange.about = fullName;
          done(value, call);
          return undefined;
        },
        error: (_exchange, _place, error) => {
          if (exchange.finished) return;
          if (error instanceof RefusedCall) refuse(exchange, error.status, explained(error), retryHeaders(error));
          else if (error.code === codes.permissionDenied) refuse(exchange, 403, explained(error));
          else {
            const query = queryOf(exchange);
            const first = `${this.#options.base}/${contactsPath}${search({ ...query, after: '', table: '' })}`;
            const alert = html`<p role="alert" class="error">${error.code} <bdi>${explained(error)}</bdi></p>\n<p><a href="${first}">Search anew</a></p>\n`;
            show(
              exchange,
              error.code === codes.serverError ? 500 : 200,
              'Contacts',
              html`${this.#head(exchange, query, undefined)}\n${alert}</section>\n`,
            );
          }
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

  /** Sends all that was found as a file, piece by piece at the pace of its reader. */
  #download(
    exchange: Exchange,
    format: 'csv' | 'json',
    first: Page,
    more: (after: string) => Promise<Page>,
    call: Call,
  ): void {
    const headers = {
      'Content-Type': format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/json',
      'Content-Disposition': `attachment; filename="contacts.${format}"`,
      ...privateHeaders,
    };
    const end = takeEnd(call);
    const texts = format === 'csv' ? csvOf(first, more) : jsonOf(first, more);
    this.#options.results.texts(exchange, texts, () => end?.(), headers);
  }

  #deleters(exchange: Exchange): Deleters {
    const may = (kind: Kind): boolean => {
      const entry = this.#deleter(kind);
      return entry !== undefined && this.#options.mi.denial(entry, exchange) === undefined;
    };
    return { contact: may('contact'), aor: may('aor') };
  }

  /** The command that deletes: of mirrored contacts that of the OpenSIPS they are of. */
  #deleter(kind: Kind): CommandEntry | undefined {
    try {
      return this.#options.mi.commands.find(kind === 'contact' ? 'usrloc:rm_contact' : 'usrloc:rm', () => []);
    } catch (error) {
      if (error instanceof MiError) return undefined;
      throw error;
    }
  }
}

type Kind = 'contact' | 'aor';

/** What a caller may delete. */
type Deleters = Readonly<Record<Kind, boolean>>;

const doneTexts: Readonly<Record<string, string>> = {
  contact: 'The contact is deleted.',
  aor: 'The address of record is deleted, with all of its contacts.',
};

async function next(finder: CommandEntry, params: Readonly<Record<string, JsonValue>>, call: Call): Promise<Page> {
  return (await finder.command.run(params, call)) as unknown as Page;
}

async function* pagesOf(first: Page, more: (after: string) => Promise<Page>): AsyncGenerator<readonly FoundAor[]> {
  for (let page = first; ; page = await more(page.cursor)) {
    yield page.records;
    if (page.cursor === null) return;
  }
}

async function* csvOf(first: Page, more: (after: string) => Promise<Page>): AsyncGenerator<string> {
  yield csvHead;
  for await (const records of pagesOf(first, more)) yield csvRows(records);
}

async function* jsonOf(first: Page, more: (after: string) => Promise<Page>): AsyncGenerator<string> {
  let between = '[';
  for await (const records of pagesOf(first, more)) {
    if (records.length === 0) continue;
    yield between + records.map((record) => JSON.stringify(record)).join(',\n');
    between = ',\n';
  }
  yield between === '[' ? '[]\n' : ']\n';
}

/** What a form says is to be deleted. */
function targetOf(exchange: Exchange): { kind: Kind; table: string; aor: string; contact: string } | undefined {
  const [kind, table, aor, contact = ''] = ['ask', 't', 'aor', 'contact'].map((name) => exchange.argument(name));
  if ((kind !== 'contact' && kind !== 'aor') || table === undefined || aor === undefined) return undefined;
  return { kind, table, aor, contact };
}

function queryOf(exchange: Exchange): Query {
  const [q = '', table = '', by = '', sort = '', after = ''] = queryFields.map((name) => exchange.argument(name));
  return { q, table, by, sort, after };
}

/** The parameters of the command that a query stands for. */
function given({ q, table, by, after }: Query): Readonly<Record<string, JsonValue>> {
  const some = Object.entries({ table, by, after }).filter(([, value]) => value !== '');
  return { text: q, ...Object.fromEntries(some) };
}

function search(query: Query): string {
  const given = queryFields.filter((name) => query[name] !== '').map((name): [string, string] => [name, query[name]]);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

function hiddenFields(values: object): readonly Markup[] {
  return Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => html`<input type="hidden" name="${name}" value="${String(value)}">`);
}

function titleOf({ q }: Query): string {
  return q === '' ? 'Contacts' : `Contacts with ${q.slice(0, 40)}`;
}

function expiry(left: string | number | undefined): Insertion {
  return typeof left === 'number' ? datedMarkup(Date.now() + left * 1000) : left;
}

/** Sorts in place by a column, `-` in front for the other way round; by what numbers are where all have some. */
function sortRows(rows: Row[], sort: string): void {
  const isDown = sort.startsWith('-');
  const column = columns.find(([field]) => field === sort.slice(isDown ? 1 : 0));
  if (column === undefined) return;
  const [, , member] = column;
  const value = ({ aor, contact }: Row): string | number => {
    if (member === 'AOR') return aor;
    const given = contact[member] ?? '';
    if (member === 'Expires') return given === 'permanent' ? Number.MAX_SAFE_INTEGER : Number(given) || 0;
    return member === 'Q' ? Number(given === '' ? -1 : given) : given;
  };
  const sign = isDown ? -1 : 1;
  rows.sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  });
}
