import { html, type Markup } from '../../../httpd/markup.js';
import type { Command } from '../../../mi/command.js';
import type { CompiledRecipe, ParameterType } from '../../../mi/recipe.js';

/** How the field `arg` is written, in both generations, shown by the parameters of the command itself. */
export function argumentExamples({ recipes, namedOnly }: Command, isOpen: boolean): Markup {
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
