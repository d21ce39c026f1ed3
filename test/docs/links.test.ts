// Links of all pages lead somewhere, also in the package.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorsOf, guides, linksOf, pages } from '../support/pages.js';

describe('links', () => {
  for (const page of pages) {
    test(`${page}: every file and heading that it links to exists`, () => {
      for (const { path, anchor } of linksOf(page)) {
        const target = path === '' ? page : normalize(join(dirname(page), path));
        expect(existsSync(target), `${path} is missing`).toBe(true);
        if (anchor !== undefined) expect(anchorsOf(target), `${path}#${anchor} is no heading`).toContain(anchor);
      }
    });
  }

  test('the README leads to every guide and every reference page', () => {
    const targets = new Set(linksOf('README.md').map(({ path }) => path));
    const wanted = pages.filter((page) => /^docs\/(guide|reference)\//.test(page));
    expect(wanted.length).toBeGreaterThan(10);
    expect(wanted.filter((page) => !targets.has(page))).toStrictEqual([]);
  });

  test('pages of the package lead to files of the package, or to pages for developers', () => {
    const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly files: readonly string[] };
    const isPublished = (path: string): boolean =>
      ['README.md', 'LICENSE', ...files].some((one) => path === one || path.startsWith(`${one}/`));
    const isForDevelopers = (path: string): boolean =>
      /^(CONTRIBUTING\.md|docs\/[a-z-]+\.(md|png)|src\/|test\/|bench\/|scripts\/|crate\/)/.test(path);
    const published = pages.filter(isPublished);
    expect(published.length).toBeGreaterThan(15);
    for (const page of published) {
      for (const { path } of linksOf(page)) {
        const target = path === '' ? page : normalize(join(dirname(page), path));
        expect(isPublished(target) || isForDevelopers(target), `${page}: ${path} is in no package`).toBe(true);
      }
    }
  });

  test('guides are short: the README has 200 lines at most', () => {
    expect(guides.length).toBeGreaterThan(5);
    expect(readFileSync('README.md', 'utf8').split('\n').length).toBeLessThanOrEqual(201);
  });
});
