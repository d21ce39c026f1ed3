// npm run test:opensips -- fifo:/PATH datagram:udp:HOST:PORT http://HOST:PORT/mi: what holds of any OpenSIPS, of a real one.
// Without a transport, of the doubles.
import { buildAddon, buildTypeScript, installDependencies, statusOf, tool } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

const transports = process.argv.slice(2);
if (transports.length > 0) process.env.MI_HTTPD_OPENSIPS = transports.join(' ');

requireNode();
installDependencies();
buildAddon();
buildTypeScript();
process.exitCode =
  statusOf(tool('vitest'), ['run', '--project', 'upstream', 'test/upstream/suite.test.ts']) === 0 ? 0 : 1;
