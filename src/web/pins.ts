import type { Exchange } from '../http/exchange.js';
import { cookieOf } from '../http/login/sessions.js';
import { html, type Markup } from '../http/pages/html.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { type ForeignStatistic, readStatistic } from '../mi/statistics.js';
import { valueText } from './quantities.js';
import { visible } from './visible.js';

const cookieName = 'mi-pins';

/** Statistics that a browser keeps, the newest, and characters of the cookie that it keeps them in. */
const mostPins = 24;
const longestCookie = 2048;

/** Seconds that a browser keeps them, from the last change on. */
const keeping = 365 * 86_400;

/** Full names of the statistics that a browser has pinned to its overview, in the order in which it did. */
export function pinsOf(exchange: Exchange): readonly string[] {
  const value = cookieOf(exchange.header('cookie') ?? '', cookieName) ?? '';
  if (value === '' || value.length > longestCookie) return [];
  const names = value.split('&').flatMap((name) => decoded(name) ?? []);
  return [...new Set(names)].slice(-mostPins);
}

/** Empty ones, and what we would not have written, are none. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text) || undefined;
  } catch {
    return undefined;
  }
}

/** What a form of the page of statistics asks for. */
export interface PinChange {
  readonly name: string;
  readonly isPinned: boolean;
}

/** The change that a form asks for; undefined if it is another form. @param view names of its fields that say how the page is shown */
export function pinChangeOf({ method, fields }: Exchange, view: readonly string[]): PinChange | undefined {
  const [field, ...others] = fields.filter(({ name }) => !view.includes(name));
  if (method !== 'POST' || field === undefined || others.length > 0) return undefined;
  if (field.name !== 'pin' && field.name !== 'unpin') return undefined;
  return { name: field.value, isPinned: field.name === 'pin' };
}

/** A value of the header Set-Cookie: scripts need none of it, and other sites neither. */
export function pinCookie(exchange: Exchange, base: string, { name, isPinned }: PinChange): string {
  const others = pinsOf(exchange).filter((one) => one !== name);
  const names = (isPinned ? [...others, name] : others).slice(-mostPins).map(encodeURIComponent);
  while (names.join('&').length > longestCookie) names.shift();
  const age = names.length === 0 ? 0 : keeping;
  const secure = exchange.isSecure ? '; Secure' : '';
  return `${cookieName}=${names.join('&')}; Path=${base}; Max-Age=${age}; HttpOnly; SameSite=Strict${secure}`;
}

/** The form that the buttons of the page belong to. @param view fields that say how the page is shown, and is shown again */
export function pinForm(base: string, view: Readonly<Record<string, string>>): Markup {
  const kept = Object.entries(view).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`);
  return html`<form id="pins" method="post" action="${base}/statistics">${kept}</form>\n`;
}

export function pinButton(name: string, isPinned: boolean): Markup {
  return isPinned
    ? html` <button type="submit" class="pin" form="pins" name="unpin" value="${name}" aria-label="Unpin ${name}">Unpin</button>`
    : html` <button type="submit" class="pin" form="pins" name="pin" value="${name}" aria-label="Pin ${name} to the overview">Pin</button>`;
}

/** The pinned statistics with their values. The script reads those anew that are kept over time. */
export function pinTiles(
  base: string,
  mi: ManagementInterface,
  foreign: readonly ForeignStatistic[],
  pins: readonly string[],
): Markup | undefined {
  if (pins.length === 0) return undefined;
  const own = new Map(mi.statistics.all.map((one) => [one.fullName, one]));
  const others = new Map(foreign.map((one) => [`${one.group}:${one.name}`, one.value]));
  const tiles = pins.map((name) => {
    const statistic = own.get(name);
    const unit = statistic?.about.unit;
    const value = statistic === undefined ? Number(others.get(name) ?? Number.NaN) : readStatistic(statistic);
    const isKept = mi.history.isOn && mi.history.find([name]).length > 0;
    const live = isKept && html` data-name="${name}" data-rate="0" data-unit="${unit ?? ''}"`;
    const shown = Number.isNaN(value) ? 'none' : valueText(value, unit);
    const link = `${base}/statistics?${new URLSearchParams({ filter: name })}`;
    return html`<div><dt><a href="${link}">${visible(name)}</a></dt><dd${live}>${shown}</dd></div>\n`;
  });
  return html`<h3>Pinned</h3>
<dl class="tiles" aria-label="Pinned statistics" data-part="pins">
${tiles}</dl>
`;
}
