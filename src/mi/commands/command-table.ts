import { nearestNames, suggestNames } from '../../base/nearest.js';
import { shorten } from '../../base/text.js';
import { codes, MiError } from '../errors.js';
import type { Command } from './command.js';
import { opensipsCommand } from './opensips-commands.js';

/** Client text in a message stays short, whatever the client sent. */
const longestShown = 64;

/** A command with the module that exports it and its number in the table. */
export interface CommandEntry {
  readonly number: number;
  readonly command: Command;
  readonly module: string;
  /** `module:command` */
  readonly fullName: string;
}

/**
 * All MI commands of a server, in registration order, and the rules by which a method text finds one
 * (docs/compatibility.md, "Names"): `module:command` exactly; a bare local name that only one module
 * has; an alias. A text that fits several commands is ambiguous, -32001.
 */
export class CommandTable {
  readonly #entries: CommandEntry[] = [];
  readonly #full = new Map<string, CommandEntry>();
  readonly #local = new Map<string, CommandEntry[]>();
  readonly #aliases = new Map<string, CommandEntry[]>();

  /** @throws Error when the module has this command already */
  add(module: string, command: Command): CommandEntry {
    const fullName = `${module}:${command.name}`;
    if (this.#full.has(fullName))
      throw new Error(`MI command ${fullName} is registered twice; give one of them another name`);
    const entry: CommandEntry = { number: this.#entries.length, command, module, fullName };
    this.#entries.push(entry);
    this.#full.set(fullName, entry);
    push(this.#local, command.name, entry);
    for (const alias of command.aliases) push(this.#aliases, alias, entry);
    return entry;
  }

  /**
   * @param modules those whose aliases have to find their command
   * @throws Error naming an alias that another command has too, or is named like: nobody could call it
   */
  checkAliases(modules: ReadonlySet<string>): void {
    for (const entry of this.#entries) {
      if (!modules.has(entry.module)) continue;
      for (const alias of entry.command.aliases) {
        if (this.finds(alias, entry)) continue;
        const other = this.#candidates(alias).find((one) => one !== entry);
        const whose = other === undefined ? 'finds nothing' : `is a name of ${other.fullName}`;
        throw new Error(`alias "${alias}" of MI command ${entry.fullName} ${whose}; leave it out or give another`);
      }
    }
  }

  get entries(): readonly CommandEntry[] {
    return this.#entries;
  }

  /** The full names, then the flat names, each in registration order and each once. */
  get names(): readonly string[] {
    return this.namesOf(this.#entries);
  }

  /** The same of some commands. */
  namesOf(entries: readonly CommandEntry[]): readonly string[] {
    const names = [...entries.map(({ fullName }) => fullName), ...entries.map((entry) => this.flatName(entry))];
    return [...new Set(names)];
  }

  /**
   * The name without a module that finds this command, as those of OpenSIPS 3.x did: its alias, else its local
   * name, else, where that is another's too, the full name.
   */
  flatName({ command, fullName }: CommandEntry): string {
    const name = command.aliases[0] ?? command.name;
    return this.#candidates(name).length === 1 ? name : fullName;
  }

  /** Every text that finds exactly one command, with its number: what the request scanner is given. */
  methods(): ReadonlyMap<string, number> {
    const methods = new Map<string, number>();
    for (const text of [...this.#full.keys(), ...this.#local.keys(), ...this.#aliases.keys()]) {
      const [entry, another] = this.#candidates(text);
      if (entry !== undefined && another === undefined) methods.set(text, entry.number);
    }
    return methods;
  }

  /**
   * @param visible gives the commands that the caller is told of; it is only asked when there is something to tell
   * @throws MiError -32601 with the nearest names, or -32001 with the full names that fit
   */
  find(method: string, visible: () => readonly CommandEntry[]): CommandEntry {
    const [entry, another] = this.#candidates(method);
    if (entry === undefined)
      throw new MiError(codes.methodNotFound, undefined, this.#explainUnknown(method, visible()));
    if (another === undefined) return entry;
    const told = visible();
    const names = this.#candidates(method)
      .filter((one) => told.includes(one))
      .map(({ fullName }) => fullName);
    const hint = names.length === 0 ? '`which` lists all commands' : `supported names: ${names.join(', ')}`;
    throw new MiError(codes.methodAmbiguous, undefined, hint);
  }

  /** True if a text finds this command. */
  finds(method: string, entry: CommandEntry): boolean {
    const [found, another] = this.#candidates(method);
    return found === entry && another === undefined;
  }

  #candidates(method: string): readonly CommandEntry[] {
    const colon = method.indexOf(':', 1);
    if (colon !== -1 && colon < method.length - 1) {
      const entry = this.#full.get(method);
      return entry === undefined ? (this.#aliases.get(method) ?? []) : [entry];
    }
    return this.#local.get(method) ?? this.#aliases.get(method) ?? [];
  }

  #explainUnknown(method: string, visible: readonly CommandEntry[]): string {
    const [module] = method.split(':', 1);
    const known = opensipsCommand(method);
    if (known !== undefined && !this.#entries.some((entry) => method.includes(':') && entry.module === module)) {
      return known;
    }
    if (method.includes(':') && !this.#entries.some((entry) => entry.module === module)) {
      return `no module "${shorten(module ?? '', longestShown, '…')}" is loaded`;
    }
    const near = nearestNames(method, this.namesOf(visible));
    const hint = near.length === 0 ? '`which` lists all commands' : `nearest: ${near.join(', ')}`;
    return `no MI command "${shorten(method, longestShown, '…')}"; ${hint}`;
  }
}

function push(map: Map<string, CommandEntry[]>, name: string, entry: CommandEntry): void {
  const entries = map.get(name);
  if (entries === undefined) map.set(name, [entry]);
  else if (!entries.includes(entry)) entries.push(entry);
}

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
