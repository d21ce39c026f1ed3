// JSON as OpenSIPS reads and prints it, faults included.

/** The first value of a text, as far as it goes; undefined where there is none. What is behind it is not looked at. */
export function firstValue(text: string): { readonly value: unknown; readonly end: number } | undefined {
  const nul = text.indexOf('\0');
  const given = nul < 0 ? text : text.slice(0, nul);
  const end = endOfValue(given);
  if (end < 0) return undefined;
  try {
    return { value: JSON.parse(given.slice(0, end)) as unknown, end };
  } catch {
    return undefined;
  }
}

/** Where the first value of a text ends; -1 where it does not. */
function endOfValue(text: string): number {
  let depth = 0;
  let isText = false;
  for (let at = text.search(/\S/); at >= 0 && at < text.length; at++) {
    const character = text[at] ?? '';
    if (isText) {
      if (character === '\\') at += 1;
      else if (character === '"') {
        isText = false;
        if (depth === 0) return at + 1;
      }
    } else if (character === '"') isText = true;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0) {
      const scalar = /^(?:null|true|false|-?[0-9.eE+-]+)/.exec(text.slice(at))?.[0];
      return scalar === undefined ? -1 : at + scalar.length;
    }
  }
  return -1;
}

/** A member by its name, without regard to case. */
export function member(object: unknown, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined;
  return Object.entries(object).find(([key]) => key.toLowerCase() === name)?.[1];
}

/** A number as OpenSIPS keeps it: 32 bits. */
export function squeezed(number: number): number {
  return Math.max(-2147483648, Math.min(2147483647, Math.trunc(number)));
}

/** A value that is printed as it is: members may repeat. */
export class Raw {
  constructor(readonly text: string) {}
}

/** Prints a value compactly. @param pieces gets the text in the pieces in which it is printed: tokens */
function printTokens(value: unknown, pieces: string[]): void {
  if (value instanceof Raw) pieces.push(value.text);
  else if (Array.isArray(value)) {
    value.forEach((item, index) => {
      pieces.push(index === 0 ? '[' : ',');
      printTokens(item, pieces);
    });
    pieces.push(value.length === 0 ? '[]' : ']');
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.forEach(([name, item], index) => {
      pieces.push(index === 0 ? '{' : ',', JSON.stringify(name), ':');
      printTokens(item, pieces);
    });
    pieces.push(entries.length === 0 ? '{}' : '}');
  } else pieces.push(JSON.stringify(value) ?? 'null');
}

export function print(value: unknown): string {
  const pieces: string[] = [];
  printTokens(value, pieces);
  return pieces.join('');
}

/** Bytes of a string that mi_fifo has room for. */
const longestString = 4090;

/** As mi_fifo prints: half of the reply, and then these words, where a string is too long for its buffer. */
export function printForFifo(value: unknown): { readonly text: string; readonly isBroken: boolean } {
  const pieces: string[] = [];
  printTokens(value, pieces);
  const long = pieces.findIndex((piece) => piece.startsWith('"') && Buffer.byteLength(piece) - 2 > longestString);
  if (long < 0) return { text: pieces.join(''), isBroken: false };
  return { text: `${pieces.slice(0, long).join('')}failed to print response`, isBroken: true };
}
