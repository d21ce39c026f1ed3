// The commands of an OpenSIPS through mi-httpd, as its clients see them.
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { EventReader } from '../support/event-reader.js';
import { unixReceiver } from '../support/event-receiver.js';
import { nodeLine, startDouble, startFront } from '../support/front.js';
import { silentLog } from '../support/log.js';
import { call, callError, post, startServer } from '../support/mi-client.js';
import { OpensipsDouble } from '../support/opensips-double/index.js';
import { test } from '../support/test.js';
import { get, resultOf } from '../support/web-client.js';

/** What OpenSIPS dies of, or takes for something else. */
const hostile = [
  '{}',
  '[]',
  '[{}]',
  '[[]]',
  'null',
  '5',
  '"x"',
  '{"method":5}',
  '{"jsonrpc":"2.0","id":1}',
  '{"jsonrpc":"2.0","method":{"a":1},"id":1}',
  '['.repeat(2000),
  `{"jsonrpc":"2.0","method":"ul_dump","params":${'['.repeat(300)}${']'.repeat(300)},"id":1}`,
  '{"jsonrpc":"2.0","method":"ul_rm","params":["location","a\\u0000b"],"id":1}',
  '{"jsonrpc":"2.0","method":"ul_rm","params":["location","\\ud800"],"id":1}',
  '{"jsonrpc":"2.0","method":"ul_rm","params":{"table_name":"location","aor":"a","aor":"b"},"id":1}',
  '{"jsonrpc":"2.0","method":"ul_dump","id":1}{"jsonrpc":"2.0","method":"ul_dump","id":2}',
  '::{"jsonrpc":"2.0","method":"ul_dump","id":1}',
];

describe('names', () => {
  test('of 3.4 are those of OpenSIPS, and those of 4.0 find them too', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4']);
    const names = (await call(server, 'which')) as string[];
    expect(names).toEqual(expect.arrayContaining(['ul_dump', 'dlg_list', 't_uac_dlg', 'core:ps', 'which']));
    expect(new Set(names).size).toBe(names.length);
    const theirs = await call(server, 'ps');
    expect(theirs).toHaveProperty('Processes.1');
    expect(await call(server, 'node:sip-1/ps')).toStrictEqual(theirs);
    const ours = { Processes: [expect.objectContaining({ PID: process.pid })] };
    expect(await call(server, 'core:ps')).toStrictEqual(ours);
    expect(await call(server, 'mi-httpd:ps')).toStrictEqual(ours);
    expect(await call(server, 'usrloc:dump')).toStrictEqual(await call(server, 'ul_dump'));
  });

  test('of 4.0 are those of OpenSIPS, with its rules for names without a module', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['4.0']);
    const names = (await call(server, 'which')) as string[];
    expect(names).toEqual(expect.arrayContaining(['usrloc:dump', 'dialog:list', 'node:sip-1/core:ps', 'core:ps']));
    expect(await call(server, 'ul_dump')).toHaveProperty('Domains');
    expect(await call(server, 'dump')).toHaveProperty('Domains');
    expect(await call(server, 'ps')).toHaveProperty('Processes.1');
    expect(await callError(server, 'list')).toMatchObject({ code: -32001 });
  });

  test('of 2.4 are asked for as well', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['2.4']);
    expect(await call(server, 'which')).toEqual(expect.arrayContaining(['ul_dump']));
    expect(await call(server, 'version')).toHaveProperty('Server', expect.stringContaining('OpenSIPS (2.4'));
    expect(await call(server, 'ul_dump')).toBeTypeOf('object');
  });

  test('of what ends or changes a server are never those of mi-httpd instead', async ({ lifetime }) => {
    let kills = 0;
    const kill = (): void => {
      kills += 1;
    };
    const { server } = await startFront(lifetime, ['3.4'], { kill });
    for (const [name, own] of [
      ['kill', 'core:kill'],
      ['log_level_filter', 'core:log_level_filter'],
    ] as const) {
      expect(await callError(server, name)).toMatchObject({ code: -32601, data: expect.stringContaining(own) });
    }
    expect(await callError(server, 'node:sip-1/kill')).toMatchObject({ code: -32601 });
    expect(kills).toBe(0);
    expect(await call(server, 'core:kill')).toBe('OK');
    await expect.poll(() => kills).toBe(1);
  });

  test('that both have are given to mi-httpd by the parameter local', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4'], { opensips: { local: 'which, help, p*' } });
    expect(await call(server, 'ps')).toHaveProperty('Processes.length', 1);
    expect(await call(server, 'node:sip-1/ps')).toHaveProperty('Processes.1');
  });

  test('come with recipes and help', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4']);
    expect(await call(server, 'which', ['ul_dump'])).toStrictEqual([[], ['brief']]);
    expect(await call(server, 'help', ['ul_dump'])).toHaveProperty('Exported by', 'usrloc');
    expect(await callError(server, 'which', ['ds_list'])).toMatchObject({ code: 404 });
    expect(await callError(server, 'ds_list')).toMatchObject({
      code: -32601,
      data: expect.stringContaining('dispatcher'),
    });
    const { methods } = (await call(server, 'rpc.discover')) as { methods: { name: string; params: unknown[] }[] };
    expect(methods.find(({ name }) => name === 'ul_dump')).toMatchObject({ params: [{ name: 'brief' }] });
  });
});

