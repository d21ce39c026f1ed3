// Statistics that are pinned to the overview. This browser keeps them: another one has others.
import { valueText } from '../quantities.ts';

const key = 'mi-pins';
const most = 24;
/** Milliseconds between two questions. */
const interval = 5000;

/** Offers to pin each statistic of the page of statistics. */
export function offerPins(section) {
  const mark = () => {
    for (const cell of section.querySelectorAll('tr:not(:has(.pin)) > td[data-name]')) {
      const [named] = cell.parentElement.cells;
      // Beside the name, above what it means.
      const help = named.querySelector('.help');
      if (help) help.before(buttonOf(cell));
      else named.append(buttonOf(cell));
    }
  };
  mark();
  // Rows come and go while a filter is typed.
  new MutationObserver(mark).observe(section, { childList: true, subtree: true });
}

function buttonOf({ dataset: { name, unit } }) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'pin';
  const tell = () => {
    const isPinned = read().some((pin) => pin.name === name);
    button.textContent = isPinned ? 'Unpin' : 'Pin';
    button.setAttribute('aria-label', isPinned ? `Unpin ${name}` : `Pin ${name} to the overview`);
  };
  button.addEventListener('click', () => {
    const pins = read();
    const others = pins.filter((pin) => pin.name !== name);
    write(others.length < pins.length ? others : [...pins, { name, unit: unit ?? '' }].slice(-most));
    tell();
  });
  tell();
  return button;
}

/** Shows the pinned statistics with the numbers of now. @param home path of the root, `/mi` */
export function showPins(overview, home) {
  const pins = read();
  if (pins.length === 0) return;
  const list = document.createElement('dl');
  list.className = 'tiles';
  list.setAttribute('aria-label', 'Pinned statistics');
  const values = new Map();
  for (const pin of pins) {
    const tile = document.createElement('div');
    const title = document.createElement('dt');
    const link = document.createElement('a');
    link.href = `${home}/statistics?${new URLSearchParams({ filter: pin.name })}`;
    link.textContent = pin.name;
    const value = document.createElement('dd');
    value.textContent = '…';
    values.set(pin.name, value);
    title.append(link);
    tile.append(title, value);
    list.append(tile);
  }
  const heading = document.createElement('h3');
  heading.textContent = 'Pinned';
  const place = overview.querySelector('.tiles, .ranges, .charts') ?? overview.lastElementChild;
  place?.after(heading, list);
  let timer;

  async function ask() {
    clearTimeout(timer);
    // By their groups: a bare name may be one of several.
    const groups = new Set(pins.map(({ name }) => name.slice(0, name.indexOf(':') + 1)));
    const arg = JSON.stringify([[...groups]]);
    try {
      const address = `${home}/statistics/statistics:get?${new URLSearchParams({ arg, raw: '1' })}`;
      const reply = await fetch(address, { headers: { Accept: 'application/json' } });
      const found = reply.ok ? await reply.json() : {};
      for (const { name, unit } of pins) {
        const value = values.get(name);
        if (value) value.textContent = Object.hasOwn(found, name) ? valueText(Number(found[name]), unit) : 'none';
      }
    } catch {
      // The line above the charts tells that the server does not answer.
    }
    if (!document.hidden) timer = setTimeout(ask, interval);
  }
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) clearTimeout(timer);
    else void ask();
  });
  void ask();
}

function read() {
  try {
    const pins = JSON.parse(localStorage.getItem(key));
    return Array.isArray(pins) ? pins.filter((pin) => typeof pin?.name === 'string').slice(0, most) : [];
  } catch {
    return [];
  }
}

function write(pins) {
  try {
    localStorage.setItem(key, JSON.stringify(pins));
  } catch {
    // Storage that is full or switched off costs the pins, nothing else.
  }
}
