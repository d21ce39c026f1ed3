// The page of a fleet in a browser: one command on many, with and without a script, on a phone, for everybody.
import { describe, expect } from 'vitest';
import { axe, screens } from '../support/browser/axe.js';
import { follow, skipped } from '../support/browser/chromium.js';
import { startFleet } from '../support/fleet.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

unless(skipped, describe)('the page of a fleet', () => {
  for (const hasScript of [true, false]) {
    test(`one command runs on many, ${hasScript ? 'with' : 'without'} a script`, async ({ lifetime, openTab }) => {
      const fleet = await startFleet(lifetime, { way: 'http', members: ['sip-01', 'sip-02', 'sip-03'] });
      const page = await openTab(fleet.gatherer, { javaScriptEnabled: hasScript });
      await follow(page, () => page.getByRole('link', { name: 'Fleet', exact: true }).click());
      await page.getByLabel('Command', { exact: true }).fill('lab:who');
      await page.getByLabel(/^Members, parted/).fill('sip-0*');
      await follow(page, () => page.getByRole('button', { name: 'Run on the fleet' }).click());
      expect(await page.getByRole('status').first().textContent()).toContain('3 of 3 gave a result; 2 differ');
      expect(await page.locator('mark').allTextContents()).toStrictEqual(['sip-02', 'sip-03']);
      expect(await page.getByLabel('Command', { exact: true }).inputValue()).toBe('lab:who');
      await follow(page, () => page.getByRole('button', { name: 'Who would be asked?' }).click());
      expect(await page.getByRole('main').textContent()).toContain('Nobody was asked');
    });
  }

  for (const [screen, options, assertWell] of screens) {
    test(`axe finds nothing, ${screen}`, async ({ lifetime, openTab }) => {
      const fleet = await startFleet(lifetime, { way: 'http', members: ['sip-01', 'sip-02'] });
      const page = await openTab(fleet.gatherer, { prepare: axe, ...options });
      await page.goto('/mi/fleet');
      await assertWell(page, 'members');
      for (const [command, nodes] of [
        ['lab:who', ''],
        ['lab:fail', 'sip-01,ghost'],
        ['get_statistics', 'sip*'],
      ] as const) {
        await page.getByLabel('Command', { exact: true }).fill(command);
        if (command === 'get_statistics') await page.getByLabel(/^Parameters/).fill('["mi:"]');
        await page.getByLabel(/^Members, parted/).fill(nodes);
        await follow(page, () => page.getByRole('button', { name: 'Run on the fleet' }).click());
        const details = page.locator('main summary').first();
        if ((await details.count()) > 0) await details.click();
        await assertWell(page, command);
      }
    });
  }
});
