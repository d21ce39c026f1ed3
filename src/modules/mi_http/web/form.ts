import type { Field } from '../../../httpd/exchange.js';
import { html, type Markup } from '../../../httpd/markup.js';
import type { CommandEntry } from '../../../mi/command-table.js';
import type { CompiledRecipe, ParameterType } from '../../../mi/recipe.js';
import { chosenRecipe, isSubmitted } from './arguments.js';
import { argumentExamples } from './examples.js';
import { helpText } from './menu.js';

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
export function commandForm(entry: CommandEntry, { method, action, names, fields }: FormOptions): Markup {
  const { command, fullName } = entry;
  const { recipes, readOnly, help } = command;
  const takesNone = recipes.every((recipe) => recipe.names.length === 0);
  const also = names.length === 0 ? undefined : html`<p class="aliases">Also: ${names.map(code)}</p>\n`;
  const note = readOnly ? undefined : html`<p class="note">This command may change the state of the server.</p>\n`;
  const inputs = takesNone
    ? html`<p class="none">It takes no parameters.</p>\n<input type="hidden" name="arg" value="">\n`
    : html`${fieldsets(recipes, fields)}<p><label for="arg">Parameters as JSON, or words separated by blanks</label>
<input id="arg" name="arg" value="${first(fields, 'arg')}" autocomplete="off" spellcheck="false" autocapitalize="off" aria-describedby="arg-hint"></p>
<p class="hint" id="arg-hint">Leave it empty to use the inputs of single parameters.</p>
${argumentExamples(command, !isSubmitted(fields))}`;
  return html`<h2>${fullName}</h2>
<p class="help">${helpText(help)}</p>
${also}${note}<form method="${method}" action="${action}" class="call" accept-charset="utf-8"${!readOnly && html` data-changes="1"`}>
${inputs}<p class="run"><button type="submit">Run</button></p>
</form>
`;
}

function fieldsets(recipes: readonly CompiledRecipe[], fields: readonly Field[]): readonly Markup[] {
  const chosen = chosenRecipe(recipes, fields);
  return recipes.map(({ names, types }, index) => {
    const isChosen = index === chosen;
    const title = names.length === 0 ? 'without parameters' : `with ${names.join(', ')}`;
    const legend =
      recipes.length > 1
        ? html`<label><input type="radio" name="recipe" value="${index}"${isChosen && html` checked`}> ${title}</label>`
        : 'Parameters';
    const inputs = names.map((name, at) => input(`p${index}-${name}`, name, types[at] ?? 'json', isChosen, fields));
    return html`<fieldset>\n<legend>${legend}</legend>\n${inputs}</fieldset>\n`;
  });
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

function code(name: string, index: number): Markup {
  return html`${index > 0 && ', '}<code>${name}</code>`;
}

/** The first value that is not empty. */
function first(fields: readonly Field[], name: string): string {
  return fields.find((field) => field.name === name && field.value !== '')?.value ?? '';
}
