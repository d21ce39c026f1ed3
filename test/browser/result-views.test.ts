import { execFileSync } from 'node:child_process';
import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { createServer } from '#src/index.js';
import { asJson, follow, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** Cells of one column, top down. */
async function column(page: Page, index: number): Promise<string[]> {
  const rows = await page.getByRole('table').getByRole('row').all();
  const cells = await Promise.all(rows.slice(1).map((row) => row.getByRole('cell').nth(index).textContent()));
  return cells.map((cell) => cell ?? '');
}

unless(skipped, describe)('a result', () => {
  test('that is a list of records is a table that sorts and filters', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server);
    await page.goto('/mi/sample/sample:calls');
    await runForm(page);
    expect(await page.getByRole('columnheader').allTextContents()).toStrictEqual(['Id', 'Caller', 'Seconds']);
    expect(await column(page, 0)).toStrictEqual(['2', '10', '1']);
    const byId = page.getByRole('columnheader', { name: 'Id' });
    await byId.getByRole('button').click();
    expect(await column(page, 0)).toStrictEqual(['1', '2', '10']);
    expect(await byId.getAttribute('aria-sort')).toBe('ascending');
    await byId.getByRole('button').click();
    expect(await column(page, 0)).toStrictEqual(['10', '2', '1']);
    expect(await byId.getAttribute('aria-sort')).toBe('descending');
    await page.getByRole('columnheader', { name: 'Caller' }).getByRole('button').click();
    expect(await column(page, 2)).toStrictEqual(['9', '70', '300']);
    await page.getByRole('searchbox', { name: 'Filter rows' }).fill('BOB@');
    expect(await column(page, 0)).toStrictEqual(['2']);
    await page.getByText('1 of 3 rows').waitFor();
  });

  test('with records in records has a row for each of the innermost', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server);
    await page.goto('/mi/sample/sample:nested');
    await runForm(page);
    expect(await page.getByRole('columnheader').allTextContents()).toStrictEqual(['name', 'AOR', 'Contact']);
    expect(await column(page, 1)).toStrictEqual(['alice', 'alice', 'bob']);
    expect(await column(page, 2)).toStrictEqual(['sip:a1', 'sip:a2', 'sip:b1']);
  });

  test('folds and unfolds as a tree', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server);
    await page.goto('/mi/sample/sample:calls');
    await runForm(page);
    await showAs(page, 'Tree');
    const bob = page.getByText('sip:bob@example.com', { exact: true });
    expect(await bob.isVisible()).toBe(true);
    await page.getByText('3 items').click();
    expect(await bob.isHidden()).toBe(true);
    await page.getByText('3 items').click();
    expect(await bob.isVisible()).toBe(true);
  });

  test('keeps integers as they are', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server);
    await page.goto('/mi/sample/sample:exact');
    await runForm(page);
    for (const view of ['Tree', 'Text'] as const) {
      await showAs(page, view);
      const text = await page.getByRole('region', { name: 'Result' }).textContent();
      expect(text?.includes('12345678901234567891'), view).toBeTruthy();
    }
  });

  test('tells its time and size, and is copied as JSON and as curl line', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server, { permissions: ['clipboard-read', 'clipboard-write'] });
    await page.goto('/mi/sample/sample:echo');
    await (await asJson(page)).fill(`["it's \\"quoted\\""]`);
    await runForm(page);
    const result = page.getByRole('region', { name: 'Result' });
    expect((await result.textContent()) ?? '').toMatch(/\d ?ms[\s\S]*\d+ bytes/);
    const clipboard = (): Promise<string> => page.evaluate('navigator.clipboard.readText()');
    await result.getByRole('button', { name: 'Copy as JSON' }).click();
    await result.getByText('Copied').waitFor();
    expect(JSON.parse(await clipboard())).toStrictEqual({ text: `it's "quoted"` });
    await result.getByRole('button', { name: 'Copy as curl' }).click();
    // The page tells of the first copy still.
    await expect.poll(clipboard).toMatch(/^curl /);
    const line = await clipboard();
    const pieces = execFileSync('/bin/sh', ['-c', `curl() { printf '%s\\n' "$@"; }; ${line}`], { encoding: 'utf8' });
    const body = pieces.split('\n').find((piece) => piece.startsWith('{'));
    expect(JSON.parse(body ?? '').params).toStrictEqual([`it's "quoted"`]);
    expect(pieces, pieces).toContain(`http://127.0.0.1:${server.port}/mi`);
  });

  test('is copied as the curl line of the scheme and name by which it was reached', async ({
    files,
    onTestFinished,
    openTab,
  }) => {
    const { certFile, keyFile } = files.make('localhost', { key: 'ec' });
    const listen = ['https:127.0.0.1:0'];
    const server = createServer({
      tellProcess: 'read',
      httpd: { listen, tls_cert_file: certFile, tls_key_file: keyFile },
    });
    await server.start();
    onTestFinished(() => server.close({ deadline: 0 }));
    const baseURL = `https://localhost:${server.port}`;
    const permissions = ['clipboard-read', 'clipboard-write'];
    const page = await openTab(server, { baseURL, ignoreHTTPSErrors: true, permissions });
    await page.goto('/mi/core/core:pwd');
    await runForm(page);
    await page.getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByText('Copied').waitFor();
    const line = await page.evaluate('navigator.clipboard.readText()');
    expect(String(line)).toMatch(new RegExp(` '${baseURL}/mi'$`));
  });
});

unless(skipped, describe)('the history', () => {
  for (const method of [0, 1]) {
    test(`leads back to forms as they were filled in and runs nothing, mi_http_method ${method}`, async ({
      startServer,
      openTab,
    }) => {
      const server = await startServer({ modules: [sampleModule()], mi_http: { mi_http_method: method } });
      const page = await openTab(server);
      // The form leads to the page of the full name.
      await page.goto('/mi/sample/echo');
      await (await asJson(page)).fill('"first call"');
      await runForm(page);
      await page.goto('/mi/sample/sample:echo');
      await page.getByRole('radio', { name: /text, also/ }).check();
      const group = page.getByRole('group', { name: /text, also/ });
      await group.getByLabel(/^text/).fill('second');
      await group.getByLabel(/^also/).fill('call');
      await runForm(page);
      const history = page.getByRole('complementary', { name: 'History' });
      const links = history.getByRole('link', { name: 'sample:echo' });
      expect(await links.count()).toBe(2);
      await follow(page, () => links.nth(1).click());
      expect(await page.getByRole('region', { name: 'Result' }).count()).toBe(0);
      expect(await page.getByLabel(/as JSON, or words/).inputValue()).toBe('"first call"');
      // The page stays; its script fills in the form when it hears of the other fragment.
      await links.nth(0).click();
      await expect.poll(() => page.getByRole('radio', { name: /text, also/ }).isChecked()).toBe(true);
      expect(await group.getByLabel(/^also/).inputValue()).toBe('call');
      expect(await page.getByLabel(/as JSON, or words/).inputValue(), 'left from the other link').toBe('');
      expect(await links.count()).toBe(2);
      // What is run from there is the same call again.
      await runForm(page);
      await showAs(page, 'Text');
      const again = await page.getByRole('region', { name: 'Result' }).locator('pre').textContent();
      expect(JSON.parse(again ?? '')).toStrictEqual({ text: 'second', also: 'call' });
      expect(await links.count()).toBe(3);
      await history.getByRole('button', { name: 'Forget' }).click();
      await page.reload();
      expect(await history.count()).toBe(0);
    });
  }
});
