import { once } from 'node:events';
import { copyFileSync, existsSync } from 'node:fs';
import { request } from 'node:http';
import { describe, expect } from 'vitest';
import { assertNoStack } from '../support/daemon.js';
import { test } from '../support/test.js';
import { served } from '../support/tls-client.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const head = 'loadmodule "httpd.so"\n';
const tail = 'loadmodule "mi_http.so"\n';

function tls(certFile: string, keyFile: string): string {
  return `modparam("httpd", "tls_cert_file", "${certFile}")\nmodparam("httpd", "tls_key_file", "${keyFile}")\n`;
}

unless(noOpenssl, describe)('TLS', () => {
  test('the URL says https, and SIGHUP reads the certificate again', async ({ files, startDaemon }) => {
    const [one, two] = [files.make('one'), files.make('two')];
    const [certFile, keyFile] = [files.path('live.pem'), files.path('live.key')];
    const use = ({ certFile: cert, keyFile: key }: typeof one): void => {
      copyFileSync(cert, certFile);
      copyFileSync(key, keyFile);
    };
    use(one);
    const daemon = await startDaemon(['-f', '-', '-l', '127.0.0.1', '-p', '0'], {
      input: head + tls(certFile, keyFile) + tail,
    });
    expect(daemon.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/mi$/);
    expect(await served(daemon.port, '/healthz')).toBe('one');
    daemon.signal('SIGHUP');
    await daemon.line(/SIGHUP: .*live\.pem has not changed/);
    use(two);
    daemon.signal('SIGHUP');
    await daemon.line(/new connections to 127\.0\.0\.1:\d+ get the new certificate .*live\.pem, valid until 20/);
    expect(await served(daemon.port, '/healthz')).toBe('two');
    copyFileSync(one.keyFile, keyFile);
    daemon.signal('SIGHUP');
    await daemon.line(/keeps its former certificate: key .*live\.key does not belong to certificate/);
    expect(await served(daemon.port, '/healthz')).toBe('two');
    daemon.signal('SIGTERM');
    // What watches the files keeps nothing alive.
    expect((await daemon.ended).status).toBe(0);
  });

  test('SIGHUP without TLS changes nothing', async ({ startDaemon }) => {
    const daemon = await startDaemon(['-p', '0']);
    daemon.signal('SIGHUP');
    await daemon.line(/SIGHUP: no listener has a certificate to read again/);
    expect((await fetch(daemon.url)).status).toBe(200);
  });

  test('a certificate that cannot be served is refused, with or without -c', async ({ files, runCommand }) => {
    const old = files.make('old', { days: -1 });
    const input = head + tls(old.certFile, old.keyFile) + tail;
    const options = ['-f', '-', '-l', '127.0.0.1', '-p', '0'];
    const reason = /cannot serve https:127\.0\.0\.1:0: certificate .*old\.pem expired on .* GMT: renew it/;
    expect(await runCommand(options, { input })).toRefuse(reason);
    const { status, stderr } = await runCommand(['-c', ...options], { input });
    expect(status).toBe(255);
    expect(stderr).toMatch(/^<stdin>: cannot serve https:.*expired/);
    assertNoStack(stderr);
  });

  test('-c tells what the engine cannot do', async ({ files, runCommand }) => {
    const { certFile, keyFile } = files.make('one');
    const input = head + tls(certFile, keyFile) + tail;
    const { status, stdout, stderr } = await runCommand(['-c', '-f', '-', '-l', '127.0.0.1'], { input });
    expect(status, stderr).toBe(0);
    const [note, last, ...rest] = stdout.trimEnd().split('\n');
    expect(note ?? '').toMatch(/^<stdin>: note: tls_ciphers "SECURE256:.*": TLS 1\.3 cannot be switched off/);
    expect(last).toBe('<stdin>: good');
    expect(rest).toStrictEqual([]);
  });
});

describe('listeners', () => {
  unless(noOpenssl, test)(
    'each is served and told, also the one on a Unix socket, whose file goes at the end',
    async ({ files, startDaemon }) => {
      const { certFile, keyFile } = files.make('one');
      const path = files.path('mi.sock');
      const listen = [`http:127.0.0.1:0`, `https:127.0.0.1:0;cert=${certFile};key=${keyFile}`, `unix:${path}`];
      const lines = listen.map((value) => `modparam("httpd", "listen", "${value}")\n`).join('');
      const daemon = await startDaemon(['-f', '-'], { input: head + lines + tail });
      await daemon.line(new RegExp(`serving http://unix:${path}:/mi`));
      const secure = await daemon.line(/serving https:/);
      expect(await served(Number(/:(\d+)\/mi/.exec(secure)?.[1]), '/healthz')).toBe('one');
      const asked = request({ socketPath: path, path: '/healthz' }).end();
      const [response] = await once(asked, 'response');
      expect(response.statusCode).toBe(200);
      response.resume();
      expect(daemon.lines.join('\n')).not.toMatch(/WITHOUT AUTHENTICATION/);
      daemon.signal('SIGTERM');
      expect((await daemon.ended).status).toBe(0);
      expect(existsSync(path)).toBe(false);
    },
  );

  test('only what others can reach is warned of', async ({ startDaemon }) => {
    const lines = ['http:127.0.0.1:0', 'http:*:0'].map((value) => `modparam("httpd", "listen", "${value}")\n`);
    const open = 'modparam("httpd", "allow_unauthenticated", 1)\n';
    const daemon = await startDaemon(['-f', '-'], { input: head + lines.join('') + open + tail });
    const warning = await daemon.line(/LISTENING ON/);
    expect(warning).toMatch(/LISTENING ON \*:\d+ WITHOUT AUTHENTICATION/);
  });

  test('listen does not mix with ip and port, nor with -l and -p', async ({ runCommand }) => {
    const listen = 'modparam("httpd", "listen", "http:127.0.0.1:0")\n';
    const inFile = await runCommand(['-c', '-f', '-'], {
      input: `${head}${listen}modparam("httpd", "port", 1024)\n`,
    });
    expect(inFile.status).toBe(255);
    expect(inFile.stderr).toMatch(/^<stdin>:3:19: parameters "listen" and "port" of module httpd do not mix: /);
    for (const options of [
      ['-p', '0'],
      ['-l', '::1'],
    ]) {
      const ended = await runCommand(['-f', '-', ...options], { input: head + listen + tail });
      expect(ended).toRefuse(/^mi-httpd: parameters "listen" and "(port|ip)" of module httpd do not mix: .*-l and -p/);
    }
  });
});
