// Without JavaScript, with the keyboard alone, and for assistive technology.

import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { assertAccessibleInColours, axe } from '../support/browser/axe.js';
import { follow, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

unless(skipped, describe)('access', () => {
  test('axe finds no violations, in light, dark and forced colours', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server, { prepare: axe, expected: /40[34]/ });
    await assertAccessibleInColours(page, 'start');
    await page.goto('/mi/usrloc');
    await assertAccessibleInColours(page, 'module');
    await page.goto('/mi/usrloc/usrloc:add');
    await assertAccessibleInColours(page, 'form');
    await page.goto('/mi/sample/sample:calls');
    await runForm(page);
    for (const view of ['Table', 'Tree', 'Text'] as const) {
      await showAs(page, view);
      await assertAccessibleInColours(page, view);
    }
    await page.goto('/mi/sample/sample:echo?arg=%5B1,2,3%5D');
    await page.getByRole('alert').waitFor();
    await assertAccessibleInColours(page, 'error');
    await page.keyboard.press('/');
    await page.keyboard.type('u');
    await page.getByRole('listbox').getByRole('option').first().waitFor();
    await assertAccessibleInColours(page, 'search');
    await page.goto('/mi/sample/sample:change?arg=');
    await page.getByRole('alert').waitFor();
    await assertAccessibleInColours(page, 'refused');
    server.events.declare('E_PBX_TRUNK_DOWN').raise({ trunk: 'north' });
    await page.goto('/mi/live');
    await page.getByText(/^live, /).waitFor();
    await assertAccessibleInColours(page, 'live');
    await page.goto('/mi/nothing');
    await assertAccessibleInColours(page, 'not found');
    await page.goto('/');
    await assertAccessibleInColours(page, 'landing page');
  });

  test('forced colours tell the module that is shown, and a state in a shape', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server, { forcedColors: 'active' });
    await page.goto('/mi/sample/sample:calls');
    const border = (name: string): Promise<unknown> =>
      page.evaluate(`getComputedStyle(document.querySelector('nav a[href="/mi/${name}"]')).borderBottomColor`);
    expect(await border('sample')).not.toBe(await border('core'));
    expect(await border('usrloc')).toBe(await border('core'));
    await runForm(page);
    const sign = (): Promise<unknown> =>
      page.evaluate('getComputedStyle(document.querySelector(".facts"), "::before").content');
    const good = await sign();
    await page.goto('/mi/sample/sample:echo?arg=%5B1,2,3%5D');
    expect(await sign()).not.toBe(good);
  });

  test('every page has a way back', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server, { expected: /404/ });
    for (const path of ['/readyz', '/healthz']) {
      await page.goto(path);
      await page.getByRole('link', { name: 'Start page' }).click();
      await page.getByRole('heading', { name: 'Root paths' }).waitFor();
    }
    await page.goto('/mi/nothing');
    await page.getByRole('heading', { level: 1 }).getByRole('link').click();
    await page.getByRole('heading', { level: 2, name: 'Overview' }).waitFor();
  });

  test('a phone shows every page without scrolling sideways', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server, {
      viewport: { width: 360, height: 740 },
      isMobile: true,
      hasTouch: true,
      expected: /403/,
    });
    const paths = ['/', '/mi', '/mi/live', '/mi/usrloc', '/mi/usrloc/usrloc:add', '/mi/core/core:log_level?arg=1+2+3'];
    for (const path of [...paths, '/mi/sample/sample:calls?arg=', '/mi/sample/sample:hostile?arg=']) {
      await page.goto(path);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      expect(width, path).toBe(360);
    }
  });

  test('without JavaScript every step works', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server, { javaScriptEnabled: false });
    for (const name of ['sample', 'sample:echo'])
      await follow(page, () => page.getByRole('link', { name, exact: true }).click());
    await page.getByRole('radio', { name: /text, also/ }).check();
    await page.getByLabel(/^text/).last().fill('a');
    await page.getByLabel(/^also/).fill('b');
    await runForm(page);
    const result = await page.getByRole('region', { name: 'Result' }).locator('pre').textContent();
    expect(JSON.parse(result ?? '')).toStrictEqual({ text: 'a', also: 'b' });
    await page.goto('/mi/sample/sample:change');
    await runForm(page);
    expect((await page.getByRole('region', { name: 'Result' }).textContent()) ?? '').toMatch(/OK/);
    await page.goto('/mi/usrloc/usrloc:rm');
    await page.getByLabel(/^table_name/).fill('location');
    await page.getByLabel(/^aor/).fill('nobody');
    await runForm(page);
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test('the keyboard alone finds a command, runs it and sorts its table', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server);
    await page.keyboard.press('/');
    await page.keyboard.type('records');
    await page.getByRole('option', { name: /sample:calls/ }).waitFor();
    const names = await page.getByRole('listbox').getByRole('option').allTextContents();
    const at = names.findIndex((name) => name.startsWith('sample:calls'));
    for (let step = 0; step < at; step++) await page.keyboard.press('ArrowDown');
    expect((await page.getByRole('listbox').getByRole('option', { selected: true }).textContent()) ?? '').toMatch(
      /sample:calls/,
    );
    await follow(page, () => page.keyboard.press('Enter'));
    expect(await page.getByRole('heading', { level: 2, name: 'sample:calls' }).count()).toBe(1);
    await page.keyboard.press('Tab');
    await page.getByRole('link', { name: 'Skip to the content' }).press('Enter');
    await expect.poll(() => page.evaluate('document.activeElement.localName')).toBe('main');
    await tabTo(page, 'Run');
    await follow(page, () => page.keyboard.press('Enter'));
    await page.getByRole('table').waitFor();
    await tabTo(page, 'Caller');
    await page.keyboard.press('Enter');
    const header = page.getByRole('columnheader', { name: 'Caller' });
    expect(await header.getAttribute('aria-sort')).toBe('ascending');
    await page.keyboard.press('/');
    await page.keyboard.type('zzz');
    await page.getByText('No command has that').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('listbox').getByRole('option').count()).toBe(0);
  });
});

/** Presses Tab until the control of that name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate('document.activeElement.textContent')) === name) return;
  }
  expect.unreachable(`Tab does not reach ${name}`);
}
