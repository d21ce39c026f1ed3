// mi-httpd as people run it: the command, with a configuration file.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { serverCore, startOn } from '../process/pinned.js';
import { outputOf } from '../process/run-to-end.js';
import { contactLines } from './contacts.js';
import { miCall, type Need, type Peer, type Place } from './peer.js';
import { versionOf } from './program.js';

const main = resolve('dist/main.js');

export const miHttpd: Peer = {
  name: 'mi-httpd',
  what: () => `${versionOf(process.execPath, main, '--version') ?? 'mi-httpd'}, started by its command`,
  unavailable: () => undefined,
  refuses: (_command, { tls }) => (tls ? refusesTls() : undefined),
  call: miCall,
  launch: async (need, port, place) => {
    const file = configuration(need, port, place);
    const child = startOn(serverCore, [main, '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
    const prepare = async (): Promise<void> => {
      const load = spawn(process.execPath, [main, 'load', '-', '--url', `http://127.0.0.1:${port}/mi`], {
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      contactLines(need.contacts).pipe(load.stdin);
      await outputOf(load, 'mi-httpd load');
    };
    return { child, pid: child.pid ?? 0, port, ...(need.contacts > 0 ? { prepare } : {}) };
  },
};

function configuration(need: Need, port: number, place: Place): string {
  const lines = [
    'log_level=1',
    'loadmodule "httpd.so"',
    'modparam("httpd", "ip", "127.0.0.1")',
    `modparam("httpd", "port", ${port})`,
    'loadmodule "mi_http.so"',
    'loadmodule "usrloc.so"',
    `loadmodule "${resolve('bench/peers/mi-httpd/wait-module.mjs')}"`,
  ];
  if (need.tls) {
    lines.push(`modparam("httpd", "tls_cert_file", "${place.certificate?.cert ?? ''}")`);
    lines.push(`modparam("httpd", "tls_key_file", "${place.certificate?.key ?? ''}")`);
  }
  const file = join(place.folder, `mi-httpd-${port}.cfg`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** The reason why this version serves no TLS, told by its check of parameters; undefined: it serves TLS. */
function refusesTls(): string | undefined {
  const [file, cert] = [resolve('build/bench-tls-check.cfg'), resolve('package.json')];
  writeFileSync(file, `loadmodule "httpd.so"\nmodparam("httpd", "tls_cert_file", "${cert}")\n`);
  const { stdout, stderr } = spawnSync(process.execPath, [main, '-c', '-f', file], { encoding: 'utf8' });
  const unknown = /parameter .*(?:cannot be set|unknown|no parameter).*$/im.exec(`${stdout}${stderr}`)?.[0];
  return unknown === undefined ? undefined : `this version does not serve TLS: ${unknown}`;
}
