import { readFileSync } from 'node:fs';
import { ctime } from '../../base/ctime.js';
import { packageFile } from '../../base/package.js';
import { type Command, command } from '../../mi/commands/command.js';
import { codes, MiError, serverError } from '../../mi/errors.js';
import { ConstantResult } from '../../mi/results/result.js';
import type { BuiltInContext } from '../../module.js';

/** Commands that tell about this process: uptime, version, pwd, arg, ps. */
export function informationCommands(context: BuiltInContext<object>): readonly Command[] {
  const { facts } = context;
  const server = `${facts.name} (${facts.version} (${machine()}/${process.platform}))`;
  const version = new ConstantResult({ Server: server });
  return [
    command({
      name: 'uptime',
      readOnly: true,
      withoutCall: true,
      withoutContext: true,
      help: 'Tells the time, when the server was started, and the seconds since then.',
      run: () => {
        return {
          Now: ctime(Date.now()),
          'Up since': ctime(facts.startedAt()),
          'Up time': `${facts.upTime()} [sec]`,
        };
      },
    }),
    command({
      name: 'version',
      readOnly: true,
      withoutCall: true,
      withoutContext: true,
      help: 'Tells the name and version of the server; with any value for revision, the source revision too.',
      recipes: [{}, { revision: 'string' }],
      run: ({ revision }) => (revision === undefined ? version : { Server: server, ...sourceRevision() }),
    }),
    command({
      name: 'pwd',
      readOnly: true,
      level: facts.tellProcess ?? 'admin',
      withoutCall: true,
      withoutContext: true,
      help: 'Tells the working directory of the server.',
      run: () => {
        if (facts.tellProcess === undefined) throw embedded('core:pwd', 'tellProcess');
        return { WD: workingDirectory() };
      },
    }),
    command({
      name: 'arg',
      readOnly: true,
      level: facts.tellProcess ?? 'admin',
      withoutCall: true,
      withoutContext: true,
      help: 'Lists the arguments that the server was started with.',
      run: () => {
        if (facts.tellProcess === undefined) throw embedded('core:arg', 'tellProcess');
        return [...process.argv];
      },
    }),
    command({
      name: 'ps',
      readOnly: true,
      withoutCall: true,
      withoutContext: true,
      help: 'Lists the processes of the server: one, since one process serves all.',
      run: () => ({ Processes: [{ ID: 0, PID: process.pid, Type: processTitle(context) }] }),
    }),
  ];
}

/** OpenSIPS writes the names that uname has for a machine. */
function machine(): string {
  return { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    throw serverError('the working directory no longer exists');
  }
}

/** Refuses what would lay hands on the process that the server is embedded in. */
export function embedded(command: string, option: string): MiError {
  const reason = `${command} is off: the server is part of a program, which did not give createServer the option ${option}`;
  return new MiError(codes.permissionDenied, undefined, reason);
}

/** Name of this process in `ps` and `log_level`: `HTTPD 127.0.0.1:8888`, as OpenSIPS names its HTTP process. */
export function processTitle(context: BuiltInContext<object>): string {
  try {
    return `HTTPD ${context.httpd.bound ?? 'not listening'}`;
  } catch {
    return 'HTTPD';
  }
}

/**
 * The source revision that the build recorded, as the member that `version` adds:
 * `{ git: '448fdf959' }`, or `{ unknown: 'unknown' }` for a build from no repository.
 */
export function sourceRevision(): Record<string, string> {
  try {
    const { git } = JSON.parse(readFileSync(packageFile('dist/revision.json'), 'utf8'));
    if (typeof git === 'string') return { git };
  } catch {
    // Built without a record: answered like an OpenSIPS built from no repository.
  }
  return { unknown: 'unknown' };
}
