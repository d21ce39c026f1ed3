import { copyText } from './copy.js';
import { curlLine } from './curl.js';
import { button, element } from './element.js';
import { tableOf } from './table.js';
import { treeOf } from './tree.js';
import { completed, parseExactly, recordsOf } from './values.js';

/** Shows the result of a call as table, tree or text, and offers to copy it. */
export function showResult(section) {
  const text = section.querySelector('pre.json');
  const bar = element('div', { className: 'bar' });
  const told = element('span', { role: 'status', className: 'told' });
  const views = text ? viewsOf(section, text) : [];
  if (views.length > 1) bar.append(choiceOf(views, text));
  const copy = (label, content) =>
    button(label, async () => {
      told.textContent = (await copyText(content)) ? 'Copied' : 'The browser does not allow copying';
    });
  if (text && !isCut(section)) bar.append(copy('Copy as JSON', text.textContent));
  if (section.dataset.call) bar.append(copy('Copy as curl', curlLine(section.dataset)));
  bar.append(told);
  const facts = section.querySelector('.facts');
  facts?.after(bar);
  const cut = section.querySelector('.cut');
  if (cut) {
    // Parts that the views below leave out are shown before them.
    facts.querySelector('.part')?.remove();
    facts.after(cut);
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
  const records = section.dataset.status === 'error' ? undefined : recordsOf(value);
  if (records) views.unshift({ name: 'Table', make: () => tableOf(records, isCut(section), readerOfAll(section)) });
  return views;
}

/** Bytes of a result that a browser can make a table of. */
const longestSearched = 64e6;

/** Reads all records of a result that is cut; undefined where it is not, is too long, or has no link, since to read it would run it anew. */
function readerOfAll(section) {
  const cut = section.querySelector('.cut');
  const link = cut?.querySelector('a[href*="raw=1"]');
  const [, bytes] = /bytes of ([0-9]+) /.exec(cut?.textContent ?? '') ?? [];
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
  const buttons = views.map(({ name, make }) =>
    button(name, () => {
      if (!made.has(name)) made.set(name, make());
      const view = made.get(name);
      if (view !== shown) shown.replaceWith(view);
      shown = view;
      for (const each of buttons) each.setAttribute('aria-pressed', String(each.textContent === name));
    }),
  );
  buttons[0]?.click();
  return element('div', { role: 'group', 'aria-label': 'Show as', className: 'choice' }, ...buttons);
}

/** On a small screen the form may fill it. */
function comeIntoView(section) {
  const isNew = performance.getEntriesByType('navigation')[0]?.type === 'navigate';
  if (isNew && !location.hash && section.getBoundingClientRect().top > innerHeight * 0.75) section.scrollIntoView();
}
