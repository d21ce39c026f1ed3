// Each signal at each moment of the daemon has the effect that docs/guide/production.md states.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import {
  checkout,
  command,
  Daemon,
  type Ended,
  isListening,
  mi,
  type Running,
  temporaryFiles,
} from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { count } from '../support/long.js';
import { lacksManager, startManager } from '../support/service-manager.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const windows = process.platform === 'win32' ? 'signals of POSIX' : false;
const harmless: readonly NodeJS.Signals[] = [
  ...(['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGSTKFLT'] as const),
].filter((name) => name in constants.signals);
const unheard: readonly NodeJS.Signals[] = ['SIGPIPE', 'SIGWINCH', 'SIGCONT', 'SIGURG'];
const ending: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

/** `slow` starts when it is told to, stops when it is told to, and reloads when it is told to: by files. */
const slowModule = `import { existsSync } from 'node:fs';
const reached = async (name) => {
  while (!existsSync(new URL(name, import.meta.url))) await new Promise((resolve) => setTimeout(resolve, 10));
  // Signals that were sent before the file was made are handled before the step goes on.
  await new Promise(setImmediate);
};
export default ({ defineModule }) => defineModule({
  name: 'slow',
  load: ({ log }) => ({
    start: async () => { log.info({}, 'slow: starting'); await reached('start'); },
    reload: async () => { log.info({}, 'slow: reloading'); await reached('reload'); },
    stop: async () => { log.info({}, 'slow: stopping'); await reached('stop'); },
  }),
});`;

const config =
  'loadmodule "httpd.so"\nmodparam("httpd", "ip", "127.0.0.1")\nloadmodule "mi_http.so"\nloadmodule "./slow.mjs"\n';

interface Slow {
  readonly daemon: Daemon;
  /** Lets a step of the module go on. */
  go(...steps: readonly ('start' | 'reload' | 'stop')[]): void;
}

function startSlow(t: Lifetime): Slow {
  const directory = temporaryFiles(t, { 'slow.mjs': slowModule, 'slow.cfg': config });
  const daemon = new Daemon(t, process.execPath, [command, '-f', join(directory, 'slow.cfg'), '-p', '0']);
  return {
    daemon,
    go: (...steps) => {
      expect(
        spawnSync(
          'touch',
          steps.map((step) => join(directory, step)),
        ).status,
      ).toBe(0);
    },
  };
}

async function endsGracefully(daemon: Running): Promise<void> {
  daemon.signal('SIGTERM');
  const { status, signal, stderr } = await daemon.ended;
  expect([status, signal, stderr]).toStrictEqual([0, null, '']);
}

/** Milliseconds between two signals of the sweep. */
const step = count(100, 20);

/** An environment in which a script runs before the first line of the program. */
function preloading(t: Lifetime, script: string): { readonly env: NodeJS.ProcessEnv; readonly file: string } {
  const file = join(temporaryFiles(t, { 'preload.cjs': script }), 'preload.cjs');
  return { env: { ...process.env, NODE_OPTIONS: `--require=${file}` }, file };
}

const linesLike = (daemon: Running, pattern: RegExp): number =>
  daemon.lines.filter((line) => pattern.test(line)).length;

