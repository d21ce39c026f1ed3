import fc from 'fast-check';
import { expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { post } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import '../support/at-rest.js';
import { test } from '../support/test.js';

const echo = command({
  name: 'echo',
  help: 'Gives its parameters back.',
  readOnly: true,
  recipes: [{ one: 'json' }, { one: 'json', two: 'json' }],
  run: ({ one, two }) => (two === undefined ? [one] : [one, two]),
});
const module = defineModule({ name: 'echoing', commands: [echo] });

/** Texts longer than those that are taken out of the rest, and short ones. */
const text = fc
  .tuple(fc.constantFrom('', 'a', 'é日😀', ',', ':{}[]', '\\', '"', '\n'), fc.constantFrom(0, 1, 5000, 20_000))
  .map(([piece, times]) => piece.repeat(times));
const name = fc.constantFrom('a', 'b', '2', '1', '__proto__', 'constructor', 'é', 'x'.repeat(20_000));
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text.map((one) => JSON.stringify(one)),
    fc.constantFrom('1', 'null', 'true', '1.5e3'),
    fc.array(tie('value'), { maxLength: 3 }).map((list) => `[${list.join(', ')}]`),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 3 }).map(members),
  ),
})).value as fc.Arbitrary<string>;

/** An object, the names of which may come twice. */
function members(list: readonly (readonly [string, unknown])[]): string {
  return `{${list.map(([key, one]) => `${JSON.stringify(key)} :${one}`).join(',')}}`;
}

const params = fc.oneof(
  fc.array(value, { minLength: 1, maxLength: 2 }).map((list) => `[ ${list.join()} ]`),
  value.map((one) => members([['one', one]])),
  // In either order. A name that comes twice is refused.
  fc.tuple(value, value).map(([one, two]) =>
    members([
      ['two', two],
      ['one', one],
    ]),
  ),
);

test('parameters with long texts mean what JSON.parse makes of them', async ({ startServer }) => {
  const server = await startServer({ modules: [module], httpd: { receive_buf_size: 16 << 20 }, log: silentLog });
  await holds(
    fc.asyncProperty(params, async (given) => {
      const { body } = await post(server, `{"jsonrpc":"2.0","id":1,"method":"echo","params":${given}}`);
      const wanted: unknown = JSON.parse(given);
      const { one, two } = wanted as Readonly<Record<string, unknown>>;
      const byName = two === undefined ? [one] : [one, two];
      const result = Array.isArray(wanted) ? wanted : byName;
      // As text: a member "constructor" has an object look like one of another class.
      expect(body).toBe(JSON.stringify({ jsonrpc: '2.0', result, id: 1 }));
    }),
  );
});
