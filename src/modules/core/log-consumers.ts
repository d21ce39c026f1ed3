import { ctime } from '../../base/clock.js';
import type { LogConsumer } from '../../base/log.js';
import { type Command, command } from '../../mi/commands/command.js';
import { invalidParams, MiError } from '../../mi/errors.js';
import type { BuiltInContext } from '../../module.js';

/** Declares the event that carries log lines, and lets the consumer `event` raise it. */
export function raiseLogLines({ logConsumers, logLevel, events }: BuiltInContext<object>): void {
  const lines = events.declare('E_CORE_LOG');
  logConsumers.connect(logLevel, ({ levelName, message }) => {
    if (!lines.hasSubscribers) return;
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

/** Commands for the receivers of log lines. */
export function logConsumerCommands({ logConsumers }: BuiltInContext<object>): readonly Command[] {
  const known = (name: string): LogConsumer => {
    const consumer = logConsumers.find(name);
    if (consumer === undefined) throw new MiError(404, 'Unknown log consumer');
    return consumer;
  };
  const consumers = 'stderror (the log of the server), syslog (there is none) or event (E_CORE_LOG)';
  return [
    command({
      name: 'log_level_filter',
      level: 'admin',
      help:
        `Tells the highest log level that a consumer gets, ${consumers}, or sets it: levels as for log_level, ` +
        'which it does not exceed; 0 is no limit.',
      recipes: [{ consumer: 'string' }, { consumer: 'string', level_filter: 'int' }],
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
      run: ({ consumer: name, mute_state: mute }) => {
        const consumer = known(name);
        if (mute === undefined) return { 'mute state': consumer.isMuted ? 1 : 0 };
        if (consumer === logConsumers.syslog && mute === 0) {
          throw invalidParams('nothing is written to syslog, so it stays mute; lead the output of the server there');
        }
        consumer.isMuted = mute !== 0;
        return 'OK';
      },
    }),
  ];
}
