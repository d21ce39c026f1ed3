// Reproducible damage to sound requests, as a client could send them.

/** A generator of pseudo-random numbers (mulberry32) that gives the same ones for the same seed. */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to `end` - 1. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  of<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to choose from');
    return item;
  }
}

/** Texts that parsers trip over. */
const tokens: readonly Buffer[] = [
  ...[
    '\r\n',
    '\n',
    '\r',
    '\0',
    ' ',
    '\t',
    ':',
    ',',
    '\r\n\r\n',
    '\r\n \r\n',
    '"',
    '\\',
    '\\u0000',
    '\\ud800',
    '{',
    '}',
  ],
  ...[
    '[',
    ']',
    '[[[[[[[[',
    '%',
    '%00',
    '%0d%0a',
    '..',
    '//',
    '?',
    '#',
    '-1',
    '0',
    '1e999',
    '9'.repeat(40),
    'null',
    'é',
  ],
  ...[
    'Content-Length: 0\r\n',
    'Content-Length: 99\r\n',
    'Content-Length: 18446744073709551616\r\n',
    'Expect: 100-continue\r\n',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: gzip\r\n',
    'Connection: close\r\n',
    'Connection: Upgrade\r\n',
  ],
  ...[
    ': x\r\n',
    'Host: b\r\n',
    ' HTTP/1.0',
    ' HTTP/2.0',
    'HEAD ',
    'OPTIONS * ',
    '0\r\n\r\n',
    'ffffffffffffffff\r\n',
    '5;a=b\r\n',
  ],
  ...['"jsonrpc":"1.0",', '"id":{},', '"method":"which",', '"params":[[[]]],', 'x'.repeat(5000)],
].map((text) => Buffer.from(text, 'latin1'));

type Mutation = (bytes: Buffer, random: Random) => Buffer;

function splice(bytes: Buffer, at: number, removed: number, added: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
}

const mutations: readonly Mutation[] = [
  function change(bytes, random) {
    const copy = Buffer.from(bytes);
    copy[random.below(copy.length)] = random.below(256);
    return copy;
  },
  function flip(bytes, random) {
    const copy = Buffer.from(bytes);
    const at = random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  function insert(bytes, random) {
    return splice(bytes, random.below(bytes.length), 0, random.of(tokens));
  },
  function replace(bytes, random) {
    const token = random.of(tokens);
    return splice(bytes, random.below(bytes.length), token.length, token);
  },
  function remove(bytes, random) {
    return splice(bytes, random.below(bytes.length), 1 + random.below(20), Buffer.alloc(0));
  },
  function repeat(bytes, random) {
    const at = random.below(bytes.length);
    return splice(bytes, at, 0, bytes.subarray(at, at + 1 + random.below(60)));
  },
  function end(bytes, random) {
    return bytes.subarray(0, 1 + random.below(bytes.length));
  },
];

/** One to four sound requests, damaged up to six times. */
export function damaged(requests: readonly Buffer[], random: Random): Buffer {
  let bytes: Buffer = Buffer.concat(Array.from({ length: 1 + random.below(4) }, () => random.of(requests)));
  for (let count = random.below(7); count > 0; count--) {
    const next = random.of(mutations)(bytes, random);
    if (next.length > 0) bytes = next;
  }
  return bytes;
}

/** The same bytes in one to four pieces. */
export function pieces(bytes: Buffer, random: Random): readonly Buffer[] {
  const cuts = Array.from({ length: random.below(4) }, () => random.below(bytes.length)).sort((a, b) => a - b);
  return [0, ...cuts].map((start, index) => bytes.subarray(start, cuts[index] ?? bytes.length));
}