unless(windows, describe)('signals', { concurrent: true }, () => {
  for (const [kind, signals, lines] of [
    ['signals that are ignored', harmless, 4],
    ['signals that nothing hears', unheard, 0],
    ['SIGHUP', ['SIGHUP'], 1],
  ] as const) {
    test(`${kind}, while it starts, serves, reloads and stops, end nothing`, async ({ lifetime }) => {
      const { daemon, go } = startSlow(lifetime);
      let sent = 0;
      const send = async (): Promise<void> => {
        for (const signal of signals) daemon.signal(signal);
        sent += 1;
        if (signals !== harmless) return;
        // Two of one signal that are pending together are one: each is to be told of before the next.
        for (const signal of signals) {
          await expect.poll(() => linesLike(daemon, new RegExp(`${signal}: ignored`))).toBe(sent);
        }
      };
      await daemon.line(/slow: starting/);
      await send();
      go('start');
      await daemon.line(/serving http/);
      await send();
      if (kind !== 'SIGHUP') daemon.signal('SIGHUP');
      await daemon.line(/slow: reloading/);
      await send();
      go('reload');
      daemon.signal('SIGTERM');
      await daemon.line(/slow: stopping/);
      await send();
      go('stop');
      const { status, signal: end, stderr } = await daemon.ended;
      expect([status, end, stderr]).toStrictEqual([0, null, '']);
      for (const signal of signals) {
        expect(linesLike(daemon, new RegExp(`${signal}: ignored`)), signal).toBe(lines);
        if (signals === unheard) expect(linesLike(daemon, new RegExp(signal)), signal).toBe(0);
      }
    });
  }

  for (const signal of ending) {
    test(`${signal} while it starts or reloads stops it, a second one while it stops ends it at once`, async ({
      lifetime,
    }) => {
      const starting = startSlow(lifetime);
      await starting.daemon.line(/slow: starting/);
      starting.daemon.signal(signal);
      await starting.daemon.line(/finishing what runs/);
      starting.go('start', 'stop');
      expect((await starting.daemon.ended).status).toBe(0);
      expect(linesLike(starting.daemon, /serving http/)).toBe(0);

      const reloading = startSlow(lifetime);
      reloading.go('start');
      await reloading.daemon.line(/serving http/);
      reloading.daemon.signal('SIGHUP');
      await reloading.daemon.line(/slow: reloading/);
      reloading.daemon.signal(signal);
      await reloading.daemon.line(/slow: stopping/);
      reloading.daemon.signal(signal);
      expect((await reloading.daemon.ended).status).toBe(1);
    });
  }

  test('a storm of SIGHUPs is two reloads, one that runs and one after it', async ({ lifetime }) => {
    const { daemon, go } = startSlow(lifetime);
    go('start', 'stop');
    await daemon.line(/serving http/);
    daemon.signal('SIGHUP');
    await daemon.line(/slow: reloading/);
    // One after the other is seen,
    for (let nth = 1; nth <= 3; nth++) {
      daemon.signal('SIGHUP');
      daemon.signal('SIGALRM');
      await daemon.line(/SIGALRM: ignored/, nth);
    }
    // then the shell sends them faster than events are handled, so that some are merged on the way too.
    spawnSync('sh', ['-c', `for i in $(seq 300); do kill -HUP ${daemon.child.pid}; done`]);
    go('reload');
    await daemon.line(/slow: reloading/, 2);
    await endsGracefully(daemon);
    expect(linesLike(daemon, /slow: reloading/)).toBe(2);
    expect(daemon.lines.join('\n')).not.toMatch(/MaxListeners/);
  });

  test('SIGHUP before it serves is one reload right after', async ({ lifetime }) => {
    const { daemon, go } = startSlow(lifetime);
    await daemon.line(/slow: starting/);
    for (let i = 0; i < 3; i++) daemon.signal('SIGHUP');
    go('start', 'reload', 'stop');
    await daemon.line(/slow: reloading/);
    await endsGracefully(daemon);
    expect(daemon.lines.findIndex((line) => /serving/.test(line))).toBeLessThan(
      daemon.lines.findIndex((line) => /reloading/.test(line)),
    );
    expect(linesLike(daemon, /slow: reloading/)).toBe(1);
  });

  test('SIGUSR1 opens no debugger, unless that was asked for', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-p', '0']);
    const before = await isListening(9229);
    daemon.signal('SIGUSR1');
    daemon.signal('SIGHUP');
    await daemon.line(/SIGHUP: no listener/);
    expect(await isListening(9229)).toBe(before);
    await endsGracefully(daemon);
    expect(linesLike(daemon, /SIGUSR1: ignored/)).toBe(1);
  });

  test('a debugger that SIGUSR1 opens before the first line is closed', async ({ lifetime, startDaemon }) => {
    const { env, file } = preloading(
      lifetime,
      `const inspector = require('node:inspector');
      process.debugPort = 0;
      process.kill(process.pid, 'SIGUSR1');
      while (inspector.url() === undefined);
      require('node:fs').writeFileSync(__filename + '.url', inspector.url());`,
    );
    const daemon = await startDaemon(['-p', '0'], { env });
    expect((await mi(daemon.url, 'uptime')).status).toBe(200);
    // Node.js opens it once more, on the same port, when it gets round to the signal.
    const { port } = new URL(readFileSync(`${file}.url`, 'utf8'));
    await expect.poll(() => isListening(Number(port))).toBe(false);
    daemon.signal('SIGTERM');
    expect((await daemon.ended).status).toBe(0);
  });

  // The addon is loaded by an import that comes late: from before it on, signals have the effects that they have later.
  test('SIGHUP and signals that are ignored end nothing while the program is still being loaded', async ({
    lifetime,
    startDaemon,
  }) => {
    const signals = ['SIGHUP', ...harmless];
    const { env } = preloading(
      lifetime,
      `const { dlopen } = process;
      let sent = false;
      process.dlopen = function (...args) {
        if (!sent) for (const signal of ${JSON.stringify(signals)}) process.kill(process.pid, signal);
        sent = true;
        return dlopen.apply(this, args);
      };`,
    );
    const daemon = await startDaemon(['-p', '0'], { env });
    await endsGracefully(daemon);
    for (const signal of signals) {
      expect(linesLike(daemon, new RegExp(`${signal}: (?:reading users|ignored)`)), signal).toBe(1);
    }
  });

  for (const signal of ending) {
    test(`${signal} while the program is still being loaded ends it, or stops it`, async ({ lifetime }) => {
      const script = `process.on('newListener', (name) => {
        if (name === '${signal}') setImmediate(() => process.kill(process.pid, name));
      });`;
      const { env } = preloading(lifetime, script);
      assertEndedBy(await new Daemon(lifetime, process.execPath, [command, '-p', '0'], { env }).ended, signal);
    });
  }

  // From the spawn on: before Node.js runs the first line, the signal has the effect that it has on every process.
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM'] as const) {
    test(`${signal} at 0 to 300 ms after the spawn: the process serves, or it is ended by that signal alone`, async ({
      lifetime,
    }) => {
      for (let delay = 0; delay <= 300; delay += step) {
        const daemon = new Daemon(lifetime, process.execPath, [command, '-p', '0']);
        await new Promise((resolve) => setTimeout(resolve, delay));
        daemon.signal(signal);
        const ended = await Promise.race([
          daemon.ended,
          daemon.line(/serving http/).then(
            () => undefined,
            () => daemon.ended,
          ),
        ]);
        if (ended !== undefined) assertEndedBy(ended, signal);
        else {
          // It may have served before the signal came: a second SIGTERM would end it at once.
          if (signal !== 'SIGTERM') {
            expect(spawnSync('kill', ['-0', String(daemon.child.pid)]).status).toBe(0);
            daemon.signal('SIGTERM');
          }
          const { status, stderr } = await daemon.ended;
          expect(status, `${delay} ms: ${stderr}`).toBe(0);
        }
      }
    });
  }

  for (const kind of ['a path', 'an abstract name']) {
    unless(lacksManager, test)(
      `the service manager is told at ${kind}: ready, reloading, ready, stopping`,
      async ({ temporaryFiles, lifetime, startDaemon }) => {
        const directory = temporaryFiles({});
        const socket = kind === 'a path' ? join(directory, 'notify') : `@mi-httpd-test-${process.pid}`;
        const manager = await startManager(lifetime, socket);
        const env = { ...process.env, NOTIFY_SOCKET: socket };
        const daemon = await startDaemon(['-p', '0'], { env });
        const untold = daemon.line(/cannot be told/);
        expect(await Promise.race([manager.line(/READY=1/), untold])).toMatch(/READY=1/);
        daemon.signal('SIGHUP');
        await manager.line(/^'RELOADING=1\\nMONOTONIC_USEC=[0-9]+'$/);
        await manager.line(/^'READY=1'$/, 2);
        await endsGracefully(daemon);
        await manager.line(/^'STOPPING=1'$/);
      },
    );
  }

  unless(lacksManager, test)('a service manager that is not there costs a warning', async ({ startDaemon }) => {
    const env = { ...process.env, NOTIFY_SOCKET: '/nowhere/notify' };
    const daemon = await startDaemon(['-p', '0'], { env });
    await daemon.line(/cannot be told at NOTIFY_SOCKET \/nowhere\/notify/);
    expect((await mi(daemon.url, 'uptime')).status).toBe(200);
    await endsGracefully(daemon);
  });

  test('the table of signals names every signal that has an effect', () => {
    const text = readFileSync(join(checkout, 'docs/guide/production.md'), 'utf8');
    for (const signal of [...harmless, ...unheard, ...ending, 'SIGHUP', 'SIGABRT', 'SIGKILL']) {
      expect(text, signal).toMatch(new RegExp(`^\\|.*\`${signal.slice(3)}\``, 'm'));
    }
  });
});

function assertEndedBy({ status, signal, stderr }: Ended, sent: NodeJS.Signals): void {
  expect(signal === sent || (ending.includes(sent) && status === 0), JSON.stringify({ status, signal, stderr })).toBe(
    true,
  );
}
