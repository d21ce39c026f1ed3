import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { createServer, type Server } from '#src/index.js';
import { assertNoStack, command, type Ended, Running } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

async function start(t: Lifetime, receiveBufSize = 1048576): Promise<Server> {
  const httpd = { ip: '127.0.0.1', port: 0, receive_buf_size: receiveBufSize };
  const server = await createServer({ httpd, usrloc: { domains: 'location,gateways', mi_dump_kv_store: 1 } }).start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server;
}

function run(t: Lifetime, args: readonly string[], input?: string): Promise<Ended> {
  return new Running(t, process.execPath, [command, 'load', ...args], input === undefined ? {} : { input }).ended;
}

function line(name: string, extra: object = {}): string {
  return JSON.stringify({ aor: `${name}@example.com`, contact: `sip:${name}@192.0.2.1`, expires: 600, ...extra });
}

describe('mi-httpd load', () => {
  test('sends the contacts of a file, in batches', async ({ lifetime, temporaryFiles }) => {
    const server = await start(lifetime);
    const lines = Array.from({ length: 3000 }, (_none, i) => line(`user${i}`));
    const directory = temporaryFiles({ 'contacts.ndjson': `\ufeff${lines.join('\r\n')}\n` });
    const ended = await run(lifetime, [join(directory, 'contacts.ndjson'), '--url', server.urls[0] ?? '']);
    expect(ended).toStrictEqual({ status: 0, signal: null, stdout: '3000 contacts added\n', stderr: '' });
    const location = server.usrloc?.domain('location');
    expect(location?.users).toBe(3000);
    expect(location?.lookup('user2999').map(({ contact }) => contact)).toStrictEqual(['sip:user2999@192.0.2.1']);
  });

  unless(noOpenssl, test)(
    'sends to a server with TLS, whose certificate has to be good, and to one on a Unix socket',
    async ({ files, onTestFinished, lifetime }) => {
      const { certFile, keyFile } = files.make('one');
      const listen = [`https:127.0.0.1:0;cert=${certFile};key=${keyFile}`, `unix:${files.path('mi.sock')}`];
      const server = await createServer({ httpd: { listen }, usrloc: {} }).start();
      onTestFinished(() => server.close({ deadline: 0 }));
      const [secure = '', local = ''] = server.urls;
      const unverified = await run(lifetime, ['-', '--url', secure], line('a'));
      expect(unverified.status).toBe(1);
      expect(unverified.stderr).toMatch(/self-signed certificate/);
      for (const args of [
        ['--url', secure, '--ca', certFile],
        ['--url', local],
      ]) {
        const ended = await run(lifetime, ['-', ...args], line('a'));
        expect(ended).toStrictEqual({ status: 0, signal: null, stdout: '1 contact added\n', stderr: '' });
      }
    },
  );

  test('reads standard input, into another domain; the last line for a contact counts', async ({ lifetime }) => {
    const server = await start(lifetime);
    const many = Array.from({ length: 2000 }, (_none, i) => line('one', { q: (i % 1000) / 1000, attr: `${i}` }));
    const args = ['-', '--domain', 'gateways', '--url', server.urls[0] ?? ''];
    const ended = await run(lifetime, args, many.join('\n'));
    expect([ended.status, ended.stderr]).toStrictEqual([0, '']);
    const [contact, another] = server.usrloc?.domain('gateways').lookup('one') ?? [];
    expect([contact?.attr, another]).toStrictEqual(['1999', undefined]);
  });

  test('logs in with what a file has: a name and a password, or a token', async ({
    temporaryFiles,
    onTestFinished,
    lifetime,
  }) => {
    const tokens = createHash('sha256').update('mi_loader').digest('hex');
    const directory = temporaryFiles({
      tokens: `loader:operate:sha256$${tokens}\nreader:read:sha256$${createHash('sha256').update('mi_reader').digest('hex')}\n`,
      password: 'admin:s3cret:x\n',
      token: 'mi_loader',
      reader: 'mi_reader',
      wrong: 'admin:GEHEIM',
      neither: 'no token GEHEIM',
    });
    const file = (name: string): string => join(directory, name);
    const login = { auth_username: 'admin', auth_password: 's3cret:x', auth_tokens: file('tokens') };
    const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0, ...login }, usrloc: {} }).start();
    onTestFinished(() => server.close({ deadline: 0 }));
    const url = server.urls[0] ?? '';
    for (const [name, status, reason] of [
      ['password', 0, /^$/],
      ['token', 0, /^$/],
      ['reader', 1, /usrloc:add_many needs level operate; reader has level read/],
      ['wrong', 1, /asks for a login: give --login FILE/],
      ['neither', 1, /neither is neither a token nor NAME:PASSWORD/],
      ['missing', 1, /login cannot be read: ENOENT/],
    ] as const) {
      const ended = await run(lifetime, ['-', '--url', url, '--login', file(name)], line(name));
      expect(ended.status, ended.stderr).toBe(status);
      expect(ended.stderr).toMatch(reason);
      expect(ended.stderr).not.toMatch(/GEHEIM/);
    }
    expect((await run(lifetime, ['-', '--url', url], line('x'))).stderr).toMatch(/asks for a login/);
    const inUrl = await run(lifetime, ['-', '--url', url.replace('http://', 'http://a:GEHEIM@')], line('x'));
    expect(inUrl.stderr).toMatch(/put them into a file for --login/);
    expect(inUrl.stderr).not.toMatch(/GEHEIM/);
    expect(server.usrloc?.domain('location').users).toBe(2);
  });

  test('tells the rejected lines by number, and adds the others', async ({ lifetime, temporaryFiles }) => {
    const server = await start(lifetime);
    const input = Buffer.concat([
      Buffer.from(
        [
          line('a'),
          '',
          '{"aor":',
          '[1]',
          '{"contact":"sip:x","expires":5}',
          '{"aor":7}',
          line('b', { q: 7 }),
          `${'['.repeat(200)}${']'.repeat(200)}`,
          line('deep', { kv_store: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) }),
          line('c', { expires: 0 }),
          '  ',
          line('d', { attr: 'x'.repeat(1048577) }),
          // Of the same batch as good ones, which it would spoil.
          line('a', { attr: '\ud800' }),
          '',
        ].join('\n'),
      ),
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from(line('e')),
    ]);
    const directory = temporaryFiles({});
    const file = join(directory, 'contacts');
    writeFileSync(file, input);
    const { status, stdout, stderr } = await run(lifetime, [file, '--url', server.urls[0] ?? '']);
    expect([status, stdout]).toStrictEqual([1, '3 contacts added, 10 rejected\n']);
    assertNoStack(stderr);
    const told = stderr
      .trimEnd()
      .split('\n')
      .sort((a, b) => numberOf(a) - numberOf(b));
    const expected: readonly (readonly [number, RegExp])[] = [
      [3, /line is not JSON: /],
      [4, /line is not a JSON object$/],
      [5, /aor is missing$/],
      [6, /aor is not a string$/],
      [7, /q is 7; give 0 to 1$/],
      [8, /line is not a JSON object$/],
      [9, /128|deep|nest/],
      [12, /line is longer than 1048576 bytes$/],
      [13, /half of a surrogate pair in parameter 'contacts'/],
      [14, /line is not UTF-8$/],
    ];
    expect(told.map(numberOf)).toStrictEqual(expected.map(([number]) => number));
    for (const [index, [number, reason]] of expected.entries()) {
      expect(told[index]?.startsWith(`${file}:${number}: `), told[index]).toBeTruthy();
      expect(told[index] ?? '').toMatch(reason);
    }
    expect(server.usrloc?.domain('location').contacts).toBe(3);

    function numberOf(text: string): number {
      return Number(text.slice(file.length + 1).split(':', 1)[0]);
    }
  });

  test('makes batches smaller for a server that takes less; a line that alone is too large is rejected', async ({
    lifetime,
  }) => {
    const server = await start(lifetime, 2048);
    const lines = Array.from({ length: 300 }, (_none, i) => line(`user${i}`));
    const input = [...lines, line('large', { attr: 'x'.repeat(3000) })].join('\n');
    const { status, stdout, stderr } = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], input);
    expect([status, stdout], stderr).toStrictEqual([1, '300 contacts added, 1 rejected\n']);
    expect(stderr).toMatch(/^-:301: .*2048.*\n$/);
    expect(server.usrloc?.domain('location').users).toBe(300);
  });

  test('and for a proxy that takes less, whose 413 is a page', async ({ lifetime }) => {
    const names: string[] = [];
    const port = await answering(lifetime, (response, body) => {
      if (body.length > 2048) {
        response.writeHead(413, { 'Content-Type': 'text/html' }).end('<h1>413</h1>');
        return;
      }
      const contacts = JSON.parse(body).params.contacts as readonly { readonly aor: string }[];
      names.push(...contacts.map(({ aor }) => aor));
      response.end('{"jsonrpc":"2.0","result":{"rejected":[]},"id":1}');
    });
    const lines = Array.from({ length: 300 }, (_none, i) => line(`user${i}`));
    const input = [...lines, line('large', { attr: 'x'.repeat(3000) })].join('\n');
    const { status, stdout, stderr } = await run(lifetime, ['-', '--url', `http://127.0.0.1:${port}/`], input);
    expect([status, stdout], stderr).toStrictEqual([1, '300 contacts added, 1 rejected\n']);
    expect(stderr).toMatch(/^-:301: .* answers 413.*\n$/);
    expect(new Set(names).size).toBe(300);
  });

  test('ends early, in one line, when there is nobody to send to', async ({ onTestFinished, lifetime }) => {
    const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 } }).start();
    onTestFinished(() => server.close({ deadline: 0 }));
    const { port } = server;
    const answered = await answering(lifetime, (response) => response.writeHead(404).end('no such page'));
    const refused: readonly (readonly [args: readonly string[], reason: RegExp])[] = [
      [
        ['-', '--url', `http://127.0.0.1:${port}/mi`],
        /after 0 contacts added: Method not found: usrloc:add_many is of module usrloc, which is not/,
      ],
      [['-', '--url', `http://127.0.0.1:${answered}/mi`], /answers 404, which is no JSON-RPC; give the URL of mi_http/],
      [['-', '--url', 'http://127.0.0.1:1/mi'], /http:\/\/127\.0\.0\.1:1\/mi: connect ECONNREFUSED/],
      [['-', '--url', 'ftp://127.0.0.1/mi'], /option --url is "ftp:\/\/127.0.0.1\/mi"; give a URL such as/],
      [['-', '--url', 'https://127.0.0.1:1/mi', '--ca', '/nowhere'], /certificates cannot be read: .*nowhere/],
      [['-', '--url', 'mi'], /option --url is "mi"/],
      [['--frobnicate'], /Unknown option '--frobnicate'; mi-httpd load --help tells how/],
      [[], /load takes one file, not 0/],
      [['a', 'b'], /load takes one file, not 2/],
      [['/no/such/file'], /contacts cannot be read: ENOENT/],
    ];
    for (const [args, reason] of refused) {
      const { status, stdout, stderr } = await run(lifetime, args, line('a'));
      expect([status, stdout], args.join(' ')).toStrictEqual([1, '']);
      expect(stderr).toMatch(reason);
      expect(stderr.trimEnd().split('\n').length, stderr).toBe(1);
      assertNoStack(stderr);
    }
  });

  test('an unknown domain ends it', async ({ lifetime }) => {
    const server = await start(lifetime);
    const { status, stderr } = await run(lifetime, ['-', '--domain', 'x', '--url', server.urls[0] ?? ''], line('a'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^mi-httpd: load ended early, after 0 contacts added: Table not found \[ERR_LOAD\]\n$/);
  });

  test('sends again what a server that closed the idle connection has not seen', async ({ lifetime }) => {
    let calls = 0;
    const port = await answering(lifetime, (response) => {
      calls += 1;
      if (calls === 2) response.socket?.resetAndDestroy();
      else response.end('{"jsonrpc":"2.0","result":{"added":1,"rejected":[]},"id":1}');
    });
    const lines = Array.from({ length: 4 }, (_none, i) => line('same', { attr: `${i}${'x'.repeat(60_000)}` }));
    const { status, stdout, stderr } = await run(
      lifetime,
      ['-', '--url', `http://127.0.0.1:${port}/`],
      lines.join('\n'),
    );
    expect([status, stdout, stderr, calls]).toStrictEqual([0, '4 contacts added\n', '', 5]);
  });

  for (const [when, length] of [
    ['while there are more', 4000],
    ['when all are sent', 20],
  ] as const) {
    test(`ends as soon as one batch has failed, whatever the others wait for, ${when}`, async ({ lifetime }) => {
      let calls = 0;
      const port = await answering(lifetime, (response) => {
        calls += 1;
        if (calls === 2) response.end('{"jsonrpc":"2.0","error":{"code":404,"message":"Table not found"},"id":2}');
      });
      const lines = Array.from({ length }, (_none, i) => line(`user${i}`));
      const { status, stderr } = await run(lifetime, ['-', '--url', `http://127.0.0.1:${port}/`], lines.join('\n'));
      expect([status, stderr]).toStrictEqual([
        1,
        'mi-httpd: load ended early, after 0 contacts added: Table not found [ERR_LOAD]\n',
      ]);
    });
  }

  test('an answer that makes no sense ends it in one line', async ({ lifetime }) => {
    for (const rejected of ['7', '[null]', '[{"index":1,"reason":"x"}]', '[{"index":0}]']) {
      const answer = `{"jsonrpc":"2.0","result":{"added":0,"rejected":${rejected}},"id":1}`;
      const port = await answering(lifetime, (response) => response.end(answer));
      const { status, stderr } = await run(lifetime, ['-', '--url', `http://127.0.0.1:${port}/`], line('a'));
      expect(status).toBe(1);
      expect(stderr).toMatch(/^mi-httpd: load ended early, after 0 contacts added: answer of usrloc:add_many .*\n$/);
    }
  });

  const noScript = spawnSync('script', ['--version']).status === 0 ? false : 'script of util-linux is not here';
  unless(noScript, test)('draws a bar on a terminal, and takes it away', async ({ lifetime, temporaryFiles }) => {
    const server = await start(lifetime);
    const lines = Array.from({ length: 3000 }, (_none, i) => line(`user${i}`));
    const directory = temporaryFiles({ contacts: [...lines, 'x'].join('\n') });
    const shell = `'${process.execPath}' '${command}' load '${join(directory, 'contacts')}' --url ${server.urls[0]}`;
    const { status, stdout } = await new Running(lifetime, 'script', ['-qec', shell, '/dev/null']).ended;
    expect(status).toBe(1);
    const drawn = stdout.replaceAll('\r\u001b[K', '|');
    expect(drawn).toMatch(/\|\[=* *\] +\d+ % {2}\d+ contacts, \d+ per second\|/);
    expect(drawn).toMatch(/\|\S+contacts:3001: line is not JSON/);
    expect(drawn).toMatch(/\|3000 contacts added, 1 rejected\r\n$/);
  });

  test('help tells the options', async ({ lifetime }) => {
    const { status, stdout } = await run(lifetime, ['--help']);
    expect(status).toBe(0);
    for (const named of ['FILE|-', '--url', '--domain', 'exit status']) expect(stdout, named).toContain(named);
  });
});

