// Values that SIP users choose are shown literally, wherever a page has them.
import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { runForm, showAs, skipped } from '../support/browser/chromium.js';
import { hostile, sampleModule } from '../support/browser/sample-module.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** No value has become an element: the page has the scripts and headings that it always has. */
async function assertNothingInjected(page: Page, text: string): Promise<void> {
  expect(await page.getByRole('heading', { name: 'owned' }).count(), text).toBe(0);
  expect(await page.locator('img:not(.state)').count(), text).toBe(0);
  expect(await page.locator('script:not([src$="/page.js"], [src$="/command.js"])').count(), text).toBe(0);
}

/** A text with marks for what nobody would see. */
function marked(text: string): string {
  return text.replace(/[\t\n\u202c\u202e]|\u200d/g, (character) => {
    return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  });
}

unless(skipped, describe)('hostile values', () => {
  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript';

    test(`in a result are shown literally, ${how}`, async ({ startServer, openTab }) => {
      const server = await startServer({ modules: [sampleModule()] });
      const page = await openTab(server, { javaScriptEnabled });
      await page.goto('/mi/sample/sample:hostile');
      expect(await page.getByText('Texts that <b>SIP users</b> choose.').isVisible()).toBe(true);
      await runForm(page);
      const result = page.getByRole('region', { name: 'Result' });
      if (javaScriptEnabled) await showAs(page, 'Text');
      expect(JSON.parse((await result.locator('pre').textContent()) ?? '')).toStrictEqual(hostile);
      if (javaScriptEnabled) {
        await showAs(page, 'Table');
        const cells = await result.getByRole('cell').allTextContents();
        expect(cells).toStrictEqual(Object.entries(hostile).flat().map(marked));
        await showAs(page, 'Tree');
        const tree = (await result.textContent()) ?? '';
        for (const value of Object.values(hostile)) expect(tree, value).toContain(marked(value));
      }
      await assertNothingInjected(page, how);
    });

    test(`as arguments come back literally, ${how}`, async ({ startServer, openTab }) => {
      const server = await startServer({ modules: [sampleModule()] });
      const page = await openTab(server, { javaScriptEnabled });
      for (const text of Object.values(hostile)) {
        // A text field has no line breaks, whoever types them.
        const line = text.replaceAll('\n', '');
        await page.goto('/mi/sample/sample:echo');
        await page.getByLabel(/^text/).first().fill(line);
        await runForm(page);
        if (javaScriptEnabled) await showAs(page, 'Text');
        const result = await page.getByRole('region', { name: 'Result' }).locator('pre').textContent();
        expect(JSON.parse(result ?? '')).toStrictEqual({ text: line });
        expect(await page.getByLabel(/^text/).first().inputValue()).toBe(line);
        await assertNothingInjected(page, text);
      }
      if (!javaScriptEnabled) return;
      const history = await page.getByRole('complementary', { name: 'History' }).textContent();
      for (const text of Object.values(hostile))
        expect(history?.includes(marked(text.replaceAll('\n', ''))), text).toBeTruthy();
    });

    test(`in errors are shown literally, ${how}`, async ({ startServer, openTab }) => {
      const server = await startServer({ modules: [sampleModule()] });
      const page = await openTab(server, { javaScriptEnabled, expected: /404/ });
      for (const text of Object.values(hostile)) {
        const argument = JSON.stringify({ [text]: text });
        await page.goto(`/mi/sample/sample:echo?arg=${encodeURIComponent(argument)}`);
        await page.getByRole('alert').waitFor();
        expect(await page.getByLabel(/as JSON, or words/).inputValue()).toBe(argument);
        await assertNothingInjected(page, text);
        await page.goto(`/mi/sample/${encodeURIComponent(text)}`);
        await assertNothingInjected(page, text);
        await page.goto(`/mi/${encodeURIComponent(text)}`);
        await assertNothingInjected(page, text);
      }
    });
  }
});
