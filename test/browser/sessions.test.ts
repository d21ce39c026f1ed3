// Logging in and out in a browser, the palette and its keys, and statistics that are pinned.

import { describe, expect } from 'vitest';
import type { Server, ServerOptions } from '#src/index.js';
import { tokenLine, userLine } from '../support/accounts.js';
import { assertAccessible, axe, screens } from '../support/browser/axe.js';
import { follow, logIn, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import type { TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const token = 'mi_0123456789012345678901234567890123456789012';

function withUsers(files: TlsFiles): ServerOptions {
  const auth_file = files.write('users', userLine('alice', 'wonder:land', 'admin'));
  const auth_tokens = files.write('tokens', tokenLine('robot', token, 'read'));
  return { modules: [sampleModule()], usrloc: {}, httpd: { auth_file, auth_tokens, server_name: 'north' } };
}

unless(skipped, describe)('a browser', () => {
  for (const javaScriptEnabled of [true, false]) {
    test(`logs in by the page, and out, ${javaScriptEnabled ? 'with' : 'without'} a script`, async ({
      files,
      startServer,
      openTab,
    }) => {
      const server: Server = await startServer(withUsers(files));
      const page = await openTab(server, { javaScriptEnabled, expected: /401/ });
      await page.goto('/mi/contacts?q=a%20b&by=aor');
      expect(await page.title()).toMatch(/^north: log in/);
      await page.getByLabel('Name').fill('alice');
      await page.getByLabel('Password').fill('wrong');
      await follow(page, () => page.getByRole('button', { name: 'Log in', exact: true }).click());
      expect(await page.getByRole('alert').textContent()).toMatch(/is wrong/);
      expect(await page.getByLabel('Password').inputValue()).toBe('');
      await logIn(page);
      expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/mi/contacts?q=a%20b&by=aor');
      const [cookie] = await page.context().cookies();
      expect(cookie).toMatchObject({ name: 'mi_session', httpOnly: true, sameSite: 'Strict', path: '/', expires: -1 });
      await page.goto('/mi/sample/sample:change');
      await follow(page, () => page.getByRole('button', { name: /^Run/ }).first().click());
      expect(await page.getByRole('region', { name: 'Result' }).count(), 'a change by a cookie').toBe(1);
      await page.goto('/mi/sessions');
      expect(await page.getByRole('row', { name: /alice.*this one/ }).count()).toBe(1);
      await follow(page, () => page.getByRole('button', { name: 'Log out' }).click());
      expect(await page.getByRole('status').textContent()).toBe('You have logged out.');
      expect(await page.context().cookies()).toStrictEqual([]);
      await page.goBack();
      await page.getByRole('heading', { name: 'Log in' }).waitFor();
      if (javaScriptEnabled) expect(await page.evaluate('sessionStorage.length')).toBe(0);
    });
  }

  for (const [screen, options, assertWell] of screens) {
    test(`has a page to log in that axe finds nothing in, ${screen}`, async ({ files, startServer, openTab }) => {
      const server = await startServer(withUsers(files));
      const page = await openTab(server, { prepare: axe, expected: /401/, ...options });
      await page.getByText('Log in with a token').click();
      await assertWell(page, 'login');
      await page.getByLabel('Token').fill('x');
      await follow(page, () => page.getByRole('button', { name: 'Log in with the token' }).click());
      await assertWell(page, 'failed');
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      await logIn(page);
      await assertWell(page, 'start');
      await page.goto('/mi/sessions');
      await assertWell(page, 'sessions');
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    });
  }

  test('is let in by a token, and told when its session has ended', async ({ files, startServer, openTab }) => {
    const server = await startServer(withUsers(files));
    const page = await openTab(server, { expected: /401/ });
    await page.getByText('Log in with a token').click();
    await page.getByLabel('Token').fill(token);
    await follow(page, () => page.getByRole('button', { name: 'Log in with the token' }).click());
    await page.goto('/mi/sample/sample:echo');
    expect(await page.locator('header .user').textContent()).toMatch(/robot\s+read/);
    await page.context().clearCookies();
    await page.getByLabel(/^text/).first().fill('x');
    await follow(page, () => page.getByRole('button', { name: 'Run', exact: true }).click());
    await logIn(page);
    expect(new URL(page.url()).pathname).toBe('/mi/sample/sample:echo');
  });
});

unless(skipped, describe)('the palette', () => {
  test('finds commands by every name, pages, statistics and contacts, by keys alone', async ({
    startServer,
    openTab,
  }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server, { prepare: axe });
    const search = page.getByRole('combobox', { name: 'Find a command' });
    const go = async (text: string, option: RegExp): Promise<string> => {
      await page.keyboard.press('Control+k');
      expect(await search.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true);
      await page.keyboard.type(text);
      await page.getByRole('option', { name: option }).first().waitFor();
      await assertAccessible(page, text);
      for (let i = 0; i < 12; i++) {
        if (option.test((await page.locator('[role=option][aria-selected=true]').textContent()) ?? '')) break;
        await page.keyboard.press('ArrowDown');
      }
      await follow(page, () => page.keyboard.press('Enter'));
      const { pathname, search: query } = new URL(page.url());
      return pathname + query;
    };
    expect(await go('ul_dump', /usrloc:dump/)).toBe('/mi/usrloc/usrloc:dump');
    expect(await go('statist', /^statistics commands/)).toBe('/mi/statistics');
    expect(await go('overv', /^Overview/)).toBe('/mi');
    expect(await go('find contact alice b', /Find contact/)).toBe('/mi/contacts?q=alice+b');
    expect(await go('resident', /^mem:resident/)).toBe('/mi/statistics?filter=mem%3Aresident');
  });

  test('has keys that are listed, and one that runs the form', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server, { prepare: axe });
    await page.keyboard.press('?');
    const dialog = page.getByRole('dialog', { name: 'Keys' });
    expect(await dialog.textContent()).toContain('Ctrl+K');
    await assertAccessible(page, 'keys');
    await page.keyboard.press('Escape');
    expect(await dialog.count()).toBe(0);
    await page.goto('/mi/sample/sample:echo');
    const text = page.getByLabel(/^text/).first();
    await text.fill('a?b');
    expect(await dialog.count(), 'a letter in an input is a letter').toBe(0);
    await follow(page, () => text.press('Control+Enter'));
    await page.getByRole('region', { name: 'Result' }).waitFor();
  });
});

