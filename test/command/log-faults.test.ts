// Whatever takes the log: it can neither end the server nor keep it waiting, and what is lost is counted and told.
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { assert, describe, expect } from 'vitest';
import { command, mi, temporaryFiles } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

/** Commands that write a long line: to the log, to standard error, by the console, as a warning of the process. */
const loudModule = `const tail = ' '.repeat(300_000);
console.error('imported');
export default ({ defineModule, command }) => defineModule({
  name: 'loud',
  load: ({ log }) => ({ commands: [
    command({ name: 'log', help: 'x', recipes: [{ text: 'string' }],
      run: ({ text }) => { log.info({}, 'said ' + text + tail); return 'OK'; } }),
    command({ name: 'stderr', help: 'x', recipes: [{ text: 'string' }],
      run: ({ text }) => { process.stderr.write(text + tail + '\\n'); return 'OK'; } }),
    command({ name: 'console', help: 'x', recipes: [{ text: 'string' }],
      run: ({ text }) => { console.error(text + tail); return 'OK'; } }),
    command({ name: 'warning', help: 'x', recipes: [{ text: 'string' }],
      run: ({ text }) => { process.emitWarning(text + tail); return 'OK'; } }),
    command({ name: 'crash', help: 'x',
      run: () => { setImmediate(() => { throw new Error('defect'); }); return 'OK'; } }),
  ] }),
});`;

/** Of each kind; their lines, of 300 KB each, are above what a pipe and the queue hold together. */
const calls = 6;

interface Fault {
  readonly name: string;
  /** What descriptor 1 or 2 becomes; 'inherit' where the shell changes it. */
  readonly target: (t: Lifetime, directory: string) => number | 'pipe';
  /** Shell words before the command, with $FD for the descriptor. */
  readonly shell?: string;
  /** A reader that is only slow may still get all. */
  readonly losesAll: boolean;
  /** What comes out at the other end, once it is read until the text is complete. */
  readonly read?: (
    child: ChildProcess,
    descriptor: 1 | 2,
    directory: string,
    isComplete: IsComplete,
  ) => Promise<string>;
}

type IsComplete = (text: string) => boolean;

