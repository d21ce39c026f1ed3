// A window of 390 pixels: every value is in sight, and axe finds nothing.

import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { assertAccessible, axe } from '../support/browser/axe.js';
import { phone, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** No cell of a table reaches beyond the window. */
async function assertInSight(page: Page, where: string): Promise<void> {
  const wide = await page.evaluate(`[...document.querySelectorAll('td, tbody th')]
    .filter((cell) => cell.getBoundingClientRect().right > innerWidth + 1 && !cell.closest('details:not([open])'))
    .map((cell) => cell.textContent)`);
  expect(wide, where).toStrictEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth'), where).toBe(390);
}

unless(skipped, describe)('at 390 pixels', () => {
  test('values are in sight, with a script', async ({ startServer, openTab, temporaryFile }) => {
    const audit_file = temporaryFile('audit', '');
    const server = await startServer({ modules: [sampleModule()], usrloc: {}, httpd: { audit_file } });
    for (const aor of ['alice', 'bob', 'carol', 'dave', 'erin']) {
      server.usrloc?.domain('location').save(aor, {
        contact: `sip:${aor}@192.0.2.1:5060;transport=tcp;x=${'y'.repeat(80)}`,
        expires: 3600,
        userAgent: 'Yealink SIP-T46S 66.85.0.5',
      });
    }
    await call(server, 'sample:change');
    server.events.declare('E_PBX_TRUNK_DOWN').raise({ trunk: 'n'.repeat(120) });
    const page = await openTab(server, { ...phone, prepare: axe });
    await page.goto('/mi/statistics/statistics:get?arg=%5B%5B"httpd:","mem:"%5D%5D');
    await page.getByRole('table').waitFor();
    await assertInSight(page, 'two columns');
    await page.goto('/mi/usrloc/usrloc:dump?arg=');
    await page.getByRole('table').waitFor();
    await assertInSight(page, 'records');
    await assertAccessible(page, 'records');
    const record = page.getByRole('row').filter({ hasText: 'carol' });
    expect(await record.getByRole('cell').first().getAttribute('data-label')).toBe('AOR');
    expect(await page.evaluate('getComputedStyle(document.querySelector("td"), "::before").content')).toMatch(/AOR/);
    // The same in all rows is told once.
    const same = page.getByRole('group', { name: 'The same in all rows' });
    expect(await same.textContent()).toContain('User-agentYealink SIP-T46S 66.85.0.5');
    expect(await page.getByRole('table').textContent()).not.toContain('Yealink');
    await page.getByRole('combobox', { name: 'Sort by' }).selectOption({ label: 'AOR, the other way round' });
    expect(await page.getByRole('row').first().textContent()).toContain('erin');
    for (const path of ['/mi', '/mi/statistics', '/mi/audit', '/mi/live']) {
      await page.goto(path);
      await assertInSight(page, path);
      await assertAccessible(page, path);
    }
    await page.goto('/mi/core/core:ps');
    await runForm(page);
    await assertInSight(page, 'ps');
    await showAs(page, 'Tree');
    await assertInSight(page, 'ps as a tree');
  });

  test('values are in sight, without a script', async ({ startServer, openTab, temporaryFile }) => {
    const audit_file = temporaryFile('audit', '');
    const server = await startServer({ modules: [sampleModule()], httpd: { audit_file } });
    await call(server, 'sample:change');
    server.events.declare('E_PBX_TRUNK_DOWN').raise({ trunk: 'n'.repeat(120) });
    const page = await openTab(server, { ...phone, javaScriptEnabled: false });
    for (const path of ['/mi', '/mi/statistics', '/mi/audit', '/mi/live']) {
      await page.goto(path);
      await assertInSight(page, path);
    }
  });
});

unless(skipped, describe)('the header', () => {
  test('has the zone in the line of the search, in every window', async ({ startServer, openTab }) => {
    const server = await startServer({ usrloc: {}, httpd: { server_name: 'pbx-north-01' } });
    const page = await openTab(server);
    for (const width of [390, 640, 800, 1024, 1200, 1280, 1440, 1920]) {
      await page.setViewportSize({ width, height: 800 });
      const [search, zone] = await Promise.all(['.search', '.zone'].map((one) => page.locator(one).boundingBox()));
      const middle = (box: typeof search): number => (box ? Math.round(box.y + box.height / 2) : Number.NaN);
      expect(middle(zone ?? null), String(width)).toBe(middle(search ?? null));
      expect(search?.width, String(width)).toBeGreaterThan(180);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), String(width)).toBe(true);
    }
  });
});

unless(skipped, describe)('a wide table', () => {
  test('keeps its first column in sight', async ({ startServer, openTab }) => {
    const server = await startServer({ usrloc: {} });
    for (const [index, aor] of ['alice', 'bob'].entries()) {
      const contact = `sip:${aor}@192.0.2.1:5060;x=${'y'.repeat(80)}`;
      server.usrloc?.domain('location').save(aor, { contact, expires: 3600 + index, userAgent: 'z'.repeat(80) });
    }
    const page = await openTab(server, { viewport: { width: 800, height: 800 } });
    await page.goto('/mi/usrloc/usrloc:dump?arg=');
    const first = page.getByRole('cell').first();
    const before = await first.boundingBox();
    await page.evaluate('document.querySelector(".frame").scrollTo(400, 0)');
    expect(await page.evaluate('document.querySelector(".frame").scrollLeft')).toBe(400);
    expect((await first.boundingBox())?.x).toBe(before?.x);
  });
});
