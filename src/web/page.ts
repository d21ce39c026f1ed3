import type { Field } from '../http/exchange.js';
import { documentEnd, documentStart, html, type Insertion, type Markup, serverLine } from '../http/pages/html.js';
import type { Command, CompiledRecipe, ParameterType } from '../mi/commands/command.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import { chosenRecipe, isSubmitted } from './arguments.js';

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
  /** The user that the page is for. */
  readonly user?: Markup | undefined;
}

/** Where events are followed: `/mi/live`. */
export const livePath = 'live';

/** Where contacts are looked at: `/mi/contacts`. */
export const contactsPath = 'contacts';
/** Where it is told who changed what: `/mi/audit`. */
export const auditPath = 'audit';

/** A page without its end, for results that are streamed into it, and what ends it. */
export interface PageParts {
  readonly head: Markup;
  readonly tail: Markup;
}

/** A whole page. */
export function page(
  site: Site,
  title: string,
  module: string | undefined,
  main: Insertion,
  hasCharts = false,
): string {
  const { head, tail } = pageParts(site, title, module, hasCharts);
  return html`${head}${main}${tail}`.text;
}

/**
 * @param module whose commands are shown, if it is one's
 * @param hasCharts true where the page has charts, whose script is longer than all others
 */
export function pageParts(site: Site, title: string, module: string | undefined, hasCharts = false): PageParts {
  const { base, assets, server, host, color, isReady, startedAt, modules, hasLive, hasContacts, hasAudit } = site;
  const links = modules.map((name) => {
    const current = name === module ? html` aria-current="page"` : undefined;
    return html`<li><a href="${base}/${name}"${current}>${name}</a></li>\n`;
  });
  const start = documentStart({
    title: `${host}: ${title} - OpenSIPS Management Interface`,
    icon: `${assets}/${isReady() ? 'ready' : 'unready'}.svg`,
    styles: [`${assets}/style.css`, ...(hasCharts ? [`${assets}/charts.css`] : [])],
    scripts: [`${assets}/page.js`, ...(hasCharts ? [`${assets}/charts.js`] : [])],
  });
  const head = html`${start}<a class="skip" href="#main">Skip to the content</a>
<header>
<h1><a href="${base}"><bdi class="host"${color !== undefined && html` data-color="${color}"`}>${host}</bdi> <span>Management Interface</span></a></h1>
${(hasContacts || hasLive || hasAudit) && html`<p class="pages">${hasContacts && html`<a href="${base}/${contactsPath}">Contacts</a> `}${hasLive && html`<a href="${base}/${livePath}">Live</a> `}${hasAudit && html`<a href="${base}/${auditPath}">Audit</a>`}</p>\n`}${serverLine(server, startedAt())}${site.user}</header>
<nav aria-label="Modules">
<ul>
${links}</ul>
</nav>
<main id="main" tabindex="-1">
`;
  return { head, tail: html`</main>\n${documentEnd}` };
}

/** How a form is shown. */
interface FormOptions {
  readonly method: 'get' | 'post';
  /** Path of the command's page. */
  readonly action: string;
  /** The other names that find the command. */
  readonly names: readonly string[];
  /** The submitted fields, which are shown again. */
  readonly fields: readonly Field[];
  /** What the server is called. */
  readonly host: string;
}

/** Name, help and form of one command. */
export function commandForm(entry: CommandEntry, { method, action, names, fields, host }: FormOptions): Markup {
  const { command } = entry;
  const { recipes, readOnly, destructive, secrets, help } = command;
  // Without a recipe it is not known what it takes.
  const takesNone = recipes.length > 0 && recipes.every((recipe) => recipe.names.length === 0);
  const also = names.length === 0 ? undefined : html`<p class="aliases">Also: ${names.map(code)}</p>\n`;
  const note = readOnly ? undefined : html`<p class="note">This command may change the state of the server.</p>\n`;
  const inputs = takesNone
    ? html`<p class="none">It takes no parameters.</p>\n${noArgument}`
    : secrets.length > 0
      ? html`${fieldsets(command, fields)}${noArgument}`
      : html`${fieldsets(command, fields)}<p><label for="arg">Parameters as JSON, or words separated by blanks</label>
<input id="arg" name="arg" value="${first(fields, 'arg')}" autocomplete="off" spellcheck="false" autocapitalize="off" aria-describedby="arg-hint"></p>
<p class="hint" id="arg-hint">Leave it empty to use the inputs of single parameters.</p>
${recipes.length > 0 && argumentExamples(command, !isSubmitted(fields))}`;
  return html`<h2>${titleOf(entry)}</h2>
<p class="help">${helpText(help)}</p>
${also}${note}<form method="${secrets.length > 0 || destructive ? 'post' : method}" action="${action}" class="call" accept-charset="utf-8"${!readOnly && html` data-changes="1"`}${secrets.length > 0 && html` data-secret="1"`}>
${destructive && html`<input type="hidden" name="${confirmField}" value="">\n`}${inputs}<p class="run"><button type="submit">${destructive ? html`Run on <bdi>${host}</bdi> …` : 'Run'}</button></p>
</form>
`;
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
  { action, fields, host }: Omit<FormOptions, 'method' | 'names'>,
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
    ({ name, value }) => html`<dt>${name === 'arg' ? 'parameters' : name.slice(2)}</dt><dd><bdi>${value}</bdi></dd>\n`,
  );
  const hidden = fields.filter((field) => !isOpen(field) && field.value !== '').map(({ name }) => name);
  const all = [...new Set(recipes.flatMap(({ names }) => names))];
  const again = hidden.includes('arg') ? all : secrets.filter((name) => hidden.includes(`p.${name}`));
  const inputs = again.map((name) => input(`again-${name}`, name, 'string', secrets.includes(name), true, []));
  return html`<h2>${titleOf(entry)}</h2>
<div role="alert" class="confirm">
<p>Run <strong>${titleOf(entry)}</strong> on <strong><bdi>${host}</bdi></strong>? It cannot be undone.</p>
<p class="help">${helpText(command.help)}</p>
${rows.length > 0 && html`<dl>\n${rows}</dl>\n`}<form method="post" action="${action}" class="confirm" accept-charset="utf-8">
${kept.map(({ name, value }) => html`<input type="hidden" name="${name}" value="${value}">\n`)}${inputs}<input type="hidden" name="${confirmField}" value="1">
<p class="run"><button type="submit">Run ${titleOf(entry)} on <bdi>${host}</bdi></button> <a href="${action}">Cancel</a></p>
</form>
</div>
`;
}