unless(skipped, describe)('a pinned statistic', () => {
  test('is on the overview, until it is let go', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()], usrloc: {} });
    const page = await openTab(server, { prepare: axe });
    await page.goto('/mi/statistics?filter=mem:resident');
    const pin = page.getByRole('button', { name: 'Pin mem:resident to the overview' });
    await follow(page, () => pin.click());
    expect(new URL(page.url()).search).toBe('?filter=mem%3Aresident');
    const unpin = page.getByRole('button', { name: 'Unpin mem:resident' });
    expect(await unpin.count()).toBe(1);
    await assertAccessible(page, 'statistics');
    await page.goto('/mi');
    const tile = page.locator('dl[aria-label="Pinned statistics"] > div');
    await expect.poll(() => tile.locator('dd').textContent()).toMatch(/^\d[\d.]* MB$/);
    await assertAccessible(page, 'overview');
    await follow(page, () => tile.getByRole('link', { name: 'mem:resident' }).click());
    await follow(page, () => unpin.click());
    await page.goto('/mi');
    await page.locator('figure.chart canvas').first().waitFor({ timeout: 60_000 });
    expect(await tile.count()).toBe(0);
  });
});

unless(skipped, describe)('the page of statistics', () => {
  test('tells p50, p90 and p99 of each command that was called', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    await call(server, 'core:version');
    const page = await openTab(server);
    await page.goto('/mi/statistics');
    const table = page.getByRole('region', { name: 'Time of calls' });
    for (const head of ['p50', 'p90', 'p99', 'longest'])
      expect(await table.getByRole('columnheader', { name: head, exact: true }).count(), head).toBe(1);
    expect(await table.getByRole('row', { name: /core:version/ }).count()).toBe(1);
  });
});
