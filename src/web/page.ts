import { shorten } from '../base/text.js';
import type { Field } from '../http/exchange.js';
import { documentEnd, documentStart, html, type Insertion, type Markup, serverLine } from '../http/pages/html.js';
import { defaultText, listed, takesText } from '../mi/commands/about.js';
import type { Command, CompiledRecipe, ParameterType } from '../mi/commands/command.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import { chosenRecipe, inputName } from './arguments.js';
import { visible } from './visible.js';

/** The common data of all pages of one server. */
export interface Site {
  /** Path of the root: `/mi`. */
  readonly base: string;
  /** Path of the folder with style sheet and scripts. */
  readonly assets: string;
  /** Name and version of the software. */
  readonly server: string;
  /** What the server is called, and the color of its name; undefined: it has none. */
  readonly host: string;
  readonly color: string | undefined;
  /** False while a part of the server is not ready. */
  readonly isReady: () => boolean;
  /** Milliseconds since 1970. */
  readonly startedAt: () => number;
  /** Names of all modules with commands, in the order in which they were registered. */
  readonly modules: readonly string[];
  /** True where events may be followed. */
  readonly hasLive: boolean;
  /** True where contacts may be looked at. */
  readonly hasContacts: boolean;
  /** True where calls may be read about. */
  readonly hasAudit: boolean;
  /** True where a fleet may be looked at. */
  readonly hasFleet: boolean;
  /** Where the level of the log is set, while it has every detail. */
  readonly debugLink?: string | undefined;
  /** The user that the page is for. */
  readonly user?: Markup | undefined;
}

/** Where events are followed: `/mi/live`. */
export const livePath = 'live';

/** Where contacts are looked at: `/mi/contacts`. */
export const contactsPath = 'contacts';
/** Where the fleet is looked at, and asked: `/mi/fleet`. */
export const fleetPath = 'fleet';
/** Where it is told who changed what: `/mi/audit`. */
export const auditPath = 'audit';

/** A page without its end, for results that are streamed into it, and what ends it. */
export interface PageParts {
  readonly head: Markup;
  readonly tail: Markup;
}

/** A whole page. */
export function page(site: Site, title: string, module: string | undefined, main: Insertion, kind?: PageKind): string {
  const { head, tail } = pageParts(site, title, module, kind);
  return html`${head}${main}${tail}`.text;
}

/** Kinds of pages with a script of their own, of its name. */
export type PageKind = 'charts' | 'command' | 'contacts' | 'live';

/** @param module whose commands are shown, if it is one's */
export function pageParts(site: Site, title: string, module: string | undefined, kind?: PageKind): PageParts {
  const { base, assets, server, host, color, isReady, startedAt, modules, hasLive, hasContacts, hasAudit, hasFleet } =
    site;
  const state = isReady() ? 'ready' : 'unready';
  const links = modules.map((name) => {
    const current = name === module ? html` aria-current="page"` : undefined;
    return html`<li><a href="${base}/${name}"${current}>${name}</a></li>\n`;
  });
  const start = documentStart({
    title: `${host}: ${title} - OpenSIPS Management Interface`,
    icon: `${assets}/${state}.svg`,
    styles: [`${assets}/style.css`, ...(kind === 'charts' ? [`${assets}/charts.css`] : [])],
    scripts: [`${assets}/page.js`, ...(kind === undefined ? [] : [`${assets}/${kind}.js`])],
  });
  const head = html`${start}<a class="skip" href="#main">Skip to the content</a>
<header data-zone="${serverZone}">
<h1><a href="${base}"><img class="state" src="${assets}/${state}.svg" alt="${state === 'ready' ? 'Ready:' : 'Not ready:'}" width="16" height="16"> <bdi class="host"${color !== undefined && html` data-color="${color}"`}>${host}</bdi> <span>Management Interface</span></a></h1>
${(hasContacts || hasFleet || hasLive || hasAudit) && html`<p class="pages">${hasContacts && html`<a href="${base}/${contactsPath}">Contacts</a> `}${hasFleet && html`<a href="${base}/${fleetPath}">Fleet</a> `}${hasLive && html`<a href="${base}/${livePath}">Live</a> `}${hasAudit && html`<a href="${base}/${auditPath}">Audit</a>`}</p>\n`}${site.debugLink !== undefined && html`<p class="badge"><a href="${site.debugLink}">log level debug</a></p>\n`}${searchForm(base)}${serverLine(server, startedAt())}${site.user}</header>
<nav aria-label="Modules">
<ul>
${links}</ul>
</nav>
<main id="main" tabindex="-1">
`;
  return { head, tail: html`</main>\n${documentEnd}` };
}

