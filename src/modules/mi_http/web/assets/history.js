import { button, element } from './element.js';

const callsKey = 'mi-history';
const sentKey = 'mi-sent';
const limit = 40;

/**
 * Lists the calls of this browser session below the page. The links lead to the form with the same parameters filled
 * in; they run nothing, since the command may change state.
 */
export function rememberCalls(form, result) {
  form?.addEventListener('submit', () => {
    write(sentKey, { path: location.pathname, fields: entries(new FormData(form)) });
  });
  const sent = read(sentKey);
  sessionStorage.removeItem(sentKey);
  let calls = read(callsKey) ?? [];
  const reloaded = performance.getEntriesByType('navigation')[0]?.type !== 'navigate';
  if (result && !reloaded) {
    const inUrl = entries(new URLSearchParams(location.search));
    const fields = inUrl.length > 0 || sent?.path !== location.pathname ? inUrl : sent.fields;
    const name = document.querySelector('main h2')?.textContent ?? location.pathname;
    const call = { path: location.pathname, name, fields, status: result.dataset.status, time: Date.now() };
    calls = [call, ...calls].slice(0, limit);
    write(callsKey, calls);
  }
  if (calls.length > 0) show(calls);
}

function show(calls) {
  const items = calls.map(({ path, name, fields, status, time }) => {
    const given = fields.filter(([field, value]) => field !== 'recipe' && value !== '').map(([, value]) => value);
    const at = new Date(time);
    return element(
      'li',
      {},
      element('a', { href: `${path}#${new URLSearchParams(fields)}` }, name),
      given.length > 0 ? element('code', {}, given.join(' ')) : undefined,
      status === 'error' ? element('span', { className: 'failed' }, 'error') : undefined,
      element('time', { dateTime: at.toISOString() }, at.toLocaleTimeString()),
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

function entries(fields) {
  return [...fields].filter(([, value]) => typeof value === 'string').slice(0, 32);
}

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

function write(key, value) {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage that is full or switched off costs the history, nothing else.
  }
}
