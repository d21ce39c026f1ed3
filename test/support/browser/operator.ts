// An operator before a browser, whose steps are counted: a press of a link or button, or a field that is filled in.
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { assertAccessible } from './axe.js';
import { follow } from './chromium.js';

/** What an operator wants, and how many steps that may take. */
export interface Task {
  readonly title: string;
  /** With a script, and without one. */
  readonly most: readonly [withScript: number, without: number];
  readonly run: (operator: Operator) => Promise<void>;
}

export class Operator {
  readonly page: Page;
  readonly hasScript: boolean;
  /** Addresses that axe has looked at. */
  readonly #seen = new Set<string>();
  #steps = 0;

  constructor(page: Page, hasScript: boolean) {
    this.page = page;
    this.hasScript = hasScript;
  }

  /** Does a task, which begins on the overview. */
  async does({ title, most, run }: Task): Promise<void> {
    await this.page.goto('/mi');
    this.#steps = 0;
    try {
      await run(this);
    } catch (error) {
      throw new Error(`task "${title}", step ${this.#steps}, at ${this.page.url()}`, { cause: error });
    }
    expect(this.#steps, `steps to ${title}`).toBeLessThanOrEqual(most[this.hasScript ? 0 : 1]);
    await this.#look();
  }

  /** Presses what leads to another page. */
  async go(target: Locator): Promise<void> {
    this.#steps += 1;
    await follow(this.page, () => target.click());
    await this.#look();
  }

  /** Goes to a page by the menu of the modules, or that of the pages. */
  open(name: string): Promise<void> {
    return this.go(this.page.getByRole('link', { name, exact: true }).first());
  }

  /** Presses what changes this page. */
  async press(target: Locator): Promise<void> {
    this.#steps += 1;
    await target.click();
  }

  /** Fills in a field. */
  async type(field: Locator, text: string): Promise<void> {
    this.#steps += 1;
    await field.fill(text);
  }

  /** Fills in a field, and sends it by Enter. */
  async enter(field: Locator, text: string): Promise<void> {
    this.#steps += 1;
    await field.fill(text);
    await follow(this.page, () => field.press('Enter'));
    await this.#look();
  }

  /** Finds a command by any of its names, by the search of the header. */
  async find(name: string): Promise<void> {
    this.#steps += 1;
    if (this.hasScript) {
      const search = this.page.getByRole('combobox', { name: 'Find a command' });
      await search.fill(name);
      await this.page.getByRole('option').first().waitFor();
      await follow(this.page, () => search.press('Enter'));
    } else {
      const search = this.page.getByRole('searchbox', { name: 'Find a command' });
      await search.fill(name);
      await follow(this.page, () => search.press('Enter'));
    }
    await this.#look();
  }

  /** The step is one of the browser itself. */
  async back(): Promise<void> {
    this.#steps += 1;
    await this.page.goBack();
  }

  /** What stands in the page. */
  async text(): Promise<string> {
    return (await this.page.getByRole('main').textContent()) ?? '';
  }

  /** Each kind of page is looked at once, and never wider than the window. */
  async #look(): Promise<void> {
    const { pathname, searchParams } = new URL(this.page.url());
    const view = `${pathname}?${[...searchParams.keys()].join('&')} ${(await this.page.locator('h2').first().textContent()) ?? ''}`;
    if (this.#seen.has(view)) return;
    this.#seen.add(view);
    expect(await this.page.title(), 'each page names its server').toMatch(/^north: /);
    if (this.hasScript) await assertAccessible(this.page, view);
    expect(await this.page.evaluate('document.documentElement.scrollWidth <= innerWidth'), view).toBe(true);
  }
}
