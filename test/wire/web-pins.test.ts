// What a browser keeps of the pages, and finds by them, without a script.
import { describe, expect } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { tokenLine } from '../support/accounts.js';
import { test } from '../support/test.js';
import { get, postForm, unescapeHtml } from '../support/web-client.js';

const ours = { 'Sec-Fetch-Site': 'same-origin' };

/** Pins as a browser does that has the cookie; gives the cookie that it has since. */
async function pin(server: Server, body: string, cookie = '') {
  const reply = await postForm(server, '/mi/statistics', body, {
    ...ours,
    ...(cookie === '' ? {} : { Cookie: cookie }),
  });
  return { reply, cookie: reply.headers['set-cookie']?.[0]?.split(';')[0] ?? '' };
}

async function tiles(server: Server, cookie: string): Promise<readonly string[]> {
  const { body } = await get(server, '/mi', { headers: { Cookie: cookie } });
  const [, list = ''] = /<dl class="tiles" aria-label="Pinned statistics"[^>]*>(.*?)<\/dl>/s.exec(body) ?? [];
  return [...list.matchAll(/<dt><a href="[^"]*"><bdi>(.*?)<\/bdi><\/a><\/dt><dd[^>]*>(.*?)<\/dd>/g)].map(
    ([, name = '', value = '']) => `${unescapeHtml(name)} ${value}`,
  );
}

describe('a pin', () => {
  test('puts a statistic on the overview of the browser that has it, and of no other', async ({ startServer }) => {
    const server = await startServer();
    const first = await pin(server, 'filter=a%0d%0ab&range=86400&chart=&pin=core%3Atimestamp');
    expect(first.reply.status).toBe(303);
    expect(first.reply.headers.location).toBe('/mi/statistics?filter=a%0D%0Ab&range=86400#group-core');
    expect(first.reply.headers['set-cookie']).toStrictEqual([
      'mi-pins=core%3Atimestamp; Path=/mi; Max-Age=31536000; HttpOnly; SameSite=Strict',
    ]);
    const second = await pin(server, 'pin=mi%3Apending', first.cookie);
    expect(await tiles(server, second.cookie)).toStrictEqual([
      expect.stringMatching(/^core:timestamp \d/),
      'mi:pending 0',
    ]);
    expect(await tiles(server, '')).toStrictEqual([]);
    const { body } = await get(server, '/mi/statistics', { headers: { Cookie: second.cookie } });
    expect([...body.matchAll(/name="unpin" value="([^"]*)"/g)].map(([, name]) => name)).toStrictEqual([
      'core:timestamp',
      'mi:pending',
    ]);
    const third = await pin(server, 'unpin=core%3Atimestamp', second.cookie);
    expect(await tiles(server, third.cookie)).toStrictEqual(['mi:pending 0']);
    const { reply } = await pin(server, 'unpin=mi%3Apending', third.cookie);
    expect(reply.headers['set-cookie']?.[0]).toMatch(/^mi-pins=; Path=\/mi; Max-Age=0;/);
  });

  test('is of a statistic that there is, and of a form of this server', async ({ startServer }) => {
    const server = await startServer();
    for (const name of ['', 'timestamp', '<b>', 'a'.repeat(5000), '\r\nX: y'])
      expect((await pin(server, `pin=${encodeURIComponent(name)}`)).reply).toMatchObject({ status: 400 });
    const foreign = [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { Origin: 'http://evil.example' },
      {},
    ];
    for (const headers of foreign) {
      const { status, headers: replied } = await postForm(server, '/mi/statistics', 'pin=core%3Atimestamp', headers);
      expect(status).toBe(403);
      expect(replied).not.toHaveProperty('set-cookie');
    }
    expect(await get(server, '/mi/statistics?pin=core:timestamp', { headers: ours })).toMatchObject({ status: 400 });
    expect(await postForm(server, '/mi/statistics', 'pin=core%3Atimestamp&arg=1', ours)).toMatchObject({ status: 400 });
  });

  test('of a cookie that nobody wrote so costs nothing and shows text', async ({ startServer }) => {
    const server = await startServer();
    const name = '"><script>alert(1)</script>';
    expect(await tiles(server, `mi-pins=${encodeURIComponent(name)}`)).toStrictEqual([`${name} none`]);
    const many = Array.from({ length: 60 }, (_, n) => `x${n}`).join('&');
    expect(await tiles(server, `mi-pins=${many}`)).toHaveLength(24);
    for (const value of ['%', '&&&', 'a'.repeat(4000), 'a; mi-pins=b', '%00%E2%28%A1'])
      expect(await tiles(server, `mi-pins=${value}`)).toStrictEqual([]);
    // The newest are kept, and no cookie is too long for a browser.
    const long = Array.from({ length: 24 }, (_, n) => `${n}${'y'.repeat(80)}`).join('&');
    const { cookie } = await pin(server, 'pin=core%3Atimestamp', `mi-pins=${long}`);
    expect(cookie.length).toBeLessThan(2100);
    expect((await tiles(server, cookie)).at(-1)).toMatch(/^core:timestamp \d/);
  });

  test('is offered to those who may read statistics', async ({ startServer, files }) => {
    const auth_tokens = files.write('tokens', tokenLine('none', 'of-one', 'read'));
    const server = await startServer({
      httpd: { auth_tokens, deny_commands: 'statistics:get' },
    });
    const headers = { ...ours, Authorization: 'Bearer of-one', Cookie: 'mi-pins=core%3Atimestamp' };
    expect(await postForm(server, '/mi/statistics', 'pin=mi%3Apending', headers)).toMatchObject({ status: 404 });
    const { body } = await get(server, '/mi', { headers });
    expect(body).not.toContain('core:timestamp');
  });
});

