import { expect, test } from 'vitest';
import { applyModParams } from './apply.js';
import { formatDiagnostic } from './config-file.js';
import { defaultValues, defineParameters } from './parameter.js';
import { parseConfig } from './statements.js';

const known = new Map(
  Object.entries({
    httpd: defineParameters({
      ip: { type: 'string', default: '127.0.0.1', help: 'address' },
      port: { type: 'int', default: 8888, min: 1, max: 65535, help: 'port' },
      listen: { type: 'list', help: 'listeners', excludes: { names: ['ip'], remedy: 'leave ip out' } },
      tls_ciphers: { type: 'string', refused: 'the ciphers are those of the TLS library', help: 'ciphers' },
    }),
    mi_http: defineParameters({
      root: { type: 'string', default: 'mi', aliases: ['mi_http_root'], help: 'root' },
      trace: { type: 'string', default: undefined, help: 'trace' },
    }),
    mi_html: defineParameters({ root: { type: 'string', default: 'mi', help: 'root' } }),
  }),
);

function apply(text: string): { values: Record<string, unknown>; errors: string[] } {
  const config = parseConfig(text, { file: 'a.cfg' });
  expect(config.errors).toStrictEqual([]);
  const modules = config.modules.flatMap(({ name, order }) => {
    const parameters = known.get(name);
    return parameters === undefined ? [] : [{ name, order, parameters, isOwn: true }];
  });
  const ignored = config.modules.filter(({ name }) => !known.has(name));
  const { values, errors } = applyModParams(config, modules, ignored);
  const filled = modules.map(({ name, parameters }) => [name, { ...defaultValues(parameters), ...values.get(name) }]);
  return { values: Object.fromEntries(filled), errors: errors.map(formatDiagnostic) };
}

const all = 'loadmodule "tm.so" loadmodule "httpd.so" loadmodule "mi_http.so" loadmodule "mi_html.so"\n';

test('defaults, last value wins, aliases, several modules, ignored modules', () => {
  const { values, errors } = apply(`${all}
    modparam("httpd", "port", 1) modparam("HTTPD", "port", 2)
    modparam("mi_.*", "root", "both") modparam("mi_http|tm", "mi_http_root", "one") modparam("tm", "any", 1)`);
  expect(errors).toStrictEqual([]);
  expect(values).toStrictEqual({
    httpd: { ip: '127.0.0.1', port: 2, listen: [] },
    mi_http: { root: 'one', trace: undefined },
    mi_html: { root: 'both' },
  });
});

test('a list grows with every value', () => {
  const { values, errors } = apply(`${all}modparam("httpd", "listen", "a") modparam("httpd", "listen", "b" "c")`);
  expect(errors).toStrictEqual([]);
  expect(values.httpd).toStrictEqual({ ip: '127.0.0.1', port: 8888, listen: ['a', 'bc'] });
});

test('a module loaded after the modparam is out of reach of its expression', () => {
  const { values, errors } = apply('loadmodule "mi_http.so" modparam("mi_.*", "root", "x") loadmodule "mi_html.so"');
  expect(errors).toStrictEqual([]);
  expect(values).toStrictEqual({ mi_http: { root: 'x', trace: undefined }, mi_html: { root: 'mi' } });
});

const errors: [string, string][] = [
  ['modparam("httpd", "prot", 1)', '2:19: module httpd has no parameter "prot": did you mean "port"?'],
  ['modparam("httpd", "Port", 1)', '2:19: module httpd has no parameter "Port": did you mean "port"?'],
  ['modparam("httpd", "zzzzzz", 1)', '2:19: module httpd has no parameter "zzzzzz": known: ip, port, listen'],
  ['modparam("httpd|mi_html", "port", 1)', '2:27: module mi_html has no parameter "port": known: root'],
  [
    'modparam("httpd", "port", "8888")',
    '2:27: parameter "port" of module httpd is an integer, not a string: write 8888 without quotes',
  ],
  [
    'modparam("httpd", "port", "x")',
    '2:27: parameter "port" of module httpd is an integer, not a string: write a number without quotes',
  ],
  [
    'modparam("httpd", "ip", 7)',
    '2:25: parameter "ip" of module httpd is a string, not an integer: write it with quotes, such as "7"',
  ],
  [
    'modparam("httpd", "listen", 7)',
    '2:29: parameter "listen" of module httpd is a string, not an integer: write it with quotes',
  ],
  [
    'modparam("httpd", "listen", "a")\nmodparam("httpd", "ip", "::1")',
    '3:19: parameters "listen" and "ip" of module httpd do not mix: leave ip out',
  ],
  [
    'modparam("httpd", "ip", "::1")\nmodparam("httpd", "listen", "a")',
    '3:19: parameters "listen" and "ip" of module httpd do not mix: leave ip out',
  ],
  [
    'modparam("httpd", "port", 0)',
    '2:27: parameter "port" of module httpd is 0, below the least value, 1: give a value from 1 to 65535',
  ],
  [
    'modparam("httpd", "tls_ciphers", "x")',
    '2:19: parameter "tls_ciphers" of module httpd cannot be set: the ciphers are those of the TLS library',
  ],
  ['modparam("htpd", "port", 1)', '2:10: no loaded module matches "htpd"; did you mean "httpd"?'],
  ['modparam("nothing", "port", 1)', '2:10: no loaded module matches "nothing"; loaded: httpd, mi_http, mi_html, tm'],
  ['modparam("httpd.so", "port", 1)', '2:10: no loaded module matches "httpd.so"; loaded: httpd, mi_http, mi_html, tm'],
  ['modparam("", "port", 1)', '2:10: no loaded module matches ""; loaded: httpd, mi_http, mi_html, tm'],
  [
    'modparam("usrloc", "port", 1)\nloadmodule "usrloc.so"',
    '2:10: module "usrloc" is loaded further down: modparam must come after the loadmodule it refers to',
  ],
  [
    'modparam("(httpd", "port", 1)',
    '2:10: "(httpd" is not a POSIX extended regular expression: "(" has no ")": write \\( for the character',
  ],
];

for (const [text, message] of errors) {
  test(message, () => {
    const result = apply(`${all}${text}`);
    expect(result.errors).toStrictEqual([`a.cfg:${message}`]);
    expect(result.values.mi_html).toStrictEqual({ root: 'mi' });
  });
}

test('all errors are collected, and what is right is set', () => {
  const result = apply(
    `${all}modparam("httpd", "x", 1)\nmodparam("y", "x", 1)\nmodparam("httpd", "port", 5)\nmodparam(".*", "ip", "::1")`,
  );
  expect(result.errors.map((text) => text.split(': ', 1)[0])).toStrictEqual([
    'a.cfg:2:19',
    'a.cfg:3:10',
    'a.cfg:5:16',
    'a.cfg:5:16',
  ]);
  expect(result.values.httpd).toStrictEqual({ ip: '::1', port: 5, listen: [] });
});
