import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { assert, describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { runForm, showAs, skipped } from '../support/browser/chromium.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const contacts = 1_000_000;

unless(skipped, describe)('a dump of a million contacts', () => {
  test('is opened: its first part, what was left out, and links to all of it', async ({
    startServer,
    openTab,
    annotate,
  }) => {
    const server = await startServer({ usrloc: {}, mi_http: { count_time: 3600 } });
    register(server);
    const page = await openTab(server);
    await page.goto('/mi/usrloc/usrloc:dump');
    const held = process.memoryUsage().rss;
    const began = performance.now();
    const all = page.getByRole('link', { name: /as JSON/ });
    let isOpen = false;
    const opening = runForm(page)
      .then(() => all.waitFor({ timeout: 60_000 }))
      .finally(() => {
        isOpen = true;
      });
    let answered = 0;
    for (; !isOpen; answered++) await call(server, 'version');
    await opening;
    expect(answered, `${answered} calls were answered meanwhile`).toBeGreaterThan(10);
    annotate(`opened within ${Math.round(performance.now() - began)} ms`);
    const grown = (process.memoryUsage().rss - held) / 1e6;
    expect(grown, `the server grew by ${Math.round(grown)} MB`).toBeLessThan(150);

    // A page that is frozen does not answer.
    await page.getByRole('searchbox').or(page.getByRole('combobox')).first().fill('version');
    await page.getByRole('option', { name: /core:version/ }).waitFor();

    // The contacts of the first part are a table; the last one may have been cut and is left out.
    await page.keyboard.press('Escape');
    await page.getByRole('columnheader', { name: 'AOR' }).getByRole('button').click();
    expect(await page.getByRole('columnheader', { name: 'AOR' }).getAttribute('aria-sort')).toBe('ascending');
    await page.getByText(/^\d+ rows in the part shown$/).waitFor();
    await showAs(page, 'Text');

    const text = (await page.getByRole('region', { name: 'Result' }).textContent()) ?? '';
    expect(text).toMatch(/\d{3} of 1,000,000 contacts, \d{3} MB in all; /);
    const cut = page.locator('.cut');
    const [shown, whole] = [await cut.getAttribute('data-shown'), await cut.getAttribute('data-bytes')];
    expect(Number(whole), `${shown} of ${whole} bytes`).toBeGreaterThan(300e6);
    expect(text.length, `${text.length} characters`).toBeLessThan(20e6);
    const raw = await all.getAttribute('href');
    expect(raw ?? '').toMatch(/raw=1/);
    const length = await lengthOf(`http://127.0.0.1:${server.port}${raw}`);
    expect(length).toBe(Number(whole));
  });
});

/** With times that are left, a dump would have fewer digits later. */
function register({ usrloc }: Server): void {
  const location = usrloc?.domain('location');
  assert(location);
  const userAgent = `Example/1.0 ${'x'.repeat(60)}`;
  for (let index = 0; index < contacts; index++) {
    location.save(`user${index}`, { contact: `sip:user${index}@192.0.2.1:5060`, expires: 'permanent', userAgent });
  }
}

async function lengthOf(url: string): Promise<number> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type'] ?? '').toMatch(/^application\/json/);
  let length = 0;
  for await (const chunk of response) length += (chunk as Buffer).length;
  return length;
}
