import type { EventParameters } from '../../mi/events/events.js';

/** An event with its parameters, as it came. */
export interface ToldEvent {
  readonly name: string;
  readonly parameters: EventParameters;
}

const eventName = /^E_[A-Z0-9_]+$/;
const parameterName = /^[A-Za-z0-9_.-]+::/;
const escaped = /\\(.)/gs;

/**
 * Reads an event as event_datagram of 2.x sends it: a line with its name, and one `name::value` for each parameter. A value may be
 * in quotes, and has lines then. All of them are texts. Without a name for each, parameters are a list.
 *
 * @returns undefined for what is none
 */
export function readEventLines(text: string): ToldEvent | undefined {
  const end = text.indexOf('\n');
  const name = end < 0 ? text : text.slice(0, end);
  if (!eventName.test(name)) return undefined;
  const told: [name: string, value: string][] = [];
  let at = end < 0 ? text.length : end + 1;
  while (at < text.length) {
    const [found = ''] = parameterName.exec(text.slice(at, at + longestName)) ?? [];
    at += found.length;
    const quoted = text[at] === '"' ? quoteEnd(text, at) : -1;
    const line = text.indexOf('\n', quoted < 0 ? at : quoted);
    const stop = line < 0 ? text.length : line;
    told.push([found, quoted < 0 ? text.slice(at, stop) : text.slice(at + 1, quoted).replace(escaped, '$1')]);
    at = stop + 1;
  }
  // A value such as an IPv6 address may look as if it had a name.
  if (told.some(([found]) => found === '')) return { name, parameters: told.map(([found, value]) => found + value) };
  return { name, parameters: Object.fromEntries(told.map(([found, value]) => [found.slice(0, -2), value])) };
}

const longestName = 128;

/** The place of the quote that ends the value; -1 where none does, so that the first one is a part of it. */
function quoteEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1 === text.length || text[at + 1] === '\n' ? at : -1;
  }
  return -1;
}
