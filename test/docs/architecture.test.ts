// docs/architecture.md shows the source as it is.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { linksOf } from '../support/pages.js';

const page = 'docs/architecture.md';
const text = readFileSync(page, 'utf8');
const linked = new Set(linksOf(page).map(({ path }) => join('docs', path)));

/** What lies directly in a folder: files of TypeScript that are no tests, and folders. */
function within(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => /(?<!\.test)\.ts$/.test(name) || statSync(join(folder, name)).isDirectory())
    .map((name) => join(folder, name));
}

describe('docs/architecture.md', () => {
  for (const folder of ['src', 'src/http', 'src/mi']) {
    test(`leads to everything in ${folder}`, () => {
      expect(within(folder).filter((path) => !linked.has(path))).toStrictEqual([]);
    });
  }

  test('names functions that are in the files that it links to', () => {
    const named = [...text.matchAll(/\]\((\.\.\/[^)]+)\)((?:,? \*[^*\n]+\*)+)/g)];
    expect(named.length).toBeGreaterThan(10);
    for (const [, path = '', names = ''] of named) {
      const source = readFileSync(join('docs', path), 'utf8');
      for (const [, name = ''] of names.matchAll(/\*([^*]+)\*/g)) {
        expect(source, `${path}: ${name}`).toMatch(new RegExp(`(?<![\\w#])${name}(?:\\(|<|: \\()`));
      }
    }
  });

  test('names constants that are in the files that it links to', () => {
    const named = [...text.matchAll(/`(\w+)` (?:in|of) \[[^\]]*\]\((\.\.\/[^)]+)\)/g)];
    expect(named.length).toBeGreaterThan(2);
    for (const [, name = '', path = ''] of named) {
      expect(readFileSync(join('docs', path), 'utf8'), `${path}: ${name}`).toContain(name);
    }
  });
});
