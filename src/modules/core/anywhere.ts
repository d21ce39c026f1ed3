// Commands of core that every thread can run: they need no more than what it is told at its start.
import { readFileSync } from 'node:fs';
import { ctime } from '../../base/clock.js';
import { packageFile } from '../../base/package.js';
import { takesText } from '../../mi/commands/about.js';
import { type Command, shapedCommand as command } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { text as aText, either, list, mapOf, object } from '../../mi/commands/shape.js';
import { MiAnswer, type MiError } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { ConstantResult } from '../../mi/results/result.js';
import { type CommandsHere, type CommonFacts, only } from '../here.js';

export const coreHere: CommandsHere = ({ mi, facts, isToldAtHome }) => [
  { command: uptimeCommand(facts) },
  { command: versionCommand(facts) },
  ...reflectionCommands(mi).map((command) => ({
    command,
    takes: (given: CallParameters): boolean => {
      const text = only(given, 'mi_cmd');
      return command.name !== 'help' || typeof text !== 'string' || !isToldAtHome(text);
    },
  })),
];

export function uptimeCommand(facts: CommonFacts): Command {
  return command({
    name: 'uptime',
    where: 'anywhere',
    readOnly: true,
    withoutCall: true,
    withoutContext: true,
    help: 'Tells the time, when the server was started, and the seconds since then.',
    result: object({ Now: aText, 'Up since': aText, 'Up time': aText }),
    run: () => {
      return {
        Now: ctime(Date.now()),
        'Up since': ctime(facts.startedAt()),
        'Up time': `${facts.upTime()} [sec]`,
      };
    },
  });
}

export function versionCommand(facts: CommonFacts): Command {
  const server = `${facts.name} (${facts.version} (${machine()}/${process.platform}))`;
  const version = new ConstantResult({ Server: server });
  return command({
    name: 'version',
    where: 'anywhere',
    readOnly: true,
    withoutCall: true,
    withoutContext: true,
    help: 'Tells the name and version of the server; with any value for revision, the source revision too.',
    recipes: [{}, { revision: 'string' }],
    parameters: { revision: { help: 'Anything: the source revision is told, too.', suggest: ['1'] } },
    result: object({ Server: aText }, { git: aText, unknown: aText }),
    run: ({ revision }) => (revision === undefined ? version : { Server: server, ...sourceRevision() }),
  });
}

/** Commands about commands: which, help. */
export function reflectionCommands(mi: ManagementInterface): readonly Command[] {
  const names = new WeakMap<readonly CommandEntry[], ConstantResult>();
  return [
    command({
      name: 'which',
      where: 'anywhere',
      readOnly: true,
      withoutCall: true,
      withoutContext: true,
      help:
        'Lists all MI commands that the caller may run: the full names, then the names of OpenSIPS 3.x. For one command it lists the ' +
        'accepted combinations of parameters; for a module name with a colon, the commands of that module.',
      recipes: [{}, { command: 'string' }],
      parameters: {
        command: { help: 'Any name of a command, or a module with a colon.', suggest: () => suggestedModules(mi) },
      },
      result: either(list(aText), list(list(aText))),
      run: ({ command: text }, { client }) => {
        const visible = mi.visibleTo(client);
        if (text === undefined) return allNames(visible);
        if (!text.endsWith(':')) return known(text, visible).command.recipes.map(({ names }) => names);
        const names = mi.commands.namesOf(visible).filter((name) => name.startsWith(text));
        if (names.length === 0) throw unknownCommand();
        return names;
      },
    }),
    command({
      name: 'help',
      where: 'anywhere',
      readOnly: true,
      withoutCall: true,
      withoutContext: true,
      help: 'Tells what an MI command does, which module exports it, and what its parameters mean where they are declared.',
      recipes: [{}, { mi_cmd: 'string' }],
      parameters: { mi_cmd: { help: 'Any name of a command.' } },
      result: either(aText, object({ Help: aText, 'Exported by': aText }, { Parameters: mapOf(aText) })),
      run: ({ mi_cmd: text }, { client }) => {
        if (text === undefined) return 'help <command> describes an MI command; which lists all of them';
        const { command: found, module, exportedBy } = known(text, mi.visibleTo(client));
        const told = { Help: found.help, 'Exported by': exportedBy ?? module };
        return found.abouts.size === 0 ? told : { ...told, Parameters: parametersOf(found) };
      },
    }),
  ];

  function allNames(visible: readonly CommandEntry[]): ConstantResult {
    const known = names.get(visible) ?? new ConstantResult(mi.commands.namesOf(visible));
    names.set(visible, known);
    return known;
  }

  function known(text: string, visible: readonly CommandEntry[]): CommandEntry {
    const entry = visible.find((one) => mi.commands.finds(text, one));
    if (entry === undefined) throw unknownCommand();
    return entry;
  }
}

/** What the declared parameters of a command mean and take. */
function parametersOf(found: Command): Record<string, string> {
  const told = [...found.abouts].map(([name, about]) => {
    const takes = takesText(found.typeOf(name), about);
    return [name, about.help === undefined ? takes : `${about.help} It takes: ${takes}`] as const;
  });
  return Object.fromEntries(told);
}

function suggestedModules({ commands }: ManagementInterface): readonly string[] {
  return [...new Set(commands.all.map(({ module }) => `${module}:`))];
}

function unknownCommand(): MiError {
  return new MiAnswer(404, 'unknown MI command');
}

/** OpenSIPS writes the names that uname has for a machine. */
function machine(): string {
  return { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
}

/**
 * The source revision that the build recorded, as the member that `version` adds:
 * `{ git: '448fdf959' }`, or `{ unknown: 'unknown' }` for a build from no repository.
 */
export function sourceRevision(): { readonly git: string } | { readonly unknown: string } {
  try {
    const { git } = JSON.parse(readFileSync(packageFile('dist/revision.json'), 'utf8'));
    if (typeof git === 'string') return { git };
  } catch {
    // Built without a record: answered like an OpenSIPS built from no repository.
  }
  return { unknown: 'unknown' };
}
