// Times on pages: UTC, ISO 8601. The script shows them in the zone that is chosen.
import { html, type Markup } from '../http/pages/html.js';
import { timeText } from './quantities.js';

/** A time. @param milliseconds since 1970 */
export function dateMarkup(milliseconds: number): Markup {
  const iso = new Date(milliseconds).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

/** A time with how long ago it was, or how soon it is. */
export function datedMarkup(milliseconds: number): Markup {
  return html`${dateMarkup(milliseconds)} <span class="age">${ageText(milliseconds)}</span>`;
}

/** `8 min ago`, `in 12 min` */
function ageText(milliseconds: number): string {
  const seconds = (milliseconds - Date.now()) / 1000;
  return seconds > 0 ? `in ${timeText(seconds)}` : `${timeText(-seconds)} ago`;
}
