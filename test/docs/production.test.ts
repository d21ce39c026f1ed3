// docs/guide/production.md holds: its configuration serves, its unit is one, nginx passes on what it is told to.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from 'vitest';
import { basic, tokenLine, userLine } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { connectTls } from '../support/tls-client.js';
import { TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const run = promisify(execFile);
const page = readFileSync('docs/guide/production.md', 'utf8');

/** The one fenced block of a language. */
function block(language: string): string {
  const found = [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))];
  expect(found.length, `blocks of ${language}`).toBe(1);
  return found[0]?.[1] ?? '';
}

/** The configuration in folders of the test, with its files and free ports, reached from this machine. */
function production(t: Lifetime): { readonly folder: string; readonly file: string; readonly socket: string } {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-hard-'));
  t.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['etc', 'run', 'log']) mkdirSync(join(folder, name));
  const place = (name: string): string => join(folder, name);
  const write = (name: string, text: string): void => writeFileSync(place(name), text, { mode: 0o600 });
  write('etc/users', userLine('alice', 'wonder', 'admin'));
  write('etc/tokens', tokenLine('exporter', 'mi_token', 'read'));
  const { certFile, keyFile } = new TlsFiles(t).make('mi.example.org', { key: 'ec' });
  const text = block('cfg')
    .replace('/etc/mi-httpd/tls/server.pem', certFile)
    .replace('/etc/mi-httpd/tls/server.key', keyFile)
    .replaceAll('/etc/mi-httpd/', `${place('etc')}/`)
    .replaceAll('/run/mi-httpd/', `${place('run')}/`)
    .replaceAll('/var/log/mi-httpd/', `${place('log')}/`)
    .replace(':8443;', ':0;')
    .replace('127.0.0.1:8889', '127.0.0.1:0')
    .replace('allow=192.0.2.0/24', 'allow=192.0.2.0/24,127.0.0.1');
  write('etc/mi-httpd.cfg', text);
  return { folder, file: place('etc/mi-httpd.cfg'), socket: place('run/mi.sock') };
}

interface Target {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
}

/** Calls an MI command; gives the status and the whole body. */
async function call(
  target: Target,
  authorization: string | undefined,
  method: string,
  params: unknown = [],
): Promise<{ readonly status: number; readonly body: string }> {
  const headers = {
    'Content-Type': 'application/json',
    ...(authorization === undefined ? {} : { Authorization: authorization }),
  };
  const sent = request({ ...target, path: '/mi', method: 'POST', headers, agent: false });
  sent.end(JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }));
  const [response] = await once(sent, 'response');
  let body = '';
  for await (const piece of response.setEncoding('utf8')) body += piece;
  return { status: response.statusCode, body };
}

/** What systemd-analyze says of our units. */
function notes({ stderr }: { readonly stderr: unknown }): string {
  // What it finds out about other units of the machine is none of ours.
  return String(stderr)
    .split('\n')
    .filter((line) => line.includes('mi-httpd'))
    .join('\n');
}

function lacks(program: string, ...args: readonly string[]): string | false {
  return spawnSync(program, args).error === undefined ? false : `${program} is not installed`;
}

const alice = basic('alice', 'wonder');

