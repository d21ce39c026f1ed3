// The page of contacts in a browser: few steps, with and without a script, on a phone, for everybody.

import { describe, expect } from 'vitest';
import type { Server, ServerOptions } from '#src/index.js';
import { axe, screens } from '../support/browser/axe.js';
import { follow, phone, skipped } from '../support/browser/chromium.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

async function startWithContacts(startServer: (options: ServerOptions) => Promise<Server>): Promise<Server> {
  const server = await startServer({ usrloc: { domains: 'location,trunks' } });
  const [location, trunks] = ['location', 'trunks'].map((name) => server.usrloc?.domain(name));
  for (let index = 0; index < 60; index++) {
    location?.save(`user${index}`, {
      contact: `sip:user${index}@192.0.2.1:5060;transport=tcp`,
      expires: 1000 + index,
      received: 'sip:198.51.100.7:49152',
      userAgent: index === 41 ? 'Yealink SIP-T46S 66.85.0.5' : 'Grandstream GXP2170 1.0.11.64',
      q: 0.5,
    });
  }
  trunks?.save('carrier', { contact: 'sip:carrier@203.0.113.9', expires: 'permanent', userAgent: 'a\u202egnp' });
  return server;
}

unless(skipped, describe)('the page of contacts', () => {
  for (const hasScript of [true, false]) {
    test(`a contact is found by its user agent and deleted in four steps, ${hasScript ? 'with' : 'without'} a script`, async ({
      startServer,
      openTab,
    }) => {
      const server = await startWithContacts(startServer);
      const page = await openTab(server, { javaScriptEnabled: hasScript });
      await follow(page, () => page.getByRole('link', { name: 'Contacts', exact: true }).click());
      await page.getByLabel('Those with').fill('yealink');
      await follow(page, () => page.getByLabel('Those with').press('Enter'));
      expect(await page.getByRole('status').first().textContent()).toBe('1 of 61');
      await follow(page, () => page.getByRole('button', { name: /^Delete contact sip:user41@/ }).click());
      expect(await page.getByRole('main').textContent()).toContain('of user41 in table location is deleted');
      await follow(page, () => page.getByRole('button', { name: /^Delete contact on / }).click());
      await page.getByText('The contact is deleted.').waitFor();
      expect(server.usrloc?.domain('location').lookup('user41')).toStrictEqual([]);
      expect(await page.getByLabel('Those with').inputValue()).toBe('yealink');
      await page.reload();
      expect(server.usrloc?.domain('location').users).toBe(59);
    });
  }

  for (const [screen, options, assertWell] of screens) {
    test(`axe finds nothing, ${screen}`, async ({ startServer, openTab }) => {
      const server = await startWithContacts(startServer);
      const page = await openTab(server, { prepare: axe, ...options });
      for (const path of ['/mi/contacts', '/mi/contacts?q=user1&sort=-aor', '/mi/contacts?q=none&table=x']) {
        await page.goto(path);
        const first = page.locator('summary').first();
        if ((await first.count()) > 0) await first.click();
        await assertWell(page, path);
      }
      await page.goto('/mi/contacts?q=user41');
      await page.locator('summary').first().click();
      await follow(page, () => page.getByRole('button', { name: 'Delete AOR user41' }).click());
      await assertWell(page, 'the question');
    });
  }

  for (const hasScript of [true, false]) {
    test(`all values are seen on a phone, ${hasScript ? 'with' : 'without'} a script`, async ({
      startServer,
      openTab,
    }) => {
      const server = await startWithContacts(startServer);
      const page = await openTab(server, { ...phone, javaScriptEnabled: hasScript });
      await page.goto('/mi/contacts?q=user41');
      await page.locator('summary').first().click();
      const { width } = phone.viewport;
      const values = page.locator('td:not(:empty), dd, td bdi');
      for (const value of await values.all()) {
        const box = await value.boundingBox();
        expect(box === null ? Number.NaN : box.x + box.width, (await value.textContent()) ?? '').toBeLessThanOrEqual(
          width,
        );
      }
      expect(await values.count()).toBeGreaterThan(15);
    });
  }

  test('Back gives what was looked for and how it was sorted; values are copied', async ({ startServer, openTab }) => {
    const server = await startWithContacts(startServer);
    const page = await openTab(server);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.goto('/mi/contacts?q=grandstream&by=User-agent');
    await follow(page, () => page.getByRole('link', { name: 'AOR', exact: true }).click());
    await follow(page, () => page.getByRole('link', { name: 'Next page' }).click());
    await page.goBack();
    expect(await page.getByLabel('Those with').inputValue()).toBe('grandstream');
    expect(await page.getByLabel('in', { exact: true }).inputValue()).toBe('User-agent');
    expect(await page.getByRole('columnheader', { name: 'AOR' }).getAttribute('aria-sort')).toBe('ascending');
    await page.goto('/mi/contacts?q=user41');
    await page.getByRole('button', { name: 'Copy AOR user41' }).click();
    await page.getByText('Copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('user41');
  });

  test('characters that nobody sees are marked', async ({ startServer, openTab }) => {
    const server = await startWithContacts(startServer);
    const page = await openTab(server);
    await page.goto('/mi/contacts?q=carrier');
    expect(await page.getByRole('cell', { name: /gnp/ }).textContent()).toBe('aU+202Egnp');
  });
});
