// What is declared about parameters, in the form of a command; commands that take long.

import { describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { assertAccessible, axe } from '../support/browser/axe.js';
import { asJson, follow, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const trunks = defineModule({
  name: 'trunks',
  commands: [
    command({
      name: 'resize',
      help: 'Sets how many calls a trunk carries.',
      recipes: [{ trunk: 'string', capacity: 'int' }],
      optional: { codec: 'string', note: 'string' },
      parameters: {
        trunk: { help: 'The name of a trunk.', suggest: () => ['north', 'south'] },
        capacity: { help: 'Calls at once.', min: 1, max: 500 },
        codec: { choices: ['opus', 'pcmu'], default: 'opus' },
      },
      run: (given) => ({ ...given }),
    }),
  ],
});

unless(skipped, describe)('the form of a command', () => {
  for (const hasScript of [true, false]) {
    test(`has what is declared, and marks what is wrong, ${hasScript ? 'with' : 'without'} a script`, async ({
      startServer,
      openTab,
    }) => {
      const server = await startServer({ modules: [trunks] });
      const page = await openTab(server, hasScript ? { prepare: axe } : { javaScriptEnabled: false });
      await page.goto('/mi/trunks/trunks:resize');
      const offered = await page.locator('datalist option').all();
      expect(await Promise.all(offered.map((one) => one.getAttribute('value')))).toStrictEqual(['north', 'south']);
      expect(await page.getByText('Calls at once.').isVisible()).toBe(true);
      expect(await page.getByLabel(/as JSON, or words/).isVisible(), 'one way to enter').toBe(false);
      await page.getByLabel(/^trunk/).fill('north');
      await page.getByLabel(/^capacity integer, 1 to 500/).fill('501');
      await page.getByLabel(/^codec one of opus, pcmu; opus where it is left out/).selectOption('pcmu');
      await follow(page, () => page.getByRole('button', { name: 'Run', exact: true }).click());
      const wrong = page.getByLabel(/^capacity/);
      expect(await wrong.getAttribute('aria-invalid')).toBe('true');
      expect(await wrong.inputValue()).toBe('501');
      const [, mark = ''] = ((await wrong.getAttribute('aria-describedby')) ?? '').split(' ');
      expect(await page.locator(`[id="${mark}"]`).textContent()).toBe('Not taken; it takes: integer, 1 to 500');
      expect(await page.getByLabel(/^trunk/).getAttribute('aria-invalid')).toBe(null);
      if (hasScript) await assertAccessible(page, 'wrong');
      await wrong.fill('20');
      await runForm(page);
      if (hasScript) await showAs(page, 'Text');
      const result = await page.getByRole('region', { name: 'Result' }).locator('pre').textContent();
      expect(JSON.parse(result ?? '')).toStrictEqual({ trunk: 'north', capacity: 20, codec: 'pcmu' });
    });
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds nothing in forms of our own commands, ${colorScheme}`, async ({ startServer, openTab }) => {
      const server = await startServer({ usrloc: {} });
      const page = await openTab(server, { prepare: axe, colorScheme });
      for (const path of ['usrloc/usrloc:dump', 'usrloc/usrloc:add', 'core/core:log_level', 'evi/evi:recent']) {
        await page.goto(`/mi/${path}`);
        await asJson(page);
        await assertAccessible(page, path);
      }
    });
  }
});

unless(skipped, describe)('a command that takes long', () => {
  test('tells its time and when it is given up, and is given up by a button', async ({ startServer, openTab }) => {
    const seen = { isAborted: false };
    const slow = defineModule({
      name: 'slow',
      commands: [
        command({
          name: 'wait',
          help: 'Waits.',
          run: (_, { signal }) =>
            new Promise<string>((_resolve, reject) => {
              signal.addEventListener('abort', () => {
                seen.isAborted = true;
                reject(new Error('given up'));
              });
            }),
        }),
      ],
    });
    const server = await startServer({ modules: [slow, sampleModule()], mi_http: { mi_timeout: 47 } });
    // Playwright does nothing in a page that is being left: the page itself tells what it shows, and presses the button.
    const prepare = `setInterval(() => {
      const told = document.querySelector('.pending:not([hidden])');
      if (!told) return;
      console.log(told.innerText);
      if (/ [1-9][.]\\d s/.test(told.innerText)) told.querySelector('button').click();
    }, 200)`;
    const page = await openTab(server, { prepare });
    const told: string[] = [];
    page.on('console', (message) => void told.push(message.text()));
    await page.goto('/mi/slow/slow:wait');
    await page.getByRole('button', { name: 'Run', exact: true }).click({ noWaitAfter: true });
    await expect.poll(() => seen.isAborted, { timeout: 30_000 }).toBe(true);
    expect(told[0]).toMatch(/^Running, given up after 47 s \(mi_timeout\) \d+\.\d s/);
    expect(await page.getByText(/^Running/).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Run', exact: true }).isVisible()).toBe(true);
  });
});
