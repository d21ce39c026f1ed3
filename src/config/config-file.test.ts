import { join, resolve } from 'node:path';
import { assert, expect, test } from 'vitest';
import { formatPosition } from './config-file.js';
import { readConfig } from './statements.js';

const data = resolve('test/data/config');

function parametersOf(file: string, pattern: RegExp): unknown[] {
  const { parameters } = readConfig(join(data, file));
  return parameters.filter((p) => pattern.test(p.modulePattern)).map((p) => [p.modulePattern, p.name, p.value]);
}

test('edge-proxy.cfg, a 3.x registrar with includes', () => {
  const { modules, globals, errors, files } = readConfig(join(data, 'edge-proxy.cfg'));
  expect(errors).toStrictEqual([]);
  expect(files.map((file) => file.slice(data.length + 1))).toStrictEqual([
    'edge-proxy.cfg',
    'conf.d/usrloc.cfg',
    'conf.d/domains.cfg',
    'conf.d/relay-step.cfg',
  ]);
  expect(modules.map(({ name }) => name).join(' ')).toBe(
    'signaling sl tm rr maxfwd sipmsgops usrloc registrar httpd mi_http ./statistics-export.mjs',
  );
  expect(modules.at(-1)?.path).toBe(join(data, 'statistics-export.mjs'));
  const found = [...globals.values()].map(({ name, value }) => `${name}=${value}`);
  expect(found.join(' ')).toBe(
    'log_level=3 xlog_level=2 stderror_enabled=0 syslog_enabled=1 syslog_facility=LOG_LOCAL0 workdir=/var/lib/opensips',
  );
  expect(parametersOf('edge-proxy.cfg', /usrloc|httpd|mi_/)).toStrictEqual([
    ['usrloc', 'working_mode_preset', 'single-instance-no-db'],
    ['usrloc', 'hash_size', 8],
    ['usrloc', 'nat_bflag', 'NAT_FLAG'],
    ['usrloc', 'use_domain', 1],
    ['httpd', 'ip', '127.0.0.1'],
    ['httpd', 'port', 8888],
    ['httpd', 'buf_size', 1048576],
    ['mi_http', 'root', 'mi'],
    ['mi_http', 'pretty_printing', 1],
    ['registrar|usrloc', 'received_avp', '$avp(rcv)'],
  ]);
});

test('edge-proxy.cfg: a position after an include', () => {
  const { parameters } = readConfig(join(data, 'edge-proxy.cfg'));
  const bufSize = parameters.find(({ name }) => name === 'buf_size');
  assert(bufSize);
  const { at, nameAt, valueAt } = bufSize;
  const places = [at, nameAt, valueAt].map((place) => formatPosition(place).slice(data.length + 1));
  expect(places).toStrictEqual(['edge-proxy.cfg:47:1', 'edge-proxy.cfg:48:10', 'edge-proxy.cfg:49:10']);
});

test('legacy-2x.cfg, an old core node', () => {
  const { modules, globals, errors } = readConfig(join(data, 'legacy-2x.cfg'));
  expect(errors).toStrictEqual([]);
  expect(modules.map(({ name }) => name).join(' ')).toBe(
    'db_mysql signaling sl tm mi_fifo uri httpd mi_json mi_http usrloc registrar nathelper',
  );
  const found = [...globals.values()].map(({ name, value }) => `${name}=${value}`);
  expect(found).toStrictEqual(['log_stderror=0', 'syslog_facility=LOG_LOCAL1', 'workdir=/tmp', 'chroot=/srv/siproot']);
  expect(parametersOf('legacy-2x.cfg', /httpd|mi_|nathelper|uri/i)).toStrictEqual([
    ['mi_fifo', 'fifo_name', '/tmp/opensips_fifo'],
    ['mi_fifo', 'fifo_mode', 0o666],
    ['uri', 'use_uri_table', 0],
    ['httpd', 'port', 8080],
    ['HTTPD', 'ip', '10.0.0.5'],
    ['httpd', 'post_buf_size', 2048],
    ['mi_json', 'mi_json_root', 'json'],
    ['mi_http', 'mi_http_root', 'web'],
    ['mi_http', 'mi_http_method', 0],
    ['nathelper', 'natping_interval', -1],
    ['(db_(mysql|postgres)|uri)', 'timeout', 5],
  ]);
});

test('mi-httpd.cfg, the configuration that is shipped', () => {
  const { modules, errors } = readConfig(join(data, '../../../mi-httpd.cfg'));
  expect(errors).toStrictEqual([]);
  expect(modules.some(({ name }) => name === 'httpd')).toBe(true);
});
