import { expect, test } from 'vitest';
import { DumpSplitter } from './dump-splitter.js';

const dump = {
  Domains: [
    {
      name: 'location',
      hash_size: 512,
      AORs: [
        { AOR: 'alice', Contacts: [{ Contact: 'sip:{["\\\\a"]}@192.0.2.1', 'KV-Store': '{"a":[1]}' }] },
        { AOR: 'bob\\', Contacts: [] },
      ],
    },
    { name: 'empty "one"', AORs: [] },
    { name: 'other', AORs: [{ AOR: 'carol', Contacts: [{}, {}] }] },
  ],
};

const expected = dump.Domains.flatMap(({ name, AORs: aors }) => aors.map((record) => ({ domain: name, record })));

test('a dump is taken apart, wherever its pieces end', () => {
  const text = JSON.stringify(dump);
  for (let length = 1; length <= text.length; length += 1) {
    const splitter = new DumpSplitter();
    const found = [];
    for (let at = 0; at < text.length; at += length) {
      expect(splitter.isComplete).toBe(false);
      found.push(...splitter.push(text.slice(at, at + length)));
    }
    expect(found, `pieces of ${length}`).toStrictEqual(expected);
    expect(splitter.isComplete).toBe(true);
  }
});

test('one that ends early is not complete', () => {
  const splitter = new DumpSplitter();
  expect([...splitter.push('{"Domains":[{"name":"location","AORs":[{"AOR":"alice"}')]).toHaveLength(1);
  expect(splitter.isComplete).toBe(false);
});