describe('a call', () => {
  test('gets its id back byte for byte, and the error of OpenSIPS unchanged', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4']);
    for (const id of ['1700000000000', '1.9', '-0', '1e3', '"\\u0041\\/"', 'null']) {
      const { body } = await post(server, `{"jsonrpc":"2.0","method":"uptime","id":${id}}`);
      expect(body.endsWith(`,"id":${id}}`), body).toBe(true);
    }
    expect(await callError(server, 'ul_show_contact', ['location', 'nobody'])).toStrictEqual({
      code: 404,
      message: 'AOR not found',
    });
    expect(await callError(server, 'dlg_list', ['x'])).toStrictEqual({
      code: -32602,
      message: 'Invalid params',
      data: 'Command only supports named parameters',
    });
  });

  test('without an id is run, and answered by mi-httpd', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    sip[0]?.state.addContacts(1);
    const { status, body } = await post(
      server,
      '{"jsonrpc":"2.0","method":"ul_rm","params":["location","user000000"]}',
    );
    expect([status, body]).toStrictEqual([202, '']);
    await expect.poll(() => sip[0]?.state.contacts.length).toBe(0);
  });

  test('in a batch is one of its own for OpenSIPS', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['4.0']);
    const batch = ['version', 'ul_dump', 'core:ps', 'no_such'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
    const { body } = await post(server, JSON.stringify([...batch, {}]));
    const replies = JSON.parse(body) as { id: number; error?: { code: number } }[];
    expect(replies.map(({ error }) => error?.code)).toStrictEqual([undefined, undefined, undefined, -32601, -32600]);
    expect(sip[0]?.died).toBeUndefined();
  });

  for (const version of ['3.4', '4.0'] as const) {
    test(`that would stop OpenSIPS ${version} is refused here`, async ({ lifetime }) => {
      const { server, sip } = await startFront(lifetime, [version]);
      sip[0]?.state.addContacts(1);
      const before = sip[0]?.ran.filter((method) => method.includes('rm')).length;
      for (const body of hostile) {
        const { status } = await post(server, body);
        expect(status, body.slice(0, 80)).toBe(200);
        expect(sip[0]?.died, body.slice(0, 80)).toBeUndefined();
      }
      expect(sip[0]?.ran.filter((method) => method.includes('rm')).length).toBe(before);
      expect(await call(server, 'uptime')).toHaveProperty('Now');
    });
  }

  test('of 10,000 contacts comes whole, as a page in its first part', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    sip[0]?.state.addContacts(10_000);
    const { body } = await post(server, '{"jsonrpc":"2.0","method":"ul_dump","id":"mine"}');
    expect(body.endsWith(',"id":"mine"}')).toBe(true);
    expect(JSON.parse(body).result.Domains[0].AORs.length).toBe(10_000);
    const page = await get(server, '/mi/sip-1/ul_dump?arg=');
    expect(page.status).toBe(200);
    expect(page.body).toContain('id="rest"');
    const raw = await get(server, '/mi/sip-1/ul_dump?arg=&raw=1');
    expect(JSON.parse(raw.body).Domains[0].AORs.length).toBe(10_000);
  });

  test('of a program gives its result parsed', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '4.0']);
    sip[1]?.state.addContacts(2);
    expect(server.opensips?.nodes).toStrictEqual(['sip-1', 'sip-2']);
    expect(await server.opensips?.call('sip-2', 'ul_dump')).toHaveProperty('Domains.0.AORs.length', 2);
    await expect(server.opensips?.call('sip-2', 'ul_rm', ['nowhere', 'x'])).rejects.toMatchObject({ code: 404 });
    await expect(server.opensips?.call('sip-3', 'ul_dump')).rejects.toMatchObject({ code: -32602 });
  });
});

