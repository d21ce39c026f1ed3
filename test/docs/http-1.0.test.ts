// docs/guide/http-1.0.md holds: its configuration serves, and every program that is installed gets on with it.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, vi } from 'vitest';
import { mi } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const run = promisify(execFile);
const page = readFileSync('docs/guide/http-1.0.md', 'utf8');

/** The one fenced block of a language, for a server on another port. */
function block(language: string, port: number): string {
  const [, text = ''] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page) ?? [];
  expect(text, language).not.toBe('');
  return text.replaceAll('8889', String(port));
}

function lacks(program: string): string | false {
  const isThere = program.startsWith('/') ? existsSync(program) : spawnSync('which', [program]).status === 0;
  return isThere ? false : `${program} is not installed`;
}

function temporaryFolder(t: Lifetime): string {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-old-'));
  t.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program that runs until the test ends, and waits until what it listens on answers. */
async function behind(t: Lifetime, program: string, args: readonly string[], url: string): Promise<Response> {
  const child = spawn(program, args, { stdio: 'ignore' });
  t.onTestFinished(() => void child.kill('SIGKILL'));
  return await vi.waitUntil(
    async () => {
      const response = await fetch(url).catch(() => undefined);
      return response?.status === 200 ? response : undefined;
    },
    { interval: 20, timeout: 60_000 },
  );
}

test('the configuration serves by both engines', async ({ startDaemon, temporaryFiles }) => {
  const [one, other] = [await freePort(), await freePort()];
  const folder = temporaryFiles({ 'mi.cfg': block('cfg', other).replace('8888', String(one)) });
  const daemon = await startDaemon(['-f', join(folder, 'mi.cfg')]);
  expect(await daemon.line(/configured by/)).toMatch(/on uWebSockets\.js \d[\d.]* and node:http \d/);
  for (const port of [one, other]) expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  const { result } = await mi(daemon.url, 'get_statistics', [['node_listeners']]);
  expect(result).toStrictEqual({ 'httpd:node_listeners': 1 });
});

test('the page has a line for each program', () => {
  expect([...block('sh', 1).matchAll(/^\S+/gm)].map(([program]) => program)).toStrictEqual([
    'curl',
    'ab',
    '/usr/lib/nagios/plugins/check_http',
  ]);
});

for (const [program, answer] of [
  ['curl', /"Server":"mi-httpd/],
  ['ab', /Complete requests: +100\n(?:.*\n)*Failed requests: +0\n/],
  ['/usr/lib/nagios/plugins/check_http', /^HTTP OK: HTTP\/1\.1 200 OK/],
] as const) {
  unless(lacks(program), test)(`${program} is answered`, async ({ startServer }) => {
    const { port } = await startServer({ httpd: { engine: 'node' } });
    const line = block('sh', port)
      .split('\n')
      .find((one) => one.startsWith(program));
    expect((await run('sh', ['-c', line ?? ''])).stdout).toMatch(answer);
  });
}

unless(lacks('nginx'), test)('nginx passes on by HTTP/1.0', async ({ lifetime, startServer }) => {
  const server = await startServer({ httpd: { engine: 'node' } });
  const folder = temporaryFolder(lifetime);
  const port = await freePort();
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const config = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/log; events {}
http { access_log off; ${places.join(' ')} server { listen 127.0.0.1:${port}; ${block('nginx', server.port)} } }`;
  writeFileSync(join(folder, 'nginx.conf'), config);
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'log')];
  const response = await behind(lifetime, 'nginx', args, `http://127.0.0.1:${port}/healthz`);
  expect(await response.text()).toBe('ok\n');
});

unless(lacks('haproxy'), test)('HAProxy checks by HTTP/1.0, and forwards', async ({ lifetime, startServer }) => {
  const server = await startServer({ httpd: { engine: 'node' } });
  const folder = temporaryFolder(lifetime);
  const port = await freePort();
  const front = `frontend in\n  mode http\n  bind 127.0.0.1:${port}\n  default_backend mi\n`;
  const times = 'defaults\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n';
  writeFileSync(join(folder, 'haproxy.cfg'), `${times}${front}${block('haproxy', server.port)}`);
  const args = ['-db', '-f', join(folder, 'haproxy.cfg')];
  const response = await behind(lifetime, 'haproxy', args, `http://127.0.0.1:${port}/healthz`);
  expect(await response.text()).toBe('ok\n');
});
