import { type Command, command } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { MiError } from '../../mi/errors.js';
import { ConstantResult } from '../../mi/results/result.js';
import type { BuiltInContext } from '../../module.js';

/** Commands about commands: which, help. */
export function reflectionCommands({ mi }: BuiltInContext<object>): readonly Command[] {
  const names = new WeakMap<readonly CommandEntry[], ConstantResult>();
  return [
    command({
      name: 'which',
      readOnly: true,
      withoutCall: true,
      withoutContext: true,
      help:
        'Lists all MI commands that the caller may run: the full names, then the names of OpenSIPS 3.x. For one command it lists the ' +
        'accepted combinations of parameters; for a module name with a colon, the commands of that module.',
      recipes: [{}, { command: 'string' }],
      run: ({ command: text }, { client }) => {
        const visible = mi.visibleTo(client);
        if (text === undefined) return allNames(visible);
        if (!text.endsWith(':')) return known(text, visible).command.recipes.map(({ names }) => names);
        const names = visible.map(({ fullName }) => fullName).filter((name) => name.startsWith(text));
        if (names.length === 0) throw unknownCommand();
        return names;
      },
    }),
    command({
      name: 'help',
      readOnly: true,
      withoutCall: true,
      withoutContext: true,
      help: 'Tells what an MI command does and which module exports it.',
      recipes: [{}, { mi_cmd: 'string' }],
      run: ({ mi_cmd: text }, { client }) => {
        if (text === undefined) return 'help <command> describes an MI command; which lists all of them';
        const { command: found, module } = known(text, mi.visibleTo(client));
        return { Help: found.help, 'Exported by': module };
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

function unknownCommand(): MiError {
  return new MiError(404, 'unknown MI command');
}
