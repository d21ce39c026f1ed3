// A parameter that is declared a secret, by all ways in which a command is called, at all places where something is told of calls.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { command, defineModule, MiError } from '#src/index.js';
import { basic, userLine } from '../support/accounts.js';
import { post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

const secret = 'correct-horse-battery';

const vault = defineModule({
  name: 'vault',
  commands: [
    command({
      name: 'open',
      help: 'Opens it.',
      recipes: [{ how: 'string', password: 'string' }, { password: 'string' }],
      secrets: ['password'],
      run: ({ how }, { log }) => {
        log.warn({}, `opened: ${how ?? 'at once'}`);
        if (how === 'fail') throw new MiError(480, 'Busy', 'later');
        if (how === 'throw') throw new Error('it is stuck');
        if (how === 'wait') return new Promise<string>(() => {});
        return 'OK';
      },
    }),
  ],
});

const Authorization = basic('root', 'secret-1');

test('is told nowhere', async ({ files, startServer }) => {
  const audit_file = files.path('audit.log');
  const logged: string[] = [];
  const keep = (fields: object, message: string): void => {
    const { err } = fields as { err?: Error };
    logged.push(JSON.stringify(fields), message, err?.stack ?? '');
  };
  const server = await startServer({
    httpd: { audit_file, auth_file: files.write('users', userLine('root', 'secret-1', 'admin')) },
    mi_http: { mi_timeout: 1 },
    mi_json: {},
    prometheus: {},
    modules: [vault],
    log: { debug: keep, info: keep, warn: keep, error: keep },
  });
  await post(server, '{"jsonrpc":"2.0","method":"log_level","params":[4],"id":1}', { headers: { Authorization } });
  const ways: readonly unknown[] = [
    ['plain', secret],
    [secret],
    { how: 'fail', password: secret },
    { how: 'throw', password: secret },
    { how: 'wait', password: secret },
    // Slips: too many, a wrong name, a wrong type, in a list.
    ['plain', secret, secret],
    { how: 'plain', pasword: secret },
    { how: 'plain', password: { value: secret } },
    { how: 'plain', password: [secret] },
    { password: secret, more: 1 },
  ];
  const told: string[] = [];
  const called = (params: unknown, id?: number): object => ({ jsonrpc: '2.0', method: 'vault:open', params, id });
  for (const params of ways) {
    const single = await post(server, JSON.stringify(called(params, 1)), { headers: { Authorization } });
    const batch = await post(server, JSON.stringify([called(params, 1), called(params)]), {
      headers: { Authorization },
    });
    const form = await postForm(server, '/mi/vault/vault:open', `arg=${encodeURIComponent(JSON.stringify(params))}`, {
      Authorization,
      Origin: `http://127.0.0.1:${server.port}`,
    });
    const raw = await postForm(server, '/mi/vault/open', `raw=1&arg=${encodeURIComponent(JSON.stringify(params))}`, {
      Authorization,
      Origin: `http://127.0.0.1:${server.port}`,
    });
    told.push(single.body, batch.body, form.body, raw.body);
  }
  for (const path of [
    `/mi/vault/open?arg=${secret}`,
    '/mi',
    '/mi/audit',
    '/mi/live',
    '/mi/vault',
    '/mi/statistics?filter=vault',
    '/metrics',
    '/mi/core/log_recent?arg=&raw=1',
    '/mi/httpd/audit_recent?arg=&raw=1',
    '/mi/core/help?arg=vault:open&raw=1',
    '/mi/core/which?arg=vault:open&raw=1',
    '/mi/statistics/statistics:latency?arg=&raw=1',
  ]) {
    told.push((await get(server, path, { headers: { Authorization } })).body);
  }
  await server.close({ deadline: 0 });
  const audited = readFileSync(audit_file, 'utf8');
  expect(audited.split('vault:open').length, 'each call has its line').toBeGreaterThan(ways.length * 4);
  expect(audited).toContain('(secret)');
  expect(logged.join('\n')).toContain('it is stuck');
  for (const text of [...told, audited, ...logged]) expect(text).not.toContain(secret);
});
