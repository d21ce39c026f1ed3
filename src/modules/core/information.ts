import { type Command, command } from '../../mi/command.js';
import { ConstantResult } from '../../mi/constant-result.js';
import { ctime } from '../../mi/ctime.js';
import { serverError } from '../../mi/errors.js';
import type { BuiltInContext } from '../../module.js';
import { embedded } from './embedded.js';
import { processTitle } from './process-title.js';
import { sourceRevision } from './revision.js';

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
