import { describe, expect, vi } from 'vitest';
import { command, defineModule, type Log } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, callError } from '../support/mi-client.js';
import { test } from '../support/test.js';

/** A module that logs a line of each level when it is told to, and the log that the lines come to. */
function speaker(): { log: Log; lines: string[]; module: ReturnType<typeof defineModule> } {
  const lines: string[] = [];
  const write = (_: object, message: string): void => void lines.push(message);
  const module = defineModule({
    name: 'speaker',
    load: ({ log }) => ({
      commands: [
        command({
          name: 'speak',
          help: 'Logs.',
          run: () => {
            for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({}, level);
            return 'OK';
          },
        }),
      ],
    }),
  });
  return { log: { debug: write, info: write, warn: write, error: write }, lines, module };
}

describe('log_level_filter and log_mute_state', () => {
  test('the filter of stderror limits what the logger gets', async ({ startServer }) => {
    const { log, lines, module } = speaker();
    const server = await startServer({ log, modules: [module] });
    expect(await call(server, 'log_level_filter', ['stderror'])).toStrictEqual({ 'Log level filter': 0 });
    const expected: readonly (readonly [number, readonly string[]])[] = [
      [0, ['debug', 'info', 'warn', 'error']],
      [4, ['debug', 'info', 'warn', 'error']],
      [3, ['info', 'warn', 'error']],
      [2, ['warn', 'error']],
      [1, ['warn', 'error']],
      [-1, ['error']],
      [-2, []],
    ];
    for (const [level, told] of expected) {
      expect(await call(server, 'log_level_filter', ['stderror', level])).toBe('OK');
      expect(await call(server, 'core:log_level_filter', ['stderror'])).toStrictEqual({ 'Log level filter': level });
      lines.length = 0;
      await call(server, 'speak');
      expect(lines, `filter ${level}`).toStrictEqual(told);
    }
  });

  test('a mute logger gets nothing', async ({ startServer }) => {
    const { log, lines, module } = speaker();
    const server = await startServer({ log, modules: [module] });
    expect(await call(server, 'log_mute_state', ['stderror'])).toStrictEqual({ 'mute state': 0 });
    expect(await call(server, 'log_mute_state', { consumer: 'stderror', mute_state: 1 })).toBe('OK');
    expect(await call(server, 'log_mute_state', ['stderror'])).toStrictEqual({ 'mute state': 1 });
    lines.length = 0;
    await call(server, 'speak');
    expect(lines).toStrictEqual([]);
    await call(server, 'log_mute_state', ['stderror', 0]);
    await call(server, 'speak');
    expect(lines.length).toBe(4);
  });

  test('a logger gets a code with every line of the server, and those of a module as they are', async ({
    startServer,
  }) => {
    const { module } = speaker();
    const codes: unknown[] = [];
    const write = (fields: object): void => void codes.push('code' in fields ? fields.code : fields);
    const fails = defineModule({
      name: 'fails',
      commands: [
        command({
          name: 'fail',
          help: 'Fails.',
          run: () => {
            throw new Error('broken');
          },
        }),
      ],
    });
    const log = { debug: write, info: write, warn: write, error: write };
    const server = await startServer({ log, modules: [module, fails] });
    await callError(server, 'fail');
    await call(server, 'speak');
    expect(codes).toStrictEqual(['command-failed', {}, {}, {}, {}]);
  });

  test('without a logger, warnings of the process have the code', async ({ startServer, onTestFinished }) => {
    const told = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => told.mockRestore());
    await startServer({ httpd: { auth_username: 'ann', auth_password: 'short' } });
    expect(told).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/^auth_password .*/), {
      type: 'mi-httpd',
      code: 'password-weak',
    });
  });

  test('log_level goes on to set the level of the logger', async ({ startServer }) => {
    const log = { level: 'info', ...silentLog };
    const server = await startServer({ log });
    await call(server, 'log_level_filter', ['stderror', -1]);
    await call(server, 'log_level', [4]);
    expect(log.level).toBe('debug');
  });

  test('syslog is mute, and stays so', async ({ startServer }) => {
    const server = await startServer();
    expect(await call(server, 'log_mute_state', ['syslog'])).toStrictEqual({ 'mute state': 1 });
    expect(await call(server, 'log_mute_state', ['syslog', 1])).toBe('OK');
    const { code, data } = await callError(server, 'log_mute_state', ['syslog', 0]);
    expect(code).toBe(-32602);
    expect(data ?? '').toMatch(/nothing is written to syslog, so it stays mute/);
  });

  test('unknown consumers and wrong types are refused', async ({ startServer }) => {
    const server = await startServer();
    const unknown = { code: 404, message: 'Unknown log consumer' };
    expect(await callError(server, 'log_level_filter', ['nope'])).toStrictEqual(unknown);
    expect(await callError(server, 'log_mute_state', ['nope', 1])).toStrictEqual(unknown);
    expect(await callError(server, 'log_mute_state', { consumer: 'syslog', mute_state: 'x' })).toStrictEqual({
      code: -32602,
      message: 'Invalid params',
      data: "Bad type for parameter 'mute_state'",
    });
  });

  test('the consumer event gets lines as E_CORE_LOG, when it is not mute', async ({ udpReceiver, startServer }) => {
    const receiver = await udpReceiver();
    const { log, module } = speaker();
    const server = await startServer({ log, modules: [module], event_datagram: {} });
    await call(server, 'event_subscribe', ['E_CORE_LOG', `udp:127.0.0.1:${receiver.port}`]);
    expect(await call(server, 'log_mute_state', ['event'])).toStrictEqual({ 'mute state': 1 });
    await call(server, 'speak');
    await call(server, 'log_mute_state', ['event', 0]);
    await call(server, 'speak');
    const told: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      const { method, params } = (await receiver.next()) as { method: string; params: Record<string, unknown> };
      expect(method).toBe('E_CORE_LOG');
      expect(Object.keys(params)).toStrictEqual(['time', 'pid', 'level', 'module', 'function', 'prefix', 'message']);
      expect(params.pid).toBe(process.pid);
      told.push(`${params.level} ${params.message}`);
    }
    // Of log_level 3; the four lines of when it was mute are not among them.
    expect(told).toStrictEqual(['INFO info', 'WARNING warn', 'ERROR error']);
    await call(server, 'log_level_filter', ['event', -1]);
    await call(server, 'speak');
    const { params } = (await receiver.next()) as { params: { level: string } };
    expect(params.level).toBe('ERROR');
  });
});
