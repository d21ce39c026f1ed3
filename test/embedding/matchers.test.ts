// mi-httpd/testing: what its matchers take, and what they say when they fail; what its fixture starts and closes.
import { codes, command, defineModule, MiError, type Server } from 'mi-httpd';
import { miMatchers, serverFixture } from 'mi-httpd/testing';
import { test as base, describe, expect } from 'vitest';

expect.extend(miMatchers);

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({ name: 'calls', help: 'Counts calls.', run: () => ({ calls: 3 }) }),
    command({
      name: 'busy',
      help: 'Refuses.',
      run: (): never => {
        throw new MiError(486, 'Busy', { trunk: 'a' });
      },
    }),
  ],
});

const test = base.extend<{ server: Server; listening: Server }>({
  server: serverFixture({ modules: [pbx] }),
  listening: serverFixture(async () => ({ modules: [pbx], listen: true })),
});

/** The message of an expectation that fails. */
async function failure(expectation: Promise<void>): Promise<string> {
  const error: unknown = await expectation.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? error.message : 'it holds';
}

const busy = { jsonrpc: '2.0', error: { code: 486, message: 'Busy', data: { trunk: 'a' } }, id: 1 };
const good = { jsonrpc: '2.0', result: { calls: 3 }, id: 1 };

describe('toGiveResult', () => {
  test('takes calls in every form', async ({ server, listening }) => {
    const body = '{"jsonrpc":"2.0","method":"pbx:calls","id":1}';
    const request = { url: '/mi', headers: { 'Content-Type': 'application/json' }, body };
    for (const received of [
      server.call('pbx:calls'),
      () => server.call('pbx:calls'),
      server.inject(request),
      await server.inject(request),
      await fetch(listening.urls[0] ?? '', {
        method: 'POST',
        headers: { ...request.headers, Connection: 'close' },
        body,
      }),
      good,
      JSON.stringify(good),
      { result: { calls: 3 } },
    ]) {
      await expect(received).toGiveResult();
    }
    await expect(server.call('pbx:calls')).toGiveResult({ calls: expect.any(Number) });
    await expect(server.call('pbx:calls')).not.toGiveResult({ calls: 4 });
    await expect(server.call('pbx:busy')).not.toGiveResult();
  });

  test('says what it was given', async ({ server }) => {
    expect(await failure(expect(server.call('pbx:calls')).toGiveResult({ calls: 4 }))).toBe(
      'expected the result {"calls": 4}, but the call gives {"calls": 3}',
    );
    expect(await failure(expect(server.call('pbx:calls')).not.toGiveResult())).toBe(
      'expected no result, but the call gives {"calls": 3}',
    );
    expect(await failure(expect(server.call('pbx:busy')).toGiveResult())).toBe(
      'expected a result, but the call gives the error 486 Busy, {"trunk": "a"}',
    );
  });

  test('does not take what fails without an answer, or is no call', async ({ server }) => {
    const left = server.call('pbx:calls', [], { signal: AbortSignal.abort(new Error('left')) });
    expect(await failure(expect(left).toGiveResult())).toBe('left');
    expect(await failure(expect(5).toGiveResult())).toMatch(/^expect is given no MI call: give a promise/);
  });
});

describe('toGiveError', () => {
  test('takes calls in every form', async ({ server }) => {
    for (const received of [
      server.call('pbx:busy'),
      () => server.call('pbx:busy'),
      busy,
      JSON.stringify(busy),
      { error: new MiError(486, 'Busy', { trunk: 'a' }) },
      new MiError(486, 'Busy', { trunk: 'a' }),
    ]) {
      await expect(received).toGiveError(486, { trunk: 'a' });
    }
    await expect(server.call('pbx:busy')).toGiveError();
    await expect(server.call('pbx:busy')).toGiveError(486);
    await expect(server.call('pbx:gone')).toGiveError(codes.methodNotFound, expect.stringContaining('pbx:gone'));
    await expect(server.call('pbx:busy')).not.toGiveError(404);
    await expect(server.call('pbx:calls')).not.toGiveError();
  });

  test('says what it was given', async ({ server }) => {
    expect(await failure(expect(server.call('pbx:busy')).toGiveError(404))).toBe(
      'expected the error {"code": 404}, but the call gives the error 486 Busy, {"trunk": "a"}',
    );
    expect(await failure(expect(server.call('pbx:busy')).not.toGiveError())).toBe(
      'expected no error, but the call gives the error 486 Busy, {"trunk": "a"}',
    );
    expect(await failure(expect(server.call('pbx:calls')).toGiveError())).toBe(
      'expected the error, but the call gives the result {"calls": 3}',
    );
  });
});

describe('serverFixture', () => {
  const made: Server[] = [];

  test('opens no socket, unless it is to listen', async ({ server, listening }) => {
    expect(server.port).toBe(0);
    expect(listening.port).toBeGreaterThan(0);
    expect(listening.urls).toStrictEqual([`http://127.0.0.1:${listening.port}/mi`]);
    made.push(server, listening);
  });

  test('closes what it started when the test has ended', () => {
    expect(made.map(({ isListening }) => isListening)).toStrictEqual([false, false]);
  });

  test('closes it where the test fails, too', async () => {
    let server: Server | undefined;
    const used = serverFixture()({}, async (started) => {
      server = started;
      throw new Error('the test fails');
    });
    await expect(used).rejects.toThrow('the test fails');
    expect(server?.isListening).toBe(false);
  });
});
