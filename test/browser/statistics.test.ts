// The page of statistics: what changed since it was looked at, and what is set back.

import { assert, describe, expect } from 'vitest';
import { defineModule, type Module, type Statistic } from '#src/index.js';
import { assertAccessible, axe } from '../support/browser/axe.js';
import { follow, skipped } from '../support/browser/chromium.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** A module with a counter, which it hands out. */
function counting(): { readonly module: Module; readonly widgets: () => Statistic } {
  let made: Statistic | undefined;
  const module = defineModule({
    name: 'pbx',
    load: ({ mi: { statistics } }) => {
      made = statistics.add('pbx', 'widgets', 'counter', { help: 'Widgets made.' });
      return {};
    },
  });
  return {
    module,
    widgets: () => {
      assert(made);
      return made;
    },
  };
}

unless(skipped, describe)('the page of statistics', () => {
  test('tells what changed since it was looked at', async ({ startServer, openTab }) => {
    const { module, widgets: counter } = counting();
    const server = await startServer({ modules: [module] });
    const widgets = counter();
    widgets.add(5);
    const page = await openTab(server, { prepare: axe });
    await page.goto('/mi/statistics?filter=widgets');
    const row = page.getByRole('row', { name: /widgets/ });
    expect(await row.textContent()).toContain('Widgets made. (counter)');
    expect(await row.locator('.since').count()).toBe(0);
    widgets.add(1234);
    await page.goto('/mi/core');
    await page.goto('/mi/statistics?filter=widgets');
    expect(await row.locator('.since').textContent()).toBe('+1,234');
    await assertAccessible(page, 'since');
    await page.getByRole('button', { name: 'Count from now' }).click();
    expect(await row.locator('.since').count()).toBe(0);
    widgets.add(2);
    await page.reload();
    expect(await row.locator('.since').textContent()).toBe('+2');
  });

  for (const hasScript of [true, false]) {
    test(`sets a counter back, behind a question, ${hasScript ? 'with' : 'without'} a script`, async ({
      startServer,
      openTab,
    }) => {
      const { module, widgets: counter } = counting();
      const server = await startServer({ modules: [module] });
      const widgets = counter();
      widgets.add(5);
      const page = await openTab(server, { javaScriptEnabled: hasScript });
      await page.goto('/mi/statistics?filter=widgets');
      await follow(page, () => page.getByRole('button', { name: 'Reset pbx:widgets' }).click());
      expect(await call(server, 'get_statistics', [['widgets']])).toStrictEqual({ 'pbx:widgets': 5 });
      expect(await page.getByRole('alert').textContent()).toContain('["widgets"]');
      await follow(page, () => page.getByRole('button', { name: /^Run statistics:reset on / }).click());
      expect(await call(server, 'get_statistics', [['widgets']])).toStrictEqual({ 'pbx:widgets': 0 });
    });
  }

  test('offers no reset to those who may not', async ({ startServer, openTab }) => {
    const server = await startServer({ httpd: { deny_commands: 'statistics:reset' } });
    const page = await openTab(server);
    await page.goto('/mi/statistics');
    expect(await page.getByRole('button', { name: /^Reset / }).count()).toBe(0);
  });
});
