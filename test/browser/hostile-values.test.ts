// Values that SIP users choose are shown literally, wherever a page has them.
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { describe, test } from 'vitest';
import { openTab, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { hostile, sampleModule } from '../support/browser/sample-module.js';
import { startServer } from '../support/mi-client.js';
import { unless } from '../support/unless.js';

/** No value has become an element: the page has the scripts and headings that it always has. */
async function assertNothingInjected(page: Page, text: string): Promise<void> {
  assert.equal(await page.getByRole('heading', { name: 'owned' }).count(), 0, text);
  assert.equal(await page.locator('img').count(), 0, text);
  assert.equal(await page.locator('script').count(), 1, text);
}

unless(skipped, describe)('hostile values', () => {
  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript';

    test(`in a result are shown literally, ${how}`, async (t) => {
      const server = await startServer(t, { modules: [sampleModule()] });
      const page = await openTab(t, server, { javaScriptEnabled });
      await page.goto('/mi/sample/sample:hostile');
      assert.ok(await page.getByText('Texts that <b>SIP users</b> choose.').isVisible());
      await runForm(page);
      const result = page.getByRole('region', { name: 'Result' });
      if (javaScriptEnabled) await showAs(page, 'Text');
      assert.deepEqual(JSON.parse((await result.locator('pre').textContent()) ?? ''), hostile);
      if (javaScriptEnabled) {
        await showAs(page, 'Table');
        const cells = await result.getByRole('cell').allTextContents();
        assert.deepEqual(cells, Object.entries(hostile).flat());
        await showAs(page, 'Tree');
        const tree = (await result.textContent()) ?? '';
        for (const value of Object.values(hostile)) assert.ok(tree.includes(value), value);
      }
      await assertNothingInjected(page, how);
    });

    test(`as arguments come back literally, ${how}`, async (t) => {
      const server = await startServer(t, { modules: [sampleModule()] });
      const page = await openTab(t, server, { javaScriptEnabled });
      for (const text of Object.values(hostile)) {
        // A text field has no line breaks, whoever types them.
        const line = text.replaceAll('\n', '');
        await page.goto('/mi/sample/sample:echo');
        await page.getByLabel(/^text/).first().fill(line);
        await runForm(page);
        if (javaScriptEnabled) await showAs(page, 'Text');
        const result = await page.getByRole('region', { name: 'Result' }).locator('pre').textContent();
        assert.deepEqual(JSON.parse(result ?? ''), { text: line });
        assert.equal(await page.getByLabel(/^text/).first().inputValue(), line);
        await assertNothingInjected(page, text);
      }
      if (!javaScriptEnabled) return;
      const history = await page.getByRole('complementary', { name: 'History' }).textContent();
      for (const text of Object.values(hostile)) assert.ok(history?.includes(text.replaceAll('\n', '')), text);
    });

    test(`in errors are shown literally, ${how}`, async (t) => {
      const server = await startServer(t, { modules: [sampleModule()] });
      const page = await openTab(t, server, { javaScriptEnabled, expected: /404/ });
      for (const text of Object.values(hostile)) {
        const argument = JSON.stringify({ [text]: text });
        await page.goto(`/mi/sample/sample:echo?arg=${encodeURIComponent(argument)}`);
        await page.getByRole('alert').waitFor();
        assert.equal(await page.getByLabel(/as JSON, or words/).inputValue(), argument);
        await assertNothingInjected(page, text);
        await page.goto(`/mi/sample/${encodeURIComponent(text)}`);
        await assertNothingInjected(page, text);
        await page.goto(`/mi/${encodeURIComponent(text)}`);
        await assertNothingInjected(page, text);
      }
    });
  }
});
