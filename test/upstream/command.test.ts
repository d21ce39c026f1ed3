// The option --opensips, as an operator gives it.
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { makeFifo } from '#src/native/datagrams.js';
import { mi } from '../support/daemon.js';
import { startDouble } from '../support/front.js';
import { test } from '../support/test.js';

const config = 'loadmodule "httpd.so"\nloadmodule "mi_http.so"\n';

describe('mi-httpd --opensips', () => {
  test('serves an OpenSIPS without a line in a file', async ({ lifetime, startDaemon }) => {
    const sip = await startDouble(lifetime);
    const { fifo, udp } = sip.transports;
    const daemon = await startDaemon(['-f', '-', '-p', '0', `--opensips=${fifo}`, '--opensips', udp], {
      input: config,
    });
    expect(await mi(daemon.url, 'ps')).toHaveProperty('result.Processes.1');
    expect(await mi(daemon.url, 'node:opensips/ul_dump')).toHaveProperty('result.Domains');
  });

  test('wins over the nodes of the file', async ({ lifetime, startDaemon }) => {
    const sip = await startDouble(lifetime);
    const input = `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "other fifo:/nowhere/fifo")\n`;
    const daemon = await startDaemon(['-f', '-', '-p', '0', '--opensips', sip.transports.http], { input });
    expect(await mi(daemon.url, 'ps')).toHaveProperty('result.Processes.1');
  });

  test('starts where there is no OpenSIPS, and tells what it does not find', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-f', '-', '-p', '0', '--opensips', 'fifo:/nowhere/fifo'], { input: config });
    const line = await daemon.line(/"opensips-unreachable"/);
    expect(line).toContain('/nowhere/fifo');
    expect(await mi(daemon.url, 'ps')).toMatchObject({
      error: { code: -32000, data: expect.stringContaining('there is no such FIFO') },
    });
  });

  test('removes the reply FIFOs of one that was killed, and nothing else', async ({ lifetime, startDaemon }) => {
    const sip = await startDouble(lifetime);
    const go = sip.hold('ul_dump');
    const first = await startDaemon(['-f', '-', '-p', '0', '--opensips', sip.transports.fifo], { input: config });
    const left = (): string[] => readdirSync(sip.folder).filter((name) => name.startsWith('mi-httpd-'));
    void mi(first.url, 'ul_dump').catch(() => {});
    await expect.poll(left).toHaveLength(1);
    first.signal('SIGKILL');
    await first.ended;
    go();
    const [name = ''] = left();
    const others = [
      `${name.slice(0, -1)}-`,
      `${name.slice(0, -7)}aaaaaaa`,
      `${name.slice(0, -7)}bbbbbbb`,
      `mi-httpd-zzzz${name.slice(13)}`,
      `${name.slice(0, 13)}${process.pid.toString(36).padStart(5, '0')}${name.slice(18)}`,
    ];
    const [odd = '', file = '', link = '', foreign = '', living = ''] = others.map((one) => join(sip.folder, one));
    makeFifo(odd, 0o600);
    writeFileSync(file, '');
    symlinkSync(join(sip.folder, 'fifo'), link);
    makeFifo(foreign, 0o600);
    makeFifo(living, 0o600);
    const second = await startDaemon(['-f', '-', '-p', '0', '--opensips', sip.transports.fifo], { input: config });
    await second.line(/"opensips-replies-removed"/);
    await expect.poll(left).toEqual(expect.arrayContaining(others));
    expect(left()).not.toContain(name);
    expect(readdirSync(sip.folder)).toContain('fifo');
  });

  test('warns of a login that every user sees', async ({ runCommand }) => {
    const args = ['-c', '-f', '-', '--opensips'];
    const ended = await runCommand([...args, 'http://mi:s3cret@127.0.0.1:1/mi'], { input: config });
    expect(ended.stdout).toMatch(
      /note: the login of a URL behind --opensips is seen.*login_file.*opensips-login-visible/,
    );
    expect(ended.stdout).not.toContain('s3cret');
    const hidden = await runCommand([...args, 'http://127.0.0.1:1/mi;login_env=MI_LOGIN'], {
      input: config,
      env: { ...process.env, MI_LOGIN: 'mi:s3cret' },
    });
    expect([hidden.status, hidden.stdout.includes('login')]).toStrictEqual([0, false]);
  });

  test('rejects two nodes of one name', async ({ runCommand }) => {
    const node = 'modparam("opensips", "node", "sip-1 fifo:/nowhere/fifo")\n';
    const ended = await runCommand(['-c', '-f', '-'], { input: `${config}loadmodule "opensips.so"\n${node}${node}` });
    expect([ended.status, ended.stderr.includes('two nodes have the name "sip-1"')]).toStrictEqual([255, true]);
  });

  test('prints no password of a transport, wherever it is wrong', async ({ runCommand }) => {
    for (const value of [
      'sip-1 http://mi:s3cret@127.0.0.1/mi?x',
      'http://mi:s3cret@127.0.0.1/mi',
      'sip-1 http://mi:a s3cret@127.0.0.1/mi',
      'sip-1 http://mi:1 s3cret b@127.0.0.1/mi',
      'sip-1 http://mi:1/a s3cret b@127.0.0.1/mi',
      'sip-1 fifo:/a http://mi:s3cret;x@127.0.0.1/mi',
      'core http://mi:s3cret@127.0.0.1/mi',
    ]) {
      const input = `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "${value}")\n`;
      const ended = await runCommand(['-c', '-f', '-'], { input });
      expect([ended.status, `${ended.stdout}${ended.stderr}`.includes('s3cret')], value).toStrictEqual([255, false]);
    }
    const option = await runCommand(['--opensips', 'http://mi:s3cret@127.0.0.1/mi?x']);
    expect(option).toRefuse(/option --opensips: transport "http:\/\/…@127\.0\.0\.1\/mi\?x" has more than a path/);
    expect(option.stderr).not.toContain('s3cret');
  });

  test('is refused where it would be this server itself', async ({ runCommand }) => {
    for (const place of ['localhost', '127.0.0.1']) {
      const ended = await runCommand(['-c', '-f', '-', '-p', '18887', '--opensips', `http://${place}:18887/mi`], {
        input: config,
      });
      expect(ended.status, place).toBe(255);
      expect(ended.stderr).toMatch(
        /node opensips is asked by http:\/\/[a-z0-9.]+:18887\/mi, where this server listens itself; let it listen at another port/,
      );
    }
    const other = await runCommand(['-c', '-f', '-', '-p', '18887', '--opensips', 'http://127.0.0.1:18886/mi'], {
      input: config,
    });
    expect(other.status).toBe(0);
  });

  test('rejects what is no transport', async ({ runCommand }) => {
    const ended = await runCommand(['--opensips', 'carrier:pigeon']);
    expect(ended).toRefuse(/option --opensips: transport "carrier:pigeon" is no transport of OpenSIPS; give fifo:/);
    const file = await runCommand(['-c', '-f', '-'], {
      input: `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "sip 1")\n`,
    });
    expect([file.status, file.stderr.includes('<stdin>:4')]).toStrictEqual([255, true]);
    const taken = await runCommand(['-c', '-f', '-'], {
      input: `${config}loadmodule "opensips.so"\nmodparam("opensips", "node", "core fifo:/nowhere/fifo")\n`,
    });
    expect([taken.status, taken.stderr.includes('node "core" has the name of a module')]).toStrictEqual([255, true]);
  });
});
