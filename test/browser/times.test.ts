// One zone for all times, chosen once.
import { describe, expect } from 'vitest';
import { skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const utc = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/;

unless(skipped, describe)('times', () => {
  test('are in the zone that is chosen, on all pages', async ({ startServer, openTab, temporaryFile }) => {
    const audit_file = temporaryFile('audit', '');
    const server = await startServer({ modules: [sampleModule()], usrloc: {}, httpd: { audit_file } });
    server.usrloc?.domain('location').save('alice', { contact: 'sip:alice@192.0.2.1', expires: 725 });
    await call(server, 'sample:change');
    const event = server.events.declare('E_ONE');
    event.raise({ number: 1 });
    const page = await openTab(server, { timezoneId: 'Asia/Kolkata' });
    const paths = ['/mi/audit', '/mi/live', '/mi/contacts', '/mi/core'];
    const first = new Map<string, string>();
    for (const path of paths) {
      await page.goto(path);
      const times = await page.locator('time').allTextContents();
      expect(times.length, path).toBeGreaterThan(0);
      for (const time of times) expect(time, path).toMatch(utc);
      first.set(path, times.at(0) ?? '');
    }
    await page.getByLabel('Times in').selectOption('local');
    for (const path of paths) {
      await page.goto(path);
      const [time = '', ...others] = await page.locator('time').allTextContents();
      for (const one of [time, ...others]) expect(one, path).toMatch(/ UTC\+5:30$/);
      expect(Date.parse(`${time.slice(0, 19).replace(' ', 'T')}+05:30`), path).toBe(Date.parse(first.get(path) ?? ''));
    }
    // What comes later, too.
    await page.goto('/mi/live');
    await page.getByText(/^live, /).waitFor();
    event.raise({ text: 'raised later' });
    await page
      .getByRole('row')
      .filter({ hasText: 'raised later' })
      .getByText(/UTC\+5:30$/)
      .waitFor();
  });

  test('have beside them how long ago they were, or how soon they are; without a script in UTC', async ({
    startServer,
    openTab,
    temporaryFile,
  }) => {
    const audit_file = temporaryFile('audit', '');
    const server = await startServer({ modules: [sampleModule()], usrloc: {}, httpd: { audit_file } });
    server.usrloc?.domain('location').save('alice', { contact: 'sip:alice@192.0.2.1', expires: 725 });
    await call(server, 'sample:change');
    const page = await openTab(server, { javaScriptEnabled: false, timezoneId: 'Asia/Kolkata' });
    for (const [path, age] of [
      ['/mi/audit', / UTC \d+ s ago$/],
      ['/mi/contacts', / UTC in 12 min$/],
    ] as const) {
      await page.goto(path);
      await page.getByRole('cell').filter({ hasText: age }).waitFor();
      expect(await page.getByLabel('Times in').count()).toBe(0);
    }
  });
});
