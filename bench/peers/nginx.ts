// nginx returning a constant: what an HTTP request costs at least, whatever is done with it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverCore, startOn } from '../process/pinned.js';
import { miCall, type Peer } from './peer.js';
import { missing, versionOf } from './program.js';

const program = '/usr/sbin/nginx';

export const nginx: Peer = {
  name: 'nginx constant',
  what: () => `${versionOf(program, '-v')?.replace('nginx version: ', '')}, one worker that returns a constant`,
  unavailable: () => missing(program, ['-v'], 'nginx-light'),
  refuses: (command) => (command === 'version' ? undefined : 'it has one constant reply'),
  call: miCall,
  launch: async (need, port, { folder, certificate, replies }) => {
    const reply = JSON.stringify({ jsonrpc: '2.0', result: { Server: replies.version }, id: 1 });
    const tls = need.tls
      ? `ssl_certificate ${certificate?.cert}; ssl_certificate_key ${certificate?.key}; ssl_protocols TLSv1.2 TLSv1.3;`
      : '';
    const child = startNginx(
      join(folder, `nginx-${port}`),
      `default_type application/json;
  server {
    listen 127.0.0.1:${port}${need.tls ? ' ssl' : ''};
    ${tls}
    return 200 '${reply.replaceAll("'", "\\'")}';
  }`,
    );
    return { child, pid: child.pid ?? 0, port };
  },
};

/**
 * Starts nginx with one worker and without an access log.
 *
 * @param folder its own, made here
 * @param http what stands in the block `http`
 */
export function startNginx(folder: string, http: string): ReturnType<typeof startOn> {
  mkdirSync(folder, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join('\n  ');
  const text = `daemon off;
master_process off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 2048; }
http {
  access_log off;
  ${temporary}
  keepalive_requests 100000000;
  ${http}
}
`;
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, text);
  return startOn(serverCore, [program, '-c', file, '-p', folder, '-e', join(folder, 'error.log')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
