// The page of contacts, as a browser without scripts has it.
import { describe, expect } from 'vitest';
import type { Server, ServerOptions } from '#src/index.js';
import { contactMembers } from '#src/modules/usrloc/contact.js';
import { basic, userLine } from '../support/accounts.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm, unescapeHtml } from '../support/web-client.js';

const own = { 'Sec-Fetch-Site': 'same-origin' };

async function startWith(
  startServer: (options: ServerOptions) => Promise<Server>,
  contacts: readonly object[],
  options: ServerOptions = {},
): Promise<Server> {
  const server = await startServer({ usrloc: { domains: 'location,trunks' }, ...options });
  const location = server.usrloc?.domain('location');
  for (const one of contacts) {
    const { aor, ...input } = one as { aor: string; contact: string };
    location?.save(aor, { expires: 700, ...input });
  }
  return server;
}

const many = Array.from({ length: 120 }, (_none, index) => ({
  aor: `user${index}`,
  contact: `sip:user${index}@192.0.2.1`,
  userAgent: index === 7 ? 'Yealink SIP-T46S' : 'Grandstream',
  q: (index % 10) / 10,
}));

describe('the page of contacts', () => {
  test('finds, counts and pages', async ({ startServer }) => {
    const server = await startWith(startServer, many);
    expect((await get(server, '/mi')).body).toContain('<a href="/mi/contacts">Contacts</a>');
    const one = (await get(server, '/mi/contacts?q=yealink&by=User-agent')).body;
    expect(one).toContain('<span class="count" role="status">1 of 120</span>');
    expect(one.match(/<tr role="row" data-aor/g)?.length).toBe(1);
    expect(one).toContain('value="yealink"');
    expect(one).toContain('<option selected>User-agent</option>');
    const seen = new Set<string>();
    let path: string | undefined = '/mi/contacts?q=grandstream';
    let pages = 0;
    while (path !== undefined) {
      const { body } = await get(server, path);
      expect(body).toContain('>119 of 120<');
      for (const [, aor = ''] of body.matchAll(/data-aor="([^"]*)"/g)) seen.add(aor);
      const [, next] = /<a href="([^"]*)" rel="next">/.exec(body) ?? [];
      path = next === undefined ? undefined : unescapeHtml(next);
      pages++;
    }
    expect([pages, seen.size]).toStrictEqual([3, 119]);
    expect((await get(server, '/mi/contacts?q=nothing')).body).toContain('No contact has <bdi>nothing</bdi>');
  });

  test('sorts by what the URL says', async ({ startServer }) => {
    const server = await startWith(startServer, many.slice(0, 12));
    const aors = async (sort: string) =>
      [...(await get(server, `/mi/contacts?sort=${sort}`)).body.matchAll(/data-aor="([^"]*)"/g)].map(([, aor]) => aor);
    const names = many.slice(0, 12).map(({ aor }) => aor);
    expect(await aors('aor')).toStrictEqual(names.toSorted());
    expect(await aors('-aor')).toStrictEqual(names.toSorted().reverse());
    expect((await aors('-q'))[0]).toBe('user9');
    expect((await get(server, '/mi/contacts?sort=aor')).body).toContain(
      'aria-sort="ascending"><a href="/mi/contacts?sort=-aor"',
    );
  });

  test('deletes a contact and an address of record, after a question', async ({ startServer }) => {
    const server = await startWith(startServer, [...many.slice(0, 2), { aor: 'user0', contact: 'sip:2@192.0.2.9' }]);
    const target = 't=location&aor=user0&contact=sip%3A2%40192.0.2.9&q=user&sort=aor';
    const question = await postForm(server, '/mi/contacts', `ask=contact&${target}`, own);
    expect(question.status).toBe(200);
    expect(question.body).toContain(
      'Contact <bdi>sip:2@192.0.2.9</bdi> of <bdi>user0</bdi> in table <bdi>location</bdi>',
    );
    expect(question.body).toContain('class="danger">Delete contact on <bdi>');
    expect(server.usrloc?.domain('location').lookup('user0').length).toBe(2);
    const deleted = await postForm(server, '/mi/contacts', `ask=contact&delete=1&${target}`, own);
    expect([deleted.status, deleted.headers.location]).toStrictEqual([
      303,
      '/mi/contacts?q=user&sort=aor&done=contact',
    ]);
    expect((await get(server, '/mi/contacts?q=user&sort=aor&done=contact')).body).toContain('The contact is deleted.');
    expect(server.usrloc?.domain('location').lookup('user0').length).toBe(1);
    const again = await postForm(server, '/mi/contacts', `ask=contact&delete=1&${target}`, own);
    expect(again.body).toContain('404 <bdi>Contact not found');
    expect((await postForm(server, '/mi/contacts', 'ask=aor&delete=1&t=location&aor=user1', own)).status).toBe(303);
    expect(server.usrloc?.domain('location').users).toBe(1);
  });

  test('deletes for no page elsewhere, and for no form that does not tell what', async ({ startServer }) => {
    const server = await startWith(startServer, many.slice(0, 1));
    const body = 'ask=aor&delete=1&t=location&aor=user0';
    expect((await postForm(server, '/mi/contacts', body, { 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
    expect((await postForm(server, '/mi/contacts', body)).status).toBe(403);
    for (const wrong of ['ask=all&delete=1', 'delete=1', 'ask=aor', 'x=y', 'ask=contact&t=location']) {
      expect((await postForm(server, '/mi/contacts', wrong, own)).status, wrong).toBe(400);
    }
    expect((await get(server, '/mi/contacts?ask=aor&delete=1&t=location&aor=user0', { headers: own })).status).toBe(
      200,
    );
    expect(server.usrloc?.domain('location').users).toBe(1);
  });

  test('tells what is wrong with a search', async ({ startServer }) => {
    const server = await startWith(startServer, []);
    expect((await get(server, '/mi/contacts')).body).toContain('No contact is registered');
    expect((await get(server, '/mi/contacts?after=x')).body).toMatch(
      /role="alert" class="error">400 .*cursor[^<]*search anew/,
    );
    expect((await get(server, '/mi/contacts?table=none')).body).toContain('404 <bdi>Table not found');
  });

  test('shows and downloads hostile values harmlessly', async ({ startServer }) => {
    const contacts = [
      { aor: '=cmd|x', contact: 'sip:a@192.0.2.1;x=<script>', userAgent: '"><img src=x onerror=alert(1)>' },
      { aor: '+49123', contact: 'sip:b@192.0.2.1', userAgent: 'a\u202egnp.exe\u2066' },
      { aor: 'x', contact: 'sip:c@192.0.2.1', attr: '@x', userAgent: '-1+1', received: 'sip:c@192.0.2.1' },
    ];
    const server = await startWith(startServer, contacts);
    const { body } = await get(server, '/mi/contacts?sort=contact');
    expect(body).not.toMatch(/<img(?! class="state" )|<script>|\u202e|\u2066/);
    expect(body).toContain('a<span class="mark">U+202E</span>gnp.exe<span class="mark">U+2066</span>');
    const csv = await get(server, '/mi/contacts?q=192.0.2.1&format=csv');
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    expect(csv.headers['content-disposition']).toBe('attachment; filename="contacts.csv"');
    expect(csv.body.split('\r\n', 1)).toStrictEqual([['table', 'AOR', ...contactMembers].join(',')]);
    const lines = csv.body.split('\r\n').slice(1, -1).sort();
    expect(lines.map((line) => line.split(',').slice(0, 3).join())).toStrictEqual([
      `"location","'+49123","sip:b@192.0.2.1"`,
      `"location","'=cmd|x","sip:a@192.0.2.1;x=<script>"`,
      `"location","x","sip:c@192.0.2.1"`,
    ]);
    expect(csv.body).toContain(`"'-1+1"`);
    expect(csv.body).toContain(`"'@x"`);
    expect(csv.body).toContain('"""><img src=x onerror=alert(1)>"');
  });

  test('gives all that was found as a file, whatever its length', async ({ startServer }) => {
    const server = await startWith(startServer, []);
    const contacts = Array.from({ length: 2500 }, (_none, index) => ({
      aor: `user${index}`,
      contact: `sip:user${index}@192.0.2.1`,
      expires: 600,
    }));
    for (let at = 0; at < 2500; at += 500)
      await call(server, 'usrloc:add_many', { table_name: 'trunks', contacts: contacts.slice(at, at + 500) });
    const json = JSON.parse((await get(server, '/mi/contacts?q=user1&format=json')).body) as { AOR: string }[];
    expect(new Set(json.map(({ AOR }) => AOR)).size).toBe(1111);
    expect((await get(server, '/mi/contacts?format=csv')).body.split('\r\n').length).toBe(2502);
    expect(JSON.parse((await get(server, '/mi/contacts?q=none&format=json')).body)).toStrictEqual([]);
  });

  test('shows readers nothing that deletes, and strangers nothing', async ({ startServer, temporaryFile }) => {
    const auth_file = temporaryFile('users', userLine('eva', 'secret', 'read') + userLine('otto', 'secret', 'operate'));
    const server = await startWith(startServer, many.slice(0, 1), { httpd: { auth_file } });
    const as = (user: string) => ({ Authorization: basic(user, 'secret'), ...own });
    const page = async (user: string) => (await get(server, '/mi/contacts', { headers: as(user) })).body;
    expect(await page('eva')).toContain('data-aor="user0"');
    expect(await page('eva')).not.toMatch(/name="ask"|Delete/);
    expect(await page('otto')).toContain('aria-label="Delete AOR user0"');
    const body = 'ask=aor&delete=1&t=location&aor=user0';
    expect((await postForm(server, '/mi/contacts', body, as('eva'))).status).toBe(403);
    expect((await postForm(server, '/mi/contacts', body, as('otto'))).status).toBe(303);
    expect((await get(server, '/mi/contacts')).status).toBe(401);
  });

  test('is not there without contacts', async ({ startServer }) => {
    const server = await startServer({});
    expect((await get(server, '/mi/contacts')).status).toBe(404);
    expect((await get(server, '/mi')).body).not.toContain('/mi/contacts');
  });
});