test('the audit log names the node', async ({ lifetime, temporaryFile }) => {
  const audit = temporaryFile('audit.log', '');
  const { server } = await startFront(lifetime, ['3.4'], { httpd: { audit_file: audit } });
  expect(await callError(server, 'ul_rm', { table_name: 'location', aor: 'x', node: 'sip-1' })).toHaveProperty(
    'code',
    404,
  );
  await expect.poll(() => readFileSync(audit, 'utf8')).toContain('"command":"node:sip-1/ul_rm"');
  expect(readFileSync(audit, 'utf8')).toContain('"outcome":404');
});

describe('pages', () => {
  test('list the commands of each node by their modules, and run them', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4', '4.0']);
    const { body } = await get(server, '/mi');
    for (const name of ['sip-1', 'sip-2']) expect(body).toContain(`<a href="/mi/${name}">${name}</a>`);
    expect(body).toContain('sip-1: usrloc');
    const form = await get(server, '/mi/sip-2/usrloc:dump');
    expect([form.status, form.body.includes('with brief')]).toStrictEqual([200, true]);
    const page = await get(server, '/mi/sip-2/usrloc:dump?arg=');
    expect(resultOf(page.body)).toHaveProperty('Domains');
  });

  test('take words for a command of 2.4, which tells no recipes', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['2.4']);
    sip[0]?.state.addContacts(1);
    const form = await get(server, '/mi/sip-1/ul_show_contact');
    expect(form.body).toContain('<input id="arg" name="arg" value=""');
    const page = await get(server, '/mi/sip-1/ul_show_contact?arg=location+user000000');
    expect(resultOf(page.body)).toBeTypeOf('object');
    expect(sip[0]?.ran).toContain('ul_show_contact');
  });

  test('link to nothing that changes something', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    const headers = { 'Sec-Fetch-Site': 'cross-site' };
    const { status } = await get(server, '/mi/sip-1/ul_rm?arg=location+user000000', { headers });
    expect(status).toBe(403);
    expect(sip[0]?.ran).not.toContain('ul_rm');
    expect((await get(server, '/mi/sip-1/ul_dump?arg=', { headers })).status).toBe(200);
  });
});

describe('levels', () => {
  const listen = ['http:127.0.0.1:0;level=read'];

  test('keep callers from what they may not, and show them nothing of it', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], { httpd: { listen, ip: undefined, port: undefined } });
    expect(await call(server, 'ul_dump')).toHaveProperty('Domains');
    expect(await callError(server, 'ul_rm', ['location', 'x'])).toMatchObject({ code: -32003 });
    expect(await call(server, 'which')).not.toContain('ul_rm');
    expect(sip[0]?.ran).not.toContain('ul_rm');
  });

  test('of a command that is in no documentation are admin, and no link runs it', async ({ lifetime }) => {
    const double = await startDouble(lifetime);
    for (const name of ['my_report', 'other_report']) double.state.others.set(name, { name });
    const nodes = [nodeLine('sip-1', double, 'fifo', 'udp')];
    const servers = ['operate', 'admin'].map((level) => ({
      httpd: { listen: [`http:127.0.0.1:0;level=${level}`], ip: undefined, port: undefined },
      opensips: { nodes, levels: 'other_report=read' },
    }));
    const [operating, administering] = await Promise.all(servers.map((one) => startServer(lifetime, one)));
    if (operating === undefined || administering === undefined) expect.unreachable();
    expect(await callError(operating, 'my_report')).toMatchObject({ code: -32003 });
    expect(await call(operating, 'other_report')).toStrictEqual({ name: 'other_report' });
    expect(await call(administering, 'my_report')).toStrictEqual({ name: 'my_report' });
    // It may change something: no link of another site runs it.
    const headers = { 'Sec-Fetch-Site': 'cross-site' };
    expect((await get(administering, '/mi/sip-1/my_report?arg=', { headers })).status).toBe(403);
    expect(double.ran.filter((name) => name.endsWith('report'))).toStrictEqual(['other_report', 'my_report']);
  });

  test('are changed by the parameter levels', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['3.4'], {
      httpd: { listen, ip: undefined, port: undefined },
      opensips: { levels: 'ul_rm=read, ul_dump=admin' },
    });
    expect(await callError(server, 'ul_dump')).toMatchObject({ code: -32003 });
    expect(await callError(server, 'ul_rm', ['location', 'x'])).toMatchObject({ code: 404 });
  });

  test('are beside lists, which count for every name of a command', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], { httpd: { deny_commands: 'usrloc:dump, kill' } });
    for (const name of ['ul_dump', 'usrloc:dump', 'node:sip-1/ul_dump']) {
      expect(await callError(server, name), name).toMatchObject({ code: -32003 });
    }
    expect(sip[0]?.ran).not.toContain('ul_dump');
  });
});

