// What an operator does all day, and how many steps it takes: on a desktop and on a phone, with a script and without one. Each task begins
// on the overview. Each page that is met is looked at by axe, and is never wider than the window.
import { readFileSync } from 'node:fs';
import { assert, describe, expect } from 'vitest';
import { command, createServer, defineModule, type Server, type Statistic } from '#src/index.js';
import { userLine } from '../support/accounts.js';
import { axe } from '../support/browser/axe.js';
import { follow, logIn, phone, skipped, type TabOptions } from '../support/browser/chromium.js';
import { Operator, type Task } from '../support/browser/operator.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';
import { noOpenssl, type TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const contacts = 100_000;

/** What the tests change behind the back of the operator. */
interface Surroundings {
  readonly server: Server;
  readonly widgets: Statistic;
}

async function surroundings(t: Lifetime, files: TlsFiles): Promise<Surroundings> {
  const { certFile, keyFile } = files.make('localhost', { key: 'ec', days: 9 });
  let widgets: Statistic | undefined;
  const trunks = defineModule({
    name: 'trunks',
    load: ({ mi: { statistics }, log }) => {
      widgets = statistics.add('trunks', 'widgets', 'counter', { help: 'Widgets made.' });
      log.warn({ trunk: 'north' }, 'trunk north answers late');
      return {
        commands: [
          command({
            name: 'resize',
            aliases: ['trunk_resize'],
            help: 'Sets how many calls a trunk carries.',
            recipes: [{ trunk: 'string', capacity: 'int' }],
            parameters: { capacity: { help: 'Calls at once.', min: 1, max: 500 } },
            run: (given) => ({ ...given }),
          }),
        ],
      };
    },
  });
  const server = createServer({
    httpd: {
      listen: ['https:127.0.0.1:0'],
      tls_cert_file: certFile,
      tls_key_file: keyFile,
      auth_file: files.write('users', userLine('alice', 'wonder:land', 'admin')),
      server_name: 'north',
    },
    usrloc: {},
    event_datagram: {},
    modules: [trunks],
    log: silentLog,
  });
  await server.start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  const location = server.usrloc?.domain('location');
  for (let index = 0; index < contacts; index += 1) {
    location?.save(`user${index}`, {
      contact: `sip:user${index}@192.0.2.1:5060`,
      expires: 3600,
      userAgent: index === 77_777 ? 'Yealink SIP-T46S 66.85.0.5' : 'Grandstream GXP2170 1.0.11.64',
      callId: `call-${index}`,
    });
  }
  server.status
    .add('trunk', { identifier: 'south', status: -1, details: 'no route' })
    .report('dialled south, and nobody was there');
  assert(widgets);
  return { server, widgets };
}

/** In the order in which they are done: a contact is found before it is deleted, and who has logged out is gone. */
function tasksOf({ server, widgets }: Surroundings): readonly Task[] {
  const event = server.events.declare('E_TRUNK_DOWN');
  const said = (operator: Operator, text: string | RegExp): Promise<void> =>
    expect.poll(() => operator.text()).toMatch(text);
  return [
    {
      title: 'see whether all is well, and if not, what is wrong and since when',
      most: [1, 1],
      run: async (operator) => {
        await said(operator, /1 of \d+ parts is not ready:\s+trunk south is not ready since .* \(\d+ s\): no route/);
        await operator.go(operator.page.getByRole('link', { name: 'trunk south' }));
        await said(operator, 'dialled south, and nobody was there');
      },
    },
    {
      title: 'see rates, times and memory, of now and over a day',
      most: [1, 1],
      run: async (operator) => {
        const tiles = operator.page.locator('.tiles').first();
        await expect
          .poll(async () => {
            const text = await tiles.textContent();
            if (!/Calls/.test(text ?? '') || /not known yet/.test(text ?? '')) await operator.page.reload();
            return text;
          })
          .toMatch(
            /Calls\s*[\d.]+ \/s\s*Failed\s*[\d.]+ \/s\s*99 of 100 calls within.*Contacts\s*\d{2,3},\d{3}.*Memory\s*\d+ MB/s,
          );
        await operator.go(operator.page.getByRole('link', { name: 'Last day' }));
        expect(await operator.page.getByRole('link', { name: 'Last day' }).getAttribute('aria-current')).toBe('true');
      },
    },
    {
      title: 'see how long the certificate lasts',
      most: [0, 0],
      run: async (operator) => {
        const tile = operator.page.locator('.tiles .bad', { hasText: "Certificate's end" });
        expect(await tile.textContent()).toMatch(/[89] days/);
      },
    },
    {
      title: 'see which server this is',
      most: [0, 0],
      run: async ({ page }) => {
        expect(await page.title()).toMatch(/^north: /);
        expect(await page.getByRole('heading', { level: 1 }).textContent()).toMatch(/^\s*north/);
        expect(await page.getByRole('img', { name: 'Not ready:' }).count()).toBe(1);
      },
    },
    {
      title: 'see what has changed since I looked',
      most: [2, 2],
      run: async (operator) => {
        const row = operator.page.getByRole('row', { name: /widgets/ });
        await operator.open('statistics');
        widgets.add(1234);
        await operator.page.goto('/mi');
        await operator.open('statistics');
        if (operator.hasScript) await expect.poll(() => row.locator('.since').textContent()).toBe('+1,234');
        else {
          // How much it grows a second.
          const growth = row.getByRole('cell').nth(1);
          await expect
            .poll(async () => {
              widgets.add(100);
              await operator.page.reload();
              return growth.textContent();
            })
            .toMatch(/\d/);
        }
      },
    },
    {
      title: 'keep a statistic in sight',
      most: [3, 3],
      run: async (operator) => {
        const { page } = operator;
        await operator.open('statistics');
        await operator.enter(page.getByLabel('Those with'), 'mem:resident');
        await operator.go(page.getByRole('button', { name: 'Pin mem:resident to the overview' }));
        await page.goto('/mi');
        const tile = page.locator('dl[aria-label="Pinned statistics"] > div');
        expect(await tile.locator('dd').textContent()).toMatch(/^\d[\d.]* MB$/);
      },
    },
    {
      title: 'find a contact by a part of its user agent, and see all that is known of it',
      most: [3, 3],
      run: async (operator) => {
        const { page } = operator;
        await operator.open('Contacts');
        await operator.enter(page.getByLabel('Those with'), 'yealink');
        expect(await page.getByRole('status').first().textContent()).toBe(`1 of 100,000`);
        await operator.press(page.locator('summary', { hasText: 'user77777@' }));
        expect(await page.getByText('call-77777').isVisible()).toBe(true);
      },
    },
    {
      title: 'take what was found along as CSV',
      most: [3, 3],
      run: async (operator) => {
        const { page } = operator;
        await operator.open('Contacts');
        await operator.enter(page.getByLabel('Those with'), 'yealink');
        const download = page.waitForEvent('download');
        await operator.press(page.getByRole('link', { name: 'CSV' }));
        const lines = readFileSync(await (await download).path(), 'utf8')
          .trimEnd()
          .split('\r\n');
        expect(lines.length).toBe(2);
        expect(lines[1]).toContain('Yealink SIP-T46S 66.85.0.5');
      },
    },
    {
      title: 'delete a contact that is stuck',
      most: [4, 4],
      run: async (operator) => {
        const { page } = operator;
        await operator.open('Contacts');
        await operator.enter(page.getByLabel('Those with'), 'yealink');
        await operator.go(page.getByRole('button', { name: /^Delete contact sip:user77777@/ }));
        await operator.go(page.getByRole('button', { name: 'Delete contact on north' }));
        await said(operator, 'The contact is deleted.');
        expect(server.usrloc?.domain('location').users).toBe(contacts - 1);
      },
    },
    {
      title: 'go through all contacts page by page',
      most: [3, 3],
      run: async (operator) => {
        const { page } = operator;
        const first = page.locator('tr[data-aor]').first();
        await operator.open('Contacts');
        const seen = [await first.getAttribute('data-aor')];
        for (let turn = 0; turn < 2; turn += 1) {
          await operator.go(page.getByRole('link', { name: 'Next page' }));
          seen.push(await first.getAttribute('data-aor'));
        }
        expect(new Set(seen).size).toBe(3);
        expect(await page.getByRole('status').first().textContent()).toBe('99,999 of 99,999');
      },
    },
    {
      title: 'go back to what was found',
      most: [4, 4],
      run: async (operator) => {
        const { page } = operator;
        await operator.open('Contacts');
        await operator.enter(page.getByLabel('Those with'), 'user4242');
        const told = await page.getByRole('status').first().textContent();
        await operator.open('core');
        await operator.back();
        await expect.poll(() => page.getByLabel('Those with').inputValue()).toBe('user4242');
        expect(await page.getByRole('status').first().textContent()).toBe(told);
        expect(await page.locator('tr[data-aor]').count()).toBe(11);
      },
    },
    {
      title: 'see an event',
      most: [1, 1],
      run: async (operator) => {
        event.raise({ trunk: 'east' });
        await operator.open('Live');
        await said(operator, 'E_TRUNK_DOWN{"trunk":"east"}');
        if (!operator.hasScript) return;
        await operator.page.getByText(/^live, /).waitFor();
        event.raise({ trunk: 'west' });
        await said(operator, 'E_TRUNK_DOWN{"trunk":"west"}');
      },
    },
    {
      title: 'end a subscriber',
      most: [2, 2],
      run: async (operator) => {
        await server.events.subscribe(event, 'udp:127.0.0.1:9', undefined);
        await operator.open('Live');
        await operator.go(operator.page.getByRole('button', { name: 'End udp:127.0.0.1:9' }));
        expect(server.events.subscriptionsOf(event)).toStrictEqual([]);
      },
    },
    {
      title: 'see a line of the log',
      most: [1, 1],
      run: async (operator) => {
        await operator.open('Live');
        await said(operator, 'log WARNINGtrunk north answers late {"trunk":"north"}');
      },
    },
    {
      title: 'see who did what',
      most: [2, 2],
      run: async (operator) => {
        const { page } = operator;
        await operator.open('Audit');
        await operator.enter(page.getByRole('textbox', { name: 'Command' }), 'rm_contact');
        const row = page.getByRole('row').filter({ hasText: 'usrloc:rm_contact' });
        expect(await row.textContent()).toMatch(/alice.*admin.*user77777.*ok/s);
      },
    },
    {
      title: 'find a command by its name of OpenSIPS 3.x',
      most: [1, 1],
      run: async (operator) => {
        await operator.find('ul_dump');
        expect(await operator.page.getByRole('heading', { level: 2 }).first().textContent()).toBe('usrloc:dump');
      },
    },
    {
      title: 'run a command, and mend a parameter that is not taken',
      most: [6, 6],
      run: async (operator) => {
        const { page } = operator;
        await operator.find('trunk_resize');
        await operator.type(page.getByLabel(/^trunk/), 'north');
        await operator.type(page.getByLabel(/^capacity/), '501');
        await operator.go(page.getByRole('button', { name: 'Run', exact: true }));
        expect(await page.getByText('Not taken; it takes: integer, 1 to 500').count()).toBe(1);
        await operator.type(page.getByLabel(/^capacity/), '20');
        await operator.go(page.getByRole('button', { name: 'Run', exact: true }));
        await said(operator, /capacity"?:?\s*20/);
      },
    },
    {
      title: 'do it again with another value',
      most: [3, 3],
      run: async (operator) => {
        const { page } = operator;
        if (operator.hasScript) {
          const history = page.getByRole('complementary', { name: 'History' });
          await operator.go(history.getByRole('link', { name: 'trunks:resize' }).first());
        } else {
          // The calls of a session are known to a script alone. After a call its form is there.
          await page.goto('/mi/trunks/trunks:resize');
          await page.getByLabel(/^trunk/).fill('north');
          await page.getByLabel(/^capacity/).fill('20');
          await follow(page, () => page.getByRole('button', { name: 'Run', exact: true }).click());
          await operator.press(page.locator('.ran summary').first());
        }
        expect(await page.getByLabel(/^trunk/).inputValue()).toBe('north');
        await operator.type(page.getByLabel(/^capacity/), '30');
        await operator.go(page.getByRole('button', { name: 'Run', exact: true }));
        await said(operator, /capacity"?:?\s*30/);
      },
    },
    {
      title: 'copy a call as a line for a shell',
      most: [3, 3],
      run: async (operator) => {
        const { page } = operator;
        await operator.find('version');
        await operator.go(page.getByRole('button', { name: 'Run', exact: true }));
        const line = `'https://127.0.0.1:${server.port}/mi'`;
        if (operator.hasScript) {
          await operator.press(page.getByRole('button', { name: 'Copy as curl' }));
          await page.getByText('Copied').waitFor();
          expect(await page.evaluate('navigator.clipboard.readText()')).toMatch(
            new RegExp(`^curl .*"core:version".*${line}$`),
          );
        } else {
          await operator.press(page.getByText('As curl'));
          expect(await page.locator('details.line pre').textContent()).toContain(line);
        }
      },
    },
    {
      title: 'have every detail logged, notice that it is so, and end it',
      most: [8, 8],
      run: async (operator) => {
        const { page } = operator;
        const badge = page.getByRole('link', { name: 'log level debug' });
        const set = async (level: string): Promise<void> => {
          await operator.press(page.getByRole('radio', { name: 'with level', exact: true }));
          await operator.type(page.getByLabel(/^level/).first(), level);
          await operator.go(page.getByRole('button', { name: 'Run', exact: true }));
        };
        expect(await badge.count()).toBe(0);
        await operator.find('log_level');
        await set('4');
        await page.goto('/mi');
        await operator.go(badge);
        await set('3');
        expect(await badge.count()).toBe(0);
      },
    },
    {
      title: 'see who I am, and log out',
      most: [1, 1],
      run: async (operator) => {
        const { page } = operator;
        expect(await page.locator('header .user').textContent()).toMatch(/alice\s+admin/);
        await operator.go(page.getByRole('button', { name: 'Log out' }));
        expect(await page.getByRole('status').textContent()).toBe('You have logged out.');
      },
    },
  ];
}

const desktop = { viewport: { width: 1280, height: 800 } };

const views: readonly (readonly [name: string, options: TabOptions])[] = [
  ['on a desktop', desktop],
  ['on a desktop, without a script', { ...desktop, javaScriptEnabled: false }],
  ['on a phone, in dark', { ...phone, colorScheme: 'dark' }],
  ['on a phone, without a script', { ...phone, javaScriptEnabled: false }],
];

unless(skipped || noOpenssl, describe)('an operator', () => {
  for (const [view, options] of views) {
    test(`does each of 21 tasks in few steps, ${view}`, { timeout: 600_000 }, async ({ lifetime, files, openTab }) => {
      const around = await surroundings(lifetime, files);
      const hasScript = options.javaScriptEnabled !== false;
      const page = await openTab(around.server, {
        ...options,
        ...(hasScript ? { prepare: axe, permissions: ['clipboard-read', 'clipboard-write'] } : {}),
        baseURL: `https://127.0.0.1:${around.server.port}`,
        ignoreHTTPSErrors: true,
        expected: /401/,
      });
      await logIn(page);
      const tasks = tasksOf(around);
      expect(tasks.length).toBe(21);
      const operator = new Operator(page, hasScript);
      for (const task of tasks) await operator.does(task);
    });
  }

  test('has a guide that lists the tasks, and how many steps they take', async ({ lifetime, files }) => {
    const guide = readFileSync('docs/guide/web.md', 'utf8');
    for (const { title, most } of tasksOf(await surroundings(lifetime, files)))
      expect(guide).toContain(`| ${title} | ${most[0]} | ${most[1]} |`);
  });
});
