import { html, type Markup } from '../http/pages/html.js';
import type { Client } from '../mi/calls/call.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { valueText } from './quantities.js';
import { cell, headCell, recordRow, recordTable } from './tables.js';

const heads = ['command', 'calls', 'failed', 'p50', 'p90', 'p99', 'longest'];

/** Commands that the table has: those of a server, and some of each OpenSIPS. */
const mostRows = 200;

const quantiles = Float64Array.of(0.5, 0.9, 0.99);

/** How long the calls of each command took, those that took most of the time first. The page has links to them below. */
export function latencySection(mi: ManagementInterface, client: Client): Markup | undefined {
  const reader = mi.commands.entries.find(({ fullName }) => fullName === 'statistics:latency');
  if (reader === undefined || mi.denial(reader, client) !== undefined) return undefined;
  const visible = new Map(mi.visibleTo(client).map((entry) => [entry.fullName, entry]));
  const found = mi.timedCommands.flatMap(([name, { slot }]) => {
    const entry = visible.get(name);
    const { sum, failed, longest, buckets } = mi.latencies.read(slot);
    const calls = buckets.reduce((total, count) => total + count, 0);
    return entry === undefined || calls === 0 ? [] : [{ entry, slot, sum, failed, longest, calls }];
  });
  if (found.length === 0) return undefined;
  const rows = found
    .sort((one, other) => other.sum - one.sum)
    .slice(0, mostRows)
    .map(({ entry, slot, failed, longest, calls }) => {
      const times = [...mi.latencies.quantiles(slot, quantiles), longest];
      const numbers = [
        ...[calls, failed].map((count) => valueText(count, undefined)),
        ...times.map((time) => valueText(time, 'microseconds')),
      ];
      return recordRow([
        headCell('command', entry.fullName),
        ...numbers.map((text, index) => cell(heads[index + 1] ?? '', text, 'number')),
      ]);
    });
  return html`<div class="statistics">
<h2 id="latencies">Time of calls</h2>
<p class="help">Since the start, or since <code>statistics:reset_latency</code>: half of the calls within p50, 90 and 99 of 100 within p90 and p99.</p>
<div role="region" aria-labelledby="latencies">
${recordTable('Time of calls', heads, rows)}</div>
</div>
`;
}