/** A server that answers every request with `answer`; its port. */
function answering(t: Lifetime, answer: (response: ServerResponse, body: string) => void): Promise<number> {
  const server = createHttpServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => answer(response, body));
  });
  t.onTestFinished(() => server.closeAllConnections());
  t.onTestFinished(() => server.close());
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

describe('mi-httpd dump', () => {
  const dump = (t: Lifetime, args: readonly string[]): Promise<Ended> => {
    return new Running(t, process.execPath, [command, 'dump', ...args]).ended;
  };

  test('help tells the options', async ({ lifetime }) => {
    const { status, stdout } = await dump(lifetime, ['--help']);
    expect(status).toBe(0);
    for (const named of ['FILE', '--url', '--login']) expect(stdout, named).toContain(named);
  });
  const linesOf = (text: string): Record<string, unknown>[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  const contacts = (server: Server, domain: string, aor: string) =>
    server.usrloc
      ?.domain(domain)
      .lookup(aor)
      .map(({ contactId: _id, expires: _left, expiresAt, ...rest }) => ({
        ...rest,
        minute: Math.round(expiresAt / 60),
      }));

  test('and load carry contacts with all their members and times to another server', async ({
    lifetime,
    temporaryFiles,
  }) => {
    const [from, to] = [await start(lifetime), await start(lifetime)];
    const location = from.usrloc?.domain('location');
    for (let i = 0; i < 2000; i++) location?.save(`user${i}`, { contact: `sip:user${i}@192.0.2.1`, expires: 99_999 });
    const aor = 'al"ice\\{[';
    location?.save(aor, {
      contact: 'sip:a@192.0.2.1;x="{[,]}"',
      expires: 'permanent',
      q: 0.25,
      callId: 'c"1',
      cseq: 7,
      userAgent: 'ž \\"}',
      received: 'sip:192.0.2.9',
      path: '<sip:p;lr>',
      flags: 3,
      cflags: ['NAT', 'B'],
      socket: 'udp:192.0.2.2:5060',
      methods: 6111,
      attr: 'x',
      sipInstance: '<urn:uuid:1>',
      keyValues: { 'k"1': 'v', n: 7 },
    });
    location?.save(aor, { contact: 'sip:b@192.0.2.1', expires: 4000 });
    from.usrloc?.domain('gateways').save('gw', { contact: 'sip:gw', expires: 4000 });
    const file = join(temporaryFiles({}), 'contacts.json');
    const before = Math.floor(Date.now() / 1000);
    const written = await dump(lifetime, [file, '--url', from.urls[0] ?? '']);
    expect(written).toStrictEqual({ status: 0, signal: null, stdout: '', stderr: '' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const [head, ...lines] = linesOf(readFileSync(file, 'utf8'));
    const at = Number(head?.dumped_at);
    expect(at >= before && at <= Date.now() / 1000, `${at}`).toBe(true);
    expect(lines.pop()).toStrictEqual({ dumped: 2003 });
    expect(new Set(lines.map(({ domain }) => domain))).toStrictEqual(new Set(['location', 'gateways']));
    const printed = await dump(lifetime, ['--url', from.urls[0] ?? '']);
    expect(linesOf(printed.stdout).length).toBe(2005);
    const loaded = await run(lifetime, [file, '--url', to.urls[0] ?? '']);
    expect(loaded).toStrictEqual({ status: 0, signal: null, stdout: '2003 contacts added\n', stderr: '' });
    for (const [domain, name] of [
      ['location', aor],
      ['location', 'user1999'],
      ['gateways', 'gw'],
    ] as const) {
      const expected = contacts(from, domain, name) ?? [];
      const found = contacts(to, domain, name) ?? [];
      expect(expected.length).toBeGreaterThan(0);
      for (const [index, { minute, ...rest }] of expected.entries()) {
        const { minute: other, ...members } = found[index] ?? { minute: Number.NaN };
        expect(members).toStrictEqual(rest);
        expect(Math.abs((other ?? 0) - minute), `${other} instead of ${minute}`).toBeLessThanOrEqual(1);
      }
    }
  });

  test('time that passes between dump and load is taken off; what has expired by then is left out', async ({
    lifetime,
  }) => {
    const server = await start(lifetime);
    const at = Math.floor(Date.now() / 1000) - 1000;
    const contact = (name: string, expires: unknown) => ({ Contact: `sip:${name}`, Expires: expires, Q: '' });
    const record = { AOR: 'a', Contacts: [contact('old', 900), contact('new', 2000), contact('ever', 'permanent')] };
    const text = JSON.stringify({ 'Dumped at': at, Domains: [{ name: 'location', hash_size: 512, AORs: [record] }] });
    const ended = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], text);
    expect([ended.status, ended.stdout]).toStrictEqual([0, '2 contacts added, 1 had expired\n']);
    const [first, second] = server.usrloc?.domain('location').lookup('a') ?? [];
    expect(Number(first?.expires) <= 1000 && Number(first?.expires) > 900).toBe(true);
    expect(second?.expires).toBe('permanent');
  });

  test('lines of several dumps, and others, are read: each with its time and its domain', async ({ lifetime }) => {
    const server = await start(lifetime);
    server.usrloc?.domain('gateways');
    const at = Math.floor(Date.now() / 1000) - 1000;
    const contact = (aor: string, expires: number, more: object = {}) =>
      JSON.stringify({ aor, contact: `sip:${aor}`, expires, ...more });
    const lines = [
      contact('hand', 500),
      JSON.stringify({ dumped_at: at }),
      contact('old', 900, { domain: 'location' }),
      contact('new', 2000, { domain: 'gateways' }),
      contact('ever', 0),
      JSON.stringify({ dumped: 3 }),
      contact('last', 500, { domain: 'gateways' }),
      JSON.stringify({ ...JSON.parse(contact('wrong', 5)), domain: 7 }),
    ];
    const ended = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], lines.join('\n'));
    expect([ended.status, ended.stdout]).toStrictEqual([1, '4 contacts added, 1 had expired, 1 rejected\n']);
    expect(ended.stderr).toBe('-:8: domain is not a string\n');
    const left = (domain: string, aor: string) => server.usrloc?.domain(domain).lookup(aor)[0]?.expires;
    expect(left('location', 'ever')).toBe('permanent');
    expect(Number(left('gateways', 'new'))).toSatisfy((expires: number) => expires > 900 && expires <= 1000);
    expect(Number(left('location', 'hand'))).toBeGreaterThan(400);
    expect(Number(left('gateways', 'last'))).toBeGreaterThan(400);
    const one = await run(lifetime, ['-', '--domain', 'gateways', '--url', server.urls[0] ?? ''], lines[3]);
    expect(one.stdout).toBe('1 contact added\n');
  });

  test('a dump that is cut, or has another number of contacts, is told', async ({ lifetime }) => {
    const server = await start(lifetime);
    const text = '{"dumped_at":1}\n{"aor":"a","contact":"sip:a","expires":0}\n';
    const cut = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], text);
    expect(cut.status).toBe(1);
    expect(cut.stderr).toMatch(/load ended early, after 1 contact added: the dump is not complete; make another one/);
    const fewer = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], `${text}{"dumped":2}\n`);
    expect(fewer.stderr).toMatch(/the dump has 1 contacts where its last line tells of 2; make another one/);
  });

  test('a dump of a clock that goes ahead adds no time', async ({ lifetime }) => {
    const server = await start(lifetime);
    const at = Math.floor(Date.now() / 1000) + 1000;
    const record = { AOR: 'a', Contacts: [{ Contact: 'sip:a', Expires: 2000 }] };
    const text = JSON.stringify({ 'Dumped at': at, Domains: [{ name: 'location', AORs: [record] }] });
    const ended = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], text);
    expect([ended.status, ended.stdout]).toStrictEqual([0, '1 contact added\n']);
    const [contact] = server.usrloc?.domain('location').lookup('a') ?? [];
    expect(Number(contact?.expires), `${contact?.expires}`).toBeLessThanOrEqual(2000);
  });

  test('--domain sends that table of a dump alone', async ({ lifetime }) => {
    const server = await start(lifetime);
    const tables = ['location', 'gateways'].map((name) => {
      return { name, AORs: [{ AOR: name, Contacts: [{ Contact: `sip:${name}`, Expires: 600 }] }] };
    });
    const args = ['-', '--domain', 'gateways', '--url', server.urls[0] ?? ''];
    const ended = await run(lifetime, args, JSON.stringify({ Domains: tables }));
    expect([ended.status, ended.stdout]).toStrictEqual([0, '1 contact added\n']);
    expect([server.usrloc?.domain('location').users, server.usrloc?.domain('gateways').users]).toStrictEqual([0, 1]);
  });

  test('records of a dump that are none are told by their line, and the others are added', async ({ lifetime }) => {
    const server = await start(lifetime);
    const contacts = [{ Contact: 'sip:a@192.0.2.1', Expires: 600 }];
    const records = [
      { AOR: 'a"{', Contacts: contacts },
      { AOR: 7, Contacts: contacts },
      { AOR: 'brief' },
      { AOR: 'long', Contacts: [{ Contact: 'sip:a', Expires: 600, Attr: 'x'.repeat(1048577) }] },
      { AOR: 'kv', Contacts: [{ Contact: 'sip:a', Expires: 600, 'KV-Store': '{' }] },
    ].map((record) => JSON.stringify(record));
    const text = `{"Domains":[{"name":"location","AORs":[\n${[...records, '{"AOR":"b",x}'].join(',\n')}\n]}]}`;
    const { status, stdout, stderr } = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], text);
    expect([status, stdout], stderr).toStrictEqual([1, '1 contact added, 5 rejected\n']);
    assertNoStack(stderr);
    const told = stderr.trimEnd().split('\n');
    const expected = [
      /^-:3: AOR is not a string$/,
      /^-:4: record has no contacts; dump without brief$/,
      /^-:5: record is longer than 1048576 bytes$/,
      /^-:6: record is not JSON: /,
      /^-:7: record is not JSON: /,
    ];
    expect(told.length, stderr).toBe(expected.length);
    for (const [index, reason] of expected.entries()) expect(told[index] ?? '').toMatch(reason);
    const twice = await run(lifetime, ['-', '--url', server.urls[0] ?? ''], '{"Domains":[]}{"Domains":[]}');
    expect(twice.stderr).toMatch(/something follows the dump/);
  });

  test('a reply to ul_dump is read too, pretty or not; one that is cut, or an error, is told', async ({
    onTestFinished,
    lifetime,
  }) => {
    const httpd = { ip: '127.0.0.1', port: 0 };
    const from = await createServer({ httpd, mi_http: { pretty_printing: 1 }, usrloc: {} }).start();
    onTestFinished(() => from.close({ deadline: 0 }));
    for (let i = 0; i < 500; i++) from.usrloc?.domain('location').save(`u${i}`, { contact: `sip:u${i}`, expires: 600 });
    const body = '{"jsonrpc":"2.0","method":"ul_dump","id":1}';
    const headers = { 'Content-Type': 'application/json' };
    const pretty = await (await fetch(from.urls[0] ?? '', { method: 'POST', headers, body })).text();
    for (const text of [pretty, JSON.stringify(JSON.parse(pretty))]) {
      const server = await start(lifetime);
      const url = server.urls[0] ?? '';
      expect((await run(lifetime, ['-', '--url', url], text)).stdout).toStrictEqual('500 contacts added\n');
      const cut = await run(lifetime, ['-', '--url', url], text.slice(0, -20));
      expect(cut.status).toBe(1);
      expect(cut.stderr).toMatch(/the dump is not complete/);
    }
    const server = await start(lifetime);
    const error = '{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":1}';
    expect((await run(lifetime, ['-', '--url', server.urls[0] ?? ''], error)).stderr).toMatch(
      /is an error: Method not found/,
    );
  });

  unless(process.platform === 'win32', test)(
    'what FILE is stays what it is: a link, a pipe, a device',
    async ({ lifetime, temporaryFiles }) => {
      const server = await start(lifetime);
      server.usrloc?.domain('location').save('a', { contact: 'sip:a@192.0.2.1', expires: 600 });
      const folder = temporaryFiles({});
      const path = (name: string): string => join(folder, name);
      mkdirSync(path('real'));
      writeFileSync(path('real/old.json'), 'old');
      symlinkSync('real', path('folder'));
      symlinkSync('folder/old.json', path('link'));
      symlinkSync('real/new.json', path('nowhere'));
      spawnSync('mkfifo', [path('fifo')]);
      const to = (name: string): Promise<Ended> => dump(lifetime, [name, '--url', server.urls[0] ?? '']);
      const good = { status: 0, signal: null, stdout: '', stderr: '' };
      for (const [link, target] of [
        ['link', 'real/old.json'],
        ['nowhere', 'real/new.json'],
      ] as const) {
        expect(await to(path(link))).toStrictEqual(good);
        expect(lstatSync(path(link)).isSymbolicLink(), link).toBe(true);
        expect(linesOf(readFileSync(path(target), 'utf8')).at(-1)).toStrictEqual({ dumped: 1 });
      }
      const reader = new Running(lifetime, 'cat', [path('fifo')]);
      const written = await to(path('fifo'));
      // Without a writer it would wait for ever.
      reader.child.kill();
      expect(written).toStrictEqual(good);
      expect(lstatSync(path('fifo')).isFIFO()).toBe(true);
      expect(linesOf((await reader.ended).stdout).at(-1)).toStrictEqual({ dumped: 1 });
      expect(readdirSync(folder).sort()).toStrictEqual(['fifo', 'folder', 'link', 'nowhere', 'real']);
      expect(readdirSync(path('real')).sort()).toStrictEqual(['new.json', 'old.json']);
      for (const [device, args] of [
        ['/dev/full', [path('full')]],
        ['/dev/full', ['-']],
        [folder, [folder]],
      ] as const) {
        symlinkSync(device, path('full'));
        const script = 'out=$1; shift; exec "$@" > "$out"';
        const out = args[0] === '-' ? device : '/dev/null';
        const line = [process.execPath, command, 'dump', ...args, '--url', server.urls[0] ?? ''];
        const { status, stderr } = await new Running(lifetime, 'sh', ['-c', script, 'sh', out, ...line]).ended;
        expect(status).toBe(1);
        expect(stderr).toMatch(/^mi-httpd: dump cannot be written: E(NOSPC|ISDIR): [^\n]*\n$/);
        expect(lstatSync(path('full')).isSymbolicLink()).toBe(true);
        rmSync(path('full'));
      }
    },
  );

  const notLinux = process.platform === 'linux' ? false : '/proc is of Linux';
  unless(notLinux, test)(
    'an open file without a name, or whose name is now that of another, gets the dump',
    async ({ lifetime, temporaryFiles }) => {
      const server = await start(lifetime);
      server.usrloc?.domain('location').save('a', { contact: 'sip:a@192.0.2.1', expires: 600 });
      const folder = temporaryFiles({});
      const script = 'file=$1; shift; exec 3<>"$file"; rm "$file"; "$@" 1>&2 || exit 1; cat /proc/self/fd/3';
      for (const other of [undefined, join(folder, 'file (deleted)')]) {
        if (other !== undefined) writeFileSync(other, 'of another');
        const line = [process.execPath, command, 'dump', '/proc/self/fd/3', '--url', server.urls[0] ?? ''];
        const args = ['-c', script, 'sh', join(folder, 'file'), ...line];
        const { status, stdout, stderr } = await new Running(lifetime, 'sh', args).ended;
        expect([status, stderr]).toStrictEqual([0, '']);
        expect(linesOf(stdout).at(-1)).toStrictEqual({ dumped: 1 });
        if (other !== undefined) expect(readFileSync(other, 'utf8')).toBe('of another');
      }
    },
  );

  test('a dump that fails leaves the last one, and says why', async ({ temporaryFiles, onTestFinished, lifetime }) => {
    const file = join(temporaryFiles({ 'contacts.json': 'the last one' }), 'contacts.json');
    const without = await createServer({ httpd: { ip: '127.0.0.1', port: 0 } }).start();
    onTestFinished(() => without.close({ deadline: 0 }));
    const contact = { Contact: 'sip:a', Expires: 600, Attr: 'x'.repeat(1048577) };
    const long = { Domains: [{ name: 'location', AORs: [{ AOR: 'a', Contacts: [contact] }] }] };
    const answers = (text: string, isCut = false): Promise<number> => {
      return answering(lifetime, (response) => {
        response.writeHead(200, { 'Content-Type': 'application/json' });
        if (isCut) response.write(text, () => response.destroy());
        else response.end(text);
      });
    };
    const fakes = [
      [
        await answers('{"result":{"Domains":[{"name":"location"'),
        /ended early: the reply of the server is not complete/,
      ],
      [await answers('{"result":{"Domains":[', true), /answer ended early/],
      [await answers(JSON.stringify({ result: long })), /ended early: the server has a record that is too long/],
    ] as const;
    for (const [url, reason] of [
      [without.urls[0] ?? '', /error: Method not found/],
      ['http://127.0.0.1:1/mi', /ECONNREFUSED/],
      ...fakes.map(([port, said]) => [`http://127.0.0.1:${port}/mi`, said] as const),
    ] as const) {
      const { status, stderr } = await dump(lifetime, [file, '--url', url]);
      expect(status).toBe(1);
      expect(stderr).toMatch(reason);
      assertNoStack(stderr);
    }
    expect(readFileSync(file, 'utf8')).toBe('the last one');
    expect(readdirSync(join(file, '..'))).toStrictEqual(['contacts.json']);
  });
});
