// The overview and the page of statistics: alive with a script, complete without one.

import { describe, expect } from 'vitest';
import { axe, screens } from '../support/browser/axe.js';
import { follow, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

unless(skipped, describe)('the overview', () => {
  for (const [screen, options, assertWell] of screens) {
    test(`has charts, and axe finds no violations, ${screen}`, async ({ startServer, openTab }) => {
      const server = await startServer({ modules: [sampleModule()], usrloc: {} });
      server.status.add('pbx', { identifier: 'north', status: -1, details: 'no route' });
      await call(server, 'version');
      const page = await openTab(server, { prepare: axe, ...options });
      await page.locator('figure.chart canvas').nth(2).waitFor({ timeout: 60_000 });
      await page.getByText('As a table').first().click();
      await assertWell(page, 'overview');
      await page.goto('/mi/statistics?filter=mem&chart=mem:resident');
      await page.locator('figure.chart canvas').first().waitFor({ timeout: 60_000 });
      await assertWell(page, 'statistics');
      if (options.isMobile !== true) return;
      for (const path of ['/mi', '/mi/statistics']) {
        await page.goto(path);
        expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(390);
      }
      // Every value is within the window.
      const cell = await page
        .getByRole('row', { name: /resident/ })
        .locator('td')
        .first()
        .boundingBox();
      expect(cell === null ? Number.NaN : cell.x + cell.width).toBeLessThanOrEqual(390);
    });
  }

  test('follows what happens without a reload', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server);
    const tile = page.locator('.tiles dd[data-name="mi:calls"]');
    await expect.poll(() => tile.textContent(), { timeout: 60_000 }).toMatch(/\/s$/);
    const before = await tile.textContent();
    await expect
      .poll(
        async () => {
          for (let round = 0; round < 100; round++) await call(server, 'version');
          return tile.textContent();
        },
        { timeout: 60_000 },
      )
      .not.toBe(before);
    expect(await page.locator('.live').textContent()).toBe('');
  });

  test('tells that the server is gone', async ({ startServer, openTab }) => {
    const server = await startServer();
    const page = await openTab(server, { expected: /Failed to load resource|ERR_CONNECTION/ });
    await page.locator('figure.chart canvas').first().waitFor({ timeout: 60_000 });
    await server.close({ deadline: 0 });
    await page.getByText(/The server has not answered since/).waitFor({ timeout: 60_000 });
  });

  test('is complete without JavaScript', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server, { javaScriptEnabled: false });
    await expect
      .poll(
        async () => {
          await follow(page, () => page.getByRole('link', { name: 'Refresh' }).click());
          return page.getByRole('img', { name: /^Calls a second, last 10 minutes, calls: least/ }).count();
        },
        { timeout: 60_000 },
      )
      .toBe(1);
    expect((await page.locator('.judgement').first().textContent()) ?? '').toMatch(/ready/);
    await page.getByText('As a table').first().click();
    expect(
      await page.getByRole('region', { name: 'Calls a second as a table' }).getByRole('row').count(),
    ).toBeGreaterThan(1);
    await follow(page, () => page.getByRole('link', { name: 'Last day' }).click());
    expect(await page.getByRole('link', { name: 'Last day' }).getAttribute('aria-current')).toBe('true');
    await follow(page, () => page.getByRole('link', { name: 'All statistics' }).click());
    await page.getByLabel('Those with').fill('httpd replies');
    await follow(page, () => page.getByRole('button', { name: 'Show' }).click());
    expect(await page.getByRole('row', { name: /replies_2xx/ }).count()).toBe(1);
    expect(await page.getByRole('row', { name: /heap_used/ }).count()).toBe(0);
    await follow(page, () => page.getByRole('button', { name: 'replies_2xx', exact: true }).click());
    expect(await page.locator('figure.chart figcaption').textContent()).toBe('httpd:replies_2xx a second');
    await follow(page, () => page.getByRole('link', { name: 'Last day' }).click());
    expect(await page.getByLabel('Those with').inputValue()).toBe('httpd replies');
    expect(await page.getByRole('link', { name: 'Last day' }).getAttribute('aria-current')).toBe('true');
    expect(await page.locator('figure.chart figcaption').textContent()).toBe('httpd:replies_2xx a second');
    await follow(page, () => page.getByRole('button', { name: 'Pin httpd:replies_2xx to the overview' }).click());
    expect(await page.getByRole('button', { name: 'Unpin httpd:replies_2xx' }).count()).toBe(1);
    expect(await page.getByRole('link', { name: 'Last day' }).getAttribute('aria-current')).toBe('true');
    expect(await page.locator('figure.chart figcaption').textContent()).toBe('httpd:replies_2xx a second');
    await page.getByRole('searchbox', { name: 'Find a command' }).fill('subscriber end');
    await follow(page, () => page.getByRole('button', { name: 'Find', exact: true }).click());
    await follow(page, () => page.getByRole('link', { name: 'evi:end_subscriber' }).click());
    expect(await page.getByRole('heading', { level: 2 }).first().textContent()).toBe('evi:end_subscriber');
    await page.goto('/mi');
    const tile = page.locator('dl[aria-label="Pinned statistics"] > div');
    expect(await tile.textContent()).toMatch(/httpd:replies_2xx\s*\d+/);
  });

  test('Back gives the filter with the rows that it left', async ({ startServer, openTab }) => {
    const server = await startServer();
    const page = await openTab(server);
    await page.goto('/mi/statistics');
    await page.getByLabel('Those with').fill('replies');
    await expect.poll(() => page.getByRole('row', { name: /heap_used/ }).count()).toBe(0);
    expect(new URL(page.url()).searchParams.get('filter')).toBe('replies');
    await page.goto('/mi/core');
    await page.goBack();
    await expect.poll(() => page.getByLabel('Those with').inputValue()).toBe('replies');
    expect(await page.getByRole('row', { name: /heap_used/ }).count()).toBe(0);
    expect(await page.getByRole('row', { name: /replies_2xx/ }).count()).toBe(1);
  });
});