test('a pattern of no command that is known is told, since one may come', async ({ lifetime }) => {
  const told: unknown[] = [];
  const keep = (fields: object): void => void told.push(fields);
  const log = { ...silentLog, warn: keep, error: keep };
  const { server } = await startFront(lifetime, ['3.4'], { log, httpd: { deny_commands: 'ul_dmup, dlg_*, kill, ps' } });
  expect(told).toMatchObject([{ code: 'commands-unknown', parameter: 'deny_commands', pattern: 'ul_dmup' }]);
  expect(await callError(server, 'dlg_list')).toMatchObject({ code: -32003 });
  const one = await startFront(lifetime, ['3.4'], { log, opensips: { levels: 'ul_dmup=read, dialog:*=admin' } });
  expect(told.slice(1)).toMatchObject([{ code: 'commands-unknown', parameter: 'levels', pattern: 'ul_dmup' }]);
  expect(await call(one.server, 'ul_dump')).toHaveProperty('Domains');
});

test('a node that hangs keeps neither commands of mi-httpd nor those of other nodes waiting', async ({ lifetime }) => {
  const later = command({
    name: 'later',
    help: 'Answers on the next turn.',
    run: () => new Promise<string>((resolve) => setImmediate(resolve, 'OK')),
  });
  const { server, sip } = await startFront(lifetime, ['3.4', '3.4'], {
    mi_http: { max_pending: 10 },
    opensips: { max_pending: 20 },
    modules: [defineModule({ name: 'test', commands: [later] })],
  });
  const go = sip[0]?.hold('uptime');
  const hanging = Array.from({ length: 20 }, () => post(server, '{"jsonrpc":"2.0","method":"uptime","id":1}'));
  await expect.poll(async () => (await post(server, '{"jsonrpc":"2.0","method":"uptime","id":1}')).status).toBe(503);
  for (let index = 0; index < 20; index++) {
    expect(await call(server, 'test:later')).toBe('OK');
    expect(await call(server, 'node:sip-2/uptime')).toHaveProperty('Now');
  }
  go?.();
  for (const { status } of await Promise.all(hanging)) expect(status).toBe(200);
});

describe('commands', () => {
  test('are asked for again where OpenSIPS was started anew', async ({ lifetime }) => {
    const former = await startDouble(lifetime, '3.4');
    // Times of starts are whole seconds.
    former.state.started -= 60_000;
    const server = await startServer(lifetime, {
      opensips: { nodes: [nodeLine('sip-1', former, 'udp')], watch_interval: 1, retry_interval: 1 },
    });
    expect(await call(server, 'which')).not.toContain('usrloc:dump');
    former.stop();
    const next = await OpensipsDouble.start({ version: '4.0', former });
    lifetime.onTestFinished(() => next.close());
    await expect.poll(() => call(server, 'which'), { timeout: 20_000 }).toContain('usrloc:dump');
    expect(await call(server, 'node:sip-1/ul_dump')).toHaveProperty('Domains');
  });

  test('and subscriptions are made again where it was started anew within the same second', async ({
    lifetime,
    udpReceiver,
  }) => {
    const former = await startDouble(lifetime, '3.4');
    const server = await startServer(lifetime, {
      event_datagram: {},
      opensips: { nodes: [nodeLine('sip-1', former, 'udp')], watch_interval: 1, retry_interval: 1 },
    });
    const receiver = await udpReceiver();
    await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', `udp:127.0.0.1:${receiver.port}`]);
    expect(former.state.subscriptions).toMatchObject([{ event: 'E_UL_CONTACT_INSERT' }]);
    former.stop();
    const next = await OpensipsDouble.start({ version: '3.4', former });
    lifetime.onTestFinished(() => next.close());
    next.state.started = former.state.started;
    await expect
      .poll(() => next.state.subscriptions, { timeout: 20_000 })
      .toMatchObject([{ event: 'E_UL_CONTACT_INSERT' }]);
    next.state.raise('E_UL_CONTACT_INSERT', { aor: 'alice' });
    expect(await receiver.next()).toMatchObject({ params: { aor: 'alice' } });
  });

  test('are asked for again where OpenSIPS has lost one, at most every few seconds', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], { opensips: { watch_interval: 3600 } });
    expect(await call(server, 'which')).toContain('ul_dump');
    sip[0]?.state.lacks.add('ul_dump');
    expect(await callError(server, 'ul_dump')).toMatchObject({ code: -32601 });
    const names = async (): Promise<unknown> => {
      await callError(server, 'ul_dump');
      return call(server, 'which');
    };
    await expect.poll(names, { timeout: 20_000, interval: 200 }).not.toContain('ul_dump');
    expect(await callError(server, 'ul_dump')).toMatchObject({ code: -32601, data: expect.stringContaining('usrloc') });
  });
});

