// A configuration file may be OpenSIPS' own too: what OpenSIPS does with a line and this server cannot is passed over with a
// warning, and never an error whose remedy would spoil the file for OpenSIPS.
import { describe, expect, test } from 'vitest';
import { checkConfig } from '../cli/configured-server.js';
import { formatDiagnostic } from '../config/config-file.js';
import { type ParameterDeclaration, ParameterError, parametersFromObject } from '../config/parameter.js';
import { parseConfig } from '../config/statements.js';
import { loadableModules } from './index.js';

/** The parameters of OpenSIPS 2.x to 4.0 that have no effect here, with a value that asks for one. */
const withoutEffect: readonly (readonly [module: string, name: string, value: string | number, reason: RegExp])[] = [
  ...['hep_port', 'hep_send_timeout', 'hep_async'].map(
    (name) =>
      ['proto_hep', name, 1, /^only calls of the management interface are traced, .*; without effect: /] as const,
  ),
  ['cachedb_local', 'cluster_id', 1, /^caches are not shared with other servers; without effect: /],
  ['cachedb_local', 'cluster_persistency', 'sync-from-cluster', /^caches are not shared with other servers; /],
  ['cachedb_local', 'enable_restart_persistency', 1, /^caches live in memory only, and end with the server; /],
  ['event_stream', 'reliable_mode', 1, /^requests whose replies are waited for are not available, /],
  ['event_jsonrpc', 'sync_mode', 1, /^requests whose replies are waited for are not available, /],
  ['usrloc', 'accept_replicated_contacts', 1, /^contacts are not shared with other servers; /],
  ['usrloc', 'replicate_contacts_to', 2, /^contacts are not shared with other servers; /],
  ['usrloc', 'replicate_contacts_to', 'bin:192.0.2.1:5062', /^contacts are not shared with other servers; /],
];

const head = (module: string): string =>
  ['httpd', 'mi_http', module]
    .map((name) => `loadmodule "${name}.so"\n`)
    .join('')
    .replace(/^(.*\n)(.*\n)\2/, '$1$2');

const check = (text: string | Uint8Array) => checkConfig(parseConfig(text, { file: 'x.cfg' }));

describe('a parameter that OpenSIPS alone has a use for', () => {
  for (const [module, name, value, reason] of withoutEffect) {
    test(`${module} ${name} ${value}: one warning in a file, an error in an object`, async () => {
      const lines = head(module);
      const { errors, notices, modules } = await check(
        `${lines}modparam("${module}", "${name}", ${JSON.stringify(value)})\n`,
      );
      expect(errors.map(formatDiagnostic)).toStrictEqual([]);
      const warnings = notices.filter(({ level }) => level === 'warn').map(({ text }) => text);
      expect(warnings.length, warnings.join('\n')).toBe(1);
      expect(warnings[0] ?? '').toMatch(reason);
      const line = lines.split('\n').length;
      expect(warnings[0]?.includes(`${name} of ${module} at x.cfg:${line}:`), warnings[0]).toBeTruthy();
      expect(modules.find((one) => one.module.name === module)?.parameters).toStrictEqual({});
      const declarations = loadableModules.find((one) => one.name === module)?.parameters ?? {};
      expect(() => parametersFromObject(module, declarations, { [name]: value })).toThrow(ParameterError);
    });
  }

  test('none of our modules refuses a parameter in a file', () => {
    for (const { name: module, parameters } of loadableModules) {
      for (const [name, declared] of Object.entries(parameters) as [string, ParameterDeclaration][]) {
        if ('refused' in declared) expect(declared.isShared, `${module} ${name}`).toBe(true);
      }
    }
  });

  test('all of one reason are told in one line, through an expression too, whatever bytes they hold', async () => {
    const text =
      'loadmodule "httpd.so"\nloadmodule "mi_http.so"\nloadmodule "prometheus.so"\nmodparam("mi_http", "root", "web")\n' +
      'modparam("prom.*", "script_route", "gr\xfc\xdfe")\nmodparam("prometheus", "script_route_avp_result", "x")\n';
    const { errors, notices } = await check(Buffer.from(text, 'latin1'));
    expect(errors.map(formatDiagnostic)).toStrictEqual([]);
    expect(notices.map((notice) => notice.text)).toStrictEqual([
      'there is no script here whose route it could run; module statistics of OpenSIPS counts in a script; without effect: ' +
        'script_route of prometheus at x.cfg:5:20, script_route_avp_result of prometheus at x.cfg:6:24',
    ]);
  });

  test('a value that OpenSIPS refuses too is an error', async () => {
    for (const [module, name, value] of [
      ['event_stream', 'reliable_mode', '"yes"'],
      ['event_stream', 'reliable_mode', '2'],
      ['cachedb_local', 'enable_restart_persistency', '"1"'],
      ['mi_http', 'trace', '"x"'],
    ]) {
      const { errors } = await check(`${head(module ?? '')}modparam("${module}", "${name}", ${value})\n`);
      expect(errors.length, `${module} ${name}`).toBe(1);
    }
  });
});
