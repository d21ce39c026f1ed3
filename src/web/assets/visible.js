import { piecesOf } from '../hidden.ts';
import { element } from './element.js';

/** A text of a client as it is, with marks for what nobody would see, as on the pages that the server makes. */
export function visible(text) {
  const pieces = piecesOf(text);
  if (pieces.every(({ isMark }) => !isMark)) return [text];
  return pieces.map((piece) => (piece.isMark ? element('span', { className: 'mark' }, piece.text) : piece.text));
}
