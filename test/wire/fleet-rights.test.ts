// Nobody may do more through the fleet than alone: levels of callers, members and the broker, lists, and who is told in the audit.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { nkeys } from '@nats-io/transport-node';
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { basic, temporaryFile, tokenLine, userLine } from '../support/accounts.js';
import { Broker, type FleetAnswer, here, noBroker, startFleet, type Way } from '../support/fleet.js';
import { post, type RpcError } from '../support/mi-client.js';
import { blocks } from '../support/pages.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

interface Reply {
  readonly result?: FleetAnswer;
  readonly error?: RpcError;
}

async function ask(server: Server, user: string, params: object, method = 'fleet:call'): Promise<Reply> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const { body: text } = await post(server, body, { headers: { Authorization: basic(user, 'secret of it') } });
  return JSON.parse(text) as Reply;
}

const users = (['read', 'operate', 'admin'] as const).map((level) => userLine(level, 'secret of it', level)).join('');

interface Line {
  readonly who: string;
  readonly level: string;
  readonly from: string;
  readonly listener: string;
  readonly command: string;
  readonly params?: unknown;
  readonly outcome: unknown;
}

function linesOf(file: string): readonly Line[] {
  const text = readFileSync(file, 'utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
}

const two = ['sip-01', 'sip-02'];

for (const way of ['nats', 'http'] as const satisfies readonly Way[]) {
  unless(way === 'nats' && noBroker, describe)(`rights in a fleet by ${way}`, () => {
    test('callers need the level of the command that they ask for', async ({ lifetime }) => {
      const auth_file = temporaryFile(lifetime, 'users', users);
      const fleet = await startFleet(lifetime, { way, members: two, gatherer: { httpd: { auth_file } } });
      const { gatherer } = fleet;
      const levels: readonly (readonly [command: string, allowed: readonly string[]])[] = [
        ['lab:who', ['read', 'operate', 'admin']],
        ['lab:wait', []],
        ['lab:mighty', ['admin']],
      ];
      for (const [command, allowed] of levels) {
        for (const user of command === 'lab:wait' ? ['read'] : ['read', 'operate', 'admin']) {
          const { result, error } = await ask(gatherer, user, { command });
          if (allowed.includes(user)) expect(Object.keys(result?.nodes ?? {}), `${user} ${command}`).toStrictEqual(two);
          else expect(error, `${user} ${command}`).toMatchObject({ code: -32003 });
        }
      }
      expect(two.map((name) => fleet.lab(name).values)).toStrictEqual([['mighty'], ['mighty']]);
    });

    test('members deny what their command asks for, where the asking server does not know it', async ({ lifetime }) => {
      const auth_file = temporaryFile(lifetime, 'users', users);
      const httpd = { auth_file };
      const fleet = await startFleet(lifetime, { way, members: two, gatherer: { httpd }, knows: false });
      const denied = await ask(fleet.gatherer, 'read', { command: 'lab:set', params: [1] });
      for (const name of two) expect(denied.result?.nodes[name]?.error?.code).toBe(-32003);
      expect(
        (await ask(fleet.gatherer, 'operate', { command: 'lab:mighty' })).result?.nodes['sip-01']?.error?.code,
      ).toBe(-32003);
      expect(two.map((name) => fleet.lab(name).values)).toStrictEqual([[], []]);
      const let_ = await ask(fleet.gatherer, 'operate', { command: 'lab:set', params: [1] });
      expect(let_.result?.nodes['sip-02']).toStrictEqual({ result: 'OK' });
    });

    test('lists and the level of a member hold, and so do the lists of the server that asks', async ({ lifetime }) => {
      const fleet = await startFleet(lifetime, {
        way,
        members: ['denies', 'reads', 'sip'],
        member: (name) => (name === 'denies' ? { httpd: { deny_commands: 'lab:set' } } : {}),
        fleet: (name) => (name === 'reads' ? { level: 'read' } : {}),
        gatherer: { httpd: { deny_commands: 'lab:login' } },
      });
      const { result } = await ask(fleet.gatherer, '-', { command: 'lab:set', params: [1] });
      expect(result?.nodes.denies?.error).toMatchObject({
        code: -32003,
        data: expect.stringContaining('deny_commands'),
      });
      expect(result?.nodes.reads?.error).toMatchObject({ code: -32003, data: expect.stringContaining('level read') });
      expect(result?.nodes.sip).toStrictEqual({ result: 'OK' });
      expect(['denies', 'reads', 'sip'].map((name) => fleet.lab(name).values)).toStrictEqual([[], [], [1]]);
      const { error } = await ask(fleet.gatherer, '-', { command: 'lab:login', params: ['a', 'b'] });
      expect(error).toMatchObject({ code: -32003, data: expect.stringContaining('deny_commands') });
    });

    test('the audit tells who asked, on both servers, and no secret', async ({ lifetime }) => {
      const auth_file = temporaryFile(lifetime, 'users', users);
      const files = new Map(['gw', ...two].map((name) => [name, temporaryFile(lifetime, 'audit.log', '')] as const));
      const audit_file = (name: string): string => files.get(name) ?? '';
      const fleet = await startFleet(lifetime, {
        way,
        members: two,
        member: (name) => ({ httpd: { audit_file: audit_file(name) } }),
        gatherer: { httpd: { auth_file, audit_file: audit_file('gw') } },
      });
      const secret = { user: 'joe', password: 'open sesame' };
      await ask(fleet.gatherer, 'operate', { command: 'lab:login', params: secret });
      await ask(fleet.gatherer, 'operate', { command: 'lab:nothing', params: secret });
      await ask(fleet.gatherer, 'operate', { command: 'lab:set', params: { value: 7 } });
      await fleet.gatherer.close();
      for (const name of two) await fleet.server(name).close();
      for (const name of two) {
        const [login, set] = linesOf(audit_file(name)).filter(({ command }) => command.startsWith('lab:'));
        expect(login).toMatchObject({
          who: 'operate@gw',
          level: 'operate',
          listener: 'fleet:default',
          command: 'lab:login',
          params: { user: 'joe', password: '(secret)' },
          outcome: 'ok',
        });
        expect(set).toMatchObject({ who: 'operate@gw', command: 'lab:set', params: { value: 7 } });
      }
      const lines = linesOf(audit_file('gw')).filter(({ command }) => command === 'fleet:call');
      expect(lines.map(({ who, params }) => [who, params])).toStrictEqual([
        ['operate', { command: 'lab:login', params: '(secret)' }],
        ['operate', { command: 'lab:nothing', params: '(secret)' }],
        ['operate', { command: 'lab:set', params: { value: 7 } }],
      ]);
      for (const file of files.values()) expect(readFileSync(file, 'utf8')).not.toContain('sesame');
    });
  });
}

describe('rights in a fleet by http', () => {
  test('the login of the asking server holds what its users may do, and is told', async ({ lifetime }) => {
    const auth_tokens = temporaryFile(lifetime, 'tokens', tokenLine('gateway', 'token-of-it', 'operate'));
    const login_file = temporaryFile(lifetime, 'login', 'token-of-it\n');
    const audit_file = temporaryFile(lifetime, 'audit.log', '');
    const fleet = await startFleet(lifetime, {
      way: 'http',
      members: ['sip'],
      member: () => ({ httpd: { auth_tokens, audit_file } }),
      gathererFleet: { login_file },
    });
    const set = await ask(fleet.gatherer, '-', { command: 'lab:set', params: [1] });
    expect(set.result?.nodes.sip).toStrictEqual({ result: 'OK' });
    const mighty = await ask(fleet.gatherer, '-', { command: 'lab:mighty' });
    expect(mighty.result?.nodes.sip?.error?.code).toBe(-32003);
    await fleet.server('sip').close();
    expect(linesOf(audit_file).find(({ command }) => command === 'lab:set')).toMatchObject({
      who: '-@gateway',
      from: '127.0.0.1',
      level: 'operate',
    });
  });

  test('without the login, and from pages of browsers, nobody is asked', async ({ lifetime }) => {
    const auth_tokens = temporaryFile(lifetime, 'tokens', tokenLine('gateway', 'token-of-it', 'operate'));
    const open = await startFleet(lifetime, { way: 'http', members: ['sip'] });
    const question = JSON.stringify({ v: 1, kind: 'presence', fleet: 'default' });
    const asked = (server: Server, headers: Record<string, string> = {}, body = question) =>
      post(server, body, { path: '/fleet', headers });
    expect((await asked(open.server('sip'))).status).toBe(200);
    expect((await asked(open.server('sip'), { Origin: 'http://evil.example' })).status).toBe(403);
    expect((await asked(open.server('sip'), {}, '{"v":1}')).status).toBe(400);
    expect((await asked(open.server('sip'), {}, question.replace('default', 'other'))).status).toBe(400);
    expect((await asked(open.server('sip'), {}, `${question}${' '.repeat(300_000)}`)).status).toBe(413);
    const closed = await startFleet(lifetime, {
      way: 'http',
      members: ['sip'],
      member: () => ({ httpd: { auth_tokens } }),
      gathererFleet: { login_file: temporaryFile(lifetime, 'login', 'token-of-it\n') },
    });
    expect((await asked(closed.server('sip'))).status).toBe(401);
  });
});

/** The configuration of the guide, with keys in the places of its names, and without certificates. */
function guideConfiguration(keys: Readonly<Record<string, string>>, tls = ''): string {
  const [block] = blocks('nats', ['docs/guide/fleet.md']);
  const text = (block?.text ?? '').replace(/tls \{[^}]*\}/, tls);
  return text.replace(/[A-Z]+_NKEY/g, (name) => keys[name] ?? name);
}

