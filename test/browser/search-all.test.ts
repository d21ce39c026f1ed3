// The search over all rows of a result of which a page has the first part.
import { describe, expect } from 'vitest';
import { runForm, skipped } from '../support/browser/chromium.js';
import { startFront } from '../support/front.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

unless(skipped, describe)('a dump of OpenSIPS on a page', () => {
  test('is searched in the part that is shown, and in all of it', async ({ lifetime, openTab }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    sip[0]?.state.addContacts(20_000);
    const page = await openTab(server);
    await page.goto('/mi/sip-1/ul_dump');
    await runForm(page);
    await page.getByText(/^\d+ rows in the part shown$/).waitFor();
    const filter = page.getByRole('searchbox', { name: 'Filter rows' });
    await filter.fill('user019998@');
    await page.getByText(/^0 of \d+ rows in the part shown$/).waitFor();
    await page.getByRole('button', { name: 'Search all' }).click();
    await page.getByText('1 of 20,000 rows').waitFor();
    expect(await page.getByRole('cell', { name: 'user019998', exact: true }).count()).toBe(1);
    expect(await filter.inputValue()).toBe('user019998@');
    expect(await page.getByRole('button', { name: 'Search all' }).count()).toBe(0);
  });
});
