import { copyText } from './copy.js';
import { curlLine } from './curl.js';
import { button, element } from './element.js';
import { keepState, viewState } from './state.js';
import { tableOf } from './table.js';
import { treeOf } from './tree.js';
import { completed, parseExactly, recordsOf, tablesOf } from './values.js';
import { visible } from './visible.js';

/** Shows the result of a call as table, tree or text, and offers to copy it. */
export function showResult(section) {
  const text = section.querySelector('pre.json');
  const bar = element('div', { className: 'bar' });
  const told = element('span', { role: 'status', className: 'told' });
  const facts = section.querySelector('.facts');
  const cut = section.querySelector('.cut');
  facts?.replaceWith(bar);
  if (facts) bar.append(facts);
  const views = text ? viewsOf(section, text) : [];
  if (views.length > 1) bar.append(choiceOf(views, text));
  const copy = (label, content) =>
    button(label, async () => {
      told.textContent = (await copyText(content)) ? 'Copied' : 'The browser does not allow copying';
    });
  if (text && !cut) bar.append(copy('Copy as JSON', text.textContent));
  if (section.dataset.call) {
    bar.append(copy('Copy as curl', curlLine(section.dataset)));
    document.querySelector('main > details.line')?.remove();
  }
  bar.append(told);
  if (cut) {
    // What the views below leave out is told before them, once.
    facts.querySelector('.part')?.remove();
    bar.after(cut);
  }
  comeIntoView(section);
}

function isCut(section) {
  return section.querySelector('.cut') !== null;
}

/** Each view is made when it is first looked at. The text stays what the server sent. */
function viewsOf(section, text) {
  const views = [{ name: 'Text', make: () => text }];
  let value;
  try {
    // Of a large result the page has the first part.
    value = parseExactly(isCut(section) ? completed(text.textContent) : text.textContent);
  } catch {
    return views;
  }
  if (typeof value === 'object' && value !== null) views.unshift({ name: 'Tree', make: () => treeOf(value) });
  const tables = section.dataset.status === 'error' ? undefined : tablesOf(value);
  if (tables) views.unshift({ name: 'Table', make: () => shownTables(section, tables) });
  return views;
}

function shownTables(section, tables) {
  const [first, another] = tables;
  if (another === undefined && first.records.length > 0) {
    return tableOf(first.records, { isPart: isCut(section), readAll: readerOfAll(section) });
  }
  const parts = tables.flatMap(({ title, records }, index) => [
    title === undefined ? undefined : element('h3', {}, ...visible(title)),
    records.length === 0
      ? element('p', { className: 'none' }, 'None.')
      : tableOf(records, { isPart: isCut(section) && index === tables.length - 1, place: index, label: title }),
  ]);
  return element('div', { className: 'tables' }, ...parts);
}

/** Bytes of a result that a browser can make a table of. */
const longestSearched = 64e6;

/** Reads all records of a result that is cut; undefined where it is not, is too long, or has no link, since to read it would run it anew. */
function readerOfAll(section) {
  const cut = section.querySelector('.cut');
  const link = cut?.querySelector('a[href*="raw=1"]');
  const { bytes } = cut?.dataset ?? {};
  if (!link || bytes === undefined || Number(bytes) > longestSearched) return undefined;
  return async () => {
    const response = await fetch(link.href);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return recordsOf(parseExactly(await response.text())) ?? [];
  };
}

function choiceOf(views, text) {
  const made = new Map([['Text', text]]);
  let shown = text;
  const show = ({ name, make }) => {
    if (!made.has(name)) made.set(name, make());
    const view = made.get(name);
    if (view !== shown) shown.replaceWith(view);
    shown = view;
    for (const each of buttons) each.setAttribute('aria-pressed', String(each.textContent === name));
  };
  const buttons = views.map((view) =>
    button(view.name, () => {
      keepState({ view: view === views[0] ? '' : view.name });
      show(view);
    }),
  );
  const { view } = viewState();
  show(views.find(({ name }) => name === view) ?? views[0]);
  return element('div', { role: 'group', 'aria-label': 'Show as', className: 'choice' }, ...buttons);
}

/** On a small screen the form may fill it. */
function comeIntoView(section) {
  const isNew = performance.getEntriesByType('navigation')[0]?.type === 'navigate';
  if (isNew && !location.hash && section.getBoundingClientRect().top > innerHeight * 0.75) section.scrollIntoView();
}