describe('the search', () => {
  const trunks = defineModule({
    name: 'trunks',
    commands: [
      command({
        name: 'resize',
        aliases: ['trunk_resize'],
        help: 'Sets how many calls a trunk carries.',
        recipes: [{ trunk: 'string', capacity: 'int' }],
        run: () => 'OK',
      }),
    ],
  });
  const found = (body: string) =>
    [...body.matchAll(/<li data-names="[^"]*"><a href="[^"]*">([^<]*)</g)].map(([, name]) => name);

  test('leads to the command of that name, by any of its names', async ({ startServer }) => {
    const server = await startServer({ modules: [trunks], usrloc: {} });
    const places = {
      ul_dump: 'usrloc/usrloc:dump',
      trunk_resize: 'trunks/trunks:resize',
      'usrloc:dump': 'usrloc/usrloc:dump',
    };
    for (const [name, place] of Object.entries(places)) {
      const { status, headers } = await get(server, `/mi?find=${encodeURIComponent(` ${name} `)}`);
      expect([status, headers.location]).toStrictEqual([303, `/mi/${place}`]);
    }
  });

  test('lists the commands that have all words in names, parameters or help', async ({ startServer }) => {
    const server = await startServer({ modules: [trunks], usrloc: {} });
    const { body } = await get(server, '/mi?find=trunk+CAPACITY');
    expect(found(body)).toStrictEqual(['trunks:resize']);
    expect(body).toContain('>Contacts with <bdi>"trunk CAPACITY"</bdi></a>');
    const dumps = found((await get(server, '/mi?find=dum')).body);
    expect(dumps[0]).toBe('usrloc:dump');
    const { body: none } = await get(server, '/mi?find=trunk_resiez');
    expect(found(none)).toStrictEqual([]);
    expect(none).toContain('nearest: <a href="/mi/trunks/trunks:resize">trunk_resize</a>');
    const { body: more } = await get(server, '/mi?find=resident');
    expect(more).toMatch(/<a href="\/mi\/statistics\?filter=resident">\d+ statistics?<\/a>/);
  });

  test('tells nobody of commands that it may not run, and shows what was looked for as text', async ({
    startServer,
    files,
  }) => {
    const auth_tokens = files.write('tokens', tokenLine('reader', 'of-one', 'read'));
    const server = await startServer({ modules: [trunks], httpd: { auth_tokens } });
    const headers = { Authorization: 'Bearer of-one' };
    expect(found((await get(server, '/mi?find=trunk', { headers })).body)).toStrictEqual([]);
    expect(await get(server, '/mi?find=trunk_resize', { headers })).toMatchObject({ status: 200 });
    const hostile = '"><script>alert(1)</script>\u202e';
    const { body } = await get(server, `/mi?find=${encodeURIComponent(hostile)}`, { headers });
    expect(body).not.toContain('<script>alert');
    expect(body).toContain('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(body).not.toContain('\u202e');
  });
});
