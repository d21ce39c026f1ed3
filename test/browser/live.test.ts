// The page that follows events.
import { readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { follow, skipped } from '../support/browser/chromium.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

unless(skipped, describe)('the live page', () => {
  test('shows events as they come, the newest first, and holds them while it is paused', async ({
    startServer,
    openTab,
  }) => {
    const server = await startServer({});
    const event = server.events.declare('E_PBX_TRUNK_DOWN');
    event.raise({ trunk: 'before' });
    const page = await openTab(server, {});
    await follow(page, () => page.getByRole('link', { name: 'Live', exact: true }).click());
    const rows = page.getByRole('table', { name: '' }).first().locator('tbody tr');
    await page.getByText(/^live, /).waitFor();
    expect(await rows.first().textContent()).toContain('before');
    event.raise({ trunk: '<b>north</b>\u202e' });
    await rows.filter({ hasText: '<b>north</b>' }).waitFor();
    expect(await rows.first().textContent()).toContain('<b>north</b>');
    await page.getByRole('button', { name: 'Pause' }).click();
    event.raise({ trunk: 'held' });
    await page.getByText(/paused, 1 wait/).waitFor();
    expect(await rows.filter({ hasText: 'held' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Go on' }).click();
    await rows.filter({ hasText: 'held' }).waitFor();
    await page.getByRole('searchbox', { name: 'Filter rows' }).fill('HELD');
    expect(await rows.filter({ visible: true, hasText: 'PBX' }).filter({ hasText: 'north' }).count()).toBe(0);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    const lines = readFileSync(await (await download).path(), 'utf8')
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line).params.trunk)).toStrictEqual(['<b>north</b>\u202e', 'held']);
  });

  test('lists subscribers, and ends one', async ({ startServer, openTab }) => {
    const server = await startServer({ event_datagram: {} });
    const event = server.events.declare('E_ONE');
    await server.events.subscribe(event, 'udp:127.0.0.1:9', undefined);
    const page = await openTab(server, {});
    await page.goto('/mi/live');
    await follow(page, () => page.getByRole('button', { name: 'End udp:127.0.0.1:9' }).click());
    expect(await page.getByRole('region', { name: 'Result' }).textContent()).toContain('OK');
    expect(server.events.subscriptionsOf(event)).toStrictEqual([]);
  });

  test('is complete without a script', async ({ startServer, openTab }) => {
    const server = await startServer({});
    server.events.declare('E_ONE').raise({ number: 1 });
    server.events.declare('E_TWO').raise({ number: 2 });
    const page = await openTab(server, { javaScriptEnabled: false });
    await page.goto('/mi/live');
    await page.getByLabel(/^Events, /).fill('E_T*');
    await follow(page, () => page.getByRole('button', { name: 'Show' }).click());
    const table = page.getByRole('region', { name: 'Events' });
    expect(await table.textContent()).toContain('E_TWO{"number":2}');
    expect(await table.textContent()).not.toContain('E_ONE');
  });
});
