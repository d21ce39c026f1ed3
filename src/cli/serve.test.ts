import { expect, test } from 'vitest';
import { defaultConfig, usage } from './serve.js';

const own = '/etc/mi-httpd/mi-httpd.cfg';
const shared = '/etc/opensips/opensips.cfg';

const cases: readonly (readonly [there: readonly string[], taken: string])[] = [
  [[], 'shipped.cfg'],
  [[shared], shared],
  [[own], own],
  [[shared, own], own],
];

for (const [there, taken] of cases) {
  test(`with ${there.join(' and ') || 'neither file'} there, ${taken} is the configuration`, () => {
    expect(defaultConfig('shipped.cfg', (file) => there.includes(file), false)).toBe(taken);
  });
}

test('in front of an OpenSIPS its file is left to it', () => {
  expect(defaultConfig('shipped.cfg', (file) => file === shared, true)).toBe('shipped.cfg');
  expect(defaultConfig('shipped.cfg', () => true, true)).toBe(own);
});

test('the help names them in this order', () => {
  expect(usage.indexOf(own) > 0 && usage.indexOf(own) < usage.indexOf(shared)).toBe(true);
});