function readPipe(child: ChildProcess, _descriptor: 1 | 2, directory: string, isComplete: IsComplete): Promise<string> {
  const reader = openSync(join(directory, 'pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
  return readUntil(reader, isComplete, () => child.exitCode !== null).finally(() => closeSync(reader));
}

async function readSocket(child: ChildProcess, descriptor: 1 | 2, _: string, isComplete: IsComplete): Promise<string> {
  const socket = descriptor === 1 ? child.stdout : child.stderr;
  assert(socket !== null);
  let text = '';
  for await (const piece of socket.setEncoding('latin1')) {
    text += piece;
    if (isComplete(text)) return text;
  }
  return text;
}

function openFile(t: Lifetime, path: string, flags: string | number): number {
  const descriptor = openSync(path, flags);
  t.onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

function pipe(directory: string): string {
  const path = join(directory, 'pipe');
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  return path;
}

const faults: readonly Fault[] = [
  { name: 'a full disk', target: (t) => openFile(t, '/dev/full', 'w'), losesAll: true },
  {
    name: 'a file that has reached its limit',
    target: (t, directory) => openFile(t, join(directory, 'limited'), 'w'),
    shell: 'ulimit -f 1;',
    losesAll: true,
  },
  {
    name: 'a descriptor to read from',
    target: (t, directory) => openFile(t, join(directory, 'loud.cfg'), 'r'),
    losesAll: true,
  },
  {
    name: 'a closed descriptor, which Node.js replaces by /dev/null',
    target: () => 'pipe',
    shell: 'exec $FD>&-;',
    losesAll: false,
  },
  {
    name: 'a pipe that nobody reads',
    target: (t, directory) => openFile(t, pipe(directory), constants.O_RDWR),
    losesAll: false,
    read: readPipe,
  },
  {
    name: 'a pipe that nobody reads and that does not block',
    target: (t, directory) => openFile(t, pipe(directory), constants.O_RDWR | constants.O_NONBLOCK),
    losesAll: false,
    read: readPipe,
  },
  { name: 'a socket that nobody reads', target: () => 'pipe', losesAll: false, read: readSocket },
  {
    name: 'a pipe whose reader has left',
    target: (t, directory) => {
      const path = pipe(directory);
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openFile(t, path, 'w');
      closeSync(reader);
      return writer;
    },
    losesAll: true,
  },
];

/** Each server has an address of its own: several run at once, and what they print may be lost. */
let started = 0;

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<number | null>;
}

async function start(t: Lifetime, directory: string, stdio: StdioOptions, shell = ''): Promise<Started> {
  started += 1;
  const host = `127.${process.pid & 255}.${(process.pid >> 8) & 255}.${started}`;
  const port = await freePort(host);
  const config = join(directory, 'loud.cfg');
  const args = [command, '-f', config, '-l', host, '-p', String(port)];
  const child = spawn('sh', ['-c', `${shell} exec "$0" "$@"`, process.execPath, ...args], { stdio });
  t.onTestFinished(() => child.kill('SIGKILL'));
  const ended = new Promise<number | null>((resolve) => {
    child.on('exit', (status) => resolve(status));
  });
  const url = `http://${host}:${port}/mi`;
  // That somebody listens is not enough: the start tries the address before the engine takes it.
  const answers = (): Promise<boolean> =>
    mi(url, 'version').then(
      () => true,
      () => false,
    );
  while (!(await answers())) {
    expect(child.exitCode, 'ended at its start').toBe(null);
    await delay(20);
  }
  return { child, url, ended };
}

function files(t: Lifetime): string {
  const config = ['loadmodule "httpd.so"', 'loadmodule "mi_http.so"'];
  return temporaryFiles(t, {
    'loud.mjs': loudModule,
    'loud.cfg': [...config, 'loadmodule "./loud.mjs"', ''].join('\n'),
  });
}

async function dropped(url: string): Promise<number> {
  const { result } = await mi(url, 'get_statistics', [['log_dropped']]);
  return (result as Record<string, number>)['core:log_dropped'] ?? Number.NaN;
}

const onLinux = process.platform === 'linux' ? false : 'needs /dev/full, mkfifo and ulimit';

unless(onLinux, describe)('standard output and standard error', { concurrent: true }, () => {
  for (const descriptor of [1, 2] as const) {
    for (const { name, target, shell = '', losesAll, read } of faults) {
      test(`${descriptor} is ${name}: the server starts, answers, and stops with status 0`, async ({ lifetime }) => {
        const directory = files(lifetime);
        const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'ignore', 'ignore'];
        stdio[descriptor] = target(lifetime, directory);
        const methods = descriptor === 1 ? ['loud:log', 'loud:warning'] : ['loud:stderr', 'loud:console'];
        const { child, url, ended } = await start(
          lifetime,
          directory,
          stdio,
          shell.replaceAll('$FD', String(descriptor)),
        );
        // Where nothing is to be lost, the queue holds all lines: the thread that writes may get no processor for a while.
        const made = name.includes('/dev/null') ? 1 : calls;
        for (let call = 0; call < made; call++) {
          for (const method of methods) expect((await mi(url, method, ['x'])).result).toBe('OK');
        }
        const lost = await dropped(url);
        if (descriptor === 2 || name.includes('/dev/null')) expect(lost).toBe(0);
        else if (losesAll) expect(lost, `${lost} of ${2 * calls}`).toBeGreaterThanOrEqual(2 * calls - 1);
        else expect(lost > 0 && lost <= 2 * calls, `${lost} of ${2 * calls}`).toBe(true);
        // No more waits than the queue holds, and what was lost is told.
        const notice = /^.*lines (?:of standard error )?lost: [0-9]+ .*$/m;
        const isComplete: IsComplete = (text) =>
          notice.test(text) || (text.match(/x {1000}/g)?.length ?? 0) === 2 * calls;
        if (read !== undefined) expect(await read(child, descriptor, directory, isComplete)).toMatch(notice);
        child.kill('SIGTERM');
        expect(await ended).toBe(0);
      });
    }
  }

  test('lost lines are told in one line once the pipe is read again, and none is missing in the count', async ({
    lifetime,
  }) => {
    const directory = files(lifetime);
    const path = pipe(directory);
    const writer = openFile(lifetime, path, constants.O_RDWR);
    const reader = openFile(lifetime, path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { url } = await start(lifetime, directory, ['ignore', writer, 'ignore']);
    for (let call = 0; call < 2 * calls; call++) await mi(url, 'loud:log', ['x']);
    const lost = await dropped(url);
    const said = /^.*"said x *"}\n/gm;
    const text = await readUntil(
      reader,
      (read) => (read.match(said)?.length ?? 0) >= 2 * calls - lost && /log lines lost: [^"]+"}\n/.test(read),
    );
    const lines = text
      .trimEnd()
      .split('\n')
      .map((one) => JSON.parse(one) as { msg: string; lost?: number });
    const notices = lines.filter((one) => one.lost !== undefined);
    expect(notices.map((one) => one.lost)).toStrictEqual([lost]);
    expect(lines.filter(({ msg }) => msg.startsWith('said ')).length).toBe(2 * calls - lost);
    await mi(url, 'loud:log', ['afterwards']);
    expect(await readUntil(reader, (read) => read.includes('said afterwards'))).not.toMatch(/log lines lost/);
    expect(await dropped(url)).toBe(lost);
  });

  const prlimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not here';
  unless(prlimit, test)(
    'lost lines are told in one line once the file may grow again',
    async ({ lifetime, expect }) => {
      const directory = files(lifetime);
      const path = join(directory, 'log');
      const { child, url } = await start(lifetime, directory, ['ignore', openFile(lifetime, path, 'a'), 'ignore']);
      const limit = (bytes: string) => spawnSync('prlimit', ['--pid', String(child.pid), `--fsize=${bytes}:unlimited`]);
      const size = readFileSync(path).length;
      expect(limit(String(size + 2_000_000)).status).toBe(0);
      for (let call = 0; call < 20; call++) await mi(url, 'loud:log', [`number ${call}`]);
      limit('unlimited');
      await expect.poll(() => readFileSync(path, 'utf8')).toContain('log lines lost');
      // Not before: the thread that writes may have lines yet that the file does not take.
      const lost = await dropped(url);
      expect(lost > 0 && lost < 20, `${lost}`).toBe(true);
      await mi(url, 'loud:log', ['afterwards']);
      await expect.poll(() => readFileSync(path, 'utf8')).toContain('said afterwards');
      const text = readFileSync(path, 'utf8');
      const notice = `^\\{"level":40,"time":"[^"]+","pid":${child.pid},"code":"log-lines-lost","lost":${lost},"msg":"log lines lost: ${lost} `;
      expect(text).toMatch(new RegExp(notice, 'm'));
      expect(text.match(/log lines lost/g)?.length).toBe(1);
      expect(text.match(/^.*said number [0-9]+ *"}$/gm)?.length).toBe(20 - lost);
    },
  );

  test('lines that are lost at the end are told on standard error', async ({ lifetime }) => {
    const directory = files(lifetime);
    const { child, url, ended } = await start(lifetime, directory, [
      'ignore',
      openFile(lifetime, '/dev/full', 'w'),
      'pipe',
    ]);
    await mi(url, 'loud:log', ['x']);
    let told = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(told).toMatch(/^mi-httpd: log lines lost: [0-9]+\n$/m);
  });

  for (const { name, target } of faults.filter(({ shell }) => shell === undefined)) {
    test(`a defect and a bad configuration end the process although standard error is ${name}`, async ({
      lifetime,
      onTestFinished,
    }) => {
      const directory = files(lifetime);
      const stdio: StdioOptions = ['ignore', 'ignore', target(lifetime, directory)];
      const { url, ended } = await start(lifetime, directory, stdio);
      for (let call = 0; call < calls; call++) await mi(url, 'loud:stderr', ['x']);
      // The end of the process may cut its reply.
      await mi(url, 'loud:crash').catch(() => {});
      expect(await ended).toBe(1);
      const refused = async (...args: readonly string[]): Promise<unknown> => {
        const child = spawn(process.execPath, [command, ...args], { stdio });
        onTestFinished(() => void child.kill('SIGKILL'));
        return (await once(child, 'exit'))[0];
      };
      // Together: they share the descriptor, which one that ends makes blocking again.
      const ends = [['-f', join(directory, 'loud.mjs')], ['--frobnicate'], ['load', '--frobnicate'], ['--nonsense']];
      expect(await Promise.all(ends.map((args) => refused(...args)))).toStrictEqual([255, 1, 1, 1]);
    });
  }

  test('the error of a defect comes behind what was written before, although the pipe was full', async ({
    lifetime,
  }) => {
    const directory = files(lifetime);
    const { child, url } = await start(lifetime, directory, [
      'ignore',
      'ignore',
      openFile(lifetime, pipe(directory), constants.O_RDWR),
    ]);
    await mi(url, 'loud:stderr', ['before']);
    // Not awaited: without its reply it would end with the process, when what it wrote is given up.
    const crash = mi(url, 'loud:crash').catch(() => {});
    const text = await readPipe(child, 2, directory, (read) => /Error: defect[\s\S]*\n$/.test(read));
    await crash;
    expect(text).toMatch(/^before +\nError: defect\n +at /m);
  });

  test('the help and what passwd prints may lose their reader', async ({ lifetime }) => {
    const directory = files(lifetime);
    const path = pipe(directory);
    for (const args of [['--help'], ['-V'], ['passwd', 'alice'], ['token', 'alice'], ['load', '--help']]) {
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync(path, 'w');
      closeSync(reader);
      const { status, stderr } = spawnSync(process.execPath, [command, ...args], {
        input: 'a secret\n',
        encoding: 'utf8',
        stdio: ['pipe', writer, 'pipe'],
      });
      closeSync(writer);
      expect(status, `${args}: ${stderr}`).toBe(0);
      expect(stderr).not.toMatch(/EPIPE|at .*:\d+/);
    }
  });
});

/** Reads what is in a pipe until a text is complete, or all is read and nothing more comes. */
async function readUntil(descriptor: number, isComplete: IsComplete, isOver = () => false): Promise<string> {
  const buffer = Buffer.alloc(65_536);
  let text = '';
  while (!isComplete(text)) {
    try {
      const length = readSync(descriptor, buffer);
      text += buffer.toString('latin1', 0, length);
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
      if (isOver()) return text;
      await new Promise(setImmediate);
    }
  }
  return text;
}