/** The script has a search of its own in its place. */
function searchForm(base: string): Markup {
  return html`<noscript><form class="find" role="search" method="get" action="${base}"><label for="find">Find a command</label> <input type="search" id="find" name="find" autocomplete="off" spellcheck="false" autocapitalize="off"> <button type="submit">Find</button></form></noscript>
`;
}

/** The zone of the server's clock, which times may be shown in. */
const serverZone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** How a form is shown. */
export interface FormOptions {
  readonly method: 'get' | 'post';
  /** Path of the command's page. */
  readonly action: string;
  /** The other names that find the command. */
  readonly names: readonly string[];
  /** The submitted fields, which are shown again. */
  readonly fields: readonly Field[];
  /** What the server is called. */
  readonly host: string;
  /** Seconds after which a call is given up; 0: nothing is waited for. */
  readonly timeout: number;
  /** The parameter that was rejected, if one was. */
  readonly wrong?: string | undefined;
}

/** The heading of the page of a command. */
export function commandHeading(entry: CommandEntry): Markup {
  return html`<h2>${titleOf(entry)}</h2>\n`;
}

/** The form of a command that was run, in one line that opens. @param given what it was run with, as JSON */
export function foldedForm(entry: CommandEntry, options: FormOptions, given: string | undefined): Markup {
  const { secrets, destructive } = entry.command;
  const filledIn = given === undefined ? undefined : html` <code>${visible(shorten(given, longestFolded, '…'))}</code>`;
  // What is to be entered again, or confirmed, is not done in passing.
  const again =
    secrets.length === 0 && !destructive && html`<button type="submit" form="${formId}">Run again</button>\n`;
  return html`<div class="ran">
${again}<details><summary>Form${filledIn}</summary>
${commandForm(entry, options)}</details>
</div>
`;
}

/** UTF-16 units of the parameters that the line of a folded form has. */
const longestFolded = 200;

const formId = 'call';

/** Help and form of one command. */
export function commandForm(entry: CommandEntry, options: FormOptions): Markup {
  const { method, action, names, fields, host, timeout } = options;
  const { command } = entry;
  const { readOnly, destructive, secrets, help } = command;
  const also = names.length === 0 ? undefined : html`<p class="aliases">Also: ${names.map(code)}</p>\n`;
  const note = readOnly ? undefined : html`<p class="note">This command may change the state of the server.</p>\n`;
  return html`<p class="help">${helpText(help)}</p>
${also}${note}<form method="${secrets.length > 0 || destructive ? 'post' : method}" action="${action}" class="call" id="${formId}" accept-charset="utf-8" data-timeout="${timeout}"${!readOnly && html` data-changes="1"`}${secrets.length > 0 && html` data-secret="1"`}>
${destructive && html`<input type="hidden" name="${confirmField}" value="">\n`}${inputsOf(command, fields, options.wrong)}<p class="run"><button type="submit">${destructive ? html`Run on <bdi>${host}</bdi> …` : 'Run'}</button></p>
</form>
`;
}

