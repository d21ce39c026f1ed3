// npm run bench -- --install: what the rivals and the load need.
import { spawnSync } from 'node:child_process';

const debianPackages = [
  'wrk',
  'gcc',
  'libc6-dev',
  'libmicrohttpd-dev',
  'libcjson-dev',
  'kamailio',
  'nginx-light',
  'util-linux',
];

/** @throws Error naming what failed */
export function installPeers(): void {
  run('npm', ['ci', '--prefix', 'bench/peers/fastify', '--no-audit', '--no-fund', '--loglevel=error']);
  // The packages' own services are not wanted, only their programs: `policy-rc.d` is asked by Debian before it starts one.
  const script = [
    'set -e',
    'policy=/usr/sbin/policy-rc.d',
    'if [ ! -e $policy ]; then',
    '  trap "rm -f $policy" EXIT',
    '  printf "#!/bin/sh\\nexit 101\\n" > $policy && chmod +x $policy',
    'fi',
    'apt-get update -qq',
    `apt-get install -y -qq --no-install-recommends ${debianPackages.join(' ')}`,
  ];
  run('sh', ['-c', script.join('\n')]);
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, {
    stdio: 'inherit',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status !== 0) throw new Error(`${command} ${args[0]} failed${error === undefined ? '' : `: ${error.message}`}`);
}
