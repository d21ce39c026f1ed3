// The page of what happens: what comes is put on top, while the page is seen.
import { button, element } from './element.js';
import { keepState, viewState } from './state.js';
import { timeOf } from './times.js';
import { visible } from './visible.js';

/** Rows that stay. */
const kept = 500;

/** Milliseconds until a stream that the server refused is asked for again. */
const patience = 5000;

const section = document.querySelector('#live');
if (section) followEvents(section);

/** @param section the part of the page that shows what happens */
function followEvents(section) {
  const body = section.querySelector('tbody');
  const { names, topics } = section.dataset;
  let { last } = section.dataset;
  /** Rows as they came, newest first, those of the server without what is downloaded; and what came while the page was paused. */
  let shown = [...body.rows].map((row) => ({ row, text: textOf(...[...row.cells].slice(1)) }));
  let held = [];
  let isPaused = false;
  let lost = 0;
  let source;
  let timer;

  const state = element('p', { className: 'count', role: 'status' });
  const filter = element('input', {
    type: 'search',
    placeholder: 'Filter rows',
    'aria-label': 'Filter rows',
    autocomplete: 'off',
    value: viewState().filter ?? '',
    oninput: () => {
      keepState({ filter: filter.value });
      refilter();
    },
  });
  const pause = button('Pause', () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? 'Go on' : 'Pause';
    if (!isPaused) {
      for (const line of held) add(line);
      held = [];
    }
    tell();
  });
  const save = button('Download', () => {
    const came = shown.flatMap(({ told }) => (told === undefined ? [] : [told]));
    const lines = came.reverse().map((event) => `${JSON.stringify(event)}\n`);
    const link = element('a', { href: URL.createObjectURL(new Blob(lines)), download: 'events.ndjson' });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  const clear = button('Clear', () => {
    for (const { row } of shown) row.remove();
    shown = [];
    tell();
  });
  section.prepend(element('div', { className: 'bar' }, filter, pause, clear, save, state));
  refilter();
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  // A page that Back leads to again has lost its stream.
  addEventListener('pageshow', () => open());
  addEventListener('pagehide', () => close());
  if (!document.hidden) open();

  function open() {
    if (source !== undefined) return;
    const { log, audit } = section.dataset;
    const query = new URLSearchParams({ events: names, log, audit });
    for (const topic of topics.split(' ')) query.append('topic', topic);
    // One that is open tells the last id by itself when it comes again.
    if (last) query.set('after', last);
    source = new EventSource(`${location.pathname}?${query}`);
    source.onopen = () => tell('live');
    source.onerror = () => {
      tell('lost, it is tried again');
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      timer = setTimeout(open, patience);
    };
    source.onmessage = ({ data, lastEventId }) => {
      last = lastEventId;
      const event = JSON.parse(data);
      take({ time: event.time, what: event.event, details: JSON.stringify(event.params), told: event });
    };
    for (const topic of ['log', 'audit']) {
      source.addEventListener(topic, ({ data }) => {
        const { seen, ...line } = JSON.parse(data);
        section.dataset[topic] = seen;
        const { time, what, details } = line;
        take({ ...line, told: { time, what, details } });
      });
    }
    source.addEventListener('dropped', ({ data }) => {
      lost += JSON.parse(data).dropped;
      tell();
    });
    source.addEventListener('problem', ({ data }) => {
      const { event, problem } = JSON.parse(data);
      state.after(element('p', { className: 'error', role: 'alert' }, `${event}: ${problem}`));
    });
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  }

  function take(line) {
    if (!isPaused) add(line);
    else if (held.push(line) > kept) held.shift();
    tell();
  }

  function add({ time, what, details, isBad, told }) {
    const cell = (label, ...children) => {
      const made = element('td', { role: 'cell' }, ...children);
      made.dataset.label = label;
      return made;
    };
    const name = cell('What', element('bdi', {}, ...visible(what)));
    if (isBad) name.className = 'failed';
    const all = cell('Details', element('bdi', {}, ...visible(details)));
    const row = element('tr', { role: 'row' }, cell('Time', timeOf(new Date(time))), name, all);
    const text = textOf(name, all);
    section.querySelector('.none')?.remove();
    row.hidden = !fits(text);
    body.prepend(row);
    shown.unshift({ told, row, text });
    for (const { row: old } of shown.splice(kept)) old.remove();
  }

  function textOf(...cells) {
    return cells.map(({ textContent }) => textContent).join(' ');
  }

  function refilter() {
    for (const one of shown) one.row.hidden = !fits(one.text);
    tell();
  }

  function fits(text) {
    return text.toLowerCase().includes(filter.value.toLowerCase());
  }

  function tell(connection = state.dataset.connection ?? '') {
    state.dataset.connection = connection;
    const parts = [connection, `${shown.length} of up to ${kept} kept`];
    if (isPaused) parts.push(`paused, ${held.length} wait`);
    if (lost > 0) parts.push(`${lost} dropped, since this page was too slow`);
    state.textContent = parts.join(', ');
  }
}
