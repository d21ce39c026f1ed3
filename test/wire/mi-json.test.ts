import { describe, expect } from 'vitest';
import { command, createServer, defineModule, MiError, RecordTable, type Server, stream } from '#src/index.js';
import { threads } from '../support/engine.js';
import { silentLog } from '../support/log.js';
import { type HttpReply, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

type Headers = Readonly<Record<string, string>>;

function get(server: Server, path: string, headers: Headers = {}): Promise<HttpReply> {
  return post(server, '', { method: 'GET', path, headers: { 'Content-Type': null, ...headers } });
}

/** The body of a reply, which has status 200 whatever it tells. */
async function body(server: Server, path: string): Promise<string> {
  const reply = await get(server, path);
  expect(reply.status, path).toBe(200);
  expect(reply.headers['content-type']).toBe('application/json');
  return reply.body;
}

function error(code: number, message: string): string {
  return `{"error": {"code": ${code}, "message": "${message}"}}`;
}

describe('mi_json', () => {
  test('results are trees of texts, as 2.4 printed them', async ({ startServer }) => {
    const server = await startServer({ mi_json: {}, cachedb_local: {}, usrloc: { domains: 'location' } });
    expect(await body(server, '/json/version')).toMatch(/^\{"Server": "mi-httpd \([\d.]+ \(\w+\\\/\w+\)\)"\}$/);
    expect(await body(server, '/json/uptime')).toMatch(
      /^\{"Now": "[^"]+", "Up since": "[^"]+", "Up time": "\d+ \[sec\]"\}$/,
    );
    expect(await body(server, '/json/which')).toMatch(
      /^\{"": \[\{"value":"statistics:get"\}, \{"value":"statistics:list"\}, /,
    );
    const pid = process.pid;
    const type = `HTTPD 127.0.0.1:${server.port}`;
    const processes = await body(server, '/json/ps');
    const first = `{"Process": [{"attributes":{"ID": "0", "PID": "${pid}", "Type": "${type}"}}`;
    expect(processes.slice(0, first.length)).toBe(first);
    expect(processes.slice(first.length).replaceAll(/"(Connections|Requests)": "\d+"/g, '"$1": "n"')).toBe(
      `${Array.from({ length: threads }, (_, at) => {
        const row = `"ID": "${at + 1}", "PID": "${pid}", "Type": "HTTPD thread ${at + 1}"`;
        return `, {"attributes":{${row}}, "children":{"Connections": "n", "Requests": "n"}}`;
      }).join('')}]}`,
    );
    expect(await body(server, '/json/log_level')).toBe(
      `{"Process": [{"attributes":{"PID": "${pid}", "Log level": "3", "Type": "${type}"}}]}`,
    );
    expect(await body(server, '/json/pwd')).toBe(`{"WD": "${process.cwd().replaceAll('/', '\\/')}"}`);
    expect(await body(server, '/json/httpd_list_root_path')).toBe(
      '{"http_root": [{"value":"json", "attributes":{"module": "mi_json"}}, {"value":"mi", "attributes":{"module": "mi_http"}}]}',
    );
    expect(await body(server, '/json/events_list')).toMatch(
      /^\{"Event": \[\{"value":"E_CORE_SR_STATUS_CHANGED", "attributes":\{"id": "0"\}\}, /,
    );
  });

  test('integers of any length are exact, in short results and long ones', async ({ startServer }) => {
    const row = { n: -9007199254740993n, text: 'a "12345678901234567" b', x: 0.12345678901234568, y: 1e300 };
    const numbers = defineModule({
      name: 'numbers',
      commands: [
        command({ name: 'one', help: 'One row.', run: () => row }),
        command({ name: 'many', help: 'Many rows.', run: () => ({ rows: Array.from({ length: 400 }, () => row) }) }),
      ],
    });
    const server = await startServer({ modules: [numbers], mi_json: {} });
    const members = String.raw`"n": "-9007199254740993", "text": "a \"12345678901234567\" b", "x": "0.12345678901234568", "y": "1e+300"`;
    expect(await body(server, '/json/numbers:one')).toBe(`{${members}}`);
    expect((await body(server, '/json/numbers:many')).split(members)).toHaveLength(401);
  });

  test('statistics come by name, by group and as a list', async ({ startServer }) => {
    const server = await startServer({ mi_json: {}, usrloc: {} });
    expect(await body(server, '/json/get_statistics?params=pending')).toBe('{"mi:pending": "0"}');
    expect(await body(server, '/json/get_statistics?params=usrloc:')).toBe(
      '{"usrloc:registered_users": "0", "usrloc:location-users": "0", "usrloc:location-contacts": "0", "usrloc:location-expires": "0"}',
    );
    expect(await body(server, '/json/get_statistics?params=pending,registered_users')).toBe(
      '{"mi:pending": "0", "usrloc:registered_users": "0"}',
    );
    expect(await body(server, '/json/get_statistics?params=zzz')).toBe(error(404, 'Statistics Not Found'));
    expect(await body(server, '/json/list_statistics')).toMatch(/"core:timestamp": "non-incremental", /);
  });

  test('contacts are nodes below their address', async ({ startServer }) => {
    const server = await startServer({ mi_json: {}, usrloc: {} });
    expect(await body(server, '/json/ul_dump')).toBe(
      '{"Domain": [{"value":"location", "attributes":{"hash_size": "512"}}]}',
    );
    // 2.4 has nine parameters, of which one is unused.
    expect(await body(server, '/json/ul_add?params=location,bob,sip:bob@127.0.0.1,600,1,0,0,0,0')).toBe('');
    const dump = await body(server, '/json/ul_dump');
    const contact =
      '{"value":"sip:bob@127.0.0.1", "attributes":{"Q": "1"}, "children":{"ContactID": "ID", "Expires": "600", ' +
      '"Callid": "dfjrewr12386fd6-343@opensips.mi", "Cseq": "1", "User-agent": "OpenSIPS MI Server", ' +
      '"State": "CS_NEW", "Flags": "0", "Cflags": {}, "Methods": "0"}}';
    const aor = `{"AOR": [{"value":"bob", "children":{"Contact": [${contact}]}}]}`;
    const anyTime = (text: string): string =>
      text.replace(/"ContactID": "\d+"/, '"ContactID": "ID"').replace(/"Expires": "(600|59\d)"/, '"Expires": "600"');
    expect(anyTime(dump)).toBe(
      `{"Domain": [{"value":"location", "attributes":{"hash_size": "512"}, "children":${aor}}]}`,
    );
    expect(anyTime(await body(server, '/json/ul_show_contact?params=location,bob'))).toBe(aor);
    expect(await body(server, '/json/ul_dump?params=brief')).toBe(
      '{"Domain": [{"value":"location", "attributes":{"hash_size": "512"}, "children":{"AOR": [{"value":"bob"}]}}]}',
    );
    expect(await body(server, '/json/ul_rm?params=location,bob')).toBe('');
    expect(await body(server, '/json/ul_show_contact?params=location,bob')).toBe(error(404, 'AOR not found'));
    // An error below 400 was none in 2.4.
    expect(await body(server, '/json/ul_sync?params=location')).toBe('');
  });

  test('parameters are parted by commas and decoded', async ({ startServer }) => {
    const server = await startServer({ mi_json: {}, cachedb_local: {} });
    expect(await body(server, '/json/cache_store?params=local,k,%22v%22')).toBe('');
    expect(await body(server, '/json/cache_fetch?params=local,k')).toBe('{"key": "k", "value": "\\"v\\""}');
    expect(await body(server, '/json/cache_fetch?params=local,k,')).toBe('{"key": "k", "value": "\\"v\\""}');
    expect(await body(server, '/json/cache_fetch/more?params=local,k')).toBe('{"key": "k", "value": "\\"v\\""}');
    expect(await body(server, '/json/cache_fetch?params=local,')).toBe(error(400, 'Too few or too many arguments'));
    expect(await body(server, '/json/log_level?params=1,999999')).toBe(error(400, 'Bad PID'));
  });

  test('errors are those of 2.4', async ({ startServer }) => {
    const server = await startServer({ mi_json: {} });
    const internal = error(500, 'Internal server error');
    expect(await body(server, '/json/zzz')).toBe(error(500, 'Command not found'));
    expect(await body(server, '/json')).toBe(internal);
    expect(await body(server, '/json/')).toBe(internal);
    expect(await body(server, '/json/get')).toMatch(
      /"code": 500, "message": "Command ambiguous, supported names: statistics:get, /,
    );
    for (const path of ['/json', '/json/version']) {
      const { status, body: told } = await post(server, '{"jsonrpc":"2.0","method":"version","id":1}', { path });
      expect([status, told]).toStrictEqual([200, error(406, 'Unexpected method')]);
    }
    const { status, body: nothing } = await post(server, '', { method: 'HEAD', path: '/json/version' });
    expect([status, nothing]).toStrictEqual([200, '']);
  });

  test('results of any shape, also those that come later', async ({ startServer }) => {
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
    const log = { ...silentLog, error: (_: object, message: string) => void logged.push(message) };
    const server = await startServer({
      httpd: { buf_size: 2048 },
      mi_json: { mi_timeout: 1 },
      modules: [odd],
      log,
    });
    for (const [name, [, expected]] of Object.entries(results)) {
      expect(await body(server, `/json/odd:${name}`), name).toBe(expected);
    }
    expect(await body(server, '/json/later')).toBe('{"a": "1"}');
    expect(await body(server, '/json/streamed')).toBe('{"items": [{"value":"1"}, {"value":"2"}]}');
    expect(await body(server, '/json/refuses')).toBe(error(480, 'Temporarily Unavailable'));
    // As in 2.4, a reply has to fit buf_size.
    for (const name of ['fails', 'large', 'endless']) {
      expect(await body(server, `/json/${name}`), name).toBe(error(500, 'Internal server error'));
    }
    expect(logged).toStrictEqual([
      'MI command odd:fails failed',
      'MI command odd:large failed',
      'MI command odd:endless failed',
    ]);
    const { status, body: late } = await get(server, '/json/never');
    expect(status).toBe(504);
    expect(late).toMatch(/^\{"error": \{"code": 504, "message": "odd:never gave no result within 1 s/);
  });

  test('no page of another site runs a command that changes something', async ({ startServer }) => {
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
    const server = await startServer({ mi_json: {}, modules: [pbx] });
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
      expect(status, JSON.stringify(headers)).toBe(403);
      expect(told).toMatch(/^\{"error": \{"code": 403, "message": "/);
    }
    expect(runs).toBe(0);
    const own: readonly Headers[] = [
      {},
      { 'User-Agent': 'curl/8.0' },
      { Host: 'opensips.example.org' },
      { Referer: `http://${host}/json`, 'User-Agent': 'Mozilla/5.0' },
    ];
    for (const headers of own)
      expect((await get(server, '/json/drop', headers)).status, JSON.stringify(headers)).toBe(200);
    expect(runs).toBe(own.length);
    const reading = await get(server, '/json/ps', { 'User-Agent': 'Mozilla/5.0' });
    expect(reading.status).toBe(200);
  });

  test('permissions and limits of calls hold here, too', async ({ onTestFinished, startServer }) => {
    const reader = createServer({ httpd: { listen: ['http:127.0.0.1:0;level=read'] }, mi_json: {} });
    await reader.start();
    onTestFinished(() => reader.close({ deadline: 0 }));
    expect(await body(reader, '/json/kill')).toMatch(/^\{"error": \{"code": 403, "message": ".*admin/);
    expect(await body(reader, '/json/log_mute_state?params=stderror,1')).toMatch(/"code": 403/);
    expect(await body(reader, '/json/event_subscribe?params=E_CORE_LOG,udp:127.0.0.1:9')).toMatch(/"code": 403/);
    expect(await body(reader, '/json/version')).toMatch(/"Server"/);
    const limited = await startServer({ httpd: { rate_limit_address: 1 }, mi_json: {} });
    let reply = await get(limited, '/json/version');
    while (reply.status === 200) reply = await get(limited, '/json/version');
    expect([reply.status, reply.headers['retry-after']]).toStrictEqual([429, '1']);
    expect(reply.body).toMatch(/^\{"error": \{"code": 429, "message": "more than 1 calls a second/);
  });

  test('it is off unless it is loaded, and its root may be another', async ({ startServer }) => {
    const server = await startServer();
    expect((await get(server, '/json/version')).status).toBe(404);
    const other = await startServer({ mi_json: { root: 'old' } });
    expect(await body(other, '/old/version')).toMatch(/"Server"/);
  });
});

function* count(): Generator<number> {
  for (let i = 0; ; i += 1) yield i;
}
