import { expect, test } from 'vitest';
import { addon } from './addon.js';
import { checkLayout } from './layout.js';

const groups = Object.entries(addon.layout());
const constants = groups.flatMap(([group, members]) =>
  Object.entries(members).map(([name, number]) => [group, name, number] as const),
);

/** The layout of the addon with one number changed, undefined for none. */
function changed(group: string, name: string, number: number | undefined): Record<string, Record<string, number>> {
  const layout = structuredClone(addon.layout());
  const members = layout[group] ?? {};
  if (number === undefined) delete members[name];
  else members[name] = number;
  return { ...layout, [group]: members };
}

test('the addon has the numbers that are compiled into TypeScript', () => {
  checkLayout(addon.layout());
  expect(new Set(constants.map(([group, name]) => `${group}.${name}`)).size).toBe(constants.length);
  expect(constants.length, `${constants.length} constants`).toBeGreaterThan(40);
});

test.for(constants)('a difference in %s.%s is told with both values and the remedy', ([group, name, number]) => {
  const told = (other: string) =>
    expect.objectContaining({
      message:
        `the native addon of mi-httpd is of another version: ${group}.${name} is ${other} in the addon and ${number} in the ` +
        'package; where it is a dependency, install it again; in a clone, run npm run build',
    });
  expect(() => checkLayout(changed(group, name, number + 1))).toThrow(told(`${number + 1}`));
  expect(() => checkLayout(changed(group, name, undefined))).toThrow(told('missing'));
});

test('a number that the addon alone has is told', () => {
  expect(() => checkLayout(changed('Outcome', 'other', 6))).toThrow(
    /Outcome\.other is 6 in the addon and missing in the p/,
  );
  expect(() => checkLayout(changed('Other', 'one', 1))).toThrow(
    /Other\.one is 1 in the addon and missing in the package/,
  );
  expect(() => checkLayout({})).toThrow(/Outcome\.call is missing in the addon and 0 in the package/);
});
