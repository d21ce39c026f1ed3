// Whatever bytes come, readers give what they promise, or undefined.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Answer,
  answerBytes,
  type Presence,
  presenceBytes,
  type Question,
  questionBytes,
  readAnswer,
  readPresence,
  readQuestion,
} from './messages.js';

const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}(\.[a-z0-9]{1,8})?$/);
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const short = fc.string({ minLength: 1, maxLength: 100 }).filter((text) => !/\p{Cc}/u.test(text));
const json = fc.jsonValue({ depthSize: 'small' });

const presence: fc.Arbitrary<Presence> = fc.record({
  name,
  instance: token,
  number: fc.nat(),
  version: short,
  tags: fc.array(name, { maxLength: 5 }),
  digest: short,
  url: fc.constantFrom(undefined, 'http://127.0.0.1:1', 'https://a.example'),
  ready: fc.boolean(),
  unready: fc.array(short, { maxLength: 5 }),
  opensips: fc.array(fc.record({ name: short, version: short, up: fc.boolean() }), { maxLength: 3 }),
  leaving: fc.boolean(),
});

const question: fc.Arbitrary<Question> = fc.record({
  kind: fc.constant('call' as const),
  fleet: fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/),
  id: token,
  user: short,
  at: name,
  level: fc.constantFrom('read' as const, 'operate' as const, 'admin' as const),
  command: short,
  params: fc.constantFrom(undefined, [1, 'a'], { a: { b: [null] } }),
  timeout: fc.integer({ min: 1, max: 1000 }),
});

const answer: fc.Arbitrary<Answer> = fc.record({
  node: name,
  readOnly: fc.constantFrom(true, false, undefined),
  outcome: fc.oneof(
    json.map((value) => ({ kind: 'result' as const, bytes: Buffer.from(JSON.stringify(value)) })),
    fc.record({ kind: fc.constant('dump' as const), token }, { noNullPrototype: true }),
    fc.record({
      kind: fc.constant('error' as const),
      error: fc.record({ code: fc.integer(), message: short }),
    }),
  ),
});

/** Bytes of messages, cut, doubled, with others in their place. */
const damaged = fc
  .tuple(
    fc.oneof(presence.map(presenceBytes), question.map(questionBytes), answer.map(answerBytes), fc.uint8Array()),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
    fc.nat(),
  )
  .map(([bytes, changes, end]) => {
    const copy = Uint8Array.from(bytes);
    for (const [place, byte] of changes) if (copy.length > 0) copy[place % copy.length] = byte;
    return end % 3 === 0 ? copy.subarray(0, end % (copy.length + 1)) : copy;
  });

describe('messages of a fleet', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(presence, question, answer, (one, two, three) => {
        expect(readPresence(presenceBytes(one))).toEqual(one);
        expect(readQuestion(questionBytes(two))).toEqual(two);
        expect(readAnswer(answerBytes(three))).toEqual(three);
      }),
    );
  });

  test('that are damaged are none, or have their form', () => {
    fc.assert(
      fc.property(damaged, (bytes) => {
        const told = readPresence(bytes);
        if (told !== undefined) expect(readPresence(presenceBytes(told))).toStrictEqual(told);
        const asked = readQuestion(bytes);
        if (asked !== undefined) expect(readQuestion(questionBytes(asked))).toStrictEqual(asked);
        const found = readAnswer(bytes);
        if (found?.outcome.kind === 'result') JSON.parse(Buffer.from(found.outcome.bytes).toString());
        if (found !== undefined) expect(readAnswer(answerBytes(found))).toStrictEqual(found);
      }),
      { numRuns: 2000 },
    );
  });

  test('have bounds: length, depth, lists, names', () => {
    const good: Presence = {
      name: 'a',
      instance: 'i',
      number: 1,
      version: '1',
      tags: [],
      digest: 'd',
      url: undefined,
      ready: true,
      unready: [],
      opensips: [],
      leaving: false,
    };
    const bad: readonly Partial<Record<keyof Presence, unknown>>[] = [
      { name: '' },
      { name: 'a.' },
      { name: 'a..b' },
      { name: '*' },
      { name: '>' },
      { name: 'a b' },
      { name: 'x'.repeat(65) },
      { instance: '' },
      { number: 1.5 },
      { number: '1' },
      { version: 'a\nb' },
      { version: 'x'.repeat(257) },
      { tags: Array.from({ length: 33 }, () => 'a') },
      { tags: ['*'] },
      { url: 'javascript:alert(1)' },
      { url: 'file:///etc/passwd' },
      { url: 'http://a/delete?x=' },
      { url: 'http://user:password@a' },
      { url: 'http://a/' },
      { ready: 1 },
      { opensips: [{ name: 'a' }] },
      { unready: [1] },
    ];
    expect(readPresence(presenceBytes(good))).toStrictEqual(good);
    for (const one of bad)
      expect(readPresence(presenceBytes({ ...good, ...one } as Presence)), JSON.stringify(one)).toBeUndefined();
    const deep = (depth: number) => `{"v":1,"node":"a","kind":"result"}\n${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect(readAnswer(Buffer.from(deep(20)))).toBeDefined();
    expect(readAnswer(Buffer.from(deep(2000)))).toBeUndefined();
    expect(readAnswer(Buffer.from(`${' '.repeat(70_000)}${deep(1)}`))).toBeUndefined();
    expect(readQuestion(Buffer.from(' '.repeat(300_000)))).toBeUndefined();
  });
});
