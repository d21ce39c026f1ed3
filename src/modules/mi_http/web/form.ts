import type { Field } from '../../../httpd/exchange.js';
import { html, type Markup } from '../../../httpd/markup.js';
import type { CommandEntry } from '../../../mi/command-table.js';
import type { CompiledRecipe, ParameterType } from '../../../mi/recipe.js';

/** How a form is shown. */
export interface FormOptions {
  readonly method: 'get' | 'post';
  /** Path of the command's page. */
  readonly action: string;
  /** The other names that find the command. */
  readonly names: readonly string[];
  /** What was submitted, which is shown again. */
  readonly fields: readonly Field[];
}

/** Name, help and form of one command. */
export function commandForm({ command, fullName }: CommandEntry, options: FormOptions): Markup {
  const { method, action, names, fields } = options;
  const { recipes, readOnly, help } = command;
  const hasChoice = recipes.length > 1;
  const chosen = Math.max(0, Math.trunc(Number(first(fields, 'recipe')) || 0));
  const sets = recipes.map((recipe, index) => fieldset(recipe, index, hasChoice, index === chosen, fields));
  const also = names.length === 0 ? undefined : html`<p class="aliases">Also: ${names.map(code)}</p>\n`;
  const note = readOnly ? undefined : html`<p class="note">This command may change the state of the server.</p>\n`;
  return html`<h2>${fullName}</h2>
<p class="help">${help}</p>
${also}${note}<form method="${method}" action="${action}" class="call" accept-charset="utf-8">
${sets}<p><label for="arg">Parameters as JSON, or words separated by blanks</label>
<input id="arg" name="arg" value="${first(fields, 'arg')}" autocomplete="off" spellcheck="false" autocapitalize="off" aria-describedby="arg-hint"></p>
<p class="hint" id="arg-hint">${hint(recipes)} Left empty, the inputs of the single parameters are used, and without any the command runs without parameters.</p>
<p><button type="submit">Run</button></p>
</form>
`;
}

function hint(recipes: readonly CompiledRecipe[]): Markup {
  const longest = recipes.reduce((long, recipe) => (recipe.names.length > long.names.length ? recipe : long));
  const { names, types } = longest;
  const samples = names.map((_name, index) => sample(types[index] ?? 'json'));
  const isEmpty = names.length === 0;
  const list = isEmpty ? '["location", "alice"]' : JSON.stringify(samples);
  const named = isEmpty
    ? '{"table_name": "location"}'
    : JSON.stringify(Object.fromEntries(names.map((name, index) => [name, samples[index] ?? ''])));
  return html`A JSON array by position: <code>${list}</code>; a JSON object by name: <code>${named}</code>; or words in the order of the parameters, those with blanks in double quotes: <code>alice "two words"</code>, where a list as last parameter takes all words that are left.`;
}

function sample(type: ParameterType): unknown {
  return { int: 1, string: 'text', bool: 1, json: {}, 'int[]': [1], 'string[]': ['text'], 'object[]': [{}] }[type];
}

function fieldset(
  { names, types }: CompiledRecipe,
  index: number,
  hasChoice: boolean,
  isChosen: boolean,
  fields: readonly Field[],
): Markup {
  if (names.length === 0 && !hasChoice) return html`<p class="none">It takes no parameters.</p>\n`;
  const title = names.length === 0 ? 'without parameters' : `with ${names.join(', ')}`;
  const legend = hasChoice
    ? html`<label><input type="radio" name="recipe" value="${index}"${isChosen && html` checked`}> ${title}</label>`
    : title;
  const inputs = names.map((name, at) => input(`p${index}-${name}`, name, types[at] ?? 'json', isChosen, fields));
  return html`<fieldset>
<legend>${legend}</legend>
${inputs}</fieldset>
`;
}

function input(id: string, name: string, type: ParameterType, isChosen: boolean, fields: readonly Field[]): Markup {
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

function code(name: string): Markup {
  return html`<code>${name}</code> `;
}

/** The first value that is not empty. */
function first(fields: readonly Field[], name: string): string {
  return fields.find((field) => field.name === name && field.value !== '')?.value ?? '';
}
