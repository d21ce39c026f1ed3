import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';
import { call, startServer } from '../wire/mi-client.js';
import { openTab, runForm, showAs, skipped } from './chromium.js';
import { sampleModule } from './sample-module.js';

describe('a result of 300 MB', { skip: skipped, timeout: 240_000 }, () => {
  test('is opened: its first part, what was left out, and a link to all of it', async (t) => {
    const server = await startServer(t, { modules: [sampleModule()] });
    const page = await openTab(t, server);
    await page.goto('/mi/sample/sample:huge');
    const held = process.memoryUsage().rss;
    const began = performance.now();
    await runForm(page);
    const all = page.getByRole('link', { name: /JSON/ });
    await all.waitFor({ timeout: 60_000 });
    t.diagnostic(`opened within ${Math.round(performance.now() - began)} ms`);
    const grown = (process.memoryUsage().rss - held) / 1e6;
    assert.ok(grown < 150, `the server grew by ${Math.round(grown)} MB`);

    // A page that is frozen does not answer; neither does a server.
    const asked = performance.now();
    await page.getByRole('searchbox').or(page.getByRole('combobox')).first().fill('version');
    await page.getByRole('option', { name: /core:version/ }).waitFor();
    assert.ok(performance.now() - asked < 3000);
    assert.ok(await call(server, 'version'));

    // The records of the first part are a table; the last one may have been cut and is left out.
    await page.keyboard.press('Escape');
    await page.getByRole('columnheader', { name: 'index' }).getByRole('button').click();
    assert.equal(await page.getByRole('cell').first().textContent(), '0');
    await showAs(page, 'Text');

    const text = (await page.getByRole('region', { name: 'Result' }).textContent()) ?? '';
    assert.match(text, /\d bytes of /);
    assert.ok(text.length < 20e6, `${text.length} characters`);
    const raw = await all.getAttribute('href');
    assert.match(raw ?? '', /raw=1/);
    const length = await lengthOf(`http://127.0.0.1:${server.port}${raw}`);
    assert.ok(length > 300e6, `${length} bytes`);
  });
});

async function lengthOf(url: string): Promise<number> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  assert.match(response.headers['content-type'] ?? '', /^application\/json/);
  let length = 0;
  for await (const chunk of response) length += (chunk as Buffer).length;
  return length;
}
