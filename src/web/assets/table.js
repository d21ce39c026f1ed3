import { grouped } from '../quantities.ts';
import { button, element } from './element.js';
import { keepState, viewState } from './state.js';
import { compact, ExactNumber, isContainer } from './values.js';
import { visible } from './visible.js';

const portion = 200;
const collator = new Intl.Collator(undefined, { numeric: true });

/** Of fewer rows it is seen at once that a column has one value. */
const fewRows = 4;

/**
 * Records as a table: sortable by every column, with a filter over the rows, shown a portion at a time. What is the same in
 * all rows is told once, above. The filter and the order stand in the address.
 * @param isPart true if there are more records than these
 * @param readAll gives all of them, where they are not too many for a browser
 * @param place of several tables, from 0 on
 */
export function tableOf(records, { isPart = false, readAll, place = 0, label = 'Table' }) {
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const constant = records.length < fewRows ? [] : names.filter((name) => isConstant(records, name));
  const columns = constant.length === names.length ? names : names.filter((name) => !constant.includes(name));
  const rows = records.map((record, index) => ({ index, cells: columns.map((name) => record[name]) }));
  const body = element('tbody', { role: 'rowgroup' });
  const count = element('p', { className: 'count', role: 'status' });
  const more = button('', () => add());
  /** Names of what the address has of this table. */
  const [filterName, sortName] = ['filter', 'sort'].map((name) => (place === 0 ? name : `${name}${place + 1}`));
  const { [filterName]: filterText = '', [sortName]: sort = '' } = viewState();
  let order = orderOf(sort, columns);
  let visible = rows;
  let next = 0;

  const heads = columns.map((name, column) => {
    const by = button(name, () => sortBy(column, order.column === column && !order.descending));
    const first = rows.find(({ cells }) => cells[column] !== undefined)?.cells[column];
    return element('th', { scope: 'col', role: 'columnheader', className: isNumber(first) ? 'number' : '' }, by);
  });
  const filter = element('input', {
    type: 'search',
    placeholder: 'Filter rows',
    'aria-label': 'Filter rows',
    // What a browser would fill in by itself would stand over rows that it does not filter.
    autocomplete: 'off',
    value: filterText,
    oninput: () => {
      keepState({ [filterName]: filter.value });
      refresh();
    },
  });
  const isPair = columns.length <= 2;
  const table = element(
    'table',
    { className: isPair ? 'pairs' : 'cards', role: 'table' },
    element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...heads)),
    body,
  );
  // Wide tables scroll by themselves, which the keyboard can only do where it has the focus.
  const frame = element('div', { className: 'frame', role: 'group', 'aria-label': label, tabIndex: 0 }, table);
  const all = readAll && button('Search all', () => void searchAll());
  const choice = isPair ? undefined : choiceOfOrder();
  refresh();
  const bar = element('div', { className: 'bar' }, filter, choice, all, count);
  const told = columns === names ? undefined : toldOnce(records[0], constant);
  const whole = element('div', { className: 'records' }, bar, told, frame, more);
  return whole;

  function sortBy(column, descending) {
    order = { column, descending };
    keepState({ [sortName]: `${descending ? '-' : ''}${columns[column] ?? ''}` });
    refresh();
  }

  /** Cards of a phone have no heads to press. */
  function choiceOfOrder() {
    const options = columns.flatMap((name, column) => [
      element('option', { value: `${column}` }, name),
      element('option', { value: `-${column}` }, `${name}, the other way round`),
    ]);
    const select = element(
      'select',
      {
        className: 'order',
        'aria-label': 'Sort by',
        onchange: () => sortBy(select.value === '' ? -1 : Math.abs(Number(select.value)), select.value.startsWith('-')),
      },
      element('option', { value: '' }, 'Not sorted'),
      ...options,
    );
    return select;
  }

  /** Puts a table of all records in the place of this one, with the same filter. */
  async function searchAll() {
    all.disabled = true;
    count.textContent = 'Reading all rows …';
    try {
      const made = tableOf(await readAll(), {});
      whole.replaceChildren(...made.childNodes);
      whole.querySelector('input').focus();
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
    if (choice) choice.value = column < 0 ? '' : `${descending ? '-' : ''}${column}`;
    next = 0;
    body.replaceChildren();
    add();
    const all = `${grouped(rows.length)} ${rows.length === 1 ? 'row' : 'rows'}${isPart ? ' in the part shown' : ''}`;
    count.textContent = visible.length === rows.length ? all : `${grouped(visible.length)} of ${all}`;
  }

  function add() {
    const part = visible.slice(next, next + portion);
    next += part.length;
    body.append(
      ...part.map(({ cells }) =>
        element('tr', { role: 'row' }, ...cells.map((value, column) => cellOf(value, columns[column]))),
      ),
    );
    const left = visible.length - next;
    more.hidden = left <= 0;
    more.textContent = `${Math.min(portion, left)} more of ${grouped(left)} left`;
  }
}

/** The order that an address has, where there is such a column: its name, `-` in front for the other way round. */
function orderOf(sort, columns) {
  const whole = columns.indexOf(sort);
  if (whole >= 0) return { column: whole, descending: false };
  return { column: sort.startsWith('-') ? columns.indexOf(sort.slice(1)) : -1, descending: true };
}

function isConstant(records, name) {
  const first = records[0][name];
  if (first === undefined || isContainer(first)) return false;
  const text = textOf(first);
  return records.every((record) => record[name] !== undefined && textOf(record[name]) === text);
}

function toldOnce(record, constant) {
  const pairs = constant.map((name) => {
    const value = element('dd', { dir: 'auto' }, ...visible(textOf(record[name])));
    return element('div', {}, element('dt', {}, ...visible(name)), value);
  });
  const list = element('dl', { className: 'constant' }, ...pairs);
  return element('div', { role: 'group', 'aria-label': 'The same in all rows' }, list);
}

function cellOf(value, label) {
  const className = isNumber(value) ? 'number' : '';
  const made = element('td', { role: 'cell', className, dir: 'auto' }, ...visible(textOf(value)));
  made.dataset.label = label;
  return made;
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
