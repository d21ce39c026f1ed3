// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the templates of other tools
// Slips that would switch a protection off without a word: templates that are not expanded, statements whose word is
// misspelled. Statements of other servers' files are no slips.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../../test/support/test.js';
import { unless } from '../../test/support/unless.js';
import { type CheckedConfig, checkConfig } from '../cli/configured-server.js';
import { formatDiagnostic } from './config-file.js';
import { parseConfig, readConfig } from './statements.js';

const head = 'loadmodule "httpd.so"\nloadmodule "mi_http.so"\n';

function check(text: string | Uint8Array): Promise<CheckedConfig> {
  return checkConfig(parseConfig(text, { file: 'x.cfg' }));
}

async function errorsOf(text: string | Uint8Array): Promise<readonly string[]> {
  return (await check(text)).errors.map(formatDiagnostic);
}

describe('a template that nobody expanded is an error with the remedy', () => {
  const templates = [
    '$env(MI_PASSWORD)',
    '${MI_PASSWORD}',
    'pre${MI_PASSWORD}post',
    '${MI_PASSWORD:-x}',
    '$(cat /run/secret)',
    '$MI_PASSWORD',
    '{{ mi_password }}',
    '{{mi_password}}',
    '{% raw %}',
    '<%= @password %>',
    '%MI_PASSWORD%',
    '@MI_PASSWORD@',
    '@@MI_PASSWORD@@',
  ];
  const parameters = [
    ['httpd', 'auth_password'],
    ['httpd', 'auth_file'],
    ['httpd', 'audit_file'],
    ['httpd', 'deny_commands'],
    ['httpd', 'listen'],
    ['mi_http', 'root'],
  ] as const;
  for (const template of templates) {
    test(template, async () => {
      for (const [module, name] of parameters) {
        const [error = '', ...more] = await errorsOf(`${head}modparam("${module}", "${name}", '${template}')\n`);
        expect(more, `${name}: ${more}`).toStrictEqual([]);
        expect(error).toMatch(
          /^x\.cfg:3:\d+: parameter ".*" of module .* nothing is expanded here: .*expand the text first/,
        );
        if (name !== 'auth_password') continue;
        expect(error).toMatch(
          /put the value into a file and name that, modparam\("httpd", "auth_password_file", "FILE"\)/,
        );
        expect(error).not.toMatch(/MI_PASS|mi_pass|secret|raw|post/);
      }
    });
  }

  test('outside a string it is named too', async () => {
    for (const [text, at] of [
      ['modparam("httpd", "port", ${PORT})', '3:27'],
      ['modparam("httpd", "port", $PORT)', '3:27'],
      ['modparam("httpd", "port", {{ port }})', '3:27'],
      ['modparam("httpd", "port", %PORT%)', '3:27'],
      ['${MODULES}', '3:1'],
      ['{{ modules }}', '3:1'],
      ['{% if tls %}', '3:1'],
      ['<% modules %>', '3:1'],
      ['log_level=${LEVEL}', '3:11'],
    ] as const) {
      const [error = '', ...more] = await errorsOf(`${head}${text}\n`);
      expect(more).toStrictEqual([]);
      expect(error.startsWith(`x.cfg:${at}: `), error).toBe(true);
      expect(error, text).toMatch(/template.*nothing is expanded here/);
    }
  });

  test('values that only look a little like one are taken, and those of other modules are their own affair', async () => {
    for (const [module, name, value] of [
      ['httpd', 'auth_realm', 'MI of 100 % @ home'],
      ['httpd', 'deny_commands', 'kill, *:reset*'],
      ['httpd', 'allowed_hosts', 'mi.example.org'],
      ['usrloc', 'attr_column', 'attr'],
      ['registrar', 'received_avp', '$avp(received_nh)'],
      ['registrar', 'x', '${X}'],
    ] as const) {
      const text = `${head}loadmodule "usrloc.so"\nloadmodule "registrar.so"\nmodparam("${module}", "${name}", "${value}")\n`;
      expect(await errorsOf(text)).toStrictEqual([]);
    }
    const login = `${head}modparam("httpd", "auth_username", "a")\nmodparam("httpd", "auth_password", 'S$3cret{}%&@!')\n`;
    expect(await errorsOf(login)).toStrictEqual([]);
  });
});

