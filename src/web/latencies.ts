import { html, type Markup } from '../http/pages/html.js';
import type { Client } from '../mi/calls/call.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { valueText } from './quantities.js';

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
      const cells = times.map((time) => html`<td class="number">${valueText(time, 'microseconds')}</td>`);
      return html`<tr><th scope="row">${entry.fullName}</th><td class="number">${valueText(calls, undefined)}</td><td class="number">${valueText(failed, undefined)}</td>${cells}</tr>\n`;
    });
  return html`<div class="statistics">
<h2 id="latencies">Time of calls</h2>
<p class="help">Since the start, or since <code>statistics:reset_latency</code>: half of the calls within p50, 90 and 99 of 100 within p90 and p99.</p>
<div class="frame" tabindex="0" role="region" aria-labelledby="latencies"><table>
<thead><tr><th scope="col">command</th><th scope="col">calls</th><th scope="col">failed</th><th scope="col">p50</th><th scope="col">p90</th><th scope="col">p99</th><th scope="col">longest</th></tr></thead>
<tbody>
${rows}</tbody>
</table></div>
</div>
`;
}
