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
    const own = join(folder, `nginx-${port}`);
    mkdirSync(own, { recursive: true });
    const reply = JSON.stringify({ jsonrpc: '2.0', result: { Server: replies.version }, id: 1 });
    const tls = need.tls
      ? `ssl_certificate ${certificate?.cert}; ssl_certificate_key ${certificate?.key}; ssl_protocols TLSv1.2 TLSv1.3;`
      : '';
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${own}/${kind};`)
      .join('\n  ');
    const text = `daemon off;
master_process off;
pid ${own}/pid;
error_log ${own}/error.log;
events { worker_connections 2048; }
http {
  access_log off;
  ${temporary}
  keepalive_requests 100000000;
  default_type application/json;
  server {
    listen 127.0.0.1:${port}${need.tls ? ' ssl' : ''};
    ${tls}
    return 200 '${reply.replaceAll("'", "\\'")}';
  }
}
`;
    const file = join(own, 'nginx.conf');
    writeFileSync(file, text);
    const child = startOn(serverCore, [program, '-c', file, '-p', own, '-e', join(own, 'error.log')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return { child, pid: child.pid ?? 0, port };
  },
};
