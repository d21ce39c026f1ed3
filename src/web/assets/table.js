import { button, element } from './element.js';
import { compact, ExactNumber, isContainer } from './values.js';

const portion = 200;
const collator = new Intl.Collator(undefined, { numeric: true });

/**
 * Records as a table: sortable by every column, with a filter over the rows, shown a portion at a time.
 * @param isPart true if there are more records than these
 * @param readAll gives all of them, where they are not too many for a browser
 */
export function tableOf(records, isPart, readAll) {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const rows = records.map((record, index) => ({ index, cells: columns.map((name) => record[name]) }));
  const body = element('tbody', {});
  const count = element('p', { className: 'count', role: 'status' });
  const more = button('', () => add());
  let order = { column: -1, descending: false };
  let visible = rows;
  let next = 0;

  const heads = columns.map((name, column) => {
    const by = button(name, () => {
      order = { column, descending: order.column === column && !order.descending };
      refresh();
    });
    const first = rows.find(({ cells }) => cells[column] !== undefined)?.cells[column];
    return element('th', { scope: 'col', className: isNumber(first) ? 'number' : '' }, by);
  });
  const filter = element('input', {
    type: 'search',
    placeholder: 'Filter rows',
    'aria-label': 'Filter rows',
    oninput: () => refresh(),
  });
  const table = element('table', {}, element('thead', {}, element('tr', {}, ...heads)), body);
  // Wide tables scroll by themselves, which the keyboard can only do where it has the focus.
  const frame = element('div', { className: 'frame', role: 'group', 'aria-label': 'Table', tabIndex: 0 }, table);
  const all = readAll && button('Search all', () => void searchAll());
  refresh();
  const bar = element('div', { className: 'bar' }, filter, all, count);
  const whole = element('div', { className: 'records' }, bar, frame, more);
  return whole;

  /** Puts a table of all records in the place of this one, with the same filter. */
  async function searchAll() {
    all.disabled = true;
    count.textContent = 'Reading all rows …';
    try {
      const made = tableOf(await readAll(), false);
      const input = made.querySelector('input');
      input.value = filter.value;
      input.dispatchEvent(new Event('input'));
      whole.replaceChildren(...made.childNodes);
      input.focus();
    } catch (error) {
      count.textContent = `Not all rows came: ${error.message}`;
      all.disabled = false;
    }
  }

  function refresh() {
    const wanted = filter.value.toLowerCase();
    visible = wanted === '' ? [...rows] : rows.filter(({ cells }) => cells.some((cell) => has(cell, wanted)));
    const { column, descending } = order;
    if (column >= 0) {
      visible.sort((a, b) => (descending ? -1 : 1) * compare(a.cells[column], b.cells[column]) || a.index - b.index);
    }
    for (const [index, head] of heads.entries()) {
      if (index === column) head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
    next = 0;
    body.replaceChildren();
    add();
    const all = `${rows.length} ${rows.length === 1 ? 'row' : 'rows'}${isPart ? ' in the part shown' : ''}`;
    count.textContent = visible.length === rows.length ? all : `${visible.length} of ${all}`;
  }

  function add() {
    const part = visible.slice(next, next + portion);
    next += part.length;
    body.append(...part.map(({ cells }) => element('tr', {}, ...cells.map(cellOf))));
    const left = visible.length - next;
    more.hidden = left <= 0;
    more.textContent = `${Math.min(portion, left)} more of ${left} left`;
  }
}

function cellOf(value) {
  return element('td', { className: isNumber(value) ? 'number' : '', dir: 'auto' }, textOf(value));
}

function isNumber(value) {
  return typeof value === 'number' || value instanceof ExactNumber;
}

function textOf(value) {
  if (value === undefined) return '';
  return isContainer(value) ? compact(value) : String(value);
}

function has(value, wanted) {
  return textOf(value).toLowerCase().includes(wanted);
}

function compare(a, b) {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return collator.compare(textOf(a), textOf(b));
}
