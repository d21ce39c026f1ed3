// Every command of every module, found in the menu and run.
import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { asJson, follow, runForm, showAs, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** Parameters for commands that do not run without. */
const words: Readonly<Record<string, string>> = {
  'statistics:get': '[["core:"]]',
  'statistics:reset': '[["requests"]]',
  'statistics:history': '[["requests"]]',
  'usrloc:add': 'location alice sip:alice@192.0.2.7 3600 0.5 0 0 0',
  'usrloc:show_contact': 'location alice',
  'usrloc:sync': 'location',
  'usrloc:rm_contact': 'location alice sip:alice@192.0.2.7',
  'usrloc:rm': '{"table_name":"location","aor":"alice"}',
  'usrloc:find': 'alice',
  'usrloc:add_many': '["location",[{"aor":"bob","contact":"sip:bob@192.0.2.8","expires":60}]]',
  'core:log_level_filter': 'stderror',
  'core:log_mute_state': 'stderror',
  'cache:store': 'local key value',
  'cache:fetch': 'local key',
  'cache:remove': 'local key',
  'status_report:get': 'core',
  'evi:subscribe': 'E_CORE_LOG udp:127.0.0.1:9',
  'evi:raise': 'E_CORE_LOG',
  'evi:end_subscriber': 'udp:127.0.0.1:9',
  'httpd:end_session': '{"user":"nobody"}',
  'sample:echo': '"two words"',
};

/** There is neither database nor cluster, nor TLS or a file of users here, which the page tells, too. */
const refusing: Readonly<Record<string, RegExp>> = {
  'httpd:reload_tls': /404 No listener has TLS/,
  'httpd:reload_users': /404 No file of users is set/,
  'usrloc:sync': /200 Contacts already synced/,
  'usrloc:cluster_sync': /\d+ \w+/,
};

/** In this order; the others as the menu has them. */
const late = ['usrloc:show_contact', 'usrloc:rm_contact', 'usrloc:rm', 'evi:end_subscriber'];

async function runEveryCommand(page: Page): Promise<number> {
  const modules = await page.getByRole('navigation', { name: 'Modules' }).getByRole('link').allTextContents();
  expect(modules.includes('core') && modules.includes('usrloc'), modules.join()).toBe(true);
  let count = 0;
  for (const module of modules) {
    const menu = page.getByRole('navigation', { name: 'Modules' }).getByRole('link', { name: module, exact: true });
    await follow(page, () => menu.click());
    expect(await page.getByRole('heading', { level: 2, name: module, exact: true }).count()).toBe(1);
    const links = page.getByRole('main').getByRole('link');
    const listed = await links.allTextContents();
    expect(listed.length, module).toBeGreaterThan(0);
    const addresses = await links.evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''));
    const names = [...listed.filter((name) => !late.includes(name)), ...late.filter((name) => listed.includes(name))];
    for (const [index, name] of names.entries()) {
      if (name === 'core:kill') continue;
      // A link is pressed once a module: the other pages are addressed as theirs say.
      if (index === 0) await follow(page, () => links.getByText(name, { exact: true }).click());
      else await page.goto(addresses[listed.indexOf(name)] ?? '');
      expect(await page.locator('h2').first().textContent()).toBe(name);
      expect(await page.getByRole('region', { name: 'Result' }).count(), `${name} ran before it was asked to`).toBe(0);
      if (words[name] !== undefined) await (await asJson(page)).fill(words[name]);
      await runForm(page);
      const errors = await page.locator('[role=alert]').allTextContents();
      expect(errors.length, `${name}: ${errors.join()}`).toStrictEqual(name in refusing ? 1 : 0);
      for (const error of errors) expect(error).toMatch(refusing[name] ?? /^$/);
      count++;
    }
  }
  return count;
}

