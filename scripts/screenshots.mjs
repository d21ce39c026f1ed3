// node scripts/screenshots.mjs: takes the pictures of the web interface anew, as docs/web-*.png.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { buildAddon, buildTypeScript, root } from './steps.mjs';

buildAddon();
buildTypeScript();
const { createServer } = await import(new URL('../dist/index.js', import.meta.url));

const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, usrloc: {} }).start();
const location = server.usrloc.domain('location');
const agents = ['Linphone/5.2.4', 'Zoiper rv2.10', 'Yealink T54W 96.86', 'snomD785/10.1', 'Grandstream GXP2170'];
for (const [index, aor] of ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'].entries()) {
  location.save(aor, {
    contact: `sip:${aor}@192.0.2.${20 + index * 7}:5060`,
    expires: 3600 - index * 311,
    q: 0.5,
    userAgent: agents[index % agents.length],
  });
}

const profile = mkdtempSync(join(tmpdir(), 'mi-httpd-screenshots-'));
const screen = { viewport: { width: 1200, height: 800 } };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
try {
  await traffic(60);
  await picture('overview', screen, '/mi', (page) => page.locator('figure.chart canvas').nth(2).waitFor());
  await picture('light', screen, '/mi/usrloc');
  await picture('dark', { ...screen, colorScheme: 'dark' }, '/mi/core', async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('contact');
    await page.getByRole('listbox').getByRole('option').first().waitFor();
  });
  await picture('phone', phone, '/mi/usrloc/usrloc:show_contact');
  await picture('table', screen, '/mi/usrloc/usrloc:dump?arg=', (page) =>
    page.getByRole('columnheader', { name: 'Expires' }).getByRole('button').click(),
  );
} finally {
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  await server.close({ deadline: 0 });
}

/** Calls of so many seconds, more and less of them by turns, so that charts have something to show. */
async function traffic(seconds) {
  const call = (method, params) => ({ jsonrpc: '2.0', method, params, id: 1 });
  for (let round = 0; round < seconds * 5; round++) {
    const count = 4 + Math.round(3 * Math.sin(round / 20));
    const batch = Array.from({ length: count }, () => [
      call('version'),
      call('ul_dump'),
      call('get_statistics', [['all']]),
    ]);
    if (round % 40 === 0) batch.push([call('log_level', [1, 2, 3])]);
    const body = JSON.stringify(batch.flat());
    await fetch(server.urls[0], { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function picture(name, options, path, prepare = () => {}) {
  const context = await chromium.launchPersistentContext(join(profile, name), {
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
    baseURL: `http://127.0.0.1:${server.port}`,
    ...options,
  });
  const page = await context.newPage();
  await page.goto(path);
  await prepare(page);
  await page.screenshot({ path: join(root, 'docs', `web-${name}.png`), animations: 'disabled', caret: 'hide' });
  await context.close();
}
