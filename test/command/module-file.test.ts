// A module that a configuration file loads has the whole public API, without an import.
import { join } from 'node:path';
import { expect } from 'vitest';
import * as publicApi from '#src/index.js';
import { mi } from '../support/daemon.js';
import { test } from '../support/test.js';

const trunks = `export default (api) => {
  const { defineModule, command, RecordTable, secondsLeft, stream, MiError } = api;
  const calls = new RecordTable().set('a', { caller: 'sip:alice@example.com', timeout: secondsLeft(4_000_000_000) });
  return defineModule({
    name: 'trunks',
    commands: [
      command({ name: 'api', help: 'Lists the names that it was given.', readOnly: true, run: () => Object.keys(api) }),
      command({ name: 'calls', help: 'Lists calls.', readOnly: true, run: () => calls.dump() }),
      command({
        name: 'count',
        help: 'Counts.',
        readOnly: true,
        run: () =>
          stream(
            (function* () {
              yield 1;
              yield 2;
            })(),
          ),
      }),
      command({
        name: 'refuse',
        help: 'Refuses.',
        run: () => {
          throw new MiError(480, 'Busy');
        },
      }),
    ],
  });
};`;

test('a module file gets all that the package exports', async ({ temporaryFiles, startDaemon }) => {
  const folder = temporaryFiles({
    'trunks.mjs': trunks,
    'mi-httpd.cfg': [
      'loadmodule "httpd.so"',
      'modparam("httpd", "ip", "127.0.0.1")',
      'loadmodule "mi_http.so"',
      'loadmodule "./trunks.mjs"',
      '',
    ].join('\n'),
  });
  const { url } = await startDaemon(['-f', join(folder, 'mi-httpd.cfg'), '-p', '0']);
  const names = ((await mi(url, 'trunks:api')) as { result: string[] }).result;
  expect(names.sort()).toStrictEqual(Object.keys(publicApi).sort());
  expect(names).toEqual(
    expect.arrayContaining(['stream', 'streamObject', 'RecordTable', 'secondsLeft', 'currentCall']),
  );
  expect(await mi(url, 'trunks:calls')).toMatchObject({
    result: [{ caller: 'sip:alice@example.com', timeout: expect.any(Number) }],
  });
  expect(await mi(url, 'trunks:count')).toMatchObject({ result: [1, 2] });
  expect(await mi(url, 'trunks:refuse')).toMatchObject({ error: { code: 480, message: 'Busy' } });
});

const perThread = `export default ({ defineModule, command }) => defineModule({
  name: 'place',
  perThread: import.meta.url,
  load: ({ thread }) => ({ commands: [command({ name: 'thread', help: 'Tells where it runs.', run: () => thread })] }),
});`;

test('a module file is loaded by each thread that has listeners, where it says so', async ({
  temporaryFiles,
  startDaemon,
}) => {
  const folder = temporaryFiles({
    'place.mjs': perThread,
    'mi-httpd.cfg': [
      'loadmodule "httpd.so"',
      'modparam("httpd", "ip", "127.0.0.1")',
      'loadmodule "mi_http.so"',
      'loadmodule "./place.mjs"',
      '',
    ].join('\n'),
  });
  const given = ['-f', join(folder, 'mi-httpd.cfg'), '-p', '0'];
  for (const threads of [0, 1]) {
    const { url } = await startDaemon([...given, '-t', String(threads)]);
    expect(await mi(url, 'place:thread')).toMatchObject({ result: threads });
  }
});