test('a FIFO that is dead is told by /readyz, status reports and pages, while other transports answer', async ({
  lifetime,
}) => {
  const { server, sip } = await startFront(lifetime, ['3.4'], { opensips: { watch_interval: 1 } });
  expect((await get(server, '/readyz')).status).toBe(200);
  sip[0]?.fifo?.close();
  expect(await call(server, 'ul_dump')).toHaveProperty('Domains');
  await expect
    .poll(() => get(server, '/readyz'))
    .toMatchObject({ status: 503, body: expect.stringContaining('opensips sip-1:fifo') });
  const reason = 'there is no such FIFO';
  expect(await call(server, 'mi-httpd:sr_get_status', ['opensips', 'sip-1:fifo'])).toMatchObject({
    Readiness: false,
    Details: expect.stringContaining(reason),
  });
  expect((await get(server, '/mi')).body).toContain(reason);
  expect(await call(server, 'ps')).toHaveProperty('Processes.1');
});

describe('several nodes', () => {
  test('are chosen by name, in the method or as a member of the parameters', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '4.0']);
    sip[1]?.state.addContacts(1);
    const count = async (method: string, params?: unknown): Promise<unknown> =>
      ((await call(server, method, params)) as { Domains: { AORs: unknown[] }[] }).Domains[0]?.AORs.length;
    expect(await count('ul_dump')).toBe(0);
    expect(await count('node:sip-2/ul_dump')).toBe(1);
    expect(await count('ul_dump', { node: 'sip-2' })).toBe(1);
    expect(await count('ul_dump', { node: 'sip-1' })).toBe(0);
    expect(await call(server, 'ul_rm', { node: 'sip-2', table_name: 'location', aor: 'user000000' })).toBe('OK');
    expect(sip.map(({ ran }) => ran.filter((name) => name.endsWith('rm')).length)).toStrictEqual([0, 1]);
    expect(await callError(server, 'ul_dump', { node: 'sip-3' })).toMatchObject({ code: -32602 });
    expect(await callError(server, 'node:sip-3/ul_dump')).toMatchObject({ code: -32601 });
  });

  test('keep none waiting for one that hangs', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '3.4'], { opensips: { max_pending: 4 } });
    const go = sip[0]?.hold('ul_dump');
    const hanging = Array.from({ length: 4 }, () => call(server, 'ul_dump'));
    await expect
      .poll(() => server.opensips?.health('sip-1').transports.some(({ underWay }) => underWay > 0))
      .toBe(true);
    const refused = await post(server, '{"jsonrpc":"2.0","method":"uptime","id":1}');
    expect(refused.status).toBe(503);
    expect(await call(server, 'node:sip-2/uptime')).toHaveProperty('Now');
    expect(await call(server, 'core:uptime')).toHaveProperty('Now');
    go?.();
    for (const result of await Promise.all(hanging)) expect(result).toHaveProperty('Domains');
  });
});

