import type { Exchange } from '../http/exchange.js';
import type { Sessions } from '../http/login/sessions.js';
import { html, type Markup } from '../http/pages/html.js';
import { timeText } from './quantities.js';
import { cell, recordRow, recordTable } from './tables.js';
import { dateMarkup } from './times.js';
import { visible } from './visible.js';

/** Where the sessions of browsers are looked at: `/mi/sessions`. */
export const sessionsPath = 'sessions';

/** Where the form to log out is sent. */
const logoutPath = '/-/logout';

/** The user that a page is for, with the button to log out where there is a session to end. */
export function userBar({ caller }: Exchange, sessionsLink: string | undefined): Markup | undefined {
  if (caller === undefined || caller.name === '-') return undefined;
  const name = visible(caller.name);
  const shown = sessionsLink === undefined ? name : html`<a href="${sessionsLink}" title="Sessions">${name}</a>`;
  const out =
    caller.session !== undefined &&
    html` <form method="post" action="${logoutPath}"><button type="submit">Log out</button></form>`;
  return html`<div class="user">${shown} <span class="level">${caller.grant}</span>${out}</div>\n`;
}

const heads = [
  ...['User', 'Level', 'By', 'From', 'Since', 'Idle for', 'Ends in', 'Browser'],
  html`<th scope="col" role="columnheader"><span class="hidden">End</span></th>`,
];

/** The sessions of browsers, the one that was used last first. */
export function sessionsPage(
  base: string,
  sessions: Sessions | undefined,
  { caller }: Exchange,
  mayEnd: boolean,
): Markup {
  const all = sessions?.all ?? [];
  const rows = all.map((one) => {
    const isOwn = one.id === caller?.session;
    const end = html`<form method="post" action="${base}/httpd/end_session"><input type="hidden" name="p.session" value="${one.id}"><button type="submit" aria-label="End the session of ${one.account.name} from ${one.origin}">End</button></form>`;
    return recordRow([
      cell('User', html`${visible(one.account.name)}${isOwn && ' (this one)'}`),
      cell('Level', one.account.grant),
      cell('By', one.isOfToken ? 'token' : 'password'),
      cell('From', one.origin),
      cell('Since', dateMarkup(one.beganAt)),
      cell('Idle for', timeText(one.idleFor), 'number'),
      cell('Ends in', timeText(one.leftFor), 'number'),
      cell('Browser', visible(one.agent)),
      cell('', mayEnd && end),
    ]);
  });
  return html`<h2>Sessions</h2>
<p class="help">Browsers that have logged in by the page. <code>httpd:list_sessions</code> tells them to programs.</p>
${rows.length === 0 ? html`<p class="none">No session.</p>\n` : recordTable('Sessions', heads, rows)}`;
}
