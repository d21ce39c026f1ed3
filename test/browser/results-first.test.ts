// After a run the result is what the window has; the form is one line.
import { describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { follow, runForm, skipped } from '../support/browser/chromium.js';
import { sampleModule } from '../support/browser/sample-module.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

unless(skipped, describe)('after a run', () => {
  test('the result is on top, as wide as the window, with many rows', async ({ startServer, openTab }) => {
    const server = await startServer({ usrloc: {} });
    for (let index = 0; index < 60; index += 1) {
      const contact = `sip:user${index}@192.0.2.1:5060`;
      server.usrloc?.domain('location').save(`user${index}`, { contact, expires: 1000 + index });
    }
    const page = await openTab(server, { viewport: { width: 1600, height: 800 } });
    await page.goto('/mi/usrloc/usrloc:dump');
    await runForm(page);
    const rows = await page.getByRole('row').all();
    const boxes = await Promise.all(rows.map((row) => row.boundingBox()));
    expect(boxes[1]?.y).toBeLessThan(360);
    const inSight = boxes.filter((box) => box !== null && box.y + box.height <= 800).length;
    expect(inSight).toBeGreaterThanOrEqual(16);
    const frame = await page.locator('.frame').boundingBox();
    expect(frame?.width).toBeGreaterThan(1500);
  });

  for (const hasScript of [true, false]) {
    test(`the form is one line that opens, and runs again, ${hasScript ? 'with' : 'without'} a script`, async ({
      startServer,
      openTab,
    }) => {
      let runs = 0;
      const counting = defineModule({
        name: 'pbx',
        commands: [
          command({
            name: 'count',
            help: 'Counts.',
            recipes: [{ step: 'int' }],
            run: ({ step }) => {
              runs += step;
              return runs;
            },
          }),
        ],
      });
      const server = await startServer({ modules: [counting] });
      const page = await openTab(server, { javaScriptEnabled: hasScript });
      await page.goto('/mi/pbx/pbx:count');
      await page.getByLabel(/^step/).fill('7');
      await runForm(page);
      expect(await page.getByLabel(/^step/).isVisible()).toBe(false);
      const line = page.locator('.ran > details > summary');
      expect(await line.textContent()).toBe('Form {"step":"7"}');
      expect((await page.locator('.ran').boundingBox())?.height).toBeLessThan(50);
      await follow(page, () => page.getByRole('button', { name: 'Run again' }).click());
      expect(runs).toBe(14);
      await line.click();
      await page.getByLabel(/^step/).fill('1');
      await runForm(page);
      expect(runs).toBe(15);
    });
  }

  test('an error is on top, and the form below it to be mended', async ({ startServer, openTab }) => {
    const server = await startServer({ modules: [sampleModule()] });
    const page = await openTab(server, { viewport: { width: 1280, height: 800 } });
    await page.goto('/mi/sample/sample:echo?arg=%5B1,2,3%5D');
    const alert = await page.getByRole('alert').boundingBox();
    expect(alert?.y).toBeLessThan(300);
    expect(await page.getByLabel(/as JSON, or words/).isVisible()).toBe(true);
    expect(await page.locator('.ran').count()).toBe(0);
  });
});