for (const [method, verb] of [
  [0, 'GET'],
  [1, 'POST'],
] as const) {
  unless(skipped, describe)(`forms by ${verb}`, () => {
    test('every command of every module is in the menu and runs', async ({ startServer, openTab }) => {
      const server = await startServer({
        modules: [sampleModule()],
        usrloc: {},
        cachedb_local: {},
        event_datagram: {},
        mi_http: { mi_http_method: method },
      });
      const page = await openTab(server);
      const count = await runEveryCommand(page);
      expect(count, `${count} commands`).toBeGreaterThanOrEqual(38);
    });

    test('parameters have inputs of their own', async ({ startServer, openTab }) => {
      const server = await startServer({ modules: [sampleModule()], mi_http: { mi_http_method: method } });
      const page = await openTab(server);
      const requests: string[] = [];
      page.on('request', (request) => {
        if (request.isNavigationRequest()) requests.push(request.method());
      });
      await page.goto('/mi/sample/sample:echo');
      await page.getByRole('radio', { name: /text, also/ }).check();
      const group = page.getByRole('group', { name: /text, also/ });
      await group.getByLabel(/^text/).fill('one two');
      await group.getByLabel(/^also/).fill('"three"');
      await runForm(page);
      const text = await resultText(page);
      expect(JSON.parse(text)).toStrictEqual({ text: 'one two', also: '"three"' });
      expect(requests).toStrictEqual(['GET', verb]);
      expect(new URL(page.url()).search === '').toBe(verb === 'POST');
    });

    test('an address that is typed runs nothing that changes something, before a button is pressed', async ({
      startServer,
      openTab,
    }) => {
      const runs: unknown[] = [];
      const counting = defineModule({
        name: 'pbx',
        commands: [
          command({
            name: 'hangup',
            help: 'Ends a call.',
            recipes: [{}, { id: 'string' }],
            run: ({ id }) => {
              runs.push(id);
              return 'OK';
            },
          }),
        ],
      });
      const server = await startServer({ modules: [counting], mi_http: { mi_http_method: method } });
      const page = await openTab(server, { expected: /403/ });
      await page.goto('/mi/pbx/pbx:hangup?arg=%5B%22a%20b%22%5D');
      expect((await page.getByRole('alert').textContent()) ?? '').toMatch(/no page of this server/);
      expect(runs).toStrictEqual([]);
      await runForm(page);
      expect(runs).toStrictEqual(['a b']);
      // After a POST browsers ask.
      if (method === 1) return;
      await page.reload();
      expect(await page.getByLabel(/as JSON, or words/).inputValue()).toBe('["a b"]');
      await page.goto('/mi');
      await page.goBack();
      await page.getByRole('heading', { level: 2, name: 'pbx:hangup' }).waitFor();
      expect(runs, 'neither reloaded nor gone back to').toStrictEqual(['a b']);
    });

    test('wrong arguments are errors that one can see', async ({ startServer, openTab }) => {
      const server = await startServer({ modules: [sampleModule()], mi_http: { mi_http_method: method } });
      const page = await openTab(server);
      for (const [argument, told] of [
        ['[1,2,3]', /-32602/],
        ['{"txt":"x"}', /-32602/],
        ['a b c', /-32602/],
        ['[1,', /JSON/],
        ['"no end', /"/],
      ] as const) {
        await page.goto('/mi/sample/sample:echo');
        await (await asJson(page)).fill(argument);
        await follow(page, () => page.getByRole('button', { name: 'Run', exact: true }).click());
        const alert = page.getByRole('alert');
        await alert.waitFor();
        expect((await alert.textContent()) ?? '', argument).toMatch(told);
        expect(await page.getByLabel(/as JSON, or words/).inputValue(), 'to be mended').toBe(argument);
      }
    });
  });
}

unless(skipped, describe)('the page of kill', () => {
  test('keeps nothing of a secret', async ({ startServer, openTab }) => {
    const vault = defineModule({
      name: 'vault',
      commands: [
        command({
          name: 'unlock',
          help: 'Opens it.',
          recipes: [{ user: 'string', password: 'string' }],
          secrets: ['password'],
          run: ({ password }) => password.length,
        }),
      ],
    });
    const server = await startServer({ modules: [vault] });
    const page = await openTab(server);
    await page.goto('/mi/vault/vault:unlock');
    await page.getByLabel(/^user/).fill('alice');
    await page.getByLabel(/^password/).fill('hunter2');
    await runForm(page);
    expect(await resultText(page)).toBe('7');
    expect(await page.content()).not.toContain('hunter2');
    expect(page.url()).not.toContain('hunter2');
    expect(await page.evaluate('JSON.stringify({ ...sessionStorage, ...localStorage })')).not.toContain('hunter2');
    await page.goBack();
    expect(await page.getByLabel(/^password/).inputValue()).toBe('');
  });

  test('stops the server, and says that it does', async ({ startServer, openTab }) => {
    let killed = false;
    const server = await startServer({
      kill: () => {
        killed = true;
      },
    });
    const page = await openTab(server);
    await page.goto('/mi/core/core:kill');
    await follow(page, () => page.getByRole('button', { name: /^Run on/ }).click());
    expect(killed, 'it is to be confirmed').toBe(false);
    await page.goBack();
    await runForm(page);
    expect(killed).toBe(true);
    expect(await resultText(page)).toMatch(/OK/);
  });
});

async function resultText(page: Page): Promise<string> {
  await showAs(page, 'Text');
  return (await page.getByRole('region', { name: 'Result' }).locator('pre').textContent()) ?? '';
}
