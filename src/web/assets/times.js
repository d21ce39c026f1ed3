// Times in the zone that was chosen once: UTC, that of the browser, or that of the server. The server writes UTC.
import { element } from './element.js';

const key = 'mi-zone';
const zones = ['UTC', 'local', 'server'];

/** Told on the document when another zone is chosen. */
export const zoneChosen = 'zonechosen';

/** The zone that times are shown in: one of {@link zones}. */
function chosen() {
  try {
    const name = localStorage.getItem(key);
    return zones.includes(name) ? name : 'UTC';
  } catch {
    return 'UTC';
  }
}

/** As Intl has it; undefined: that of the browser. */
function zoneOf(name) {
  if (name === 'local') return undefined;
  return name === 'UTC' ? 'UTC' : document.querySelector('header')?.dataset.zone;
}

let made;

function formats() {
  const name = chosen();
  if (made?.name === name) return made;
  const timeZone = zoneOf(name);
  const whole = {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  };
  made = {
    name,
    // The order and the marks of ISO 8601.
    date: new Intl.DateTimeFormat('sv-SE', { ...whole, timeZone }),
    zone: new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'shortOffset' }),
  };
  return made;
}

/** `UTC`, `UTC+2`: the zone as it is at a time. */
export function zoneText(date) {
  const { value } =
    formats()
      .zone.formatToParts(date)
      .find(({ type }) => type === 'timeZoneName') ?? {};
  // Browsers differ in how they write no difference at all.
  return (value ?? 'UTC').replace(/^GMT(?:[+-]0)?$/, 'UTC').replace('GMT', 'UTC');
}

/** `2026-11-30 14:20:05 UTC` */
export function dateText(date) {
  return `${formats().date.format(date)} ${zoneText(date)}`;
}

/** `14:20:05`, or less of it. @param length characters of it */
export function clockText(date, length = 8) {
  return formats()
    .date.format(date)
    .slice(11, 11 + length);
}

/** An element with a time in the chosen zone. */
export function timeOf(date) {
  return element('time', { dateTime: date.toISOString() }, dateText(date));
}

/** Shows all times of the page in the zone that is chosen, and gives the tools of the header the choice. */
export function followZone(tools) {
  const select = element(
    'select',
    {
      'aria-label': 'Times in',
      onchange: () => {
        try {
          localStorage.setItem(key, select.value);
        } catch {
          // Storage that is full or switched off: the choice is kept for no page.
        }
        translate();
        document.dispatchEvent(new Event(zoneChosen));
      },
    },
    ...zones.map((name) => element('option', { value: name }, name === 'UTC' ? 'UTC' : `${name} time`)),
  );
  select.value = chosen();
  tools.append(element('div', { className: 'zone' }, select));
  if (select.value !== 'UTC') translate();
  // What a script brings from the server later is in UTC.
  const later = new MutationObserver(() => chosen() !== 'UTC' && translate());
  later.observe(document.body, { childList: true, subtree: true });
}

function translate() {
  for (const one of document.querySelectorAll('time[datetime]')) {
    const text = dateText(new Date(one.dateTime));
    if (one.textContent !== text) one.textContent = text;
  }
}
