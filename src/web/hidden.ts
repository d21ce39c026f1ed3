// What nobody would see in a text: on the pages that the server makes, and by their script.

/** Characters that nobody sees, or that change the direction of what follows: first and last code point of each range. */
const ranges: readonly (readonly [number, number])[] = [
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

function isHidden(code: number): boolean {
  return ranges.some(([first, last]) => code >= first && code <= last);
}

/** A piece of a text: as it is, or the mark of a character that is not seen, `U+202E`. */
interface Piece {
  readonly text: string;
  readonly isMark: boolean;
}

/** A text in pieces, with a mark in the place of each character that nobody would see. */
export function piecesOf(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let plain = '';
  const end = (): void => {
    if (plain !== '') pieces.push({ text: plain, isMark: false });
    plain = '';
  };
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (!isHidden(code)) {
      plain += character;
      continue;
    }
    end();
    pieces.push({ text: `U+${code.toString(16).toUpperCase().padStart(4, '0')}`, isMark: true });
  }
  end();
  return pieces;
}

/** JSON with an escape in the place of each character that nobody would see: the same values, and nothing that acts on what follows. */
export function withEscapes(json: string): string {
  let text = '';
  let plain = 0;
  let at = 0;
  for (const character of json) {
    if (isHidden(character.codePointAt(0) ?? 0)) {
      text += json.slice(plain, at);
      for (let unit = 0; unit < character.length; unit += 1)
        text += `\\u${character.charCodeAt(unit).toString(16).toUpperCase().padStart(4, '0')}`;
      plain = at + character.length;
    }
    at += character.length;
  }
  return plain === 0 ? json : text + json.slice(plain);
}
