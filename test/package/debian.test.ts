// The package for Debian, and the container that is made of it, in a throw-away root.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { basic, userLine } from '../support/accounts.js';
import { debianRoot, lacksRoot, runIn, startIn } from '../support/package/debian-root.js';
import { type Packed, packEverything } from '../support/package/packed.js';
import { startManager } from '../support/service-manager.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const lacking = process.env.MI_HTTPD_ALL === '1' ? lacksRoot : 'npm run test:all runs it';

unless(lacking, describe)('the package for Debian', () => {
  let packed: Packed;
  let root: string;
  let deb: string;

  beforeAll(async () => {
    root = await debianRoot();
    packed = await packEverything('package', '--', '--here');
    const packages = join(packed.copy, 'build/packages');
    deb = join(packages, readdirSync(packages).find((name) => name.endsWith('.deb')) ?? '');
  });

  afterAll(() => {
    if (root !== undefined) runIn(root, 'dpkg', '--purge', 'mi-httpd');
    if (packed !== undefined) rmSync(packed.copy, { recursive: true, force: true });
  });

  const inRoot = (...command: readonly string[]): string => {
    const { status, stdout, stderr } = runIn(root, ...command);
    expect(status, `${command.join(' ')}: ${stdout}${stderr}`).toBe(0);
    return stdout;
  };

  const install = (file: string): string => {
    execFileSync('cp', [file, join(root, 'tmp')]);
    return inRoot('dpkg', '--install', `/tmp/${basename(file)}`);
  };

  const isThere = (path: string): boolean => existsSync(join(root, path));

  /** What the unit starts, as the user that it names. */
  const start = (variables: Readonly<Record<string, string>>, ...more: readonly string[]): ChildProcess => {
    const unit = readFileSync(join(root, 'usr/lib/systemd/system/mi-httpd.service'), 'utf8');
    const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
    expect(unit).toMatch(/^Type=notify$/m);
    const [, user = ''] = /^User=(.*)$/m.exec(unit) ?? [];
    return startIn(
      root,
      variables,
      'setpriv',
      `--reuid=${user}`,
      `--regid=${user}`,
      '--clear-groups',
      ...command.split(' '),
      ...more,
    );
  };

  /** The URL of the first line that says that it serves. */
  const serving = async (child: ChildProcess): Promise<string> => {
    let told = '';
    child.stderr?.on('data', (text) => {
      told += text;
    });
    if (child.stdout === null) throw new Error('no output');
    for await (const line of createInterface(child.stdout)) {
      told += `${line}\n`;
      const url = /"url":"([^"]+)"/.exec(line)?.[1];
      if (url !== undefined && line.includes('"code":"serving"')) return url;
    }
    throw new Error(`it does not serve: ${told}`);
  };

  const stop = async (child: ChildProcess): Promise<void> => {
    const ended = once(child, 'exit');
    // The first process of the namespace is the server: unshare ends with it.
    const [inner] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
    process.kill(Number(inner), 'SIGTERM');
    expect((await ended)[0]).toBe(0);
  };

  const ask = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> => {
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'version', id: 1 });
    const sent = {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Connection: 'close', ...headers },
      body,
    };
    const response = await fetch(url, sent);
    return `${response.status} ${await response.text()}`;
  };

  test('is installed, started, upgraded, removed and purged', async ({ lifetime }) => {
    install(deb);
    expect(inRoot('stat', '-c', '%U %a', '/etc/mi-httpd/users')).toBe('mi-httpd 400\n');
    expect(inRoot('stat', '-c', '%U %a', '/etc/mi-httpd/tls')).toBe('mi-httpd 500\n');
    expect(inRoot('mi-httpd', '-V')).toMatch(/^mi-httpd [0-9.]+ \(uWebSockets\.js 20\.[0-9.]+, Node\.js 20\./);
    expect(inRoot('mi-httpd', '-c')).toMatch(/\/etc\/mi-httpd\/mi-httpd\.cfg: good\n$/);
    expect(inRoot('mandoc', '-T', 'lint', '-W', 'error', '/usr/share/man/man8/mi-httpd.8.gz')).toBe('');
    inRoot('logrotate', '--debug', '/etc/logrotate.d/mi-httpd');
    inRoot('zsh', '-n', '/usr/share/zsh/vendor-completions/_mi-httpd');
    const complete = `. /usr/share/bash-completion/bash_completion; _comp_load mi-httpd || __load_completion mi-httpd; complete -p mi-httpd`;
    expect(inRoot('bash', '-c', complete)).toMatch(/-F _mi_httpd mi-httpd/);

    rmSync(join(root, 'run/notify'), { force: true });
    const manager = await startManager(lifetime, join(root, 'run/notify'));
    inRoot('chmod', '0777', '/run/notify');
    const server = start({ NOTIFY_SOCKET: '/run/notify' }, '-p', '0');
    const url = await serving(server);
    await manager.line(/READY=1/);
    expect(await ask(url)).toMatch(/^200 .*mi-httpd/);
    await stop(server);

    // A configuration that its owner has changed stays, and a newer version replaces the program.
    const config = join(root, 'etc/mi-httpd/mi-httpd.cfg');
    writeFileSync(config, `${readFileSync(config, 'utf8')}\n# mine\n`);
    writeFileSync(join(root, 'etc/mi-httpd/users'), userLine('alice', 'wonder', 'admin'));
    const tree = join(packed.copy, 'build/newer');
    execFileSync('dpkg-deb', ['-R', deb, tree]);
    const control = join(tree, 'DEBIAN/control');
    writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 99.0.0'));
    const newer = join(packed.copy, 'build/mi-httpd_99.0.0_amd64.deb');
    execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '-b', tree, newer]);
    install(newer);
    expect(inRoot('dpkg-query', '-W', 'mi-httpd')).toBe('mi-httpd\t99.0.0\n');
    expect(readFileSync(config, 'utf8')).toMatch(/# mine\n$/);
    const again = start({}, '-p', '0');
    expect(await ask(await serving(again))).toMatch(/^200 /);
    await stop(again);

    inRoot('dpkg', '--remove', 'mi-httpd');
    expect(['usr/bin/mi-httpd', 'usr/lib/mi-httpd', 'usr/share/man/man8/mi-httpd.8.gz'].filter(isThere)).toStrictEqual(
      [],
    );
    expect(['etc/mi-httpd/mi-httpd.cfg', 'etc/mi-httpd/users'].filter(isThere)).toHaveLength(2);
    inRoot('dpkg', '--purge', 'mi-httpd');
    expect(['etc/mi-httpd', 'etc/logrotate.d/mi-httpd'].filter(isThere)).toStrictEqual([]);
  });

  test('makes the container: the steps of the Containerfile run, it serves, and its health is told', async () => {
    const lines = readFileSync('Containerfile', 'utf8').split('\n');
    const steps = lines
      .filter((line) => /^[A-Z]/.test(line))
      .map((line) => [line.replace(/ .*/, ''), line.replace(/^\S+ /, '')]);
    const of = (wanted: string): readonly string[] =>
      steps.flatMap(([name, text = '']) => (name === wanted ? [text] : []));
    expect(of('FROM')).toStrictEqual(['debian:trixie-slim']);
    for (const [name, text = ''] of steps) {
      if (name === 'COPY') {
        const [from = '', to = ''] = text.split(' ');
        mkdirSync(join(root, to, '..'), { recursive: true });
        execFileSync('sh', ['-c', `cp ${from} "$0"`, join(root, to)], { cwd: packed.copy });
      } else if (name === 'RUN') {
        // The dependencies are in the root already, and a root without a network has no lists to update.
        inRoot(
          'sh',
          '-c',
          text.replace('apt-get update', 'true').replace(/apt-get install .*? (?=\/)/, 'dpkg --force-confold -i '),
        );
      }
    }
    expect(isThere('tmp/mi-httpd.deb')).toBe(false);
    const user = of('USER')[0] ?? '';
    expect(user).toBe('mi-httpd');
    const users = join(root, 'etc/mi-httpd/users');
    writeFileSync(users, userLine('alice', 'wonder', 'admin'));
    const words = [...of('ENTRYPOINT'), ...of('CMD')].flatMap((text) => JSON.parse(text) as string[]);
    const as = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
    const server = startIn(root, {}, ...as, ...words);
    await serving(server);
    expect(await ask('http://127.0.0.1:8888/mi')).toMatch(/^401 /);
    expect(await ask('http://127.0.0.1:8888/mi', { Authorization: basic('alice', 'wonder') })).toMatch(/^200 /);
    const health = JSON.parse(/CMD (\[.*\])/.exec(of('HEALTHCHECK')[0] ?? '')?.[1] ?? '') as string[];
    inRoot(...as, ...health);
    await stop(server);
    expect(runIn(root, ...as, ...health).status).toBe(1);
  });
});
