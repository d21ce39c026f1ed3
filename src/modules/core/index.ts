import { ctime } from '../../base/clock.js';
import type { ServingThread } from '../../http/threads/faces.js';
import { type Command, shapedCommand as command } from '../../mi/commands/command.js';
import { text as aText, either, list, object, ok, oneOf, whole } from '../../mi/commands/shape.js';
import { codes, invalidParams, MiAnswer, type MiError, serverError } from '../../mi/errors.js';
import type { LogConsumer } from '../../mi/log-consumers.js';
import { type BuiltInContext, defineBuiltIn } from '../../module.js';
import { reflectionCommands, uptimeCommand, versionCommand } from './anywhere.js';

/** The commands and statistics that every server has. Loaded always. */
export const coreModule = defineBuiltIn({
  name: 'core',
  load(context) {
    const { mi, facts, logConsumers } = context;
    mi.statistics.add('core', 'timestamp', 'computed', () => facts.upTime(), {
      unit: 'seconds',
      help: 'Time since the start.',
    });
    mi.statistics.add('core', 'log_dropped', 'computed', () => logConsumers.dropped, {
      isTotal: true,
      help:
        'Log lines that could not be written: full disk, reader that is gone or too slow; on a terminal each line of a ' +
        'record counts, one for each of its fields.',
    });
    return {
      commands: [
        ...informationCommands(context),
        ...reflectionCommands(context.mi),
        ...controlCommands(context),
        ...logConsumerCommands(context),
        recentLinesCommand(context),
      ],
      // After all modules have declared theirs: it is the last one of OpenSIPS.
      start: () => raiseLogLines(context),
    };
  },
});

/** Commands that change how the server runs: kill, log_level. */
function controlCommands(context: BuiltInContext<object>): readonly Command[] {
  const { facts, log, logLevel } = context;
  return [
    command({
      name: 'kill',
      destructive: true,
      level: 'admin',
      help: 'Stops the server: what runs is finished first.',
      result: ok,
      run: () => {
        if (facts.kill === undefined) throw embedded('core:kill', 'kill');
        // On a later turn, so that the answer leaves before the server stops.
        const { kill } = facts;
        setImmediate(() => {
          try {
            kill();
          } catch (error) {
            log.error(
              { code: 'kill-failed', err: error, command: 'core:kill' },
              'kill failed: the option kill of createServer throws',
            );
          }
        });
        return 'OK';
      },
    }),
    command({
      name: 'log_level',
      level: 'admin',
      readingLevel: 'read',
      help:
        'Tells the log level of each process, or sets it, which level admin alone may: -3 alert, -2 critical, -1 error, 1 warning, ' +
        '2 notice, 3 info, 4 debug.',
      recipes: [{}, { level: 'int' }, { level: 'int', pid: 'int' }],
      parameters: {
        level: { help: 'The highest level that is logged; 3 is usual.', suggest: logLevels },
        pid: { help: 'The process, whose id `core:ps` lists.', suggest: [process.pid] },
      },
      result: either(
        object({ Processes: list(object({ PID: whole, 'Log level': whole, Type: aText })) }),
        object({ 'New global log level': whole }),
        object({ 'Log level': whole }),
      ),
      run: ({ level, pid }) => {
        if (level === undefined) {
          const process_ = { PID: process.pid, 'Log level': logLevel.value, Type: processTitle(context) };
          return { Processes: [process_] };
        }
        if (pid !== undefined && pid !== process.pid) throw invalidParams('Bad PID');
        logLevel.value = level;
        return pid === undefined ? { 'New global log level': level } : { 'Log level': level };
      },
    }),
  ];
}

/** Commands that tell about this process: uptime, version, pwd, arg, ps. */
function informationCommands(context: BuiltInContext<object>): readonly Command[] {
  const { facts } = context;
  return [
    uptimeCommand(facts),
    versionCommand(facts),
    command({
      name: 'pwd',
      readOnly: true,
      level: facts.tellProcess ?? 'admin',
      withoutCall: true,
      withoutContext: true,
      help: 'Tells the working directory of the server.',
      result: object({ WD: aText }),
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
      result: list(aText),
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
      help:
        'Lists the processes of the server: one, since one process serves all; then its threads that serve, with their open ' +
        'connections and the requests that have no reply yet.',
      result: object({
        Processes: list(object({ ID: whole, PID: whole, Type: aText }, { Connections: whole, Requests: whole })),
      }),
      run: () => ({
        Processes: [{ ID: 0, PID: process.pid, Type: processTitle(context) }, ...threadsOf(context)],
      }),
    }),
  ];
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    throw serverError('the working directory no longer exists');
  }
}

/** Refuses what would lay hands on the process that the server is embedded in. */
function embedded(command: string, option: string): MiError {
  const reason = `${command} is off: the server is part of a program, which did not give createServer the option ${option}`;
  return new MiAnswer(codes.permissionDenied, undefined, reason);
}

/** Name of this process in `ps` and `log_level`: `HTTPD 127.0.0.1:8888`, as OpenSIPS names its HTTP process. */
function processTitle(context: BuiltInContext<object>): string {
  try {
    return `HTTPD ${context.httpd.bound ?? 'not listening'}`;
  } catch {
    return 'HTTPD';
  }
}

