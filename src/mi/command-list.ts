import { suggestNames } from '../config/nearest.js';
import type { CommandEntry, CommandTable } from './command-table.js';

/**
 * Commands named by patterns, `usrloc:*, ul_dump, core:log_*`: full names, local names or aliases, `*` for any characters.
 */
export class CommandList {
  readonly #numbers = new Set<number>();

  /** @throws Error naming the pattern that fits no command, which would otherwise protect nothing */
  constructor(what: string, text: string, { entries, names }: CommandTable) {
    for (const pattern of text.split(',').map((item) => item.trim())) {
      const expression = new RegExp(`^${pattern.split('*').map(escapeText).join('.*')}$`);
      const found = entries.filter((entry) => namesOf(entry).some((name) => expression.test(name)));
      if (found.length === 0) {
        throw new Error(
          `${what} has ${JSON.stringify(pattern)}, which fits no MI command: ${suggestNames(pattern, 'known', names)}`,
        );
      }
      for (const { number } of found) this.#numbers.add(number);
    }
  }

  has(entry: CommandEntry): boolean {
    return this.#numbers.has(entry.number);
  }
}

function namesOf({ fullName, command }: CommandEntry): readonly string[] {
  return [fullName, command.name, ...command.aliases];
}

function escapeText(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