describe('a misspelled statement at the top level is an error with the right word', () => {
  const slips: readonly (readonly [line: string, word: string])[] = [
    ['modparm("httpd","deny_commands","kill")', 'modparam'],
    ['modparma("httpd","deny_commands","kill")', 'modparam'],
    ['ModParam("httpd","deny_commands","kill")', 'modparam'],
    ['MODPARAM("httpd","deny_commands","kill")', 'modparam'],
    ['mod_param("httpd","deny_commands","kill")', 'modparam'],
    ['modparams ("httpd","deny_commands","kill")', 'modparam'],
    ['modpram( "httpd","deny_commands","kill")', 'modparam'],
    ['LoadModule "usrloc.so"', 'loadmodule'],
    ['loadmodul "usrloc.so"', 'loadmodule'],
    ['load_module "usrloc.so"', 'loadmodule'],
    ["loadmodules 'usrloc.so'", 'loadmodule'],
    ['includefile "access.cfg"', 'include_file'],
    ['Include_File "access.cfg"', 'include_file'],
    ['include_files "access.cfg"', 'include_file'],
    ['importfile "access.cfg"', 'import_file'],
    ['import_flie "access.cfg"', 'import_file'],
  ];
  for (const [line, word] of slips) {
    test(line, async () => {
      const [error = '', ...more] = await errorsOf(`${head}${line}\n`);
      expect(more).toStrictEqual([]);
      const written = /^\w+/.exec(line)?.[0];
      expect(error).toBe(`x.cfg:3:1: "${written}" is no statement: did you mean ${word}?`);
    });
  }

  test('other statements and routes are passed over', async () => {
    const text = `${head}mhomed=1\nserver_header "x"\nmodparameters\nroute("x")\nroute[modparm] { modparm("a","b","c"); }\n`;
    expect(await errorsOf(text)).toStrictEqual([]);
  });
});

test('a module within two letters of one of ours is warned of, by the same name as others are ignored', async () => {
  const { notices, errors } = await check(
    `${head}loadmodule "mi_htm.so"\nloadmodule "usrlock.so"\nloadmodule "MI_JSON.so"\nloadmodule "event_strem.so"\n` +
      'loadmodule "tm.so"\nloadmodule "pi_http.so"\nloadmodule "http2d.so"\nloadmodule "sl.so"\n',
  );
  expect(errors).toStrictEqual([]);
  const told = notices.map(({ level, text }) => `${level}: ${text}`);
  const slip = (name: string, line: number, meant: string): string =>
    `warn: module ${name} at x.cfg:${line}:1 is none of mi-httpd and ignored: did you mean "${meant}"?`;
  const noPath = (name: string, line: number): string =>
    `warn: module ${name} at x.cfg:${line}:1 is none of mi-httpd and ignored, so that its paths are 404`;
  expect(told.sort()).toStrictEqual([
    'info: 2 modules ignored, which only a SIP server has: tm, sl',
    slip('MI_JSON', 5, 'mi_json'),
    slip('event_strem', 6, 'event_stream'),
    noPath('http2d', 9),
    slip('mi_htm', 3, 'mi_html'),
    noPath('pi_http', 8),
    slip('usrlock', 4, 'usrloc'),
  ]);
});

