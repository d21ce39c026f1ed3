import { html, type Markup } from '../../../httpd/markup.js';
import type { CommandEntry } from '../../../mi/command-table.js';

/** Path of the page of a command. Names of modules and commands need no escapes in it. */
export function pathOf(base: string, { module, fullName }: CommandEntry): string {
  return `${base}/${module}/${fullName}`;
}

/** The commands of all given modules, with links and help. */
export function menu(base: string, modules: readonly string[], entries: readonly CommandEntry[]): Markup {
  const sections = modules.map((module) => {
    const commands = entries.filter((entry) => entry.module === module);
    if (commands.length === 0) return undefined;
    return html`<section aria-labelledby="module-${module}">
<h2 id="module-${module}">${module}</h2>
<ul class="commands">
${commands.map((entry) => item(base, entry))}</ul>
</section>
`;
  });
  return html`${sections}`;
}

function item(base: string, entry: CommandEntry): Markup {
  const { command, fullName } = entry;
  return html`<li><a href="${pathOf(base, entry)}">${fullName}</a> <span class="help">${helpText(command.help)}</span></li>
`;
}

/** Help as it is declared, where backquotes enclose what is written literally. */
export function helpText(help: string): readonly Markup[] {
  // Every second piece lies between two of them; the last one of an odd number encloses nothing.
  const pieces = help.split(/`([^`]+)`/);
  return pieces.map((piece, index) => (index % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`));
}
