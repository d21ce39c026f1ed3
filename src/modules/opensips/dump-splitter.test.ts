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
        { AOR: '\\"\\\\', Contacts: ['', '"', '\\""\\\\'] },
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

const trees = [
  {
    Domain: {
      value: 'location',
      hash_size: '512',
      AOR: [
        {
          value: 'alice',
          Contact: { Q: '0.5', value: 'sip:a@192.0.2.1', Expires: '60', Attr: { a: 'b', value: 'x' } },
        },
        { value: 'bob', Contact: [{ Q: '', value: 'sip:b@192.0.2.1', Expires: 'permanent', Cflags: '' }] },
      ],
    },
  },
  {
    Domain: [
      { value: 'empty', attributes: { hash_size: '512' } },
      {
        value: 'location',
        attributes: { hash_size: '512' },
        children: {
          AOR: [
            {
              value: 'alice',
              children: {
                Contact: [
                  { value: 'sip:a@192.0.2.1', attributes: { Q: '0.5' }, children: { Expires: '60', Attr: 'x a=b' } },
                ],
              },
            },
            {
              value: 'bob',
              children: {
                Contact: [
                  { value: 'sip:b@192.0.2.1', attributes: { Q: '' }, children: { Expires: 'permanent', Cflags: {} } },
                ],
              },
            },
          ],
        },
      },
    ],
  },
] as const;

test.for(trees)('a tree of 2.x is taken apart, and given as 3.x has it', (tree) => {
  const text = JSON.stringify(tree);
  for (let length = 1; length <= text.length; length += 1) {
    const splitter = new DumpSplitter();
    const found = [];
    for (let at = 0; at < text.length; at += length) found.push(...splitter.push(text.slice(at, at + length)));
    const contacts = [
      { Contact: 'sip:a@192.0.2.1', Q: '0.5', Expires: 60, Attr: 'x a=b' },
      { Contact: 'sip:b@192.0.2.1', Q: '', Expires: 'permanent', Cflags: '' },
    ];
    expect(found, `pieces of ${length}`).toStrictEqual([
      { domain: 'location', record: { AOR: 'alice', Contacts: [contacts[0]] } },
      { domain: 'location', record: { AOR: 'bob', Contacts: [contacts[1]] } },
    ]);
    expect(splitter.isComplete).toBe(true);
    expect([...splitter.domains].toSorted()).toStrictEqual(
      Array.isArray(tree.Domain) ? ['empty', 'location'] : ['location'],
    );
  }
});

test('what has no list of domains is no dump', () => {
  for (const text of ['{}', '"OK"', 'null', '[]', '{"Domains":{}}', '{"Domains":null}', '[{"Domains":[]}]']) {
    const splitter = new DumpSplitter();
    expect([...splitter.push(text)], text).toStrictEqual([]);
    expect(splitter.isComplete, text).toBe(false);
  }
  const splitter = new DumpSplitter();
  expect([...splitter.push('{"Domains":[]}')]).toStrictEqual([]);
  expect(splitter.isComplete).toBe(true);
});

test('one that ends early is not complete', () => {
  const splitter = new DumpSplitter();
  expect([...splitter.push('{"Domains":[{"name":"location","AORs":[{"AOR":"alice"}')]).toHaveLength(1);
  expect(splitter.isComplete).toBe(false);
});

test('an address of record without an end is not held, and many that have one are', () => {
  const record = `{"AOR":"alice","Contacts":["${'x'.repeat(100)}"]},`;
  const splitter = new DumpSplitter(1000);
  let found = [...splitter.push('{"Domains":[{"name":"location","AORs":[')].length;
  for (let index = 0; index < 100; index += 1) found += [...splitter.push(record)].length;
  expect(found).toBe(100);
  const endless = (): void => {
    for (let index = 0; index < 100; index += 1)
      for (const _ of splitter.push('{"AOR":["alice"],')) expect.unreachable();
  };
  expect(endless).toThrow('an address of record of the dump has more than 1000 characters');
});
