import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { formatTransport, parseTransport } from './setting.js';

describe('a transport', () => {
  test.for([
    ['fifo:/run/opensips/fifo', { kind: 'fifo', dialect: 'jsonrpc', path: '/run/opensips/fifo', replyFolder: '/tmp/' }],
    [
      'fifo:/tmp/opensips_fifo;reply_dir=/run/replies/;version=2.4',
      { kind: 'fifo', dialect: '2.4', path: '/tmp/opensips_fifo', replyFolder: '/run/replies/' },
    ],
    ['fifo:/tmp/fifo;owner=0', { kind: 'fifo', dialect: 'jsonrpc', path: '/tmp/fifo', replyFolder: '/tmp/', owner: 0 }],
    ['datagram:udp:127.0.0.1:8080', { kind: 'udp', dialect: 'jsonrpc', host: '127.0.0.1', port: 8080 }],
    ['datagram:udp:[::1]:8080', { kind: 'udp', dialect: 'jsonrpc', host: '::1', port: 8080 }],
    [
      'datagram:/run/opensips/mi.sock',
      { kind: 'unix', dialect: 'jsonrpc', path: '/run/opensips/mi.sock', replyFolder: '' },
    ],
    ['datagram:@opensips', { kind: 'unix', dialect: 'jsonrpc', path: '@opensips', replyFolder: '' }],
    [
      'datagram:/run/opensips/mi.sock;reply_dir=/run/mi-httpd/',
      { kind: 'unix', dialect: 'jsonrpc', path: '/run/opensips/mi.sock', replyFolder: '/run/mi-httpd/' },
    ],
    [
      'http://127.0.0.1:8888/mi',
      { kind: 'http', dialect: 'jsonrpc', host: '127.0.0.1', port: 8888, path: '/mi', userInfo: '' },
    ],
    [
      'http://[::1]:8888/json;version=2.4',
      { kind: 'http', dialect: '2.4', host: '::1', port: 8888, path: '/json', userInfo: '' },
    ],
  ] as const)('is read and written: %s', ([text, setting]) => {
    expect(parseTransport(text)).toEqual(setting);
    expect(formatTransport(parseTransport(text))).toBe(text);
  });

  test('is written without its password', () => {
    const setting = parseTransport('http://mi:s%40cret@127.0.0.1:8888/mi;version=4.0');
    expect(setting).toMatchObject({ userInfo: 'mi:s@cret', dialect: 'jsonrpc' });
    expect(formatTransport(setting)).toBe('http://127.0.0.1:8888/mi');
    expect(formatTransport(parseTransport('datagram:unix:/run/mi'))).toBe('datagram:/run/mi');
  });

  test('has its login in a file, or in the environment', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-login-'));
    try {
      const file = join(folder, 'login');
      writeFileSync(file, 'mi:s3:cret;@\n');
      const setting = parseTransport(`http://127.0.0.1/mi;login_file=${file}`);
      expect(setting).toMatchObject({ userInfo: 'mi:s3:cret;@' });
      expect(formatTransport(setting)).toBe('http://127.0.0.1:80/mi');
      vi.stubEnv('MI_LOGIN', 'mi:s3cret');
      expect(parseTransport('http://127.0.0.1/mi;login_env=MI_LOGIN')).toMatchObject({ userInfo: 'mi:s3cret' });
      expect(() => parseTransport('http://a:b@127.0.0.1/mi;login_env=MI_LOGIN')).toThrow('has two logins');
      for (const text of ['', 's3cret', ':s3cret']) {
        writeFileSync(file, text);
        expect(() => parseTransport(`http://127.0.0.1/mi;login_file=${file}`)).toThrow(
          /has a login_file without USER:PASSWORD(?!.*s3cret)/,
        );
      }
    } finally {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    }
  });

  test.for([
    ['fifo:/a;owner=root', 'has "owner=root"'],
    ['datagram:/a;owner=0', 'has an owner'],
    ['fifo:/a;login_env=HOME', 'has a login_env without USER:PASSWORD'],
    ['http://h/mi;login_env=MI_NONE', 'has a login_env that is not there'],
    ['http://h/mi;login_file=/nowhere/login', 'has a login_file that cannot be read'],
    ['', 'is no transport'],
    ['https://127.0.0.1/mi', 'is no transport'],
    ['fifo:opensips', 'has no path'],
    ['fifo:/a\0b', 'has no path'],
    ['fifo:/a;reply_dir=/tmp', 'has a reply_dir without a slash'],
    ['fifo:/a;reply_dir=tmp/', 'has a reply_dir without a slash'],
    [`fifo:/a;reply_dir=/${'x'.repeat(110)}/`, 'has a reply_dir of more than 102 bytes'],
    ['http://h/mi;reply_dir=/tmp/', 'has a reply_dir, which FIFOs and Unix sockets alone have'],
    ['datagram:mi', 'has no path'],
    ['datagram:udp:127.0.0.1', 'has no host with a port'],
    ['datagram:udp:127.0.0.1:70000', 'has no host with a port'],
    ['datagram:udp:::1:8080', 'has no host with a port'],
    ['http://', 'is no URL'],
    ['http://h/mi?x=1', 'has more than a path'],
    ['fifo:/a;version=1.0', 'has "version=1.0"'],
    ['fifo:/a;verson=2.4', 'has "verson=2.4"'],
  ])('is rejected: %s', ([text, fault]) => {
    expect(() => parseTransport(text ?? '')).toThrow(`transport "${text}" ${fault}`);
  });

  test.for([
    'https://mi:s3cret@127.0.0.1/mi',
    'http://mi:s3cret@127.0.0.1/mi?x=1',
    'http://mi:s3cret@127.0.0.1:70000/mi',
    'http://mi:s3cret@127.0.0.1/mi;reply_dir=/tmp/',
    'http://mi:x;s3cret@127.0.0.1/mi',
    'http://mi:s3cret;x@127.0.0.1/mi',
    'http://mi:a@s3cret@/mi',
    'http://mi:s3cret',
    'http://mi:s3cret%zz@127.0.0.1/mi',
    'http://mi:1/s3cret@127.0.0.1/mi',
    'mi:s3cret@127.0.0.1',
    'HTTP://mi:s3cret@127.0.0.1/mi',
  ])('is rejected without its password: %s', (text) => {
    expect(() => parseTransport(text)).toThrow(/^transport "(?!.*s3cret)/);
  });
});
