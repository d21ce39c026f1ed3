import { expect } from 'vitest';
import { createServer, defineModule, type Module, type ServerOptions } from '#src/index.js';
import { Running } from '../support/daemon.js';
import { test } from '../support/test.js';

test('two servers in one process answer apart, close, and let the process end', async ({ lifetime }) => {
  const { status, signal, stdout, stderr } = await new Running(lifetime, process.execPath, [
    '--trace-warnings',
    'test/data/command/two-servers.mjs',
  ]).ended;
  expect([status, signal, stderr]).toStrictEqual([0, null, '']);
  const reply = (result: string): object => ({ jsonrpc: '2.0', result, id: 7 });
  const { urls, replies, refused } = JSON.parse(stdout) as Record<string, unknown[] | string>;
  expect(new Set(urls).size).toBe(2);
  expect(replies).toStrictEqual([reply('first'), reply('second'), reply('second')]);
  expect(refused).toBe('ECONNREFUSED');
});

test('options that a program gives wrong are refused by name, not passed over', () => {
  const pbx = defineModule({ name: 'pbx' });
  const needy = defineModule({ name: 'needy', needs: ['usrloc'] });
  // As JavaScript would give them, where no compiler tells.
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ htpd: { port: 0 } }, /^TypeError: createServer has no option "htpd": did you mean "httpd"\?$/],
    [{ modules: [pbx, undefined] }, /^TypeError: modules\[1\] is no module/],
    [{ modules: [{ name: 'run' }] }, /^TypeError: modules\[0\] is no module/],
    [{ modules: [pbx, pbx.with({})] }, /^Error: two modules are named pbx; /],
    [{ modules: [needy] }, /^Error: module needy needs usrloc; .*createServer/],
    [{ privateMemory: Number.NaN }, /^RangeError: privateMemory is NaN; /],
    [{ privateMemory: -5 }, /^RangeError: privateMemory is -5; /],
    [{ privateMemory: 5000 }, /^RangeError: privateMemory is 5000; .* 4096 MB$/],
    [{ mi_http: { root: 'a/b' } }, /^ParameterError: parameter "root" of module mi_http is "a\/b"/],
  ];
  for (const [options, reason] of wrong) {
    expect(() => createServer(options as ServerOptions), String(reason)).toThrow(
      expect.toSatisfy((error) => reason.test(String(error))),
    );
  }
  const modules: readonly Module[] = [pbx];
  expect(createServer({ httpd: { ip: '127.0.0.1' }, modules, usrloc: {}, privateMemory: 0.5 })).toBeTruthy();
});
