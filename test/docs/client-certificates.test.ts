// The chapter on certificates of clients in docs/guide/tls.md holds: its commands make a CA by which its lines let in, and not.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const run = promisify(execFile);
const [, chapter = ''] =
  /^## Certificates of clients\n([\s\S]*?)^## /m.exec(readFileSync('docs/guide/tls.md', 'utf8')) ?? [];

function blocks(language: string): readonly string[] {
  return [...chapter.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, text = '']) => text,
  );
}

const missing = ['openssl', 'curl'].find((program) => spawnSync(program, ['version']).error !== undefined);

unless(missing === undefined ? false : `${missing} is not installed`, test)(
  'the commands make a CA, a client that calls, and a list that ends that',
  async ({ onTestFinished, files, startDaemon }) => {
    const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-ca-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const shell = async (text: string, place = join(folder, 'ca')): Promise<string> => {
      const { stdout } = await run('bash', ['-ec', text], { cwd: place });
      return stdout;
    };
    const [make = '', call = '', revoke = ''] = blocks('sh');
    const subject = (await shell(make, folder)).trim();
    const users = blocks('text')[0] ?? '';
    // The page has the line that the command prints.
    expect(users).toContain(`\nalice:admin:${subject}\n`);
    const place = (name: string): string => join(folder, 'ca', name);
    const { certFile, keyFile } = files.make('server', { key: 'ec' });
    const example = readFileSync('examples/client-certificates.cfg', 'utf8');
    // The page has the lines of the example.
    expect(example).toContain(blocks('cfg')[0]);
    const input = example
      .replace('*:8443;', '127.0.0.1:0;')
      .replace('/etc/mi-httpd/server.pem', certFile)
      .replace('/etc/mi-httpd/server.key', keyFile)
      .replace('/etc/mi-httpd/client-users', files.write('client-users', users))
      .replace('/etc/mi-httpd/ca.pem', place('ca.pem'))
      .replace('/etc/mi-httpd/ca.crl', place('ca.crl'));
    const daemon = await startDaemon(['-f', '-'], { input });
    const line = call
      .replace('server-ca.pem', certFile)
      .replace('https://mi.example.org:8443/', `https://127.0.0.1:${daemon.port}/`);
    expect(await shell(line)).toContain('"result":[');
    await shell(revoke);
    await daemon.line(/are judged by the new client_ca and client_crl/);
    await expect(shell(line)).rejects.toThrow(/curl: \(\d+\)/);
    await daemon.line(/certificate of a client from 127\.0\.0\.1 refused by .*: it is revoked/);
  },
);
