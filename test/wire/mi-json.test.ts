import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { command, createServer, defineModule, MiError, RecordTable, type Server, stream } from '#src/index.js';
import { type HttpReply, post, startServer } from '../support/mi-client.js';

type Headers = Readonly<Record<string, string>>;

function get(server: Server, path: string, headers: Headers = {}): Promise<HttpReply> {
  return post(server, '', { method: 'GET', path, headers: { 'Content-Type': null, ...headers } });
}

/** The body of a reply, which has status 200 whatever it tells. */
async function body(server: Server, path: string): Promise<string> {
  const reply = await get(server, path);
  assert.equal(reply.status, 200, path);
  assert.equal(reply.headers['content-type'], 'application/json');
  return reply.body;
}

function error(code: number, message: string): string {
  return `{"error": {"code": ${code}, "message": "${message}"}}`;
}

describe('mi_json', () => {
  test('results are trees of texts, as 2.4 printed them', async (t) => {
    const server = await startServer(t, { mi_json: {}, cachedb_local: {}, usrloc: { domains: 'location' } });
    assert.match(await body(server, '/json/version'), /^\{"Server": "mi-httpd \([\d.]+ \(\w+\\\/\w+\)\)"\}$/);
    assert.match(
      await body(server, '/json/uptime'),
      /^\{"Now": "[^"]+", "Up since": "[^"]+", "Up time": "\d+ \[sec\]"\}$/,
    );
    assert.match(
      await body(server, '/json/which'),
      /^\{"": \[\{"value":"statistics:get"\}, \{"value":"statistics:list"\}, /,
    );
    const pid = process.pid;
    const type = `HTTPD 127.0.0.1:${server.port}`;
    assert.equal(
      await body(server, '/json/ps'),
      `{"Process": [{"attributes":{"ID": "0", "PID": "${pid}", "Type": "${type}"}}]}`,
    );
    assert.equal(
      await body(server, '/json/log_level'),
      `{"Process": [{"attributes":{"PID": "${pid}", "Log level": "3", "Type": "${type}"}}]}`,
    );
    assert.equal(await body(server, '/json/pwd'), `{"WD": "${process.cwd().replaceAll('/', '\\/')}"}`);
    assert.equal(
      await body(server, '/json/httpd_list_root_path'),
      '{"http_root": [{"value":"json", "attributes":{"module": "mi_json"}}, {"value":"mi", "attributes":{"module": "mi_http"}}]}',
    );
    assert.match(
      await body(server, '/json/events_list'),
      /^\{"Event": \[\{"value":"E_CORE_SR_STATUS_CHANGED", "attributes":\{"id": "0"\}\}, /,
    );
  });

  test('statistics come by name, by group and as a list', async (t) => {
    const server = await startServer(t, { mi_json: {}, usrloc: {} });
    assert.equal(await body(server, '/json/get_statistics?params=pending'), '{"mi:pending": "0"}');
    assert.equal(
      await body(server, '/json/get_statistics?params=usrloc:'),
      '{"usrloc:registered_users": "0", "usrloc:location-users": "0", "usrloc:location-contacts": "0", "usrloc:location-expires": "0"}',
    );
    assert.equal(
      await body(server, '/json/get_statistics?params=pending,registered_users'),
      '{"mi:pending": "0", "usrloc:registered_users": "0"}',
    );
    assert.equal(await body(server, '/json/get_statistics?params=zzz'), error(404, 'Statistics Not Found'));
    assert.match(await body(server, '/json/list_statistics'), /"core:timestamp": "non-incremental", /);
  });

  test('contacts are nodes below their address', async (t) => {
    const server = await startServer(t, { mi_json: {}, usrloc: {} });
    assert.equal(
      await body(server, '/json/ul_dump'),
      '{"Domain": [{"value":"location", "attributes":{"hash_size": "512"}}]}',
    );
    // 2.4 has nine parameters, of which one is unused.
    assert.equal(await body(server, '/json/ul_add?params=location,bob,sip:bob@127.0.0.1,600,1,0,0,0,0'), '');
    const dump = await body(server, '/json/ul_dump');
    const contact =
      '{"value":"sip:bob@127.0.0.1", "attributes":{"Q": "1"}, "children":{"ContactID": "ID", "Expires": "600", ' +
      '"Callid": "dfjrewr12386fd6-343@opensips.mi", "Cseq": "1", "User-agent": "OpenSIPS MI Server", ' +
      '"State": "CS_NEW", "Flags": "0", "Cflags": {}, "Methods": "0"}}';
    const aor = `{"AOR": [{"value":"bob", "children":{"Contact": [${contact}]}}]}`;
    const anyTime = (text: string): string =>
      text.replace(/"ContactID": "\d+"/, '"ContactID": "ID"').replace(/"Expires": "(600|59\d)"/, '"Expires": "600"');
    assert.equal(
      anyTime(dump),
      `{"Domain": [{"value":"location", "attributes":{"hash_size": "512"}, "children":${aor}}]}`,
    );
    assert.equal(anyTime(await body(server, '/json/ul_show_contact?params=location,bob')), aor);
    assert.equal(
      await body(server, '/json/ul_dump?params=brief'),
      '{"Domain": [{"value":"location", "attributes":{"hash_size": "512"}, "children":{"AOR": [{"value":"bob"}]}}]}',
    );
    assert.equal(await body(server, '/json/ul_rm?params=location,bob'), '');
    assert.equal(await body(server, '/json/ul_show_contact?params=location,bob'), error(404, 'AOR not found'));
    // An error below 400 was none in 2.4.
    assert.equal(await body(server, '/json/ul_sync?params=location'), '');
  });

  test('parameters are parted by commas and decoded', async (t) => {
    const server = await startServer(t, { mi_json: {}, cachedb_local: {} });
    assert.equal(await body(server, '/json/cache_store?params=local,k,%22v%22'), '');
    assert.equal(await body(server, '/json/cache_fetch?params=local,k'), '{"key": "k", "value": "\\"v\\""}');
    assert.equal(await body(server, '/json/cache_fetch?params=local,k,'), '{"key": "k", "value": "\\"v\\""}');
    assert.equal(await body(server, '/json/cache_fetch/more?params=local,k'), '{"key": "k", "value": "\\"v\\""}');
    assert.equal(await body(server, '/json/cache_fetch?params=local,'), error(400, 'Too few or too many arguments'));
    assert.equal(await body(server, '/json/log_level?params=1,999999'), error(400, 'Bad PID'));
  });

  test('errors are those of 2.4', async (t) => {
    const server = await startServer(t, { mi_json: {} });
    const internal = error(500, 'Internal server error');
    assert.equal(await body(server, '/json/zzz'), error(500, 'Command not found'));
    assert.equal(await body(server, '/json'), internal);
    assert.equal(await body(server, '/json/'), internal);
    assert.match(
      await body(server, '/json/get'),
      /"code": 500, "message": "Command ambiguous, supported names: statistics:get, /,
    );
    for (const path of ['/json', '/json/version']) {
      const { status, body: told } = await post(server, '{"jsonrpc":"2.0","method":"version","id":1}', { path });
      assert.deepEqual([status, told], [200, error(406, 'Unexpected method')]);
    }
    const { status, body: nothing } = await post(server, '', { method: 'HEAD', path: '/json/version' });
    assert.deepEqual([status, nothing], [200, '']);
  });

  test('results of any shape, also those that come later', async (t) => {
    const table = new RecordTable();
    table.set('a', { x: 1 });
    const results: Readonly<Record<string, readonly [unknown, string]>> = {
      number: [42, '{"": [{"value":"42"}]}'],
      text: ['a/b', '{"": [{"value":"a\\/b"}]}'],
      nothing: [[], ''],
      empty: [{}, ''],
      nested: [{ a: { b: 1, c: [] }, d: null }, '{"a": [{"children":{"b": "1"}}], "d": {}}'],
      lists: [
        [[1, 2], { x: true }],
        '{"": [{"children":{"": [{"value":"1"}, {"value":"2"}]}}, {"children":{"x": "true"}}]}',
      ],
      records: [{ all: table.dump() }, '{"all": [{"children":{"x": "1"}}]}'],
    };
    const odd = defineModule({
      name: 'odd',
      commands: [
        ...Object.entries(results).map(([name, [result]]) =>
          command({ name, help: 'Gives it.', run: () => result as number }),
        ),
        command({ name: 'later', help: 'Later.', run: async () => ({ a: 1 }) }),
        command({
          name: 'streamed',
          help: 'Streams.',
          run: () => ({
            items: stream(
              (async function* () {
                yield 1;
                await new Promise((resolve) => setImmediate(resolve));
                yield 2;
              })(),
            ),
          }),
        }),
        command({
          name: 'refuses',
          help: 'Refuses.',
          run: async () => {
            throw new MiError(480, 'Temporarily Unavailable');
          },
        }),
        command({
          name: 'fails',
          help: 'Fails.',
          run: () => {
            throw new Error('told to the log alone');
          },
        }),
        command({ name: 'large', help: 'Large.', run: () => 'x'.repeat(3000) }),
        command({ name: 'endless', help: 'Endless.', run: () => stream(count()) }),
        command({ name: 'never', help: 'Never answers.', run: () => new Promise<string>(() => {}) }),
      ],
    });
    const logged: string[] = [];
    const log = { debug() {}, info() {}, warn() {}, error: (_: object, message: string) => void logged.push(message) };
    const server = await startServer(t, {
      httpd: { buf_size: 2048 },
      mi_json: { mi_timeout: 1 },
      modules: [odd],
      log,
    });
    for (const [name, [, expected]] of Object.entries(results)) {
      assert.equal(await body(server, `/json/odd:${name}`), expected, name);
    }
    assert.equal(await body(server, '/json/later'), '{"a": "1"}');
    assert.equal(await body(server, '/json/streamed'), '{"items": [{"value":"1"}, {"value":"2"}]}');
    assert.equal(await body(server, '/json/refuses'), error(480, 'Temporarily Unavailable'));
    // As in 2.4, a reply has to fit buf_size.
    for (const name of ['fails', 'large', 'endless']) {
      assert.equal(await body(server, `/json/${name}`), error(500, 'Internal server error'), name);
    }
    assert.deepEqual(logged, [
      'MI command odd:fails failed',
      'MI command odd:large failed',
      'MI command odd:endless failed',
    ]);
    const { status, body: late } = await get(server, '/json/never');
    assert.equal(status, 504);
    assert.match(late, /^\{"error": \{"code": 504, "message": "odd:never gave no result within 1 s/);
  });

  test('no page of another site runs a command that changes something', async (t) => {
    let runs = 0;
    const pbx = defineModule({
      name: 'pbx',
      commands: [
        command({
          name: 'drop',
          help: 'Drops.',
          run: () => {
            runs += 1;
            return 'OK';
          },
        }),
      ],
    });
    const server = await startServer(t, { mi_json: {}, modules: [pbx] });
    const host = `127.0.0.1:${server.port}`;
    const foreign: readonly Headers[] = [
      { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64)' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': 'none' },
      { Referer: 'http://evil.example/' },
      { Origin: 'null' },
      { 'Sec-Fetch-Site': 'same-origin', Host: 'evil.example' },
    ];
    for (const headers of foreign) {
      const { status, body: told } = await get(server, '/json/drop', headers);
      assert.equal(status, 403, JSON.stringify(headers));
      assert.match(told, /^\{"error": \{"code": 403, "message": "/);
    }
    assert.equal(runs, 0);
    const own: readonly Headers[] = [
      {},
      { 'User-Agent': 'curl/8.0' },
      { Host: 'opensips.example.org' },
      { Referer: `http://${host}/json`, 'User-Agent': 'Mozilla/5.0' },
    ];
    for (const headers of own)
      assert.equal((await get(server, '/json/drop', headers)).status, 200, JSON.stringify(headers));
    assert.equal(runs, own.length);
    const reading = await get(server, '/json/ps', { 'User-Agent': 'Mozilla/5.0' });
    assert.equal(reading.status, 200);
  });

  test('permissions and limits of calls hold here, too', async (t) => {
    const reader = createServer({ httpd: { listen: ['http:127.0.0.1:0;level=read'] }, mi_json: {} });
    await reader.start();
    t.onTestFinished(() => reader.close({ deadline: 0 }));
    assert.match(await body(reader, '/json/kill'), /^\{"error": \{"code": 403, "message": ".*admin/);
    assert.match(await body(reader, '/json/log_mute_state?params=stderror,1'), /"code": 403/);
    assert.match(await body(reader, '/json/event_subscribe?params=E_CORE_LOG,udp:127.0.0.1:9'), /"code": 403/);
    assert.match(await body(reader, '/json/version'), /"Server"/);
    const limited = await startServer(t, { httpd: { rate_limit_address: 1 }, mi_json: {} });
    let reply = await get(limited, '/json/version');
    while (reply.status === 200) reply = await get(limited, '/json/version');
    assert.deepEqual([reply.status, reply.headers['retry-after']], [429, '1']);
    assert.match(reply.body, /^\{"error": \{"code": 429, "message": "more than 1 calls a second/);
  });

  test('it is off unless it is loaded, and its root may be another', async (t) => {
    const server = await startServer(t);
    assert.equal((await get(server, '/json/version')).status, 404);
    const other = await startServer(t, { mi_json: { root: 'old' } });
    assert.match(await body(other, '/old/version'), /"Server"/);
  });
});

function* count(): Generator<number> {
  for (let i = 0; ; i += 1) yield i;
}