/** The threads that have the listeners, as `ps` lists them. */
function threadsOf(context: BuiltInContext<object>) {
  return servingThreads(context).map(({ id, isServing, connections, exchanges }) => ({
    ID: id,
    PID: process.pid,
    Type: isServing ? `HTTPD thread ${id}` : `HTTPD thread ${id}, lost`,
    Connections: connections,
    Requests: exchanges,
  }));
}

function servingThreads(context: BuiltInContext<object>): readonly ServingThread[] {
  try {
    return context.httpd.threads;
  } catch {
    return [];
  }
}

/** Declares the event that carries log lines, and lets the consumer `event` raise it. */
function raiseLogLines({ logConsumers, logLevel, events }: BuiltInContext<object>): void {
  const lines = events.declare('E_CORE_LOG');
  logConsumers.connect(logLevel, ({ levelName, message }) => {
    if (!lines.isWanted) return;
    lines.raise({
      time: ctime(Date.now()),
      pid: process.pid,
      level: levelName,
      module: '',
      function: '',
      prefix: '',
      message,
    });
  });
}

/** From alert to debug. */
const logLevels = [-3, -2, -1, 1, 2, 3, 4];

const consumerNames = ['stderror', 'syslog', 'event'];

/** `core:log_recent`. */
function recentLinesCommand({ logConsumers }: BuiltInContext<object>): Command {
  return command({
    name: 'log_recent',
    level: 'admin',
    readOnly: true,
    help:
      'Lists the lines that were logged last, of 1000 that are kept, oldest first: all, or those as severe as a level (-1 error, ' +
      '1 warning, 3 info, 4 debug), or those that have a text; the last count of them.',
    optional: { level: 'int', text: 'string', count: 'int' },
    parameters: {
      level: { help: 'The least severe level that is listed.', suggest: logLevels, default: 4 },
      text: { help: 'What a line has in its code, message or fields.' },
      count: { help: 'Lines, the last ones.', min: 0, default: 1000 },
    },
    result: object({
      Lines: list(object({ time: aText, level: aText, message: aText }, { code: aText, fields: aText })),
    }),
    run: ({ level: highest = 4, text = '', count = 1000 }) => {
      const wanted = text.toLowerCase();
      const found = logConsumers.recent.all.filter(
        ({ level, code = '', message, fields }) =>
          level <= highest && `${code} ${message} ${fields}`.toLowerCase().includes(wanted),
      );
      const last = count === 0 ? [] : found.slice(-count);
      return {
        Lines: last.map(({ at, levelName, code, message, fields }) => ({
          time: new Date(at).toISOString(),
          level: levelName,
          ...(code === undefined ? {} : { code }),
          message,
          ...(fields === '' ? {} : { fields }),
        })),
      };
    },
  });
}

/** Commands for the receivers of log lines. */
function logConsumerCommands({ logConsumers }: BuiltInContext<object>): readonly Command[] {
  const known = (name: string): LogConsumer => {
    const consumer = logConsumers.find(name);
    if (consumer === undefined) throw new MiAnswer(404, 'Unknown log consumer');
    return consumer;
  };
  const consumers =
    'stderror (the log of the server), syslog (that of the system, or its journal) or event (E_CORE_LOG)';
  return [
    command({
      name: 'log_level_filter',
      level: 'admin',
      help:
        `Tells the highest log level that a consumer gets, ${consumers}, or sets it: levels as for log_level, ` +
        'which it does not exceed; 0 is no limit.',
      recipes: [{ consumer: 'string' }, { consumer: 'string', level_filter: 'int' }],
      parameters: {
        consumer: { help: 'Who gets lines of the log.', suggest: consumerNames },
        level_filter: { help: 'The highest level that it gets; 0 is no limit.', suggest: logLevels },
      },
      result: either(object({ 'Log level filter': whole }), ok),
      run: ({ consumer: name, level_filter: level }) => {
        const consumer = known(name);
        if (level === undefined) return { 'Log level filter': consumer.levelFilter };
        consumer.levelFilter = level;
        return 'OK';
      },
    }),
    command({
      name: 'log_mute_state',
      level: 'admin',
      help: `Tells whether a consumer of log lines is mute, ${consumers}, or sets it: 1 mute, 0 not.`,
      recipes: [{ consumer: 'string' }, { consumer: 'string', mute_state: 'int' }],
      parameters: {
        consumer: { help: 'Who gets lines of the log.', suggest: consumerNames },
        mute_state: { help: '1: it gets none. 0: it gets them.', suggest: [0, 1] },
      },
      result: either(object({ 'mute state': oneOf(0, 1) }), ok),
      run: ({ consumer: name, mute_state: mute }) => {
        const consumer = known(name);
        if (mute === undefined) return { 'mute state': consumer.isMuted ? 1 : 0 };
        if (consumer === logConsumers.syslog && mute === 0 && !logConsumers.hasSystem) {
          throw invalidParams('nothing is written to syslog, so it stays mute; start the server with --log syslog');
        }
        consumer.isMuted = mute !== 0;
        return 'OK';
      },
    }),
  ];
}
