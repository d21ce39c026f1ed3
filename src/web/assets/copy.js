import { element } from './element.js';

/** Copies a text; returns whether the browser allows it. Pages on plain HTTP that are not on localhost have no clipboard of the modern kind. */
export async function copyText(content) {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    const area = element('textarea', { value: content, className: 'offscreen', readOnly: true });
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    focused?.focus();
    return copied;
  }
}
