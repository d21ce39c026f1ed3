// A value that is missing or empty never counts as set: each parameter, option and file that there is, by its declaration.
import { writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { basic, tokenLine, userLine } from '../../test/support/accounts.js';
import { silentLog } from '../../test/support/log.js';
import { post } from '../../test/support/mi-client.js';
import { test } from '../../test/support/test.js';
import { checkConfig } from '../cli/configured-server.js';
import { options, parseCommandLine } from '../cli/serve.js';
import { listenOptions, parseListenSetting } from '../http/listen/setting.js';
import { createServer } from '../index.js';
import { builtInModules, loadableModules } from '../modules/index.js';
import { type ParameterDeclarations, parametersFromObject } from './parameter.js';
import { parseConfig } from './statements.js';

const blanks = ['', ' ', '\t', ' \r\n '];

const withoutEffect = 'has no effect here, whatever it is';

/** Texts that may be empty, and what that means: nothing is allowed by it. */
const mayBeEmpty: Readonly<Record<string, string>> = {
  'httpd ip': 'all addresses, which is refused where nobody has to log in',
  'event_datagram destinations': 'no address at all',
  'event_datagram folders': 'no socket of the file system at all',
  'event_stream destinations': 'no address at all',
  'event_jsonrpc destinations': 'no address at all',
  'event_stream event_param': 'no parameter with the name of the event',
  'event_jsonrpc event_param': 'no parameter with the name of the event',
  'prometheus prefix': 'names of metrics without it',
  'prometheus delimiter': 'names of metrics without it',
  'prometheus group_prefix': 'names of groups without it, the default',
  'proto_hep homer5_delim': 'nothing stands between the parts, or blanks do',
  'fleet tags': 'a member of no group, the default',
  'usrloc domains': 'a name like others',
  'usrloc nat_bflag': withoutEffect,
  'usrloc db_url': withoutEffect,
  'usrloc cachedb_url': withoutEffect,
  'usrloc working_mode_preset': 'checked by usrloc: an unknown mode is refused',
  'usrloc cluster_mode': 'checked by usrloc: an unknown mode is refused',
  'usrloc restart_persistency': 'checked by usrloc: an unknown mode is refused',
  'usrloc sql_write_mode': withoutEffect,
  'usrloc pinging_mode': withoutEffect,
  'usrloc ha_shtag': withoutEffect,
  'cachedb_local cache_collections': withoutEffect,
};

interface Text {
  readonly module: string;
  readonly name: string;
  readonly isList: boolean;
  readonly declarations: ParameterDeclarations;
}

const texts: readonly Text[] = [...builtInModules, ...loadableModules].flatMap(({ name: module, parameters }) =>
  Object.entries(parameters as ParameterDeclarations).flatMap(([name, declaration]) =>
    'refused' in declaration || declaration.type === 'int'
      ? []
      : [{ module, name, isList: declaration.type === 'list', declarations: parameters }],
  ),
);

const isColumn = (name: string): boolean => name.endsWith('_column');

describe('an empty value', () => {
  for (const { module, name, isList, declarations } of texts) {
    const meaning = mayBeEmpty[`${module} ${name}`] ?? (isColumn(name) ? withoutEffect : undefined);
    if (meaning !== undefined) continue;
    for (const blank of blanks) {
      test(`${module} ${name} ${JSON.stringify(blank)} is rejected, in a file and in a program`, async () => {
        const value = isList ? [blank] : blank;
        expect(() => parametersFromObject(module, declarations, { [name]: value })).toThrow(
          expect.objectContaining({ name: 'ParameterError' }),
        );
        const line = `modparam("${module}", "${name}", ${JSON.stringify(blank)})`;
        const text = ['httpd', 'mi_http', module].map((one) => `loadmodule "${one}.so"`).join('\n');
        const { errors } = await checkConfig(parseConfig(`${text}\n${line}\n`));
        expect(
          errors.some(({ text: error }) => error.includes(name)),
          `${line}: ${JSON.stringify(errors)}`,
        ).toBe(true);
      });
    }
  }

  test('those that may be empty are parameters', () => {
    const known = new Set(texts.map(({ module, name }) => `${module} ${name}`));
    expect(Object.keys(mayBeEmpty).filter((name) => !known.has(name))).toStrictEqual([]);
  });

  for (const [name, kinds] of listenOptions) {
    for (const kind of kinds) {
      test(`option ${name} of a listener ${kind}`, () => {
        const place = kind === 'unix' ? 'unix:/run/x.sock' : `${kind}:127.0.0.1:0`;
        for (const option of [`${name}`, `${name}=`, `${name}= `, `${name} =\t`]) {
          expect(() => parseListenSetting(`${place};${option}`), option).toThrow(RangeError);
        }
      });
    }
  }

  for (const [name, option] of Object.entries(options)) {
    // --opensips may stand alone.
    if (option.type !== 'string' || !('short' in option)) continue;
    const { short } = option;
    test(`option -${short} of the command line`, () => {
      for (const given of [[`--${name}`], [`--${name}`, ''], [`--${name}`, ' '], [`--${name}=`], [`-${short}`, '']]) {
        expect(() => parseCommandLine(given), given.join(' ')).toThrow(expect.objectContaining({ name: 'UsageError' }));
      }
    });
  }

  for (const parameter of ['auth_file', 'auth_tokens'] as const) {
    const isUsers = parameter === 'auth_file';
    const line = isUsers ? userLine('alice', 'wonderland', 'read') : tokenLine('alice', 'mi_alice', 'read');
    const login = isUsers ? basic('alice', 'wonderland') : 'Bearer mi_alice';
    for (const content of ['', '\n', '# nobody yet\n\n']) {
      test(`${parameter} without anybody (${JSON.stringify(content)}), at the start and on reload`, async ({
        temporaryFile,
        onTestFinished,
      }) => {
        const file = temporaryFile('accounts', content);
        const httpd = { ip: '127.0.0.1', port: 0, [parameter]: file };
        expect(() => createServer({ httpd })).toThrow(/has none; add one with mi-httpd (passwd|token) NAME/);
        writeFileSync(file, line);
        const server = await createServer({ httpd, log: silentLog }).start();
        onTestFinished(() => server.close({ deadline: 0 }));
        writeFileSync(file, content);
        expect(await server.reload()).toBe(false);
        // Those that were there may log in, and nobody else.
        const statuses = [];
        for (const headers of [{}, { Authorization: login }])
          statuses.push((await post(server, '{}', { headers })).status);
        expect(statuses).toStrictEqual([401, 200]);
      });
    }
  }

  for (const content of ['', '\n', '  \nsecret\n', '\t\n']) {
    test(`auth_password_file whose first line is empty: ${JSON.stringify(content)}`, ({ temporaryFile }) => {
      const file = temporaryFile('password', content);
      const httpd = { ip: '127.0.0.1', port: 0, auth_username: 'admin', auth_password_file: file };
      expect(() => createServer({ httpd })).toThrow(/the password is empty/);
    });
  }

  test('null and other types are no values of a parameter; left out means the default', () => {
    for (const { module, name, declarations } of texts) {
      for (const value of [null, 0, false, {}]) {
        expect(() => parametersFromObject(module, declarations, { [name]: value }), name).toThrow(
          expect.objectContaining({ name: 'ParameterError' }),
        );
      }
      parametersFromObject(module, declarations, { [name]: undefined });
    }
  });
});
