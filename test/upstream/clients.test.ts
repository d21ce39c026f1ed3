// The clients of an OpenSIPS, unchanged, through mi-httpd.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert, describe, expect } from 'vitest';
import { temporaryFile, userLine } from '../support/accounts.js';
import { corpus } from '../support/client/corpus.js';
import { cli, installClients, python } from '../support/client/opensips-clients.js';
import { startFront } from '../support/front.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const run = promisify(execFile);
const versions = ['3.4', '4.0'] as const;

describe.for(versions)('in front of OpenSIPS %s', (version) => {
  for (const { client, head, body, accepts } of corpus) {
    test(`${client} gets what it takes for a success: ${body.slice(0, 70)}`, async ({ lifetime }) => {
      const { server } = await startFront(lifetime, [version]);
      const connection = await RawClient.connect(server.port);
      connection.send(head + body);
      const { status, headers, text } = await connection.response();
      assert(accepts(status, headers.get('content-type') ?? '', text) !== undefined);
      connection.close();
    });
  }
});

const noPhp = spawnSync('php', ['--version']).status === 0 ? false : 'php is not here';

unless(noPhp, describe)('PHP, as the Control Panel has it', () => {
  test('gets results, and tells errors by their mere presence', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    sip[0]?.state.addContacts(2);
    const script = `
      function mi($command, $params) {
        $request = ['jsonrpc' => '2.0', 'id' => 1, 'method' => $command];
        if ($params) $request['params'] = $params;
        $http = ['method' => 'POST', 'header' => "Content-Type: application/json\r\nAccept: */*\r\n", 'content' => json_encode($request)];
        $reply = json_decode(file_get_contents('http://127.0.0.1:${server.port}/mi', false, stream_context_create(['http' => $http])), true);
        return array_key_exists('error', $reply) ? $reply['error'] : $reply['result'];
      }
      echo json_encode([mi('ul_dump', []), mi('ul_show_contact', ['location', 'nobody']), mi('get_statistics', ['statistics' => ['core:']])]);
    `;
    const { stdout } = await run('php', ['-r', script], { timeout: 100_000 });
    expect(JSON.parse(stdout)).toMatchObject([
      { Domains: [{ AORs: { length: 2 } }] },
      { code: 404, message: 'AOR not found' },
      { 'core:rcv_replies': 7 },
    ]);
  });
});

unless(noPhp, describe)('PHP, as the Control Panel has it, with a login', () => {
  test('gets what its level allows', async ({ lifetime }) => {
    const file = temporaryFile(lifetime, 'users', userLine('panel', 's3cret', 'read'));
    const { server, sip } = await startFront(lifetime, ['3.4'], { httpd: { auth_file: file } });
    sip[0]?.state.addContacts(2);
    const script = `
      function mi($login, $command, $params) {
        $body = json_encode(['jsonrpc' => '2.0', 'id' => 1, 'method' => $command, 'params' => $params]);
        $header = "Content-Type: application/json\r\nAuthorization: Basic " . base64_encode($login) . "\r\n";
        $http = ['method' => 'POST', 'header' => $header, 'content' => $body, 'ignore_errors' => true];
        $text = file_get_contents('http://127.0.0.1:${server.port}/mi', false, stream_context_create(['http' => $http]));
        return [explode(' ', $http_response_header[0])[1], json_decode($text, true)];
      }
      echo json_encode([mi('panel:s3cret', 'ul_dump', []), mi('panel:s3cret', 'ul_rm', ['location', 'user000000']), mi('panel:wrong', 'ul_dump', [])]);
    `;
    const { stdout } = await run('php', ['-r', script], { timeout: 100_000 });
    expect(JSON.parse(stdout)).toMatchObject([
      ['200', { result: { Domains: [{ AORs: { length: 2 } }] } }],
      ['200', { error: { code: -32003 } }],
      ['401', {}],
    ]);
    expect(sip[0]?.state.contacts).toHaveLength(2);
  });
});

const reason = installClients();

unless(reason ?? false, describe)('the clients from PyPI', () => {
  test('opensips-cli runs the commands of OpenSIPS, and completes their names', async ({ lifetime }) => {
    const { server, sip } = await startFront(lifetime, ['3.4']);
    sip[0]?.state.addContacts(2);
    const home = mkdtempSync(join(tmpdir(), 'mi-httpd-cli-'));
    lifetime.onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    const mi = async (...args: string[]): Promise<unknown> => {
      const options = ['-o', 'communication_type=http', '-o', `url=http://127.0.0.1:${server.port}/mi`, '-x', 'mi'];
      const env = { PATH: process.env.PATH, HOME: home, TERM: 'dumb' };
      return JSON.parse((await run(cli, [...options, ...args], { env, timeout: 100_000 })).stdout);
    };
    expect(await mi('ul_dump')).toHaveProperty('Domains.0.AORs.length', 2);
    expect(await mi('ul_show_contact', 'location', 'user000001')).toHaveProperty('AOR', 'user000001');
    expect(await mi('which', 'ul_dump')).toStrictEqual([[], ['brief']]);
    expect(await mi('which')).toContain('ul_dump');
  });

  test('opensips-cli has no logins: a listener without one serves it beside those that ask', async ({ lifetime }) => {
    const file = temporaryFile(lifetime, 'users', userLine('alice', 's3cret', 'admin'));
    const { server, sip } = await startFront(lifetime, ['3.4'], {
      httpd: {
        auth_file: file,
        listen: ['http:127.0.0.1:0;auth=off;level=read', 'http:127.0.0.1:0'],
        ip: undefined,
        port: undefined,
      },
    });
    sip[0]?.state.addContacts(1);
    const [open = 0, asking = 0] = server.urls.map((url) => Number(new URL(url).port));
    const home = mkdtempSync(join(tmpdir(), 'mi-httpd-cli-'));
    lifetime.onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    const mi = async (port: number, ...args: string[]): Promise<string> => {
      const options = ['-o', 'communication_type=http', '-o', `url=http://127.0.0.1:${port}/mi`, '-x', 'mi'];
      const env = { PATH: process.env.PATH, HOME: home, TERM: 'dumb' };
      const ended = await run(cli, [...options, ...args], { env, timeout: 100_000 }).catch((error) => error);
      return `${ended.stdout}${ended.stderr}`;
    };
    expect(await mi(open, 'uptime')).toContain('Up since');
    expect(await mi(open, 'ul_rm', 'location', 'user000000')).not.toContain('OK');
    expect(sip[0]?.state.contacts).toHaveLength(1);
    expect(await mi(asking, 'uptime')).not.toContain('Up since');
  });

  test('python-opensips executes them, and raises their errors', async ({ lifetime }) => {
    const { server } = await startFront(lifetime, ['4.0']);
    const script = `
import json
from opensips.mi import OpenSIPSMI, OpenSIPSMIException
mi = OpenSIPSMI('http', url='http://127.0.0.1:${server.port}/mi')
assert mi.valid()[0]
print(json.dumps(mi.execute('ul_dump')))
try:
    mi.execute('ul_show_contact', ['location', 'nobody'])
except OpenSIPSMIException as e:
    print(json.dumps(str(e)))
`;
    const { stdout } = await run(python, ['-c', script], { timeout: 100_000 });
    const [dump, error] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(dump).toHaveProperty('Domains');
    expect(error).toMatch(/404/);
  });
});
