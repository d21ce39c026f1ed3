import { nearestNames } from '../base/nearest.js';
import { html, type Markup } from '../http/pages/html.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import { commandItem, commandNames, contactsPath, pageName, pathOf } from './page.js';
import { grouped } from './quantities.js';
import { quoted } from './visible.js';

/** Commands that a page lists. */
const mostFound = 200;

/** What is looked for by the form of the header, which the script replaces by its own. */
interface Search {
  /** Path of the root: `/mi`. */
  readonly base: string;
  readonly text: string;
  /** Commands that the caller may run. */
  readonly entries: readonly CommandEntry[];
  /** Statistics that have the text; undefined where the caller may not read them. */
  readonly statistics: number | undefined;
  readonly hasContacts: boolean;
}

/** Words in lower case. */
export function wordsOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
}

/** The commands that have all words in their names, parameters or help, and ways to what else has them. */
export function searchPage({ base, text, entries, statistics, hasContacts }: Search): Markup {
  const words = wordsOf(text);
  const ranked = entries.flatMap((entry) => {
    const names = [entry.fullName, ...commandNames(entry)].map((name) => name.toLowerCase());
    const whole = `${names.join(' ')} ${entry.command.help.toLowerCase()}`;
    if (!words.every((word) => whole.includes(word))) return [];
    const rank = Math.min(...words.map((word) => rankOf(names, word)));
    return [{ entry, rank }];
  });
  const found = ranked.sort((one, other) => one.rank - other.rank).map(({ entry }) => entry);
  const near =
    found.length === 0
      ? nearestNames(text, new Set(entries.flatMap((entry) => [pageName(entry), ...namesOf(entry)])))
      : [];
  const meant = near.flatMap((name) => {
    const entry = entries.find((one) => pageName(one) === name || namesOf(one).includes(name));
    return entry === undefined ? [] : [html` <a href="${pathOf(base, entry)}">${name}</a>`];
  });
  const told =
    found.length === 0
      ? html`<p role="status">No command has that in its names, parameters or help${meant.length > 0 && html`; nearest:${meant}`}.</p>\n`
      : html`<p role="status">${grouped(found.length)} ${found.length === 1 ? 'command' : 'commands'}</p>
<ul class="commands">
${found.slice(0, mostFound).map((entry) => commandItem(base, entry))}</ul>
`;
  const others = [
    statistics !== undefined &&
      statistics > 0 &&
      html`<li><a href="${base}/statistics?${new URLSearchParams({ filter: text }).toString()}">${grouped(statistics)} ${statistics === 1 ? 'statistic' : 'statistics'}</a></li>\n`,
    hasContacts &&
      html`<li><a href="${base}/${contactsPath}?${new URLSearchParams({ q: text }).toString()}">Contacts with ${quoted(text)}</a></li>\n`,
  ].filter((one) => one !== false);
  return html`<h2>Commands with ${quoted(text)}</h2>
${told}${others.length > 0 && html`<h3>Elsewhere</h3>\n<ul>\n${others}</ul>\n`}`;
}

function namesOf({ command }: CommandEntry): readonly string[] {
  return [command.name, ...command.aliases];
}

/** As in assets/search.js: names that begin with it come first. */
function rankOf(names: readonly string[], word: string): number {
  if (names.some((name) => name.startsWith(word))) return 0;
  return names.some((name) => name.includes(word)) ? 1 : 2;
}
