import { html, type Insertion, type Markup } from '../http/pages/html.js';
import { piecesOf } from './hidden.js';

/** A text of a client as it is: isolated, so that its direction of writing ends with it, with marks for what nobody would see. */
export function visible(text: string): Markup {
  return html`<bdi>${marked(text)}</bdi>`;
}

/** As {@link visible}, in quotes. */
export function quoted(text: string): Markup {
  return html`<bdi>"${marked(text)}"</bdi>`;
}

function marked(text: string): Insertion {
  return piecesOf(text).map(({ text: piece, isMark }) => (isMark ? html`<span class="mark">${piece}</span>` : piece));
}