/** A token of NATS accounts, signed by those above. */
function jwt(by: nkeys.KeyPair, subject: string, name: string, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = part({ typ: 'JWT', alg: 'ed25519-nkey' });
  const iat = Math.floor(Date.now() / 1000);
  const nats = { version: 2, ...claims };
  const body = part({ jti: name, iat, iss: by.getPublicKey(), name, sub: subject, nats });
  const signature = by.sign(new TextEncoder().encode(`${head}.${body}`));
  return `${head}.${body}.${Buffer.from(signature).toString('base64url')}`;
}

unless(noBroker, describe)('the broker of the guide', () => {
  test('lets each role do what the guide says, by its key', async ({ lifetime }) => {
    const [node, read, admin] = [nkeys.createUser(), nkeys.createUser(), nkeys.createUser()];
    const keys = { NODE_NKEY: node.getPublicKey(), READ_NKEY: read.getPublicKey(), ADMIN_NKEY: admin.getPublicKey() };
    const broker = await Broker.start(lifetime, guideConfiguration(keys));
    const seed = (user: typeof node): string =>
      temporaryFile(lifetime, 'seed', `${new TextDecoder().decode(user.getSeed())}\n`);
    const node_seed = seed(node);
    const full = await startFleet(lifetime, {
      way: 'nats',
      broker,
      members: two,
      fleet: () => ({ nkey_file: node_seed, fleet: 'prod', tags: 'edge' }),
      gathererFleet: { nkey_file: seed(admin), name: 'gw-admin', fleet: 'prod' },
    });
    const mighty = await ask(full.gatherer, '-', { command: 'lab:mighty' });
    expect(Object.keys(mighty.result?.nodes ?? {})).toStrictEqual(two);
    const { gatherer: viewer } = await startFleet(lifetime, {
      way: 'nats',
      broker,
      members: [],
      gathererFleet: { nkey_file: seed(read), name: 'gw-read', fleet: 'prod' },
      waits: false,
    });
    await here(viewer, two);
    const who = await ask(viewer, '-', { command: 'lab:who' });
    expect(Object.keys(who.result?.nodes ?? {})).toStrictEqual(two);
    const denied = await ask(viewer, '-', { command: 'lab:set', params: [1] });
    expect(denied.result?.missing).toStrictEqual(two);
    expect(denied.result?.why?.['sip-01']).toStrictEqual({
      reason: 'the broker does not let this server publish to mi.v1.prod.call.operate.node.sip-01',
      outcome: 'not run',
    });
    expect(two.map((name) => full.lab(name).values)).toStrictEqual([['mighty'], ['mighty']]);
  });

  test('lets in nobody without a key, and tells why', async ({ lifetime }) => {
    const keys = { NODE_NKEY: nkeys.createUser().getPublicKey(), READ_NKEY: nkeys.createUser().getPublicKey() };
    const broker = await Broker.start(
      lifetime,
      guideConfiguration({ ...keys, ADMIN_NKEY: nkeys.createUser().getPublicKey() }),
    );
    const { gatherer } = await startFleet(lifetime, { way: 'nats', broker, members: [], waits: false });
    await expect
      .poll(async () => (await ask(gatherer, '-', {}, 'fleet:members')).error?.data)
      .toMatch(/authorization/i);
  });

  test('lets in by a file of credentials, as accounts have it, and keeps fleets of two accounts apart', async ({
    lifetime,
  }) => {
    const operator = nkeys.createOperator();
    const accounts = [nkeys.createAccount(), nkeys.createAccount()];
    const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
    const tokens = accounts.map((one, index) =>
      jwt(operator, one.getPublicKey(), `account-${index}`, { type: 'account', limits }),
    );
    const preload = accounts.map((one, index) => `${one.getPublicKey()}: "${tokens[index]}"`).join('\n');
    const self = jwt(operator, operator.getPublicKey(), 'operator', { type: 'operator' });
    const broker = await Broker.start(
      lifetime,
      `operator: "${self}"\nresolver: MEMORY\nresolver_preload: {\n${preload}\n}\n`,
    );
    const creds = (account: nkeys.KeyPair): string => {
      const user = nkeys.createUser();
      const token = jwt(account, user.getPublicKey(), 'user', { type: 'user', subs: -1, data: -1, payload: -1 });
      const seed = new TextDecoder().decode(user.getSeed());
      return temporaryFile(
        lifetime,
        'creds',
        `-----BEGIN NATS USER JWT-----\n${token}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
      );
    };
    for (const [index, account] of accounts.entries()) {
      const { gatherer } = await startFleet(lifetime, {
        way: 'nats',
        broker,
        members: [`sip-${index}`],
        fleet: () => ({ creds_file: creds(account) }),
        gathererFleet: { creds_file: creds(account) },
      });
      const who = await ask(gatherer, '-', { command: 'lab:who' });
      expect(Object.keys(who.result?.nodes ?? {})).toStrictEqual([`sip-${index}`]);
    }
    const { gatherer: out } = await startFleet(lifetime, { way: 'nats', broker, members: [], waits: false });
    await expect.poll(async () => (await ask(out, '-', {}, 'fleet:members')).error?.data).toMatch(/authorization/i);
  });

  unless(noOpenssl, test)('speaks TLS, with certificates on both sides', async ({ lifetime, files }) => {
    const ca = files.make('broker');
    const own = files.make('member');
    const tls = `tls { cert_file: "${ca.certFile}", key_file: "${ca.keyFile}", ca_file: "${own.certFile}", verify: true }`;
    const broker = await Broker.start(lifetime, tls);
    const secure = {
      tls_ca: ca.certFile,
      tls_cert: own.certFile,
      tls_key: own.keyFile,
      server: [`tls://127.0.0.1:${broker.port}`],
    };
    const { gatherer } = await startFleet(lifetime, {
      way: 'nats',
      broker,
      members: two,
      fleet: () => secure,
      gathererFleet: secure,
    });
    const who = await ask(gatherer, '-', { command: 'lab:who' });
    expect(Object.keys(who.result?.nodes ?? {})).toStrictEqual(two);
    const stranger = { tls_ca: ca.certFile, server: secure.server };
    const out = await startFleet(lifetime, { way: 'nats', broker, members: [], gathererFleet: stranger, waits: false });
    await expect.poll(async () => (await ask(out.gatherer, '-', {}, 'fleet:members')).error?.data).toMatch(/away/);
  });

  test('takes another key while all run, and tells of a file with none', async ({ lifetime }) => {
    const [old, next] = [nkeys.createUser(), nkeys.createUser()];
    const seed = (user: typeof old): string => new TextDecoder().decode(user.getSeed());
    const only = (user: typeof old): string => `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }\n`;
    const broker = await Broker.start(lifetime, only(old));
    const nkey_file = temporaryFile(lifetime, 'seed', seed(old));
    const own = { nkey_file, retry_interval: 1 };
    const { gatherer } = await startFleet(lifetime, {
      way: 'nats',
      broker,
      members: two,
      fleet: () => own,
      gathererFleet: own,
    });
    const fault = async (): Promise<unknown> => (await ask(gatherer, '-', {}, 'fleet:members')).error?.data;
    // The file has no key any more while the broker is away, or wants another.
    for (const text of ['', 'no seed', `${seed(old).slice(0, -2)}AA`, seed(nkeys.createAccount())]) {
      writeFileSync(nkey_file, text);
      await broker.configure(only(next));
      await expect.poll(fault, { message: text }).toMatch(/the broker .* is away: /);
    }
    rmSync(nkey_file);
    await expect.poll(fault).toMatch(/nkey_file.*there is no such file/);
    writeFileSync(nkey_file, seed(next));
    await here(gatherer, two);
    const who = await ask(gatherer, '-', { command: 'lab:who' });
    expect(Object.keys(who.result?.nodes ?? {})).toStrictEqual(two);
  });

  unless(noOpenssl, test)(
    'takes another certificate while all run, and tells of a file with none',
    async ({ lifetime, files }) => {
      const [old, next] = [files.make('old'), files.make('next')];
      const tls = ({ certFile, keyFile }: typeof old): string =>
        `tls { cert_file: "${certFile}", key_file: "${keyFile}" }\n`;
      const broker = await Broker.start(lifetime, tls(old));
      const tls_ca = files.write('ca', readFileSync(old.certFile, 'utf8'));
      const own = { tls_ca, server: [`tls://127.0.0.1:${broker.port}`], retry_interval: 1 };
      const { gatherer } = await startFleet(lifetime, {
        way: 'nats',
        broker,
        members: two,
        fleet: () => own,
        gathererFleet: own,
      });
      const fault = async (): Promise<unknown> => (await ask(gatherer, '-', {}, 'fleet:members')).error?.data;
      await broker.configure(tls(next));
      await expect.poll(fault).toMatch(/certificate/);
      for (const text of ['', 'no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
        writeFileSync(tls_ca, text);
        await broker.configure(tls(next));
        await expect.poll(fault, { message: text }).toMatch(/the broker .* is away: /);
      }
      rmSync(tls_ca);
      await expect.poll(fault).toMatch(/ca doesn't exist/);
      writeFileSync(tls_ca, readFileSync(next.certFile));
      await here(gatherer, two);
      const who = await ask(gatherer, '-', { command: 'lab:who' });
      expect(Object.keys(who.result?.nodes ?? {})).toStrictEqual(two);
    },
  );
});
