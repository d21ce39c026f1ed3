import { expect, test } from 'vitest';
import { readEventLines } from './event-lines.js';

test.for([
  ['E_UL_AOR_DELETE\naor::alice\n', 'E_UL_AOR_DELETE', { aor: 'alice' }],
  [
    'E_ONE\nuri::sip:a@192.0.2.1;x=::1\nreceived::\nempty::""\n',
    'E_ONE',
    { uri: 'sip:a@192.0.2.1;x=::1', received: '', empty: '' },
  ],
  [
    'E_ONE\ntext::"two\nlines, a \\"quote\\" and \\\\"\nnext::1',
    'E_ONE',
    { text: 'two\nlines, a "quote" and \\', next: '1' },
  ],
  ['E_ONE\nodd::"no end\nnext::"a"b\n', 'E_ONE', { odd: '"no end', next: '"a"b' }],
  ['E_SCRIPT_EVENT\na\n"b\nc"\nfe80::1\n', 'E_SCRIPT_EVENT', ['a', 'b\nc', 'fe80::1']],
  ['E_ONE\n__proto__::x\n', 'E_ONE', Object.fromEntries([['__proto__', 'x']])],
  ['E_ONE', 'E_ONE', {}],
] as const)('an event of 2.x is read: %j', ([text, name, parameters]) => {
  expect(readEventLines(text)).toStrictEqual({ name, parameters });
});

test.for(['', '\n', 'e_one\na::b\n', '{"method":"E_ONE"}', 'E_ONE a::b\n'])('what is none is left: %j', (text) => {
  expect(readEventLines(text)).toBeUndefined();
});
