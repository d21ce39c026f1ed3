import { isObject, type JsonObject, type JsonValue, stringify } from '../base/json.js';
import { html, type Markup } from '../http/pages/html.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { pathOf } from './page.js';
import { grouped, valueText } from './quantities.js';
import { cell, recordRow, recordTable } from './tables.js';
import { datedMarkup } from './times.js';
import { visible } from './visible.js';

/** Calls that the page shows. */
const shown = 200;

const heads = ['Time', 'Caller', 'Level', 'From', 'Command', 'Parameters', 'Outcome', 'Took'];

/** What the page is made from. */
interface Source {
  /** Path of the root: `/mi`. */
  readonly base: string;
  readonly mi: ManagementInterface;
  /** Of each what the calls that are shown have; '': anything. */
  readonly who: string | undefined;
  readonly command: string | undefined;
  /** `ok` or `failed`. */
  readonly outcome: string | undefined;
}

/** Who changed what: the calls that may have changed something, and those that were denied, the newest first. */
export function auditPage({ base, mi, who = '', command = '', outcome = '' }: Source): Markup {
  const all = mi.audit?.recent ?? [];
  const fits = (wanted: string, text: string): boolean => text.toLowerCase().includes(wanted.trim().toLowerCase());
  const found = all.filter(
    (one) =>
      fits(who, one.who) &&
      fits(command, one.command) &&
      (outcome === '' || (one.outcome === 'ok') === (outcome === 'ok')),
  );
  const entries = new Map(mi.commands.all.map((entry) => [entry.fullName, entry]));
  const rows = found
    .slice(-shown)
    .toReversed()
    .map(({ line, command: name }) => row(base, JSON.parse(line) as JsonObject, entries.get(name)));
  const more = found.length > shown ? `, the newest ${shown} of them here` : '';
  return html`<h2>Audit</h2>
<p class="help">Calls that may have changed something, and calls that were denied. <code>httpd:audit_recent</code> tells them to programs.</p>
<form method="get" action="${base}/audit" class="filter" role="search" aria-label="Calls">
<label for="who">Caller</label> <input id="who" name="who" value="${who}" autocomplete="off" spellcheck="false" autocapitalize="off">
<label for="command">Command</label> <input id="command" name="command" value="${command}" autocomplete="off" spellcheck="false" autocapitalize="off">
<label for="outcome">Outcome</label> <select id="outcome" name="outcome">${['', 'ok', 'failed'].map((one) => html`<option value="${one}"${one === outcome && html` selected`}>${one === '' ? 'any' : one}</option>`)}</select>
<button type="submit">Show</button>
<span class="count" role="status">${grouped(found.length)} of ${grouped(all.length)} calls that are kept${more}</span>
</form>
${rows.length === 0 ? html`<p class="none">No call.</p>\n` : recordTable('Calls', heads, rows)}`;
}

function row(base: string, line: JsonObject, entry: CommandEntry | undefined): Markup {
  const { time, who, level, from, command, params, outcome, ms } = line;
  const given = params === undefined ? '' : stringify(params);
  return recordRow([
    cell('Time', datedMarkup(Date.parse(String(time)))),
    cell('Caller', visible(String(who))),
    cell('Level', String(level)),
    cell('From', visible(String(from))),
    cell('Command', link(base, String(command), params, entry)),
    cell('Parameters', given === '' ? undefined : visible(given)),
    cell('Outcome', String(outcome), outcome === 'ok' ? undefined : 'failed'),
    cell('Took', valueText(Number(ms) * 1000, 'microseconds'), 'number'),
  ]);
}

/** A link to the form, filled in with what was given; where some of that is not kept, to the form alone. */
function link(base: string, name: string, params: JsonValue | undefined, entry: CommandEntry | undefined): Markup {
  if (entry === undefined) return html`${name}`;
  const path = pathOf(base, entry);
  const isWhole = entry.command.secrets.length === 0 && params !== undefined && !isCut(params);
  return html`<a href="${path}${isWhole && `?form#arg=${encodeURIComponent(stringify(params))}`}">${name}</a>`;
}

/** True where the audit has left out something. */
function isCut(value: JsonValue): boolean {
  if (typeof value === 'string') return /\(\d+ more\)$|^\(nested\)$/.test(value);
  if (typeof value !== 'object' || value === null) return false;
  if (!isObject(value)) return value.some(isCut);
  return Object.entries(value).some(([key, one]) => isCut(key) || (one !== undefined && isCut(one)));
}
