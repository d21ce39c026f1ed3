import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, assert, beforeAll, expect, test } from 'vitest';
import { bundleText } from '../../scripts/bundle.mjs';
import { unless } from '../../test/support/unless.js';
import { formatDiagnostic, formatPosition } from './config-file.js';
import { ConfigReadError, parseConfig, readConfig } from './statements.js';

const timeout = 20_000;
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'config-include-'));
  mkdirSync(join(directory, 'sub'));
});

afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

test('includes nest, and every position is that of the file it comes from', () => {
  const inner = file('sub/inner.cfg', '\n\n  loadmodule "inner.so"');
  const middle = file(
    'sub/middle.cfg',
    'loadmodule "middle.so"\r\n\t import_file \'inner.cfg\' loadmodule "dropped.so"\r\nloadmodule "after.so"\r\n',
  );
  const top = file('top.cfg', '\ufeffloadmodule "one.so"\ninclude_file"sub/middle.cfg" # why not\nloadmodule "two.so"');
  const { modules, errors, files } = readConfig(top);
  expect(errors).toStrictEqual([]);
  expect(files).toStrictEqual([top, middle, inner]);
  expect(modules.map(({ name, at }) => `${name} ${formatPosition(at)}`)).toStrictEqual([
    `one ${top}:1:1`,
    `middle ${middle}:1:1`,
    `inner ${inner}:3:3`,
    `after ${middle}:3:1`,
    `two ${top}:3:1`,
  ]);
});

test('the include line counts within comments, blocks and before all lexing', () => {
  file('close.cfg', 'end of comment */ loadmodule "a.so" /*');
  file('brace.cfg', '} loadmodule "b.so" route {');
  const text = '/*\ninclude_file "close.cfg"\n*/ route {\n include_file "brace.cfg"\n}\n# include_file "none.cfg"\nx';
  const { modules, errors } = parseConfig(text, { directory });
  expect(errors).toStrictEqual([]);
  expect(modules.map(({ name }) => name)).toStrictEqual(['a', 'b']);
});

test('a user module in an included file is relative to that file', () => {
  file('sub/own.cfg', 'loadmodule "./own.mjs"');
  const { modules } = parseConfig('include_file "sub/own.cfg"', { directory });
  expect(modules[0]?.path).toBe(join(directory, 'sub/own.mjs'));
});

test('an included file without a newline at its end does not run into the next line', () => {
  file('comment.cfg', '# the end');
  const text = 'include_file "comment.cfg"\nloadmodule "a.so"\nloadmodule\ninclude_file "comment.cfg"';
  const { modules, errors } = parseConfig(text, { directory, file: 'a.cfg' });
  expect(modules.map(({ name }) => name)).toStrictEqual(['a']);
  expect(errors.map(formatPosition)).toStrictEqual(['a.cfg:4:1']);
});

test('a file in the working directory goes before one beside the including file', () => {
  const inCwd = join(directory, 'cwd');
  mkdirSync(inCwd);
  file('cwd/where.cfg', 'loadmodule "of_cwd.so"');
  file('where.cfg', 'loadmodule "beside.so"');
  const top = file('which.cfg', 'include_file "where.cfg"');
  const script = `import { readConfig } from '#src/config/statements.js';
    console.log(readConfig(${JSON.stringify(top)}).modules[0]?.name, readConfig('-').errors[0]?.file);`;
  const entry = bundleText(script);
  const run = (cwd: string) =>
    spawnSync(process.execPath, [entry], { cwd, input: 'loadmodule', encoding: 'utf8', timeout });
  expect(run(inCwd).stdout).toBe('of_cwd <stdin>\n');
  expect(run(tmpdir()).stdout).toBe('beside <stdin>\n');
});

test('all missing includes are reported, and nothing else is read', () => {
  const { modules, errors } = parseConfig(
    'loadmodule "a.so"\n é include_file "x"\n  include_file "n.cfg"\ninclude_file "/"\n}',
    {
      file: 'a.cfg',
      directory,
    },
  );
  expect(modules).toStrictEqual([]);
  const tried = join(directory, 'n.cfg');
  expect(errors.map(formatDiagnostic)).toStrictEqual([
    `a.cfg:3:16: cannot include "n.cfg" (looked for in the working directory and as "${tried}"): no such file (ENOENT)`,
    'a.cfg:4:14: cannot include "/": it is a directory, not a file (EISDIR)',
  ]);
});

test('includes may nest 50 deep and no deeper; a file that includes itself ends there', () => {
  for (let i = 1; i <= 51; i++) file(`deep${i}.cfg`, i === 51 ? '' : `include_file "deep${i + 1}.cfg"`);
  expect(parseConfig('include_file "deep1.cfg"', { directory }).errors[0]?.text ?? '').toMatch(/deeper than 50/);
  expect(parseConfig('include_file "deep2.cfg"\nloadmodule "a.so"', { directory }).errors).toStrictEqual([]);
  const self = file('self.cfg', 'include_file "self.cfg"\ninclude_file "self.cfg"');
  const { errors } = readConfig(self);
  expect(errors.length).toBe(1);
  expect(errors.map(formatDiagnostic)[0]).toBe(
    `${self}:1:14: cannot include "self.cfg": includes nest deeper than 50; does a file include itself?`,
  );
});

test('includes that multiply are stopped by their size', () => {
  const twice = (i: number) => `include_file "many${i + 1}.cfg"\n`.repeat(2);
  for (let i = 1; i <= 45; i++) file(`many${i}.cfg`, i === 45 ? '#'.repeat(65536) : twice(i));
  const { errors } = parseConfig('include_file "many1.cfg"', { directory });
  expect(errors.map(({ text }) => text)).toStrictEqual([
    'cannot include "many45.cfg": the configuration with its includes is larger than 16777216 bytes: remove what does not belong in it',
  ]);
});

test('a top file that cannot be read throws one line with the file and the reason', () => {
  const missing = join(directory, 'missing.cfg');
  const isReadError = (message: string) => (error: unknown) => {
    assert(error instanceof ConfigReadError);
    expect(error.message).toBe(message);
    return true;
  };
  const start = 'cannot read the configuration file';
  expect(() => readConfig(missing)).toThrow(
    expect.toSatisfy(isReadError(`${start} ${missing}: no such file (ENOENT)`)),
  );
  expect(() => readConfig(directory)).toThrow(
    expect.toSatisfy(isReadError(`${start} ${directory}: it is a directory, not a file (EISDIR)`)),
  );
  const secret = file('secret.cfg', '');
  chmodSync(secret, 0);
  if (process.getuid?.() !== 0) {
    expect(() => readConfig(secret)).toThrow(
      expect.toSatisfy(isReadError(`${start} ${secret}: no permission to read it (EACCES)`)),
    );
  }
});

unless(process.platform !== 'linux', test)('a device without end is given up', () => {
  expect(() => readConfig('/dev/zero')).toThrow(/larger than 16777216 bytes/);
});
