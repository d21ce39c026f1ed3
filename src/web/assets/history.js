import { button, element } from './element.js';
import { callsKey, keep, readKept } from './kept.js';
import { timeOf } from './times.js';
import { visible } from './visible.js';

const limit = 40;

/** Keeps a call, whose result a page shows, for the list of the calls of this session. */
export function rememberCall(form, result) {
  const isNew = performance.getEntriesByType('navigation')[0]?.type === 'navigate';
  // Nothing is kept of a call that has a secret.
  if (!isNew || form.dataset.secret) return;
  const name = document.querySelector('main h2')?.textContent ?? location.pathname;
  const path = new URL(form.action).pathname;
  const call = { path, name, fields: submitted(form), status: result.dataset.status, time: Date.now() };
  keep(callsKey, [call, ...(readKept(callsKey) ?? [])].slice(0, limit));
  // Going back, or reloading, must not run again what changed something; after a POST browsers ask.
  if (form.dataset.changes && location.search) history.replaceState(null, '', `${path}#${fragmentOf(call)}`);
  showCalls();
}

/** The page of a result has its form filled in with what was submitted, by GET and by POST alike. */
function submitted(form) {
  return [...new FormData(form)].filter(([name, value]) => name === 'arg' || value !== '').slice(0, 64);
}

function fragmentOf({ fields }) {
  return new URLSearchParams(fields).toString();
}

/**
 * Lists the calls of this browser session below the page. The links lead to the form with the same parameters filled
 * in; they run nothing, since the command may change state.
 */
export function showCalls() {
  const calls = readKept(callsKey) ?? [];
  document.querySelector('aside.history')?.remove();
  if (calls.length === 0) return;
  const items = calls.map(({ path, name, fields, status, time }) => {
    const given = fields.filter(([field, value]) => field !== 'recipe' && value !== '').map(([, value]) => value);
    return element(
      'li',
      {},
      // With a query of its own it is never the page of a result, on which it would only move the view.
      element('a', { href: `${path}?form#${fragmentOf({ fields })}` }, name),
      given.length > 0 ? element('code', { dir: 'auto' }, ...visible(given.join(' '))) : undefined,
      status === 'error' ? element('span', { className: 'failed' }, 'error') : undefined,
      timeOf(new Date(time)),
    );
  });
  const aside = element(
    'aside',
    { className: 'history', 'aria-label': 'History' },
    element('h2', {}, 'This session'),
    element('ol', {}, ...items),
    button('Forget', () => {
      sessionStorage.removeItem(callsKey);
      aside.remove();
      document.querySelector('main')?.focus();
    }),
  );
  document.querySelector('main')?.after(aside);
}
