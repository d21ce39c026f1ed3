import { html, type Markup } from '../http/pages/html.js';

/** Characters that nobody sees, or that change the direction of what follows: first and last code point of each range. */
const hidden: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x61c, 0x61c],
  [0x180e, 0x180e],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xe0000, 0xe007f],
];

/** A text of a client as it is: isolated, so that its direction of writing ends with it, with marks for what nobody would see. */
export function visible(text: string): Markup {
  const pieces: (string | Markup)[] = [];
  let plain = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (!hidden.some(([first, last]) => code >= first && code <= last)) {
      plain += character;
      continue;
    }
    pieces.push(plain, html`<span class="mark">U+${code.toString(16).toUpperCase().padStart(4, '0')}</span>`);
    plain = '';
  }
  return html`<bdi>${pieces}${plain}</bdi>`;
}