describe('OpenSIPS that is down', () => {
  test('is told, and nothing else answers in its place until it tells its commands', async ({
    lifetime,
    startServer,
  }) => {
    const sip = await startDouble(lifetime);
    const go = sip.hold('uptime');
    const server = await startServer({
      opensips: { nodes: [nodeLine('sip-1', sip, 'udp')], retry_interval: 1, timeout: 1 },
    });
    expect(await callError(server, 'ps')).toMatchObject({ code: -32000, data: expect.stringContaining('sip-1') });
    expect(await call(server, 'core:ps')).toHaveProperty('Processes');
    const ready = await get(server, '/readyz');
    expect(ready.status).toBe(503);
    expect(ready.body).toContain('sip-1');
    go();
    await expect.poll(async () => (await get(server, '/readyz')).status).toBe(200);
    expect(await call(server, 'ps')).toHaveProperty('Processes.1');
  });

  test('gives an error with the reason, and is not ready', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], { opensips: { timeout: 1, watch_interval: 1 } });
    sip[0]?.stop();
    expect(await callError(server, 'ps')).toMatchObject({ code: -32000 });
    await expect.poll(async () => (await get(server, '/readyz')).status).toBe(503);
    expect(await call(server, 'mi-httpd:sr_list_status', ['opensips'])).toEqual(
      expect.arrayContaining([expect.objectContaining({ Name: 'sip-1', Readiness: false })]),
    );
  });
});

describe('statistics', () => {
  test('of OpenSIPS are beside those of mi-httpd, and asked for once', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '4.0'], { opensips: { statistics_interval: 3600 } });
    const all = await call(server, 'get_statistics', [['all']]);
    expect(all).toMatchObject({
      'core:rcv_replies': 7,
      'sip-2.core:rcv_replies': 7,
      'httpd:requests': expect.any(Number),
    });
    expect(await call(server, 'get_statistics', [['rcv_replies', 'shmem:']])).toStrictEqual({
      'core:rcv_replies': 7,
      'shmem:total_size': 67108864,
      'shmem:used_size': 4194304,
    });
    expect(await call(server, 'get_statistics', [['sip-2.dialog:']])).toStrictEqual({
      'sip-2.dialog:active_dialogs': 0,
    });
    for (const { ran } of sip) {
      expect(ran.filter((name) => name === 'get_statistics' || name === 'statistics:get').length).toBe(1);
    }
    expect(await call(server, 'list_statistics')).toHaveProperty(['core:rcv_replies']);
  });
});

test('statistics of OpenSIPS that are named as those of mi-httpd have the node in front', async ({ lifetime }) => {
  const { server, sip } = await startFront(lifetime, ['3.4'], { usrloc: {} });
  sip[0]?.state.addContacts(3);
  const all = await call(server, 'get_statistics', [['all']]);
  expect(all).toMatchObject({ 'usrloc:registered_users': 0, 'sip-1.usrloc:registered_users': 3 });
  expect(await call(server, 'get_statistics', [['registered_users']])).toStrictEqual({ 'usrloc:registered_users': 0 });
  expect(await call(server, 'get_statistics', [['sip-1.usrloc:']])).toHaveProperty(
    ['sip-1.usrloc:registered_users'],
    3,
  );
});

