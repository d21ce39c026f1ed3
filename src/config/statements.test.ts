import { assert, expect, test } from 'vitest';
import { formatDiagnostic, formatPosition } from './config-file.js';
import { parseConfig } from './statements.js';

function errorsOf(text: string | Uint8Array): string[] {
  return parseConfig(text, { file: 'a.cfg' }).errors.map(formatDiagnostic);
}

function parseValue(written: string): string | number | undefined {
  const { parameters, errors } = parseConfig(`modparam("m", "p", ${written})`);
  expect(errors).toStrictEqual([]);
  return parameters[0]?.value;
}

test('loadmodule and modparam with positions and order', () => {
  const config = parseConfig('# é\nloadmodule "x/httpd.so"\n\tmodparam( /* ü */ "httpd"\n,"port",8888 )', {
    file: 'a.cfg',
  });
  expect(config.errors).toStrictEqual([]);
  expect(config.files).toStrictEqual(['a.cfg']);
  const at = { file: 'a.cfg', line: 2, column: 1 };
  expect(config.modules).toStrictEqual([{ name: 'httpd', path: undefined, at, order: 1 }]);
  const [parameter] = config.parameters;
  assert(parameter);
  expect([parameter.modulePattern, parameter.name, parameter.value, parameter.order]).toStrictEqual([
    'httpd',
    'port',
    8888,
    2,
  ]);
  const places = [parameter.at, parameter.moduleAt, parameter.nameAt, parameter.valueAt].map(formatPosition);
  expect(places).toStrictEqual(['a.cfg:3:2', 'a.cfg:3:20', 'a.cfg:4:2', 'a.cfg:4:9']);
});

const values: [string, string | number][] = [
  ['0', 0],
  ['8888', 8888],
  ['+7', 7],
  ['- 7', -7],
  ['0x22B8', 8888],
  ['0XfF', 255],
  ['017', 15],
  ['-010', -8],
  ['2147483647', 2147483647],
  ['-2147483648', -2147483648],
  ['yes', 1],
  ['true', 1],
  ['on', 1],
  ['enable', 1],
  ['no', 0],
  ['false', 0],
  ['off', 0],
  ['disable', 0],
  ['""', ''],
  ["''", ''],
  ['"yes"', 'yes'],
  ['"a\\n\\r\\a\\t\\"\\\\b"', 'a\n\r\x07\t"\\b'],
  ['"\\x41\\x4a\\x9"', 'AJ\t'],
  ['"\\x4g\\xg"', '\x04g\\xg'],
  ['"\\101\\1018\\47"', "AA8'"],
  ['"\\1 \\8 \\d \\ "', '\\1 \\8 \\d \\ '],
  ['"one\\\ntwo\\\r\nthree\nfour"', 'onetwothree\nfour'],
  ["'a\\n\\'", 'a\\n\\'],
  ['\'a\n"b"\'', 'a\n"b"'],
  ['"abc" "def"\n\'ghi\'', 'abcdefghi'],
  ['"# no /* comment"', '# no /* comment'],
  ['"\\xc3\\xa9é"', 'éé'],
];

for (const [written, value] of values) {
  test(`value ${JSON.stringify(written)}`, () => expect(parseValue(written)).toBe(value));
}

const skipped = [
  '# loadmodule "x.so"\n',
  '/* a /* nested */ loadmodule "x.so" */',
  'route { loadmodule "x.so"; if ($a =~ "}") { modparam } # }\n /* } */ }',
  "onreply_route[x] { $var(a) = $(hdr(A){s.select,0,'}); $var(b) = $(ru{s.select,1,#}); }",
  'socket=udp:1.2.3.4:5060 use_workers 4 alias=tcp:[::1]:5060',
  'dst_blacklist = x: { (tcp, 1.2.3.4/24, 5060, "}") }',
  'alias=sip.loadmodule.com listen=udp:modparam-1:5060 x=mpath.example y=a/loadmodule',
  'debug=3; fork=yes;;',
  'user = "loadmodule" group = \'modparam("a", "b", 1)\'',
  'a \\\n b \\\r\n c \b d',
  '%&!?<>()[]=,\x01\x0b\xff',
  'log_level log_level >= 3',
];

for (const text of skipped) {
  test(`skipped: ${JSON.stringify(text)}`, () => {
    const { modules, parameters, globals, errors } = parseConfig(`${text}\nloadmodule "last.so"`);
    expect(errors).toStrictEqual([]);
    expect(modules.map(({ name }) => name)).toStrictEqual(['last']);
    expect([parameters, globals.size]).toStrictEqual([[], 0]);
  });
}

