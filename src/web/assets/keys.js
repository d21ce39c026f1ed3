// Keys that lead through the pages. Nothing needs them: all that they do, links and buttons do.
import { button, element } from './element.js';

const keys = [
  ['/', 'find a command, a page, a statistic or a contact'],
  ['Ctrl+K', 'the same, also while something is entered'],
  ['↑ ↓ Enter', 'choose what was found, and go there'],
  ['Esc', 'leave the search'],
  ['Ctrl+Enter', 'run the form'],
  ['?', 'show the keys'],
];

/** Follows the keys of the page; those of the search are followed there. */
export function followKeys(form) {
  let dialog;
  document.addEventListener('keydown', (event) => {
    if (event.isComposing || event.altKey) return;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      // What is entered elsewhere is no part of the form.
      const other = event.target instanceof Element ? event.target.closest('form, .search') : null;
      if (!form || (other !== null && other !== form)) return;
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === '?' && !event.ctrlKey && !event.metaKey && !isTyping(event.target)) {
      event.preventDefault();
      dialog ??= dialogOf();
      if (!dialog.open) dialog.showModal();
    }
  });
}

/** True where a letter is text. */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches('textarea, select, input:not([type=radio], [type=submit])');
}

function dialogOf() {
  const rows = keys.flatMap(([key, does]) => [
    element('dt', {}, ...key.split(' ').flatMap((one) => [element('kbd', {}, one), ' '])),
    element('dd', {}, does),
  ]);
  const dialog = element(
    'dialog',
    { className: 'keys', 'aria-labelledby': 'keys' },
    element('h2', { id: 'keys' }, 'Keys'),
    element('dl', {}, ...rows),
    button('Close', () => dialog.close()),
  );
  document.body.append(dialog);
  return dialog;
}
