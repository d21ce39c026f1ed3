// The program of an embedder, as small as one may be: trunks of a PBX, with a command that reads and one that writes.
import { command, defineModule, MiError } from 'mi-httpd';

export interface Trunk {
  readonly name: string;
  readonly capacity: number;
}

/** The types that its clients call it by. */
export interface TrunkCommands {
  'pbx:trunks': { result: readonly Trunk[] };
  'pbx:resize': { params: { trunk: string; capacity: number }; result: Trunk };
}

/** A module with trunks of its own, so that no test sees what another one did. */
export function trunks(given: readonly Trunk[]) {
  const all = new Map(given.map((trunk) => [trunk.name, trunk]));
  return defineModule({
    name: 'pbx',
    commands: [
      command({ name: 'trunks', help: 'Lists the trunks.', readOnly: true, run: () => [...all.values()] }),
      command({
        name: 'resize',
        help: 'Sets how many calls a trunk carries.',
        level: 'admin',
        recipes: [{ trunk: 'string', capacity: 'int' }],
        run: ({ trunk, capacity }) => {
          if (!all.has(trunk)) throw new MiError(404, 'Trunk not found', { known: [...all.keys()] });
          const resized = { name: trunk, capacity };
          all.set(trunk, resized);
          return resized;
        },
      }),
    ],
  });
}