const needs = 'modparam needs ("module", "parameter", value)';
const expand = 'expand the macros first, with m4 or cpp, and read the result';
const faults: [string, string][] = [
  ['loadmodule "a.so";', '1:18: no semicolon may follow loadmodule: remove it'],
  ['modparam("a", "b", 1)\n ;', '2:2: no semicolon may follow modparam: remove it'],
  ['mpath="/a/";', '1:12: no semicolon may follow mpath: remove it'],
  ['log_level=3;', '1:12: no semicolon may follow log_level: remove it'],
  [
    'loadmodule httpd',
    `1:12: loadmodule needs the quoted name of a module: expected a quoted string, found httpd; if this is a macro, ${expand}`,
  ],
  [
    'loadmodule',
    '1:11: loadmodule needs the quoted name of a module: expected a quoted string, found the end of the file',
  ],
  ['loadmodule é', '1:12: loadmodule needs the quoted name of a module: expected a quoted string, found é'],
  ['modparam "a"', `1:10: ${needs}: expected "(", found "a"`],
  ['modparam("a" "b", "c", 1)', `1:14: ${needs}: expected ",", found "b"`],
  ['modparam("a", "b")', `1:18: ${needs}: expected ",", found )`],
  ['modparam("a", "b", )', `1:20: ${needs}: expected a quoted string or an integer, found )`],
  [
    'modparam("a", "b", null)',
    `1:20: ${needs}: expected a quoted string or an integer, found null; null is not a value here`,
  ],
  [
    'modparam("a", "auth_password", GEHEIM)',
    `1:32: ${needs}: the value of auth_password is not one quoted string with a ")" behind it`,
  ],
  [
    'modparam("a", "auth_password", "GE" HEIM)',
    `1:37: ${needs}: the value of auth_password is not one quoted string with a ")" behind it`,
  ],
  [
    'modparam("a", "b", PORT)',
    `1:20: ${needs}: expected a quoted string or an integer, found PORT; if this is a macro, ${expand}`,
  ],
  [
    'modparam("a", "b", Yes)',
    `1:20: ${needs}: expected a quoted string or an integer, found Yes; if this is a macro, ${expand}`,
  ],
  [
    'modparam("a", "b", -yes)',
    `1:21: ${needs}: expected a quoted string or an integer, found yes; if this is a macro, ${expand}`,
  ],
  [
    'modparam("a", "b", $env(X))',
    `1:20: ${needs}: expected a quoted string or an integer, found $env(X); if this is a template, nothing is expanded here: expand the text first, as with envsubst, and read the result`,
  ],
  ["modparam(`a', 1, 2)", `1:10: ${needs}: expected a quoted string, found \`; this is a quote of m4, so ${expand}`],
  ['modparam("a", "b", 1.5)', `1:20: ${needs}: numbers are whole, and 1.… is not; quote it if it is a string`],
  ['modparam("a", "b", 1 2)', `1:22: ${needs}: expected ")", found 2`],
  ['modparam("a", "b", "c"', `1:23: ${needs}: expected ")", found the end of the file`],
  ['mpath "/a"', '1:7: mpath needs = and a quoted directory: expected "=", found "/a"'],
  ['route {\n { }\n', '1:7: block is not closed: add the missing }'],
  [' }', '1:2: this } closes nothing: remove it, or add the missing {'],
  ['x = "abc', '1:5: string is not closed: add the missing "'],
  ['x = "abc\\"', '1:5: string is not closed: add the missing "'],
  ["x = 'abc", "1:5: string is not closed: add the missing '"],
  ['é /* a /* b */', '1:3: comment is not closed (comments nest): add the missing */'],
  ["define(`A', `5')", `1:1: define belongs to the macro language m4: ${expand}`],
  ["route { dnl don't }", `1:9: dnl belongs to the macro language m4: ${expand}`],
  ["dnl don't", `1:1: dnl belongs to the macro language m4: ${expand}`],
  ["route { x(`a'); }", `1:11: \` belongs to the macro language m4: ${expand}`],
  ['x include_file "a"', '1:3: include_file must be the first on its line, with a quoted path after it'],
  ['include_file a.cfg', '1:1: include_file must be the first on its line, with a quoted path after it'],
];

for (const [text, message] of faults) {
  test(`syntax error, reading stops: ${JSON.stringify(text)}`, () => {
    const before = 'loadmodule "first.so"\n';
    const line = Number(message.split(':', 1)[0]) + 1;
    const expected = `a.cfg:${line}${message.slice(message.indexOf(':'))}`;
    expect(errorsOf(`${before}${text}`)).toStrictEqual([expected]);
    const { modules } = parseConfig(`${before}${text}\nloadmodule "last.so" loadmodule "last.so"`);
    expect(modules[0]?.name).toBe('first');
    expect(modules.some(({ name }) => name === 'last')).toBe(false);
  });
}

