// Each command of this package declares its result, and gives what it declares.
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { assert, describe, expect } from 'vitest';
import { createServer, MiError, type Server } from '#src/index.js';
import { tokenLine } from '../support/accounts.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

interface Method {
  readonly name: string;
  readonly result: { readonly schema: object };
}

const contact = { table_name: 'location', aor: 'alice', contact: 'sip:alice@192.0.2.1' };
const added = { ...contact, expires: 600, q: '0.5', flags: 0, cflags: 0, methods: 1 };
const full = {
  ...{
    aor: 'bob',
    contact: 'sip:bob@192.0.2.2',
    expires: 0,
    q: 0.1,
    callid: 'c',
    cseq: 2,
    user_agent: 'u',
    path: '<sip:p>',
  },
  ...{ received: 'sip:192.0.2.3', flags: 1, cflags: 'NAT', socket: 'udp:192.0.2.4:5060', methods: 1, attr: 'a' },
  ...{ sip_instance: '<urn:x>', kv_store: { a: 1 } },
};
const cached = { system: 'local', attr: 'key' };
const subscription = { event: 'E_CORE_LOG', socket: 'udp:127.0.0.1:9' };

/** Calls of each command, in an order in which they have results: with each of its forms. */
const calls: readonly (readonly [command: string, ...params: readonly (object | undefined)[]])[] = [
  ['core:uptime', undefined],
  ['core:version', undefined, ['y']],
  ['core:pwd', undefined],
  ['core:arg', undefined],
  ['core:ps', undefined],
  ['core:which', undefined, ['log_level'], ['core:']],
  ['core:help', undefined, ['which']],
  ['core:kill', undefined],
  ['core:log_level', undefined, [3], [3, process.pid]],
  ['core:log_level_filter', ['stderror'], ['stderror', 0]],
  ['core:log_mute_state', ['stderror'], ['syslog'], ['stderror', 0]],
  ['core:log_recent', undefined, { count: 1 }],
  ['statistics:get', [['all']], [['core:', 'mem:']]],
  ['statistics:list', undefined, [['timestamp', 'mem:']]],
  ['statistics:reset', [['requests']]],
  ['statistics:reset_all', undefined],
  ['statistics:history', undefined, [['mi:']], [['mi:calls'], 86400, 30]],
  ['statistics:latency', undefined, ['version'], ['cache_remove']],
  ['statistics:reset_latency', undefined],
  ['usrloc:add', added],
  ['usrloc:add_many', { table_name: 'location', contacts: [full, { aor: 'c', contact: 'x', expires: 1 }] }],
  ['usrloc:dump', undefined, [1], { limit: 1 }, { limit: 1, fields: ['Contact'] }, { brief: 1, filter: 'bob' }],
  ['usrloc:find', { text: 'bob' }, { text: 'u', by: 'User-agent' }, { text: 'alice', table: 'location', limit: 1 }],
  ['usrloc:show_contact', ['location', 'alice'], ['location', 'bob']],
  ['usrloc:flush', undefined],
  ['usrloc:sync', ['location']],
  ['usrloc:cluster_sync', undefined],
  ['usrloc:rm_contact', contact],
  ['usrloc:rm', ['location', 'bob']],
  ['cache:store', { ...cached, value: 'x' }, { ...cached, value: 'x', expire: 5 }],
  ['cache:fetch', cached],
  ['cache:remove', cached],
  ['evi:list', undefined],
  ['evi:subscribers', undefined, ['E_CORE_LOG']],
  ['evi:subscribe', subscription, { ...subscription, expire: 60 }],
  ['evi:subscribers', undefined, ['E_CORE_LOG'], [subscription.event, subscription.socket]],
  ['evi:raise', ['E_CORE_LOG', { a: 'x' }], ['E_CORE_LOG', ['x', 1]]],
  ['evi:recent', undefined, { events: ['E_CORE_*'], count: 1 }],
  ['evi:end_subscriber', [subscription.socket]],
  ['status_report:get', ['core'], ['core', 'all']],
  ['status_report:status', undefined, ['core']],
  ['status_report:reports', undefined, ['core'], ['core', 'main']],
  ['status_report:identifiers', undefined, ['core']],
  ['httpd:list_root_path', undefined],
  ['httpd:audit_recent', undefined, { count: 1 }],
  ['httpd:list_sessions', undefined],
  ['httpd:end_session', { user: 'nobody' }],
  ['httpd:reload_tls', undefined],
  ['httpd:reload_users', undefined],
];

/** One that has nothing to do here, which is an error in OpenSIPS too. */
const withoutResult = ['usrloc:cluster_sync'];

/** Compiles the schema of each result. */
async function schemas(server: Server): Promise<ReadonlyMap<string, ReturnType<Ajv['compile']>>> {
  const body = '{"jsonrpc":"2.0","method":"rpc.discover","id":1}';
  const response = await server.inject({
    url: '/mi',
    headers: { 'Content-Type': 'application/json', Authorization: 'Bearer token-of-robot' },
    body,
  });
  const { result } = (await response.json()) as { result: { methods: readonly Method[] } };
  const ajv = new Ajv({ strict: true, allowUnionTypes: true });
  return new Map(
    result.methods.map(({ name, result: { schema } }) => {
      assert(Object.keys(schema).length > 0, `${name} does not declare its result`);
      return [name, ajv.compile(schema)];
    }),
  );
}

describe('results of the commands of this package', () => {
  unless(noOpenssl, test)(
    'are what rpc.discover says',
    async ({ files, temporaryFile, temporaryFiles, onTestFinished }) => {
      const { certFile, keyFile } = files.make('server');
      const listen = [`https:127.0.0.1:0;cert=${certFile};key=${keyFile}`];
      const server = createServer({
        httpd: { listen, auth_tokens: temporaryFile('tokens', tokenLine('robot', 'token-of-robot', 'admin')) },
        kill: () => {},
        tellProcess: 'read',
        usrloc: { mi_dump_kv_store: 1, persist: join(temporaryFiles({}), 'contacts') },
        cachedb_local: {},
        event_datagram: {},
        event_stream: {},
        prometheus: {},
        mi_json: {},
      });
      onTestFinished(() => server.close({ deadline: 0 }));
      await server.start();
      const validators = await schemas(server);
      expect([...new Set(calls.map(([command]) => command))].sort()).toStrictEqual([...validators.keys()].sort());
      for (const [command, ...all] of calls) {
        const isValid = validators.get(command);
        assert(isValid !== undefined, command);
        for (const params of all) {
          const what = `${command} ${JSON.stringify(params)}`;
          const outcome: unknown = await server.call(command, params).catch((error: unknown) => error);
          if (withoutResult.includes(command)) {
            expect(outcome, what).toBeInstanceOf(MiError);
            expect(isValid('OK'), what).toBe(false);
            continue;
          }
          assert(!(outcome instanceof Error), `${what}: ${outcome}`);
          expect(isValid(outcome), `${what}: ${JSON.stringify(outcome)}: ${JSON.stringify(isValid.errors)}`).toBe(true);
        }
        // A schema that takes anything tells nothing.
        expect(isValid({ unheardOf: [[]] }) && isValid(5), command).toBe(false);
      }
    },
  );
});
