// mi-httpd as people run it: the command, with a configuration file.
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { bundle } from '../../scripts/bundle.mjs';
import { serverCore, startOn } from '../process/pinned.js';
import { outputOf } from '../process/run-to-end.js';
import { writeConfiguration } from './configured.js';
import { contactLines } from './contacts.js';
import { flagsOf, miCall, type Need, type Peer, type Place } from './peer.js';
import { versionOf } from './program.js';

/** mi-httpd of this checkout. */
export const miHttpd = miHttpdOf('mi-httpd', resolve('.'));

/** mi-httpd of a checkout that is built. */
export function miHttpdOf(name: string, checkout: string): Peer {
  const main = join(checkout, 'dist/main.js');
  const launchEmbedded: Peer['launch'] = async (need, port, { certificate }) => {
    const tls = need.tls && certificate !== undefined ? [certificate.cert, certificate.key] : [];
    const script = bundle('bench/peers/host-server.ts');
    const args = [join(checkout, 'dist/index.js'), String(port), String(need.contacts), ...tls];
    const child = startOn(serverCore, [process.execPath, ...flagsOf(need), script, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return { child, pid: child.pid ?? 0, port };
  };
  const launchCommand: Peer['launch'] = async (need, port, place) => {
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
  };
  return {
    name,
    isOurs: true,
    what: () => `${versionOf(process.execPath, main, '--version') ?? 'mi-httpd'}, started by its command`,
    unavailable: () => undefined,
    refuses: () => undefined,
    call: miCall,
    launch: (need, port, place) => (need.embedded === true ? launchEmbedded : launchCommand)(need, port, place),
  };
}

function configuration(need: Need, port: number, place: Place): string {
  const lines = ['loadmodule "usrloc.so"', `loadmodule "${resolve('bench/peers/mi-httpd/bench-module.mjs')}"`];
  if (need.tls) {
    lines.push(`modparam("httpd", "tls_cert_file", "${place.certificate?.cert ?? ''}")`);
    lines.push(`modparam("httpd", "tls_key_file", "${place.certificate?.key ?? ''}")`);
  }
  return writeConfiguration(place.folder, port, lines);
}
