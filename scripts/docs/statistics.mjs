// docs/reference/statistics.md, from what a server with all modules that have statistics declares.
import { page, table } from './markdown.mjs';

const intro = `\`get_statistics\` reads them: \`["all"]\`, a group (\`["httpd:"]\`) or bare names (\`["pending"]\`). Unknown names are left out, as in
OpenSIPS. Where one looks like a slip (\`core\` for \`core:\`), the log says so, once. In names, COMMAND is what \`which\` lists last for a
command (\`ul_dump\`), and DOMAIN is one of usrloc (\`location\`).

A *counter* only grows and can be reset; a *gauge* goes up and down; a *total* only grows and cannot be reset.
[What to watch](../guide/production.md#what-to-watch) lists those that deserve an alarm.`;

const tls = `A server with TLS has \`tls_days_left\` in group \`httpd\`, too: days until the first certificate ends.`;

/** The statistics of a server, with their units and what they mean. */
export async function statisticsPage({ createServer, defineModule }) {
  let statistics;
  const reader = defineModule({
    name: 'reader',
    load: ({ mi }) => {
      statistics = mi.statistics;
    },
  });
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const opensips = { nodes: ['sip-1 fifo:/nowhere/fifo'], local: '*', mirror: 'usrloc' };
  const options = { usrloc: {}, cachedb_local: {}, opensips, log, modules: [reader] };
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, ...options }).start();
  await server.close();
  const rows = statistics.all.map(({ group, name, kind, about }) => [
    `\`${group}:${generalName(group, name)}\``,
    kind === 'computed' ? (about.isTotal ? 'total' : 'gauge') : kind,
    about.unit ?? '',
    about.help ?? '',
  ]);
  const seen = new Set();
  const once = rows.filter(([name]) => !seen.has(name) && seen.add(name));
  return page('Statistics', intro, tls, table([['statistic', 'kind', 'unit', 'what'], ...once.sort()]));
}

/** `ul_dump-calls` and `location-users` as COMMAND-calls and DOMAIN-users. */
function generalName(group, name) {
  if (group === 'mi') return name.replace(/^.*-(calls|time_us)$/, 'COMMAND-$1');
  return name.replace(/^location-/, 'DOMAIN-');
}
