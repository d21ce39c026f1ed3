import type { Exchange } from '../http/exchange.js';
import type { Sessions } from '../http/login/sessions.js';
import { html, type Markup } from '../http/pages/html.js';
import { dateMarkup } from './figures.js';
import { timeText } from './quantities.js';
import { visible } from './visible.js';

/** Where the sessions of browsers are looked at: `/mi/sessions`. */
export const sessionsPath = 'sessions';

/** Where the form to log out is sent. */
const logoutPath = '/-/logout';

/** The user that a page is for, with the button to log out where there is a session to end. */
export function userBar({ caller }: Exchange, sessionsLink: string | undefined): Markup | undefined {
  if (caller === undefined || caller.name === '-') return undefined;
  const name = html`<bdi>${caller.name}</bdi>`;
  const shown = sessionsLink === undefined ? name : html`<a href="${sessionsLink}" title="Sessions">${name}</a>`;
  const out =
    caller.session !== undefined &&
    html` <form method="post" action="${logoutPath}"><button type="submit">Log out</button></form>`;
  return html`<div class="user">${shown} <span class="level">${caller.grant}</span>${out}</div>\n`;
}

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
    return html`<tr><td><bdi>${one.account.name}</bdi>${isOwn && ' (this one)'}</td><td>${one.account.grant}</td><td>${one.isOfToken ? 'token' : 'password'}</td><td>${one.origin}</td><td>${dateMarkup(one.beganAt / 1000)}</td><td class="number">${timeText(one.idleFor)}</td><td class="number">${timeText(one.leftFor)}</td><td>${visible(one.agent)}</td><td>${mayEnd && end}</td></tr>
`;
  });
  return html`<h2>Sessions</h2>
<p class="help">Browsers that have logged in by the page. <code>httpd:list_sessions</code> tells them to programs.</p>
${
  rows.length === 0
    ? html`<p class="none">No session.</p>\n`
    : html`<div class="frame" role="group" aria-label="Sessions" tabindex="0"><table>
<thead><tr><th scope="col">User</th><th scope="col">Level</th><th scope="col">By</th><th scope="col">From</th><th scope="col">Since</th><th scope="col">Idle for</th><th scope="col">Ends in</th><th scope="col">Browser</th><th scope="col"><span class="hidden">End</span></th></tr></thead>
<tbody>
${rows}</tbody>
</table></div>
`
}`;
}