const int32 = 'give a value from -2147483648 to 2147483647';
const mistakes: [string | Uint8Array, string][] = [
  ['modparam("a", "b", 2147483648)', `1:20: 2147483648 does not fit 32 bits: ${int32}`],
  ['modparam("a", "b", -2147483649)', `1:20: -2147483649 does not fit 32 bits: ${int32}`],
  ['modparam("a", "b", 0xFFFFFFFF)', `1:20: 0xFFFFFFFF does not fit 32 bits: ${int32}`],
  ['modparam("a", "b", 08)', '1:20: 08 is not a number: a leading 0 means octal, digits 0 to 7'],
  [
    'modparam("a", "b", +12ab)',
    '1:20: 12ab is not a number: write decimal, 0x and hex digits, 0 and octal digits, or quote a string',
  ],
  ['modparam("a", "b", "é\\x00")', '1:22: NUL byte in a string: remove it'],
  ['modparam("a", "b", "é\\777")', '1:22: escape \\777 is above \\377: use \\x and two digits'],
  ['modparam("a", "b", "éa\\xc3x")', '1:23: string is not UTF-8: save the file with that encoding'],
  [Buffer.from('modparam("a", "\xe9b", 1)', 'latin1'), '1:16: string is not UTF-8: save the file with that encoding'],
  [Buffer.from('modparam("a", "b\x80", 1)', 'latin1'), '1:17: string is not UTF-8: save the file with that encoding'],
  ['log_level="3"', '1:11: log_level needs an integer from -3 (alert) to 4 (debug), not "3"'],
  ['chroot=1', '1:8: chroot needs a quoted string, not 1'],
  ['loadmodule "/a/.so"', '1:12: "/a/.so" names no module: give a file name such as "httpd.so"'],
  [
    'loadmodule "x.mjs"',
    '1:12: cannot tell where "x.mjs" is: write "./x.mjs" for the directory of this file, or set mpath',
  ],
  [
    'loadmodule "a.so"\nloadmodule "/b/a.so"',
    '2:12: module "a" is loaded already, at a.cfg:1:1: remove one of the two',
  ],
];

for (const [text, message] of mistakes) {
  test(`error, reading goes on: ${JSON.stringify(text.toString())}`, () => {
    const { errors, parameters } = parseConfig(text, { file: 'a.cfg' });
    // The fault of a value is kept with it, and matters only where the value is used.
    const found = [...errors, ...parameters.flatMap(({ problems }) => problems)];
    expect(found.map(formatDiagnostic)).toStrictEqual([`a.cfg:${message}`]);
    const { modules } = parseConfig(Buffer.concat([Buffer.from(text), Buffer.from('\nloadmodule "last.so"')]));
    expect(modules.at(-1)?.name).toBe('last');
  });
}

test('a backslash before a newline joins lines within a statement', () => {
  const { parameters, errors } = parseConfig('modparam \\\n ( "m", \\\r\n "p", 1)');
  expect(errors).toStrictEqual([]);
  expect(parameters.length).toBe(1);
});

test('globals: the last assignment counts, wdir is workdir', () => {
  const { globals, errors } = parseConfig(
    'log_level=3 xlog_level = -1\nwdir="/a" workdir="/b"\nchroot=\'/c\' log_level=4',
  );
  expect(errors).toStrictEqual([]);
  const found = [...globals.values()].map(({ name, value }) => [name, value]);
  expect(found).toStrictEqual([
    ['log_level', 4],
    ['xlog_level', -1],
    ['workdir', '/b'],
    ['chroot', '/c'],
  ]);
  const logLevel = globals.get('log_level');
  assert(logLevel);
  expect([logLevel.at, logLevel.valueAt].map(formatPosition)).toStrictEqual(['<text>:3:13', '<text>:3:23']);
});

test("a user's own modules: absolute, beside the file, under mpath", () => {
  const text = `loadmodule "/m/a.mjs" loadmodule "./b.js" loadmodule "../c.cjs"
    mpath="/first" loadmodule "sub/d.mjs" mpath="/second/":"/third" loadmodule "e.mjs" loadmodule "f.so"`;
  const { modules, errors } = parseConfig(text, { file: '/etc/sip/a.cfg' });
  expect(errors).toStrictEqual([]);
  const found = modules.map(({ name, path }) => [name, path]);
  expect(found).toStrictEqual([
    ['/m/a.mjs', '/m/a.mjs'],
    ['./b.js', '/etc/sip/b.js'],
    ['../c.cjs', '/etc/c.cjs'],
    ['sub/d.mjs', '/first/sub/d.mjs'],
    ['e.mjs', '/second/e.mjs'],
    ['f', undefined],
  ]);
});

test("the same file of a user's own loaded under two names is loaded twice", () => {
  const { modules, errors } = parseConfig('loadmodule "./b.mjs" loadmodule "/d/b.mjs"', { directory: '/d' });
  expect(modules.length).toBe(1);
  expect(errors[0]?.text ?? '').toMatch(/loaded already, at <text>:1:1/);
});
