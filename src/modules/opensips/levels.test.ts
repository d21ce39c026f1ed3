import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isForeignName } from '../../mi/commands/command.js';
import { knownCommand, knownNames } from './levels.js';

/** A command as the documentation of OpenSIPS has it. */
interface Documented {
  /** Of 4.0. */
  readonly name: string;
  /** Of 3.x. */
  readonly alias?: string;
  /** True if it answers when SIP has. */
  readonly later?: true;
}

const documented: readonly Documented[] = JSON.parse(
  readFileSync(new URL('../../../test/upstream/documented-commands.json', import.meta.url), 'utf8'),
);

describe('the table of levels', () => {
  test('has every command of the documentation, by its names of all versions', () => {
    expect(documented.length).toBeGreaterThan(270);
    for (const { name, alias = name, later = false } of documented) {
      const known = knownCommand(name);
      expect(known, name).toMatchObject({ full: name, isAsynchronous: later });
      expect(knownCommand(alias), alias).toMatchObject({ full: name });
    }
  });

  test('has commands that end or delete much at admin, and those that tell at read', () => {
    for (const name of ['kill', 'profile_end_dlgs', 'dlg_restore_db', 'clusterer_remove_node', 'cleanup']) {
      expect(knownCommand(name), name).toMatchObject({ level: 'admin', isReadOnly: false });
    }
    for (const name of ['ul_dump', 'dlg_list', 'which', 'get_statistics', 'ds_list', 'lb_list', 'address_dump']) {
      expect(knownCommand(name), name).toMatchObject({ level: 'read', isReadOnly: true, isLarge: true });
    }
    // A command whose name says that it changes something is none that only reads.
    const changes =
      /(?:^|[:_])(?:add|rm|set|reload|store|remove|reset|enable|disable|delete|end|terminate|push|flush|sync|drop)(?:$|_)/;
    const reading = knownNames.filter((name) => changes.test(name) && knownCommand(name)?.isReadOnly === true);
    const telling = ['dr_reload_status', 'drouting:reload_status', 'trie_reload_status', 'trie:reload_status'];
    expect(reading).toStrictEqual(telling);
  });

  test('has names that a command may have', () => {
    expect(knownNames.filter((name) => !isForeignName(name))).toStrictEqual([]);
  });
});