function fieldsets({ recipes, secrets }: Command, fields: readonly Field[]): readonly Markup[] {
  const chosen = chosenRecipe(recipes, fields);
  return recipes.map(({ names, types }, index) => {
    const isChosen = index === chosen;
    const title = names.length === 0 ? 'without parameters' : `with ${names.join(', ')}`;
    const legend =
      recipes.length > 1
        ? html`<label><input type="radio" name="recipe" value="${index}"${isChosen && html` checked`}> ${title}</label>`
        : 'Parameters';
    const inputs = names.map((name, at) =>
      input(`p${index}-${name}`, name, types[at] ?? 'json', secrets.includes(name), isChosen, fields),
    );
    return html`<fieldset>\n<legend>${legend}</legend>\n${inputs}</fieldset>\n`;
  });
}

function input(
  id: string,
  name: string,
  type: ParameterType,
  isSecret: boolean,
  isChosen: boolean,
  fields: readonly Field[],
): Markup {
  if (isSecret) {
    return html`<p><label for="${id}">${name} <span class="type">${typeText[type]}, shown nowhere</span></label>
<input type="password" id="${id}" name="p.${name}" autocomplete="off" spellcheck="false" autocapitalize="off"></p>
`;
  }
  const value = isChosen ? first(fields, `p.${name}`) : '';
  const mode = type === 'int' ? html` inputmode="numeric"` : undefined;
  return html`<p><label for="${id}">${name} <span class="type">${typeText[type]}</span></label>
<input id="${id}" name="p.${name}" value="${value}"${mode} autocomplete="off" spellcheck="false" autocapitalize="off"></p>
`;
}

const typeText: Readonly<Record<ParameterType, string>> = {
  int: 'integer',
  string: 'text',
  bool: 'yes or no: 1 or 0',
  'int[]': 'integers: words or a JSON array',
  'string[]': 'texts: words or a JSON array',
  'object[]': 'a JSON array of objects',
  json: 'JSON',
};

function code(name: string, index: number): Markup {
  return html`${index > 0 && ', '}<code>${name}</code>`;
}

/** The first value that is not empty. */
function first(fields: readonly Field[], name: string): string {
  return fields.find((field) => field.name === name && field.value !== '')?.value ?? '';
}

/** How the field `arg` is written, in both generations, shown by the parameters of the command itself. */
function argumentExamples({ recipes, namedOnly }: Command, isOpen: boolean): Markup {
  const { names, types } = longestOf(recipes);
  const samples = names.map((name, index) => sample(name, types[index] ?? 'json'));
  const object = JSON.stringify(Object.fromEntries(names.map((name, index) => [name, samples[index] ?? ''])));
  const byName = html`<dt>A JSON object, by name</dt><dd><code>${object}</code></dd>\n`;
  const byPosition = namedOnly
    ? undefined
    : html`<dt>A JSON array, by position</dt><dd><code>${JSON.stringify(samples)}</code></dd>\n${wordExample(recipes)}`;
  return html`<details class="examples"${isOpen && html` open`}><summary>How to write them</summary>
<dl>
${byName}${byPosition}</dl>
</details>
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
${commands.map((entry) => item(base, entry))}</ul>
</section>
`;
}

function item(base: string, entry: CommandEntry): Markup {
  const { command } = entry;
  const names = [command.name, ...command.aliases, ...new Set(command.recipes.flatMap((recipe) => recipe.names))];
  const mark = command.destructive ? 'destructive' : command.readOnly ? undefined : 'changes';
  return html`<li data-names="${names.join(' ')}"><a href="${pathOf(base, entry)}">${pageName(entry)}</a>${mark !== undefined && html` <span class="effect" data-effect="${mark}">${mark}</span>`} <span class="help">${helpText(command.help)}</span></li>
`;
}

/** Help as it is declared, where backquotes enclose what is written literally. */
function helpText(help: string): readonly Markup[] {
  // Every second piece lies between two of them; the last one of an odd number encloses nothing.
  const pieces = help.split(/`([^`]+)`/);
  return pieces.map((piece, index) => (index % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`));
}
