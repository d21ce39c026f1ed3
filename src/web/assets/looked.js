// What statistics have done since the reader looked at them last.
import { grouped } from '../quantities.ts';
import { button, element } from './element.js';
import { keep, readKept, statisticsKey } from './kept.js';
import { timeOf } from './times.js';

/** @param section the part of the page that shows statistics */
export function compareStatistics(section) {
  let before = readKept(statisticsKey);
  const told = element('p', { className: 'help looked' });
  section.querySelector('form.filter')?.after(told);
  if (before === undefined) begin();
  compare();
  // The filter brings other rows.
  new MutationObserver((changes) => {
    if (changes.some(({ addedNodes }) => [...addedNodes].some((one) => one.classList?.contains('groups')))) compare();
  }).observe(section, { childList: true });

  /** From now on: what is shown is what was looked at. */
  function begin() {
    const values = [...section.querySelectorAll('td[data-value]')].map((cell) => [cell.dataset.statistic, value(cell)]);
    before = { time: Date.now(), values: { ...before?.values, ...Object.fromEntries(values) } };
    keep(statisticsKey, before);
  }

  function compare() {
    for (const cell of section.querySelectorAll('td[data-value]')) {
      cell.querySelector('.since')?.remove();
      const difference = value(cell) - before.values[cell.dataset.statistic];
      if (!difference) continue;
      const text = `${difference > 0 ? '+' : '−'}${grouped(Math.abs(difference))}`;
      cell.append(element('span', { className: 'since' }, text));
    }
    told.replaceChildren(
      'What changed since ',
      timeOf(new Date(before.time)),
      ' stands below its value. ',
      button('Count from now', () => {
        begin();
        compare();
      }),
    );
  }
}

function value(cell) {
  return Number(cell.dataset.value);
}