/** One way to enter parameters, an input for each; behind a switch all of them as JSON or words, which secrets do without. */
function inputsOf(command: Command, fields: readonly Field[], wrong: string | undefined): Markup {
  const { recipes, optional, secrets } = command;
  // Without a recipe it is not known what it takes.
  const takesNone = recipes.length > 0 && recipes.every(({ names }) => names.length === 0) && optional.size === 0;
  if (takesNone) return html`<p class="none">It takes no parameters.</p>\n${noArgument}`;
  const value = first(fields, 'arg');
  // What was written as one text is mended there.
  const isOfText = wrong !== undefined && value !== '';
  const inputs = fieldsets(command, fields, isOfText ? undefined : wrong);
  if (secrets.length > 0) return html`${inputs}${noArgument}`;
  const mark = isOfText && html`<p class="wrong" id="arg-wrong">${wrong} takes: ${takesOf(command, wrong)}</p>\n`;
  const described = [recipes.length > 0 && 'arg-hint', isOfText && 'arg-wrong'].filter((one) => one !== false);
  const argument = html`<p><label for="arg">Parameters as JSON, or words separated by blanks</label>
<input id="arg" name="arg" value="${value}" autocomplete="off" spellcheck="false" autocapitalize="off"${described.length > 0 && html` aria-describedby="${described.join(' ')}"`}${isOfText && html` aria-invalid="true"`}></p>
${mark}`;
  if (recipes.length === 0) return argument;
  return html`${inputs}<details class="whole"${value !== '' && html` open`}><summary>As JSON, or words</summary>
${argument}<p class="hint" id="arg-hint">What stands here is taken in the place of the inputs above.</p>
${argumentExamples(command)}</details>
`;
}

function takesOf(command: Command, name: string): string {
  return takesText(command.typeOf(name), command.about(name));
}

const noArgument = html`<input type="hidden" name="arg" value="">\n`;

/** Of the form of a destructive command: empty before it is asked, 1 when that is confirmed. Programs leave it out, and are not asked. */
const confirmField = 'confirm';

/** True if a form was sent that has to be confirmed first. */
export function isUnconfirmed({ command }: CommandEntry, fields: readonly Field[]): boolean {
  return command.destructive && fields.some(({ name, value }) => name === confirmField && value === '');
}

/** Asks whether a command is to be run: a form with what was entered. Secrets are to be entered again, and all where they came as one text. */
export function confirmation(
  entry: CommandEntry,
  { action, fields, host, timeout }: Pick<FormOptions, 'action' | 'fields' | 'host' | 'timeout'>,
): Markup {
  const { command } = entry;
  const { secrets, recipes } = command;
  // What is no input of the form may be a slip, and its value the secret; so may any of what is written as one text.
  const isOpen = ({ name, value }: Field): boolean =>
    secrets.length === 0 ||
    (name.startsWith('p.')
      ? command.hasParameter(name.slice(2)) && !secrets.includes(name.slice(2))
      : name !== 'arg' || value === '');
  const kept = fields.filter((field) => field.name !== confirmField && isOpen(field));
  const shown = kept.filter(({ name, value }) => value !== '' && (name === 'arg' || name.startsWith('p.')));
  const rows = shown.map(
    ({ name, value }) =>
      html`<dt>${name === 'arg' ? 'parameters' : visible(name.slice(2))}</dt><dd>${visible(value)}</dd>\n`,
  );
  const hidden = fields.filter((field) => !isOpen(field) && field.value !== '').map(({ name }) => name);
  const all = [...new Set([...recipes.flatMap(({ names }) => names), ...command.optional.keys()])];
  const again = hidden.includes('arg') ? all : secrets.filter((name) => hidden.includes(`p.${name}`));
  const inputs = again.map((name) => input(command, { id: `again-${name}`, name, type: 'string', value: '' }));
  return html`<h2>${titleOf(entry)}</h2>
<div role="alert" class="confirm">
<p>Run <strong>${titleOf(entry)}</strong> on <strong><bdi>${host}</bdi></strong>? It cannot be undone.</p>
<p class="help">${helpText(command.help)}</p>
${rows.length > 0 && html`<dl>\n${rows}</dl>\n`}<form method="post" action="${action}" class="confirm" accept-charset="utf-8" data-timeout="${timeout}">
${kept.map(({ name, value }) => html`<input type="hidden" name="${name}" value="${value}">\n`)}${inputs}<input type="hidden" name="${confirmField}" value="1">
<p class="run"><button type="submit">Run ${titleOf(entry)} on <bdi>${host}</bdi></button> <a href="${action}">Cancel</a></p>
</form>
</div>
`;
}

