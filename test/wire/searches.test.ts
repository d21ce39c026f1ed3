// What strangers write into the fields of searches: any bytes, in any order, and contacts have what they like to be found by.
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { call } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import { test } from '../support/test.js';
import { get, unescapeHtml } from '../support/web-client.js';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '<script>alert(1)</script>',
    '"><img src=x>',
    "' onfocus=a",
    '\u202e\u2066a',
    '*',
    '%',
    '\0',
    '&lt;',
    'a'.repeat(2000),
  ),
);

/** The bytes of a query, of which some are no UTF-8 and some no percent escapes. */
const bytes = fc
  .array(
    fc.oneof(
      fc.constantFrom('%', '%F', '%zz', '%FF', '%C3%28', '%00', '+', '&', '=', ';'),
      fc.string({ maxLength: 3 }),
    ),
    {
      maxLength: 20,
    },
  )
  .map((pieces) => pieces.join('').replace(/[^!-~]|#/g, '%20'));

/** Each page with a search, and its fields; the first one is shown again. */
const pages = [
  ['/mi/contacts', ['q', 'by', 'table', 'sort', 'after', 'done']],
  ['/mi/statistics', ['filter', 'chart']],
  ['/mi/audit', ['who', 'command', 'outcome']],
  ['/mi/live', ['events', 'topic', 'after']],
] as const;

describe('a search', () => {
  test('takes any text, shows it as it is, and fails in no other way than to find nothing', async ({
    startServer,
    temporaryFile,
  }) => {
    const server = await startServer({ usrloc: {}, httpd: { audit_file: temporaryFile('audit', '') } });
    server.usrloc?.domain('location').save('alice', { contact: 'sip:alice@192.0.2.1', expires: 60 });
    const page = fc.constantFrom(...pages);
    const values = fc.array(text, { minLength: 6, maxLength: 6 });
    await holds(
      fc.asyncProperty(page, values, async ([path, names], given) => {
        const fields = names.map((name, index): [string, string] => [name, given[index] ?? '']);
        const { status, body } = await get(server, `${path}?${new URLSearchParams(fields)}`);
        expect(status, path).toBe(200);
        expect(body).toMatch(/<\/html>\n$/);
        const [name, value] = fields[0] ?? ['', ''];
        const shown = new RegExp(`name="${name}" value="([^"]*)"`).exec(body)?.[1];
        // Events are named in any order and form, and told as names.
        if (name !== 'events') expect(unescapeHtml(shown ?? 'none')).toBe(value);
        for (const one of given) if (/[<"]/.test(one) && one.length > 3) expect(body.includes(one)).toBe(false);
      }),
      { runs: 150 },
    );
    await holds(
      fc.asyncProperty(page, bytes, async ([path, [name]], query) => {
        const { status, body } = await get(server, `${path}?${name}=${query}`);
        expect([200, 400], `${path} ${query}`).toContain(status);
        expect(body).toMatch(/<\/html>\n$/);
      }),
      { runs: 150 },
    );
  });

  test('of contacts finds what a plain search for the same letters does', async ({ startServer }) => {
    const agent = fc.string({ unit: fc.constantFrom(...'aAbB19 .-/"\\'), maxLength: 8 });
    const find = async (server: Server, params: object): Promise<number> =>
      ((await call(server, 'usrloc:find', params)) as { matched: number }).matched;
    await holds(
      fc.asyncProperty(
        fc.array(agent, { minLength: 1, maxLength: 30 }),
        fc.array(agent, { maxLength: 8 }),
        async (agents, wanted) => {
          const server = await startServer({ usrloc: {} });
          const location = server.usrloc?.domain('location');
          for (const [index, userAgent] of agents.entries())
            location?.save(`u${index}`, { contact: `sip:${index}@192.0.2.1`, expires: 60, userAgent });
          for (const one of wanted.map((each) => each.trim()).filter((each) => each !== '')) {
            const expected = agents.filter((each) => each.toLowerCase().includes(one.toLowerCase())).length;
            expect(await find(server, { text: one, by: 'User-agent' }), JSON.stringify(one)).toBe(expected);
          }
          expect(await find(server, { text: '' })).toBe(agents.length);
          await server.close({ deadline: 0 });
        },
      ),
      { runs: 25 },
    );
  });
});