describe('the configuration for production', () => {
  test('is good, with nothing to note', async ({ lifetime, runCommand }) => {
    const { file } = production(lifetime);
    const { status, stdout, stderr } = await runCommand(['-c', '-f', file]);
    expect([status, stdout, stderr]).toStrictEqual([0, `${file}: good\n`, '']);
  });

  test('serves without a warning, and each listener as its comment says', async ({ lifetime, startDaemon }) => {
    const { file, socket, folder } = production(lifetime);
    const daemon = await startDaemon(['-f', file]);
    const exporterLine = await daemon.line(/serving http:\/\/127\.0\.0\.1:\d+\/mi"/);
    expect(daemon.log.filter(({ level }) => level >= 40)).toStrictEqual([]);
    const local = { socketPath: socket };
    const exporter = { host: '127.0.0.1', port: Number(/127\.0\.0\.1:(\d+)/.exec(exporterLine)?.[1]) };
    for (const target of [local, exporter]) expect((await call(target, undefined, 'pwd')).status).toBe(401);
    expect((await call(local, alice, 'log_level')).body).toMatch(/"Processes"/);
    expect((await call(local, alice, 'kill')).body).toMatch(/deny_commands/);
    expect((await call(exporter, alice, 'usrloc:flush')).body).toMatch(/needs level operate/);
    expect((await call(exporter, 'Bearer mi_token', 'uptime')).body).toMatch(/"Up time"/);
    const outside = await connectTls(daemon.port);
    const text = JSON.stringify({ jsonrpc: '2.0', method: 'log_level', params: [4], id: 1 });
    outside.write(
      `POST /mi HTTP/1.1\r\nHost: mi.example.org\r\nAuthorization: ${alice}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
    const [reply] = await once(outside, 'data');
    outside.destroy();
    expect(String(reply)).toMatch(/needs level admin; alice has level operate/);
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
    expect(readFileSync(join(folder, 'log/audit.log'), 'utf8')).toMatch(/"who":"exporter".*"command":"core:uptime"/);
  });

  test('has the statistics that are to be watched', async ({ lifetime, startDaemon }) => {
    const { file, socket } = production(lifetime);
    const daemon = await startDaemon(['-f', file]);
    const groups = JSON.parse(/"params":(\[\[.*?\]\])/.exec(page)?.[1] ?? '');
    const { body } = await call({ socketPath: socket }, alice, 'get_statistics', groups);
    const names = Object.keys(JSON.parse(body).result);
    const [table = ''] = /^## What to watch$[\s\S]*/m.exec(page) ?? [];
    const told = [...table.matchAll(/`([a-z]+:[a-z_]+)`/g)].map(([, name = '']) => name);
    expect(told.length).toBeGreaterThanOrEqual(10);
    for (const name of told) expect(names, name).toContain(name);
    daemon.signal('SIGTERM');
    await daemon.ended;
  });
});

describe('the unit of systemd', () => {
  const unit = block('ini');
  const sockets = block('systemd');

  unless(lacks('systemd-analyze', '--version'), test)('is one that systemd understands', async ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-unit-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'mi-httpd.service');
    const text = unit.replaceAll('/usr/bin/node', process.execPath).replaceAll('/opt/mi-httpd', resolve('.'));
    const verify = async (content: string): Promise<string> => {
      writeFileSync(file, content);
      return notes(await run('systemd-analyze', ['verify', file]).catch((error) => error));
    };
    expect(await verify(text)).toBe('');
    expect(await verify(text.replace('ProtectHome=', 'ProtectHme='))).not.toBe('');
    writeFileSync(join(folder, 'mi-httpd.socket'), sockets);
    const withSockets = text.replace('[Install]', `${block('systemd-service').replace('[Service]\n', '')}$&`);
    expect(withSockets).not.toBe(text);
    writeFileSync(file, withSockets);
    const verifySockets = async (content: string): Promise<string> => {
      writeFileSync(join(folder, 'mi-httpd.socket'), content);
      return notes(await run('systemd-analyze', ['verify', join(folder, 'mi-httpd.socket')]).catch((error) => error));
    };
    expect(await verifySockets(sockets)).toBe('');
    expect(await verifySockets(sockets.replace('SocketMode=', 'SocketMde='))).not.toBe('');
  });

  test('has the limits that the configuration needs', () => {
    const most = Number(/"max_connections", (\d+)/.exec(block('cfg'))?.[1]);
    const open = Number(/^LimitNOFILE=(\d+)/m.exec(unit)?.[1]);
    expect(open).toBeGreaterThanOrEqual(most + 64);
    const allowed = /;allow=([^"]*)"/.exec(block('cfg'))?.[1]?.split(',') ?? [];
    for (const text of [unit, sockets]) {
      const line = /^IPAddressAllow=(.*)/m.exec(text)?.[1]?.split(' ') ?? [];
      expect(line).toStrictEqual(['localhost', ...allowed]);
    }
  });

  test('has a socket for each listener', () => {
    const opened = [...sockets.matchAll(/^ListenStream=(.*)/gm)].map(([, place]) => place);
    const listeners = [...block('cfg').matchAll(/"listen", "[a-z]+:([^;"]*)/g)].map(([, place = '']) => place);
    expect(listeners.map((place) => place.replace('*', '[::]')).toSorted()).toStrictEqual(opened.toSorted());
    const mode = /;mode=(\d+)/.exec(block('cfg'))?.[1];
    expect(sockets).toContain(`SocketMode=${mode}`);
  });
});

unless(lacks('nginx', '-v'), describe)('nginx in front', () => {
  test('passes on calls and dumps, and does not let in others', async ({
    lifetime,
    startDaemon,
    files,
    onTestFinished,
  }) => {
    const { file, folder } = production(lifetime);
    const own = block('text').replace('8890', '0');
    const text = readFileSync(file, 'utf8').replace(/^modparam\("httpd", "listen".*\n/gm, '');
    writeFileSync(
      file,
      text.replace('loadmodule "httpd.so"\n', (line) => line + own),
    );
    const daemon = await startDaemon(['-f', file]);
    const { certFile, keyFile } = files.make('mi.example.org', { key: 'ec' });
    const [inside, outside] = [join(folder, 'nginx.sock'), join(folder, 'nginx-outside.sock')];
    const server = block('nginx')
      .replace('127.0.0.1:8890', `127.0.0.1:${daemon.port}`)
      .replace('/etc/nginx/mi.pem', certFile)
      .replace('/etc/nginx/mi.key', keyFile)
      .replace('listen 443 ssl;', `listen unix:${inside};`)
      .replace('rate=20r/s', 'rate=1000r/s');
    // nginx knows no address of who comes by a Unix socket.
    const open = server.replace('deny all;', 'allow unix:; deny all;');
    const closed = server.slice(server.indexOf('server {')).replace(inside, outside);
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    );
    // Workers of root's nginx would be nobody, who may not connect.
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const main = `${user} daemon off; pid ${folder}/nginx.pid; error_log stderr; events {}\n`;
    const nginxFile = join(folder, 'nginx.conf');
    writeFileSync(nginxFile, `${main}http { access_log off; ${places.join(' ')}\n${open}\n${closed}\n}\n`);
    const nginx = spawn('nginx', ['-p', folder, '-c', nginxFile, '-e', 'stderr'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    onTestFinished(() => void nginx.kill('SIGTERM'));
    let errors = '';
    nginx.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    await listening(inside, nginx, () => errors);
    const through = { socketPath: inside };
    expect((await call(through, undefined, 'pwd')).status).toBe(401);
    expect((await call({ socketPath: outside }, alice, 'pwd')).status).toBe(403);
    for (let i = 0; i < 20; i++) expect((await call(through, alice, 'uptime')).status).toBe(200);
    const contacts = Array.from({ length: 3000 }, (_, i) => ({
      aor: `user${i}`,
      contact: `sip:user${i}@192.0.2.7:5060`,
      expires: 3600,
      user_agent: 'x'.repeat(100),
    }));
    for (let from = 0; from < contacts.length; from += 500) {
      const some = contacts.slice(from, from + 500);
      expect((await call(through, alice, 'usrloc:add_many', ['location', some])).body).toMatch(/500/);
    }
    const dump = JSON.parse((await call(through, alice, 'ul_dump')).body);
    expect(dump.result.Domains[0].AORs.length).toBe(3000);
    expect(errors.split('\n').filter((line) => /\[(error|crit|alert|emerg)\]/.test(line)).length, errors).toBe(1);
    expect(errors).toMatch(/access forbidden by rule/);
    nginx.kill('SIGTERM');
    daemon.signal('SIGTERM');
    await daemon.ended;
  });
});

/** Waits until somebody listens on a Unix socket; fails when the program ends before. */
async function listening(path: string, child: ReturnType<typeof spawn>, errors: () => string): Promise<void> {
  for (;;) {
    const isOpen = await new Promise<boolean>((settle) => {
      const socket = connect(path, () => settle(true));
      socket.on('error', () => settle(false)).on('connect', () => socket.destroy());
    });
    if (isOpen) return;
    expect(child.exitCode, errors()).toBe(null);
    await new Promise((settle) => setTimeout(settle, 20));
  }
}
