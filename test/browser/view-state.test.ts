// How a page is shown stands in its address: Back, a reload and a link that is passed on give it again.
import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { follow, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

function firstCells(page: Page): Promise<string[]> {
  return page.locator('tbody tr:visible td:first-child').allTextContents();
}

unless(skipped, describe)('the address has how a page is shown', () => {
  for (const method of [0, 1]) {
    test(`a result: its filter, order and view, mi_http_method ${method}`, async ({ startServer, openTab }) => {
      const server = await startServer({ modules: [sampleModule()], mi_http: { mi_http_method: method } });
      const page = await openTab(server);
      await page.goto('/mi/sample/sample:calls');
      await runForm(page);
      await page.getByRole('searchbox', { name: 'Filter rows' }).fill('example.com');
      await page.getByRole('columnheader', { name: 'Id' }).getByRole('button').click();
      await page.getByRole('columnheader', { name: 'Id' }).getByRole('button').click();
      await page.getByRole('searchbox', { name: 'Filter rows' }).fill('o');
      expect(await firstCells(page)).toStrictEqual(['10', '2', '1']);
      await page.getByRole('searchbox', { name: 'Filter rows' }).fill('ali');
      expect(await firstCells(page)).toStrictEqual(['10']);
      const state = { filter: 'ali', sort: '-Id' };
      expect(Object.fromEntries(new URLSearchParams(new URL(page.url()).hash.slice(1)))).toStrictEqual(state);
      // After a POST browsers ask whether to send it again.
      if (method === 1) return;
      await follow(page, () => page.getByRole('link', { name: 'Live', exact: true }).click());
      await follow(page, async () => void (await page.goBack()));
      await page.getByText('1 of 3 rows').waitFor();
      expect(await page.getByRole('searchbox', { name: 'Filter rows' }).inputValue()).toBe('ali');
      expect(await firstCells(page)).toStrictEqual(['10']);
      expect(await page.getByRole('columnheader', { name: 'Id' }).getAttribute('aria-sort')).toBe('descending');
      await showAs(page, 'Tree');
      await page.reload();
      expect(await page.getByRole('button', { name: 'Tree' }).getAttribute('aria-pressed')).toBe('true');
    });
  }

  test('events: their filter, over the rows of the server too', async ({ startServer, openTab }) => {
    const server = await startServer({});
    server.events.declare('E_ONE').raise({ number: 1 });
    server.events.declare('E_TWO').raise({ number: 2 });
    const page = await openTab(server);
    await page.goto('/mi/live');
    await page.getByText(/^live, /).waitFor();
    await page.getByRole('searchbox', { name: 'Filter rows' }).fill('two');
    const rows = page.getByRole('region', { name: 'Events' }).locator('tbody tr:visible');
    expect(await rows.count()).toBe(1);
    await page.goto('/mi/core');
    await page.goBack();
    await page.getByText(/^live, /).waitFor();
    expect(await page.getByRole('searchbox', { name: 'Filter rows' }).inputValue()).toBe('two');
    expect((await rows.allTextContents()).join()).toMatch(/^[^,]*E_TWO/);
    expect(await rows.count()).toBe(1);
  });

  test('calls: who made which', async ({ startServer, openTab, temporaryFile }) => {
    const audit_file = temporaryFile('audit', '');
    const server = await startServer({ modules: [sampleModule()], httpd: { audit_file } });
    const page = await openTab(server);
    await page.goto('/mi/sample/sample:change');
    await runForm(page);
    await page.goto('/mi/audit');
    await page.getByLabel('Command', { exact: true }).fill('change');
    await follow(page, () => page.getByRole('button', { name: 'Show' }).click());
    await page.goto('/mi/core');
    await page.goBack();
    expect(await page.getByLabel('Command', { exact: true }).inputValue()).toBe('change');
    expect(await page.getByRole('status').first().textContent()).toMatch(/^1 of 1 calls/);
  });
});
