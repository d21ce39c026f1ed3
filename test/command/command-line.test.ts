import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { assert, describe, expect } from 'vitest';
import { command, Running } from '../support/daemon.js';
import { engineName } from '../support/engine.js';
import { test } from '../support/test.js';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

describe('what the command tells about itself', () => {
  for (const option of ['-h', '--help']) {
    test(`${option} names every option and exits 0`, async ({ runCommand }) => {
      const { status, stdout, stderr } = await runCommand([option]);
      expect([status, stderr]).toStrictEqual([0, '']);
      for (const named of [
        '-f, --file',
        '-c, --check',
        '-M',
        '-p, --port',
        '-l, --listen',
        '-V',
        '-h',
        'exit status',
      ]) {
        expect(stdout, `${named} is not in ${stdout}`).toContain(named);
      }
    });
  }

  for (const option of ['-V', '--version']) {
    test(`${option} names the versions of the command, the engine and Node.js`, async ({ runCommand }) => {
      const { status, stdout, stderr } = await runCommand([option]);
      expect([status, stderr]).toStrictEqual([0, '']);
      const [, ...versions] = /^mi-httpd (\S+) \((\S+ \S+), Node\.js (\S+)\)\n$/.exec(stdout) ?? [];
      expect(versions[0]).toBe(version);
      expect(versions[1] ?? '').toMatch(engineName);
      expect(versions[2]).toBe(process.versions.node);
    });
  }

  test('nobody reads it: no complaint', async ({ lifetime }) => {
    for (const [option, stream, status] of [
      ['-h', 'stdout', 0],
      ['-c', 'stdout', 0],
      ['--frobnicate', 'stderr', 1],
    ] as const) {
      const running = new Running(lifetime, process.execPath, [command, option]);
      running.child[stream]?.destroy();
      const ended = await running.ended;
      expect([ended.status, ended.stdout, ended.stderr]).toStrictEqual([status, '', '']);
    }
  });

  test('the version of the engine is that of the binary that was loaded', async () => {
    const { loadUws } = await import('#src/http/engine/uws/loader.js');
    const { version: told } = await loadUws();
    const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
    const binary = sharedObjects.find((path) => /uws[^/\\]*\.node|@uwsjs/.test(path));
    assert(binary !== undefined, sharedObjects.join('\n'));
    let directory = dirname(binary);
    while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
    const package_ = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string };
    expect(told, binary).toBe(package_.version);
  });
});

describe('a wrong command line is refused in one line', () => {
  const refused: readonly (readonly [args: readonly string[], reason: RegExp])[] = [
    [['--frobnicate'], /^mi-httpd: Unknown option '--frobnicate'; mi-httpd --help lists the options \[ERR_OPTION\]\n$/],
    [['-x'], /^mi-httpd: Unknown option '-x'; .*--help/],
    [['start'], /^mi-httpd: Unexpected argument 'start'; .*--help/],
    [['-p'], /^mi-httpd: Option '-p, --port <value>' argument missing; .*--help/],
    [['-p', 'http'], /^mi-httpd: option -p is "http"; give a whole number from 0 to 65535 \[ERR_OPTION\]\n$/],
    [['-p', ''], /^mi-httpd: option -p is ""; give a whole number/],
    [['-p', '88.5'], /^mi-httpd: option -p is "88.5"; give a whole number/],
    [['-p', '1e4'], /^mi-httpd: option -p is "1e4"; give a whole number/],
    [['-p=-1'], /^mi-httpd: option -p is "=-1"; give a whole number/],
    [['-p', '70000'], /^mi-httpd: option -p is "70000"; give a whole number from 0 to 65535 \[ERR_OPTION\]\n$/],
    [['-p', '80'], /port 80 is reserved for privileged services.*; use 1024 or more/],
    [['-p', '1023'], /port 1023 is reserved for privileged services.*; use 1024 or more/],
    [['-M', '0'], /^mi-httpd: option -M is "0"; give a whole number from 1 to 4096 \[ERR_OPTION\]\n$/],
    [['-M', '4097'], /^mi-httpd: option -M is "4097"; give a whole number from 1 to 4096 \[ERR_OPTION\]\n$/],
    [['-M', 'lots'], /^mi-httpd: option -M is "lots"; give a whole number/],
    [['-l', 'not-an-ip', '-p', '0'], /not-an-ip/],
    [['-l', '127.0.0.1.5', '-p', '0'], /127\.0\.0\.1\.5/],
    [['-l', '127.0.0.256', '-p', '0'], /127\.0\.0\.256/],
    [['-l', '::1::2', '-p', '0'], /::1::2/],
  ];
  for (const [args, reason] of refused) {
    test(args.map((arg) => JSON.stringify(arg)).join(' '), async ({ runCommand }) => {
      expect(await runCommand(args)).toRefuse(reason);
    });
  }
});