function fieldsets(command: Command, fields: readonly Field[], wrong: string | undefined): readonly Markup[] {
  const { recipes, optional } = command;
  const chosen = chosenRecipe(recipes, fields);
  const value = (name: string): string => first(fields, inputName(name));
  const own = recipes.map(({ names, types }, index) => {
    const isChosen = index === chosen;
    const title = names.length === 0 ? 'without parameters' : `with ${names.join(', ')}`;
    const legend =
      recipes.length > 1
        ? html`<label><input type="radio" name="recipe" value="${index}"${isChosen && html` checked`}> ${title}</label>`
        : 'Parameters';
    const inputs = names.map((name, at) =>
      input(command, {
        id: `p${index}-${name}`,
        name,
        type: types[at] ?? 'json',
        value: isChosen ? value(name) : '',
        isWrong: isChosen && name === wrong,
      }),
    );
    return recipes.length === 1 && names.length === 0
      ? noMarkup
      : html`<fieldset>\n<legend>${legend}</legend>\n${inputs}</fieldset>\n`;
  });
  if (optional.size === 0) return own;
  const beside = [...optional].map(([name, type]) =>
    input(command, { id: `o-${name}`, name, type, value: value(name), isWrong: name === wrong }),
  );
  return [...own, html`<fieldset class="optional">\n<legend>May be left out</legend>\n${beside}</fieldset>\n`];
}

const noMarkup = html``;

/** An input of a parameter. */
interface Input {
  readonly id: string;
  readonly name: string;
  readonly type: ParameterType;
  readonly value: string;
  /** True if what it has was rejected. */
  readonly isWrong?: boolean;
}

/** An input with its label, what it takes and what that means. */
function input(command: Command, { id, name, type, value, isWrong = false }: Input): Markup {
  const about = command.about(name);
  const isSecret = command.secrets.includes(name);
  const { help, suggest, choices } = about;
  const takes = `${takesText(type, about)}${isSecret ? ', shown nowhere' : ''}`;
  const label = html`<label for="${id}">${name} <span class="type">${takes}</span></label>`;
  const told = [
    help !== undefined && html`<span class="hint" id="${id}-help">${helpText(help)}</span>\n`,
    isWrong && html`<span class="wrong" id="${id}-wrong">Not taken; it takes: ${takes}</span>\n`,
  ];
  const described = [help !== undefined && `${id}-help`, isWrong && `${id}-wrong`].filter((one) => one !== false);
  const attributes = html` id="${id}" name="${inputName(name)}"${described.length > 0 && html` aria-describedby="${described.join(' ')}"`}${isWrong && html` aria-invalid="true" autofocus`}`;
  const plain = html` autocomplete="off" spellcheck="false" autocapitalize="off"`;
  if (isSecret) return html`<p>${label}\n<input type="password"${attributes}${plain}>\n${told}</p>\n`;
  if (choices !== undefined) {
    const values = listed(choices);
    const all = value === '' || values.includes(value) ? values : [...values, value];
    const options = ['', ...all].map(
      (one) => html`<option value="${one}"${one === value && html` selected`}>${one}</option>`,
    );
    return html`<p>${label}\n<select${attributes}>${options}</select>\n${told}</p>\n`;
  }
  const mode = type === 'int' ? html` inputmode="numeric"` : undefined;
  const placeholder = about.default === undefined ? undefined : html` placeholder="${defaultText(about.default)}"`;
  const values = suggest === undefined ? [] : listed(suggest);
  const list = values.length > 0 && html` list="${id}-values"`;
  const data =
    values.length > 0 &&
    html`<datalist id="${id}-values">${values.map((one) => html`<option value="${one}">`)}</datalist>\n`;
  return html`<p>${label}\n<input${attributes} value="${value}"${mode}${placeholder}${list}${plain}>\n${data}${told}</p>\n`;
}

function code(name: string, index: number): Markup {
  return html`${index > 0 && ', '}<code>${name}</code>`;
}

/** The first value that is not empty. */
function first(fields: readonly Field[], name: string): string {
  return fields.find((field) => field.name === name && field.value !== '')?.value ?? '';
}

/** How the field `arg` is written, in both generations, shown by the parameters of the command itself. */
function argumentExamples({ recipes, namedOnly }: Command): Markup {
  const { names, types } = longestOf(recipes);
  const samples = names.map((name, index) => sample(name, types[index] ?? 'json'));
  const object = JSON.stringify(Object.fromEntries(names.map((name, index) => [name, samples[index] ?? ''])));
  const byName = html`<dt>A JSON object, by name</dt><dd><code>${object}</code></dd>\n`;
  const byPosition = namedOnly
    ? undefined
    : html`<dt>A JSON array, by position</dt><dd><code>${JSON.stringify(samples)}</code></dd>\n${wordExample(recipes)}`;
  return html`<dl class="examples">
${byName}${byPosition}</dl>
`;
}

