// The page of the fleet, as a browser without scripts has it.
import { describe, expect } from 'vitest';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import { here, startFleet } from '../support/fleet.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

const own = { 'Sec-Fetch-Site': 'same-origin' };
const three = ['sip-01', 'sip-02', 'sip-03'];

describe('the page of the fleet', () => {
  test('shows members, and runs a command on many with a table of answers', async ({ lifetime }) => {
    const fleet = await startFleet(lifetime, {
      way: 'http',
      members: three,
      fleet: (name) => ({ tags: name === 'sip-03' ? 'edge' : '' }),
    });
    const { gatherer } = fleet;
    expect((await get(gatherer, '/mi')).body).toContain('<a href="/mi/fleet">Fleet</a>');
    const { body, status } = await get(gatherer, '/mi/fleet');
    expect(status).toBe(200);
    expect(body).toContain('>3 of 3 here<');
    for (const name of three) expect(body).toContain(`data-label="Member"><bdi>${name}</bdi></th>`);
    expect(body).toContain('<bdi>edge</bdi>');
    expect(body).toContain('href="/mi/fleet/fleet:call"');
    // Two answer alike, one does not.
    const who = await postForm(gatherer, '/mi/fleet', 'command=lab%3Atext&arg=3&nodes=sip-01,sip-02', own);
    expect(who.body).toContain('2 of 2 gave a result; all the same');
    expect(who.body).toContain('<bdi>sss</bdi>');
    const differ = (await postForm(gatherer, '/mi/fleet', 'command=lab%3Awho', own)).body;
    expect(differ).toContain('3 of 3 gave a result; 2 differ from most, which is marked');
    expect(differ).toContain('<mark><bdi>sip-02</bdi></mark>');
    expect(differ).toContain('value="lab:who"');
    const fails = (await postForm(gatherer, '/mi/fleet', 'command=lab%3Afail&nodes=sip-01%2Cghost', own)).body;
    expect(fails).toContain('<mark>error</mark>');
    expect(fails).toContain('<mark>missing</mark>');
    expect(fails).toContain('0 of 2 gave a result');
    const turns = (await postForm(gatherer, '/mi/fleet', 'command=lab%3Afail&rolling=1', own)).body;
    expect(turns).toContain('<mark>not asked</mark>');
    expect(turns).toContain('role="alert"');
    const dry = (await postForm(gatherer, '/mi/fleet', 'command=lab%3Aset&arg=[1]&rolling=2&dry=1', own)).body;
    expect(dry).toContain('Nobody was asked. It may change something, and is asked with level operate.');
    expect(three.map((name) => fleet.lab(name).values)).toStrictEqual([[], [], []]);
    await fleet.server('sip-02').close();
    await here(gatherer, ['sip-01', 'sip-03']);
    const gone = (await get(gatherer, '/mi/fleet')).body;
    expect(gone).toContain('>2 of 3 here<');
    expect(gone).toContain('<mark>away</mark>');
  });

  test('is for those who may, asks for no other page, and tells what is wrong', async ({ lifetime }) => {
    const auth_file = temporaryFile(lifetime, 'users', userLine('read', 'secret of it', 'read'));
    const fleet = await startFleet(lifetime, { way: 'http', members: three, gatherer: { httpd: { auth_file } } });
    const { gatherer } = fleet;
    const headers = { ...own, Authorization: basic('read', 'secret of it') };
    expect((await postForm(gatherer, '/mi/fleet', 'command=lab%3Awho', headers)).status).toBe(200);
    expect((await postForm(gatherer, '/mi/fleet', 'command=lab%3Aset&arg=[1]', headers)).status).toBe(403);
    const cross = { ...headers, 'Sec-Fetch-Site': 'cross-site' };
    expect((await postForm(gatherer, '/mi/fleet', 'command=lab%3Awho', cross)).status).toBe(403);
    for (const [form, text] of [
      ['command=lab%3Awho&nodes=a+b', 'Bad value for parameter'],
      ['command=lab%3Awho&rolling=0', 'rolling'],
      ['command=lab%3Awho&arg=%7B', 'params'],
      ['command=lab%3Awho&group=moon', '404'],
      ['command=%3Cscript%3E', 'is no name of a command'],
    ] as const) {
      const { body } = await postForm(gatherer, '/mi/fleet', form, headers);
      expect(body, form).toMatch(/role="alert" class="error"/);
      expect(body, form).toContain(text);
      expect(body, form).not.toContain('<script>alert');
    }
    expect((await postForm(gatherer, '/mi/fleet', 'command=', headers)).status).toBe(200);
  });

  test('gives no secret back, whatever comes of the call, nor an answer that is too long for it', async ({
    lifetime,
  }) => {
    const { gatherer } = await startFleet(lifetime, { way: 'http', members: three });
    const secrets = ['{"user":"joe","password":"open sesame"}', '{"password":"open sesame"', 'joe "open sesame"'];
    for (const arg of secrets) {
      for (const rest of ['', '&group=moon', '&nodes=a+b', '&timeout=x', '&dry=1']) {
        const form = `command=lab%3Alogin&arg=${encodeURIComponent(arg)}${rest}`;
        const { body } = await postForm(gatherer, '/mi/fleet', form, own);
        expect(body, form).toContain('value="lab:login"');
        expect(body, form).not.toContain('sesame');
      }
    }
    const long = 'command=lab%3Atext&arg=%7B%22length%22%3A250000%7D';
    const shown = await postForm(gatherer, '/mi/fleet', long, own);
    expect(shown.body).toContain('3 of 3 gave a result');
    const more = await startFleet(lifetime, { way: 'http', members: ['a', 'b', 'c', 'd', 'e', 'f'] });
    const { body } = await postForm(more.gatherer, '/mi/fleet', long, own);
    expect(body).toContain('the results are too long for a page');
    const held = await call(more.gatherer, 'statistics:get', [['fleet_held']]);
    expect(held).toStrictEqual({ 'fleet:fleet_held': 0 });
  });

  test('asks before it runs what does not come back', async ({ lifetime }) => {
    const { gatherer } = await startFleet(lifetime, { way: 'http', members: three });
    const question = await postForm(gatherer, '/mi/fleet', 'command=reset_all_statistics', own);
    expect(question.body).toContain('class="danger">Run on the fleet of <bdi>');
    expect(question.body).not.toContain('gave a result');
    const done = await postForm(gatherer, '/mi/fleet', 'command=reset_all_statistics&confirm=1', own);
    expect(done.body).toContain('3 of 3 gave a result; all the same');
  });

  test('has a secret of what does not come back entered again', async ({ lifetime }) => {
    const { gatherer } = await startFleet(lifetime, { way: 'http', members: three });
    const arg = encodeURIComponent('{"password":"open sesame"}');
    const question = await postForm(gatherer, '/mi/fleet', `command=lab%3Awipe&arg=${arg}&nodes=sip-01`, own);
    expect(question.body).not.toContain('sesame');
    expect(question.body).toMatch(/<input type="password" id="arg" name="arg" autocomplete="off"/);
    expect(question.body).toContain('<input type="hidden" name="nodes" value="sip-01">');
    const form = `command=lab%3Awipe&arg=${arg}&nodes=sip-01&confirm=1`;
    const done = await postForm(gatherer, '/mi/fleet', form, own);
    expect(done.body).toContain('<bdi>wiped</bdi>');
    expect(done.body).not.toContain('sesame');
  });

  test('tells that the broker is away, and is not there without the module', async ({ startServer }) => {
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const away = await startServer({ log, fleet: { server: ['nats://127.0.0.1:9'], name: 'gw' } });
    const { status, body } = await get(away, '/mi/fleet');
    expect(status).toBe(503);
    expect(body).toMatch(/role="alert" class="error"><bdi>the fleet cannot be asked: the broker /);
    const without = await startServer({});
    expect((await get(without, '/mi/fleet')).status).toBe(404);
    expect((await get(without, '/mi')).body).not.toContain('>Fleet<');
    const member = await startServer({ fleet: { role: 'member', name: 'sip' } });
    expect((await get(member, '/mi')).body).not.toContain('>Fleet<');
  });

  test('shows values of members harmlessly', async ({ lifetime }) => {
    const { gatherer, labs } = await startFleet(lifetime, { way: 'http', members: three });
    for (const lab of labs.values()) Object.assign(lab, { name: `<script>alert(1)</script>\u202e` });
    const { body } = await postForm(gatherer, '/mi/fleet', 'command=lab%3Awho', own);
    expect(body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;<span class="mark">U+202E</span>');
    expect(body).not.toContain('<script>alert');
  });
});
