import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** The script of axe, which a page has to be prepared with before {@link assertAccessible}. */
export const axe = readFileSync('node_modules/axe-core/axe.min.js', 'utf8');

interface AxeResults {
  readonly violations: readonly { id: string; help: string; nodes: readonly { html: string }[] }[];
  readonly passes: readonly unknown[];
}

/** Asserts that axe has looked at a page, and finds nothing wrong in it. */
export async function assertAccessible(page: Page, where: string): Promise<void> {
  const { violations, passes } = (await page.evaluate('axe.run()')) as AxeResults;
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
  expect(found, where).toStrictEqual([]);
  expect(passes.length, `axe looked at the page: ${passes.length}`).toBeGreaterThan(10);
}
