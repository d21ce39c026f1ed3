import { documentEnd, documentStart, html, type Markup } from '../../http/pages/html.js';

/** Where forms to log in are sent, and the page of that alone. */
export const loginPath = '-/login';
/** Where the form to log out is sent. */
export const logoutPath = '-/logout';
/** The style sheet of the page, which has to be there without a login. */
export const loginStyle = '-/login.css';

/** What is wrong, or was done. */
export interface LoginNotice {
  readonly text: string;
  readonly isError: boolean;
}

/** What the page to log in shows. */
interface LoginPage {
  /** What the server is called, and the color of its name. */
  readonly host: string;
  readonly color: string | undefined;
  /** Path and query where the browser goes on; '' where nothing was asked for. */
  readonly target: string;
  /** Where to go on for a user who has logged in already; undefined: there is no reason to think so. */
  readonly goOn?: string | undefined;
  readonly told?: LoginNotice | undefined;
  readonly hasPasswords: boolean;
  readonly hasTokens: boolean;
}

/** The page to log in. It works without a script, and repeats nothing that was entered. */
export function loginPage(page: LoginPage): string {
  const { host, color, target, goOn, told, hasPasswords, hasTokens } = page;
  const style = told?.isError === true ? 'error' : 'done';
  const role = told?.isError === true ? 'alert' : 'status';
  const tokens = hasTokens ? tokenForm(target) : undefined;
  return html`${documentStart({ title: `${host}: log in - OpenSIPS Management Interface`, styles: [`/${loginStyle}`] })}<header>
<h1><bdi class="host"${color !== undefined && html` data-color="${color}"`}>${host}</bdi> <span>Management Interface</span></h1>
</header>
<main id="main" class="login">
<h2>Log in</h2>
${told !== undefined && html`<p role="${role}" class="${style}">${told.text}</p>\n`}${goOn !== undefined && html`<p class="help">Have you logged in already? <a href="${goOn}">Go on</a></p>\n`}${hasPasswords && passwordForm(target)}${hasPasswords && hasTokens ? html`<details><summary>Log in with a token</summary>\n${tokens}</details>\n` : tokens}</main>
${documentEnd}`.text;
}

function passwordForm(target: string): Markup {
  return html`<form method="post" action="/${loginPath}" class="call" accept-charset="utf-8">
<input type="hidden" name="target" value="${target}">
<p><label for="name">Name</label>
<input id="name" name="name" autocomplete="username" spellcheck="false" autocapitalize="none" maxlength="1024" required></p>
<p><label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password" maxlength="1024" required></p>
<p class="run"><button type="submit">Log in</button></p>
</form>
`;
}

function tokenForm(target: string): Markup {
  return html`<form method="post" action="/${loginPath}" class="call" accept-charset="utf-8">
<input type="hidden" name="target" value="${target}">
<p><label for="token">Token</label>
<input type="password" id="token" name="token" autocomplete="off" spellcheck="false" maxlength="1024" required></p>
<p class="run"><button type="submit">Log in with the token</button></p>
</form>
`;
}