function longestOf(recipes: readonly CompiledRecipe[]): Pick<CompiledRecipe, 'names' | 'types'> {
  return recipes.reduce((longest, recipe) => (recipe.names.length > longest.names.length ? recipe : longest));
}

function sample(name: string, type: ParameterType): unknown {
  return { int: 1, string: name, bool: 1, json: {}, 'int[]': [1, 2], 'string[]': [name], 'object[]': [{}] }[type];
}

function wordExample(recipes: readonly CompiledRecipe[]): Markup | undefined {
  // Words are texts, which are no JSON.
  const plain = recipes.filter(({ types }) => !types.some((type) => type === 'json' || type === 'object[]'));
  if (plain.length === 0) return undefined;
  const { names, types } = longestOf(plain);
  const words = names.map((name, index) => word(name, types[index] ?? 'json')).join(' ');
  const isList = types.at(-1) === 'string[]' || types.at(-1) === 'int[]';
  const rest = isList ? '; the list at the end takes all words that are left' : '';
  return html`<dt>Words, in this order</dt><dd><code>${words}</code></dd>
<dd>with blanks in them in double quotes: <code>"two words"</code>${rest}</dd>\n`;
}

function word(name: string, type: ParameterType): string {
  if (type === 'int[]') return '1 2';
  return type === 'int' || type === 'bool' ? '1' : name;
}

/** Path of the page of a command. Names of modules and commands need no escapes in it. */
export function pathOf(base: string, entry: CommandEntry): string {
  return `${base}/${entry.module}/${pageName(entry)}`;
}

/** The name of a command where its module, or the node that has it, is known. */
export function pageName({ command, fullName }: CommandEntry): string {
  return command.isForeign ? command.name : fullName;
}

/** The name of a command in headings. */
export function titleOf(entry: CommandEntry): string {
  return entry.command.isForeign ? `${entry.command.name} (${entry.module})` : entry.fullName;
}

/** The commands of all given modules, with links and help. */
export function menu(base: string, modules: readonly string[], entries: readonly CommandEntry[]): Markup {
  const sections = modules.flatMap((module) => {
    const ofModule = entries.filter((entry) => entry.module === module);
    // Of a node each module of its own.
    const parts = [...new Set(ofModule.map(({ exportedBy }) => exportedBy))];
    return parts.map((part) => {
      const commands = ofModule.filter(({ exportedBy }) => exportedBy === part);
      return section(base, part === undefined ? module : `${module}: ${part}`, commands);
    });
  });
  return html`${sections}`;
}

function section(base: string, title: string, commands: readonly CommandEntry[]): Markup {
  const id = `module-${title.replaceAll(': ', '-')}`;
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
<ul class="commands">
${commands.map((entry) => commandItem(base, entry))}</ul>
</section>
`;
}

/** Names of a command, its aliases and its parameters. */
export function commandNames({ command }: CommandEntry): readonly string[] {
  const parameters = new Set(command.recipes.flatMap((recipe) => recipe.names));
  return [command.name, ...command.aliases, ...parameters];
}

/** A command as a line of a list, which tells all that it is found by. */
export function commandItem(base: string, entry: CommandEntry): Markup {
  const { command } = entry;
  const mark = command.destructive ? 'destructive' : command.readOnly ? undefined : 'changes';
  return html`<li data-names="${commandNames(entry).join(' ')}"><a href="${pathOf(base, entry)}">${pageName(entry)}</a>${mark !== undefined && html` <span class="effect" data-effect="${mark}">${mark}</span>`} <span class="help">${helpText(command.help)}</span></li>
`;
}

/** Help as it is declared, where backquotes enclose what is written literally. */
function helpText(help: string): readonly Markup[] {
  // Every second piece lies between two of them; the last one of an odd number encloses nothing.
  const pieces = help.split(/`([^`]+)`/);
  return pieces.map((piece, index) => (index % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`));
}
