// Axe looks at every view that the pages have, in light, in dark, in forced colours and on a phone, and none is wider than its window.
import { describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { axe, screens } from '../support/browser/axe.js';
import { asJson, follow, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { hostile, sampleModule } from '../support/browser/sample-module.js';
import { silentLog } from '../support/log.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const shapes = defineModule({
  name: 'shapes',
  commands: [
    command({ name: 'texts', help: 'Texts.', readOnly: true, run: () => ['one', 'two', 'three'] }),
    command({ name: 'nothing', help: 'An empty list.', readOnly: true, run: () => [] }),
    command({
      name: 'lists',
      help: 'Two lists.',
      readOnly: true,
      run: () => ({ A: [{ x: 1 }], B: [{ y: 2 }], C: [] }),
    }),
    command({ name: 'pairs', help: 'Pairs.', readOnly: true, run: () => ({ one: 1, two: 'text', three: null }) }),
    command({ name: 'hostile', help: 'Texts of strangers.', readOnly: true, run: () => Object.values(hostile) }),
    command({
      name: 'unlock',
      help: 'Takes a `secret`.',
      destructive: true,
      recipes: [{ user: 'string', password: 'string' }],
      secrets: ['password'],
      run: () => 'OK',
    }),
  ],
});

/** Addresses, each with what has to be there before it is looked at. */
const addresses: readonly string[] = [
  '/',
  '/readyz',
  '/healthz',
  '/nothing',
  '/mi',
  '/mi?range=86400',
  '/mi/nothing',
  '/mi/core',
  '/mi/core/core:nothing',
  '/mi/statistics?filter=mem&chart=mem:resident',
  '/mi/audit',
  '/mi/audit?who=nobody',
  '/mi/live',
  '/mi/live?topic=log',
  '/mi/contacts',
  '/mi/contacts?q=nobody',
  '/mi/contacts?q=user1&sort=-aor&by=Contact&done=contact',
  '/mi/core/core:log_level',
  '/mi/usrloc/usrloc:add',
  '/mi/shapes/shapes:unlock',
  '/mi/sample/sample:change?arg=',
  '/mi/sample/sample:echo?arg=%5B1,2,3%5D',
  ...['texts', 'nothing', 'lists', 'pairs', 'hostile'].map((name) => `/mi/shapes/shapes:${name}?arg=`),
  '/mi/core/core:kill?arg=',
  '/mi/usrloc/usrloc:dump?arg=',
];

unless(skipped, describe)('every view', () => {
  for (const [screen, options, assertWell] of screens) {
    test(`is one that axe finds nothing in, ${screen}`, { timeout: 600_000 }, async ({
      startServer,
      openTab,
      temporaryFile,
    }) => {
      const server = await startServer({
        modules: [sampleModule(), shapes],
        usrloc: {},
        event_datagram: {},
        httpd: { audit_file: temporaryFile('audit', '') },
        log: silentLog,
      });
      for (let index = 0; index < 120; index += 1) {
        const contact = `sip:user${index}@192.0.2.1:5060;x=${'y'.repeat(60)}`;
        server.usrloc?.domain('location').save(`user${index}`, { contact, expires: 3600, userAgent: 'Yealink' });
      }
      server.status.add('pbx', { identifier: 'north', status: -1, details: hostile.markup });
      const event = server.events.declare('E_ONE');
      event.raise({ text: hostile.rightToLeft });
      await server.events.subscribe(event, 'udp:127.0.0.1:9', undefined);
      await call(server, 'sample:change');
      await call(server, 'log_level', [4]);
      const page = await openTab(server, { ...options, prepare: axe, expected: /40\d|503/ });
      const look = async (where: string): Promise<void> => {
        await assertWell(page, where);
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${where} fits`).toBe(true);
      };
      for (const address of addresses) {
        await page.goto(address);
        await look(address);
      }
      // The table of the dump as a tree and as text, and the form above it.
      for (const view of ['Tree', 'Text'] as const) {
        await showAs(page, view);
        await look(`dump as ${view}`);
      }
      await page.locator('.ran summary').first().click();
      await look('the form of a result');
      // With what a script adds: all ways to enter, the search, the keys, the history.
      await page.goto('/mi/usrloc/usrloc:add');
      await asJson(page);
      await look('as JSON');
      await page.goto('/mi/core/core:kill');
      await follow(page, () => page.getByRole('button', { name: /^Run on/ }).click());
      await look('the question');
      await page.goto('/mi/sample/sample:calls');
      await runForm(page);
      await page.getByRole('complementary', { name: 'History' }).waitFor();
      await look('the history');
      await page.getByRole('combobox', { name: 'Find a command' }).fill('con');
      await page.getByRole('option').first().waitFor();
      await look('the search');
      await page.getByRole('combobox', { name: 'Find a command' }).fill('qqqqqq zzz');
      await page.getByText('No command has that').waitFor();
      await look('a search that finds no command');
      // Out of the search.
      for (let press = 0; press < 2; press += 1) await page.keyboard.press('Escape');
      await page.keyboard.press('?');
      await look('the keys');
    });
  }

  test('outside of the roots has a way back', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    server.status.add('pbx', { identifier: 'north', status: -1 });
    const page = await openTab(server, { expected: /404|503/ });
    for (const path of ['/nothing', '/nothing/below', '/favicon.txt', '/readyz', '/healthz/x', '/mi/-/nothing']) {
      await page.goto(path);
      const back = page.getByRole('link', { name: path.startsWith('/mi') ? /Management Interface/ : 'Start page' });
      await follow(page, () => back.click());
      expect(new URL(page.url()).pathname, path).toBe(path.startsWith('/mi') ? '/mi' : '/');
    }
  });
});
