// docs/reference/statistics.md, from what a server with all modules that have statistics declares.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { page, table } from './markdown.mjs';

const intro = `\`get_statistics\` reads them: \`["all"]\`, a group (\`["httpd:"]\`) or bare names (\`["pending"]\`). Unknown names are left out, as in
OpenSIPS. Where one looks like a slip (\`core\` for \`core:\`), the log says so, once. In names, COMMAND is what \`which\` lists last for a
command (\`ul_dump\`), and DOMAIN is one of usrloc (\`location\`).

A *counter* only grows and can be reset; a *gauge* goes up and down; a *total* only grows and cannot be reset.
[What to watch](../guide/production.md#what-to-watch) lists those that deserve an alarm.`;

const tls = `A server with TLS has \`tls_days_left\` in group \`httpd\`, too: days until the first certificate ends.`;

const all = '## All statistics';

const more = `## Over time

\`statistics:history\` tells statistics as they were: \`[["mi:calls", "mem:"], 600]\` has those of the last 600 seconds, with the seconds since
1970 of each. Counters are told as they were counted; what was not known is null. Without parameters the command lists all that is kept.

| kept | how often | how long |
| --- | --- | --- |
| about 40 of this server, and those that \`modparam("httpd", "history", "NAME, NAME")\` names | each second | 10 minutes |
| the same: of counters the last value, of all others the mean | each 30 seconds | 24 hours |
| \`mi:latency_p50_us\`, \`mi:latency_p99_us\`: microseconds that half, and 99 of 100, of the calls of a second took at most | as these | as these |
| of each OpenSIPS: \`dialog:active_dialogs\`, \`usrloc:registered_users\`, \`load:load\`, \`shmem:used_size\`, \`core:rcv_requests\`, \`tm:inuse_transactions\`, \`dialog:failed_dialogs\`, \`core:drop_requests\`, and those that are named | each 10 seconds, or \`statistics_interval\` if that is longer | 10 minutes; each 30 seconds 24 hours |

All of it takes 1.7 MB at most, and less while the server is young. What has no room is left out. \`modparam("httpd", "history", "off")\` keeps
nothing. Where the clock of the machine is set, the times that are told are by the new one, and nothing is lost. A computed statistic
that takes longer than a millisecond is read less often, so that it takes a thousandth of the time at most.

## Latencies

\`statistics:latency\` tells of each command how many calls it had, how many failed, and how long they took, in microseconds: \`p50_us\`, \`p90_us\`,
\`p99_us\`, \`max_us\` and \`total_us\`. A call that is given up after \`mi_timeout\` has failed. Calls are counted in 128 buckets, four for
each doubling of the time, so that a quantile is off by a quarter at most. Commands of an OpenSIPS have theirs once they were called, 256
commands in all. \`statistics:reset_latency\` begins to count anew.`;

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
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-docs-'));
  const options = {
    usrloc: { persist: join(folder, 'contacts') },
    cachedb_local: {},
    proto_hep: {},
    fleet: { name: 'sip-01' },
    opensips,
    log,
    modules: [reader],
  };
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, ...options }).start();
  await server.close();
  rmSync(folder, { recursive: true });
  const rows = statistics.all.map(({ group, name, kind, about }) => [
    `\`${group}:${generalName(group, name)}\``,
    kind === 'computed' ? (about.isTotal ? 'total' : 'gauge') : kind,
    about.unit ?? '',
    about.help ?? '',
  ]);
  const seen = new Set();
  const once = rows.filter(([name]) => !seen.has(name) && seen.add(name));
  return page('Statistics', intro, more, all, tls, table([['statistic', 'kind', 'unit', 'what'], ...once.sort()]));
}

/** `ul_dump-calls` and `location-users` as COMMAND-calls and DOMAIN-users. */
function generalName(group, name) {
  if (group === 'mi') return name.replace(/^.*-(calls|time_us)$/, 'COMMAND-$1');
  return name.replace(/^location-/, 'DOMAIN-');
}