describe('where something is wrong is told', () => {
  test('a string that is not closed, at its begin', async () => {
    for (const [text, at] of [
      [`${head}modparam("httpd", "ip", "127.0.0.1)\nmodparam("httpd", "port", 8888)\n`, '3:25'],
      [`${head}modparam("httpd, "ip", "127.0.0.1")\nmodparam("httpd", "port", 8888)\n`, '3:10'],
      [`${head}modparam("httpd", "ip", '127.0.0.1)\nmodparam('httpd', "port", 8888)\n`, '3:25'],
      [`loadmodule "httpd.so\nloadmodule "mi_http.so"\n`, '1:12'],
      [`${head}modparam("httpd", "ip", "127.0.0.1)\n\n`, '3:25'],
      [`${head}modparam("tm", "x", "a)\nroute { xlog("b"); }\n`, '3:21'],
    ] as const) {
      const found = await errorsOf(text);
      expect(
        found[0]?.startsWith(`x.cfg:${at}: string is not closed: add the missing `),
        `${text}\n${found}`,
      ).toBeTruthy();
    }
  });

  test('a string over several lines is none', async () => {
    expect(
      await errorsOf(`${head}modparam("httpd", "auth_realm",\n "a\\\nb")\nroute { xlog("a\nb\n"); }\n`),
    ).toStrictEqual([]);
  });

  test('UTF-16, with and without its mark, is named', async () => {
    for (const encode of [
      (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le'),
      (text: string) => Buffer.from(text, 'utf16le'),
      (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
      (text: string) => Buffer.from(text, 'utf16le').swap16(),
    ]) {
      const found = await errorsOf(encode(head));
      expect(found[0] ?? '').toMatch(/^x\.cfg:1:1: the file is UTF-16.*iconv -f UTF-16 -t UTF-8$/);
      expect(found.length).toBe(1);
    }
    expect(await errorsOf(`\ufeff${head}`)).toStrictEqual([]);
  });
});

describe('what OpenSIPS takes is taken', () => {
  test('values of other modules that are wrong by themselves are passed over, ours are not', async () => {
    const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
    const foreign = `${head}loadmodule "acc.so"\n`;
    expect(await errorsOf(latin1(`${foreign}modparam("acc", "x", "gr\xfc\xdfe")\n`))).toStrictEqual([]);
    expect(await errorsOf(latin1(`${foreign}modparam("acc", "x", 4294967296)\n`))).toStrictEqual([]);
    expect(await errorsOf(latin1(`${foreign}modparam("acc", "x", 089)\n`))).toStrictEqual([]);
    const own = await errorsOf(latin1(`${head}modparam("httpd", "auth_realm", "gr\xfc\xdfe")\n`));
    expect(own.join()).toMatch(/^x\.cfg:3:36: string is not UTF-8[^,]*$/);
    const both = await errorsOf(latin1(`${foreign}modparam("httpd|acc", "auth_realm", "gr\xfc\xdfe")\n`));
    expect(both.join()).toMatch(/^x\.cfg:4:40: string is not UTF-8[^,]*$/);
  });

  test('bytes that nobody here uses are passed over, wherever they are', async () => {
    const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
    for (const line of [
      'workdir="/var/gr\xfc\xdfe"',
      'wdir="/var/gr\xfc" "\xdfe"',
      "chroot='/gr\xfc\xdfe'",
      'mpath="/usr/lib/gr\xfc\xdfe/modules/"',
      'mpath="/usr/lib/gr\xfc\xdfe/":"/usr/lib/\xdf"',
      'loadmodule "gr\xfc\xdfe.so"',
      'loadmodule "acc.so"\nmodparam("acc|gr\xfc\xdfe", "x", "\xfc")',
      'server_header="gr\xfc\xdfe"',
      'route { xlog("gr\xfc\xdfe"); }',
      '# gr\xfc\xdfe',
    ]) {
      expect(await errorsOf(latin1(`${line}\n${head}`)), line).toStrictEqual([]);
    }
    const used = await errorsOf(latin1(`${head}modparam("httpd", "gr\xfc\xdfe", 1)\n`));
    expect(used.join()).toMatch(/^x\.cfg:3:22: string is not UTF-8/);
  });

  unless(process.platform === 'linux' ? false : 'file names are bytes on Linux', test)(
    'files whose paths are not UTF-8 are included, as are those beside them',
    async ({ onTestFinished }) => {
      const directory = mkdtempSync(join(tmpdir(), 'mi-httpd-config-'));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const bytes = (path: string): Buffer => Buffer.from(join(directory, path), 'latin1');
      mkdirSync(bytes('gr\xfc\xdfe'));
      writeFileSync(bytes('gr\xfc\xdfe/\xe4.cfg'), 'loadmodule "httpd.so"\ninclude_file "beside.cfg"\n');
      writeFileSync(bytes('gr\xfc\xdfe/beside.cfg'), 'loadmodule "mi_http.so"\n');
      const file = join(directory, 'x.cfg');
      for (const path of ['gr\xfc\xdfe/\xe4.cfg', join(directory, 'gr\xfc\xdfe/\xe4.cfg')]) {
        writeFileSync(file, Buffer.from(`include_file "${path}"\n`, 'latin1'));
        const { errors, modules } = await checkConfig(readConfig(file));
        expect(errors.map(formatDiagnostic)).toStrictEqual([]);
        expect(modules.map(({ module }) => module.name)).toStrictEqual(['httpd', 'mi_http']);
      }
      writeFileSync(file, Buffer.from('include_file "gr\xfc\xdf.cfg"\n', 'latin1'));
      const [error] = (await checkConfig(readConfig(file))).errors;
      expect(error?.text ?? '').toMatch(/^cannot include "gr\xfc\xdf\.cfg" .*no such file/);
    },
  );

  test('nat_bflag as a number', async () => {
    const { errors, modules } = await check(`${head}loadmodule "usrloc.so"\nmodparam("usrloc", "nat_bflag", 6)\n`);
    expect(errors).toStrictEqual([]);
    expect(modules.find(({ module }) => module.name === 'usrloc')?.parameters).toStrictEqual({ nat_bflag: '6' });
  });

  test('import_file of a file that is not there, which is told; include_file of one is an error', async ({
    onTestFinished,
  }) => {
    const directory = mkdtempSync(join(tmpdir(), 'mi-httpd-config-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'x.cfg');
    writeFileSync(file, `${head}import_file "none.cfg"\n`);
    const checked = await checkConfig(readConfig(file));
    expect(checked.errors).toStrictEqual([]);
    expect(checked.notices.map(({ text }) => text).join()).toMatch(
      /x\.cfg:3:13: import_file "none\.cfg" is passed over/,
    );
    writeFileSync(file, `${head}import_file "."\n`);
    expect((await checkConfig(readConfig(file))).errors.length).toBe(1);
    writeFileSync(file, `${head}include_file "none.cfg"\n`);
    expect((await checkConfig(readConfig(file))).errors.length).toBe(1);
  });
});