describe('events', () => {
  for (const version of ['3.4', '4.0'] as const) {
    test(`of OpenSIPS ${version} come to subscribers of mi-httpd`, async ({ lifetime, udpReceiver }) => {
      const { server, sip } = await startFront(lifetime, [version], { event_datagram: {} });
      const receiver = await udpReceiver();
      const socket = `udp:127.0.0.1:${receiver.port}`;
      expect(await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', socket])).toBe('OK');
      expect(sip[0]?.state.subscriptions.map(({ event }) => event)).toStrictEqual(['E_UL_CONTACT_INSERT']);
      expect(sip[0]?.state.subscriptions[0]?.socket).not.toBe(socket);
      sip[0]?.state.raise('E_UL_CONTACT_INSERT', { domain: 'location', aor: 'alice', received: null });
      expect(await receiver.next()).toStrictEqual({
        jsonrpc: '2.0',
        method: 'E_UL_CONTACT_INSERT',
        params: { domain: 'location', aor: 'alice', received: null },
      });
    });
  }

  test('of OpenSIPS 2.4, which are lines, come with their values as texts', async ({ lifetime, udpReceiver }) => {
    const { server, sip } = await startFront(lifetime, ['2.4'], { event_datagram: {} });
    const receiver = await udpReceiver();
    const socket = `udp:127.0.0.1:${receiver.port}`;
    expect(await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', socket])).toBe('OK');
    sip[0]?.state.raise('E_UL_CONTACT_INSERT', { aor: 'a"b', received: null, cseq: 7 });
    sip[0]?.state.raise('E_UL_CONTACT_INSERT', ['a', 'b\nc']);
    expect(await receiver.next()).toMatchObject({ params: { aor: 'a"b', received: '', cseq: '7' } });
    expect(await receiver.next()).toMatchObject({ params: ['a', 'b\nc'] });
  });

  test('come to readers of server-sent events', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    const reader = await EventReader.open(server, '/live?events=E_UL_CONTACT_*');
    await expect.poll(() => sip[0]?.state.subscriptions.map(({ event }) => event)).toContain('E_UL_CONTACT_INSERT');
    sip[0]?.state.raise('E_UL_CONTACT_INSERT', { domain: 'location', aor: 'alice' });
    expect(await reader.next()).toMatchObject({
      data: { event: 'E_UL_CONTACT_INSERT', params: { domain: 'location', aor: 'alice' } },
    });
    const page = await get(server, '/mi/live?events=E_UL_CONTACT_INSERT');
    expect(page.body).toMatch(/<bdi>E_UL_CONTACT_INSERT<\/bdi><\/td><td [^>]*><bdi>.*alice/);
    reader.close();
  });

  test('come to a reader that comes again, those of the meantime too', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    const raise = (aor: string): void => sip[0]?.state.raise('E_UL_CONTACT_INSERT', { domain: 'location', aor });
    const reader = await EventReader.open(server, '/live?events=E_UL_CONTACT_INSERT');
    await expect.poll(() => sip[0]?.state.subscriptions.map(({ event }) => event)).toContain('E_UL_CONTACT_INSERT');
    raise('alice');
    const first = await reader.next();
    reader.close();
    const count = (): Promise<unknown> => call(server, 'get_statistics', [['event_subscribers']]);
    await expect.poll(count).toMatchObject({ 'evi:event_subscribers': 0 });
    raise('bob');
    const kept = (): Promise<unknown> => call(server, 'evi:recent', { events: ['E_UL_CONTACT_INSERT'], count: 1 });
    await expect.poll(kept).toMatchObject({ Events: [{ params: { aor: 'bob' } }] });
    const path = '/live?events=E_UL_CONTACT_INSERT';
    const again = await EventReader.open(server, path, { 'Last-Event-ID': first?.id ?? '' });
    raise('carol');
    for (const aor of ['bob', 'carol']) expect(await again.next()).toMatchObject({ data: { params: { aor } } });
    again.close();
  });

  test('come to subscribers by TCP, and by sockets of the file system', async ({ lifetime, tcpReceiver }) => {
    const { server, sip } = await startFront(lifetime, ['3.4', '4.0'], {
      event_datagram: { folders: `${tmpdir()}/` },
      event_stream: {},
    });
    const stream = await tcpReceiver();
    const file = unixReceiver(lifetime);
    const sockets = [`tcp:127.0.0.1:${stream.port}`, `unix:${file.path}`];
    for (const socket of sockets)
      expect(await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', socket])).toBe('OK');
    for (const { state } of sip.slice(0, 1)) state.raise('E_UL_CONTACT_INSERT', { aor: 'alice' });
    expect(await stream.next()).toMatchObject({ method: 'E_UL_CONTACT_INSERT', params: { aor: 'alice' } });
    expect(await file.next()).toMatchObject({ method: 'E_UL_CONTACT_INSERT', params: { aor: 'alice' } });
  });

  test('without names, which 4.0 writes as members of one name, are an array', async ({ lifetime, udpReceiver }) => {
    const { server, sip } = await startFront(lifetime, ['4.0'], { event_datagram: {} });
    const receiver = await udpReceiver();
    await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', `udp:127.0.0.1:${receiver.port}`]);
    const [, , port] = sip[0]?.state.subscriptions[0]?.socket.split(':') ?? [];
    sip[0]?.state.deliver(
      `udp:127.0.0.1:${port}`,
      '{"jsonrpc":"2.0","method":"E_UL_CONTACT_INSERT","params":{"":"a\\"b","":{"c":"d"},"":3}}',
    );
    expect(await receiver.next()).toMatchObject({ params: ['a"b', '{"c":"d"}', 3] });
  });
});
