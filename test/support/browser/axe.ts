import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { phone, type TabOptions } from './chromium.js';

/** The script of axe, which a page has to be prepared with before {@link assertAccessible}. */
export const axe = readFileSync('node_modules/axe-core/axe.min.js', 'utf8');

/**
 * Runs in the page. Of what is right axe tells one element a rule: without that limit it makes a selector for each element
 * of the page, which takes most of its time, and all of them would be sent here.
 */
const look = `axe.run({ resultTypes: ['violations'] }).then(({ violations, passes }) => ({
  passes: passes.length,
  found: violations.map(({ id, help, nodes }) => id + ': ' + help + ': ' + nodes.map(({ html }) => html).join(' ')),
}))`;

/** Asserts that axe has looked at a page, and finds nothing wrong in it. */
export async function assertAccessible(page: Page, where: string): Promise<void> {
  const { found, passes } = (await page.evaluate(look)) as { readonly passes: number; readonly found: string[] };
  expect(found, where).toStrictEqual([]);
  expect(passes, `axe looked at the page: ${passes}`).toBeGreaterThan(10);
}

/** The same in light, in dark and in forced colours, one after the other in the page as it is. */
export async function assertAccessibleInColours(page: Page, where: string): Promise<void> {
  for (const colours of [{ colorScheme: 'dark' }, { forcedColors: 'active' }, { colorScheme: 'light' }] as const) {
    await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none', ...colours });
    await assertAccessible(page, `${where}, ${JSON.stringify(colours)}`);
  }
}

type Screen = readonly [name: string, options: TabOptions, look: typeof assertAccessible];

/** Where pages are looked at, and how: a large screen in all colours, and a small one. */
export const screens: readonly Screen[] = [
  ['in light, dark and forced colours', {}, assertAccessibleInColours],
  ['on a phone', phone, assertAccessible],
];
