// Debian's Chromium for the tests of the web interface, with everything a page must not do made a failure.

import { existsSync } from 'node:fs';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';
import { expect } from 'vitest';
import type { Server } from '#src/index.js';
import type { Lifetime } from '../lifetime.js';

/** The first has no window, and takes a third of the processor time of the second for a page. */
const programs = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const executablePath = programs.find(existsSync);

/** Why the tests in a browser are skipped; false where they run. */
export const skipped: string | false =
  executablePath === undefined ? `neither ${programs.join(' nor ')} is here; install Debian's package chromium` : false;

export interface TabOptions extends BrowserContextOptions {
  /** Source that every page runs before its own. */
  readonly prepare?: string;
  /** Console errors that are part of the test, such as that of a page with status 404. */
  readonly expected?: RegExp;
}

export const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } satisfies TabOptions;

/** A browser, which the tests of a file share: its start takes longer than most of them. */
export function launchBrowser(): Promise<Browser> {
  if (executablePath === undefined) throw new Error(String(skipped));
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-component-update'],
  });
}

/**
 * One tab, on `/mi`, with cookies and memory of its own; closed when the test ends, which any console error has failed
 * then.
 */
export async function openTab(
  t: Lifetime,
  browser: Browser,
  server: Server,
  { prepare, expected, ...options }: TabOptions = {},
): Promise<Page> {
  const context = await browser.newContext({
    baseURL: `http://127.0.0.1:${server.port}`,
    viewport: { width: 1200, height: 800 },
    ...options,
  });
  const faults: string[] = [];
  t.onTestFinished(async () => {
    await context.close();
    expect(faults).toStrictEqual([]);
  });
  context.setDefaultTimeout(15_000);
  watch(context, faults, expected);
  if (prepare !== undefined) await context.addInitScript({ content: prepare });
  const page = await context.newPage();
  await page.goto('/mi');
  return page;
}

/** Violations of the Content-Security-Policy are console errors too. */
function watch(context: BrowserContext, faults: string[], expected: RegExp | undefined): void {
  const add = (fault: string): void => {
    // The browser asks for an icon by itself; the page has none.
    if (expected?.test(fault) !== true && !fault.includes('favicon')) faults.push(fault);
  };
  context.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      add(`${message.type()}: ${message.text()} at ${message.location().url}`);
    }
  });
  context.on('weberror', (error) => add(`uncaught: ${error.error().stack}`));
  context.on('dialog', (dialog) => {
    add(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1' && hostname !== 'localhost')
      add(`external request: ${request.url()}`);
  });
}

/**
 * Does an action that leads to another document, and waits until that one is whole: without waiting, a test that goes on
 * may still look at the page before. Scripts of type module have run by then. A link that changes the fragment alone
 * loads no document.
 */
export async function follow(page: Page, action: () => Promise<void>): Promise<void> {
  await Promise.all([page.waitForEvent('domcontentloaded', { timeout: 60_000 }), action()]);
}

/** Logs in by the page, as the user that tests have. */
export async function logIn(page: Page): Promise<void> {
  await page.getByLabel('Name').fill('alice');
  await page.getByLabel('Password').fill('wonder:land');
  await follow(page, () => page.getByRole('button', { name: 'Log in', exact: true }).click());
}

/** Runs the form as it is filled in and waits for the page with its result. */
export async function runForm(page: Page): Promise<void> {
  const form = page.locator('form.call');
  await follow(page, () => form.getByRole('button', { name: /^Run/ }).click());
  const sure = page.locator('form.confirm');
  if ((await sure.count()) > 0) await follow(page, () => sure.getByRole('button', { name: /^Run/ }).click());
  await page.getByRole('region', { name: 'Result' }).waitFor();
}

/** The input for parameters as JSON or words, which is behind a switch. */
export async function asJson(page: Page): Promise<Locator> {
  const input = page.getByLabel(/as JSON, or words/);
  if ((await input.count()) > 0 && !(await input.isVisible())) await page.locator('details.whole > summary').click();
  return input;
}

/** Chooses how the result is shown. */
export async function showAs(page: Page, view: 'Table' | 'Tree' | 'Text'): Promise<void> {
  const choice = page.getByRole('group', { name: 'Show as' });
  if ((await choice.count()) > 0) await choice.getByRole('button', { name: view, exact: true }).click();
}
