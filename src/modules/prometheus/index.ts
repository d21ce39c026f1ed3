import { browserHeaders, isBrowser } from '../../gateway/browser.js';
import { retryHeaders } from '../../gateway/jsonrpc-refusal.js';
import { type Exchange, heldBodySize } from '../../http/exchange.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { explained, type MiError, RefusedCall } from '../../mi/errors.js';
import type { ForeignNode } from '../../mi/statistics.js';
import { defineBuiltIn } from '../../module.js';
import { contentTypes, formOf } from './accept.js';
import { CommandLatencies } from './command-latencies.js';
import { labelRule } from './label-rules.js';
import { MetricsPage, unknownItems } from './metrics-page.js';
import { Naming } from './naming.js';
import { parameters } from './parameters.js';
import { ProcessMetrics } from './process-metrics.js';

/** The command whose permission a scrape needs: it tells the same numbers. */
const scraping = 'statistics:get';

/** Statistics for Prometheus, at a root path of their own. */
export const prometheusModule = defineBuiltIn({
  name: 'prometheus',
  parameters,
  needs: ['httpd'],
  load({ httpd, mi, log, facts, parameters: values }) {
    const lines = values.statistics.flatMap((line) => line.split(/\s+/)).filter((item) => item !== '');
    const items = lines.length === 0 ? undefined : lines;
    const process = new ProcessMetrics(facts.version, facts.threads, () => httpd.threads);
    const told = new Set<string>();
    const page = new MetricsPage({
      naming: new Naming({
        prefix: values.prefix,
        delimiter: values.delimiter,
        groupPrefix: values.group_prefix,
        groupLabel: values.group_label,
        groupMode: values.group_mode,
        rules: values.labels.map(labelRule),
      }),
      items,
      statistics: mi.statistics,
      process,
      latencies: new CommandLatencies(mi),
      leftOut: (owner, [first = '', ...others]) => {
        if (told.has(owner)) return;
        told.add(owner);
        const rest = others.length === 0 ? '' : `, as are ${others.length} more`;
        const of = owner === '' ? '' : ` of OpenSIPS ${owner}`;
        log.warn(
          { code: 'metric-name-taken', statistic: first, ...(owner === '' ? {} : { node: owner }) },
          `statistic ${first}${of} is left out of the metrics${rest}: another one has the same name there; set group_mode to 1 or 2`,
        );
      },
    });
    const answer = (exchange: Exchange, nodes: readonly ForeignNode[]): void => {
      if (exchange.finished) return;
      const form = formOf(exchange.header('accept'), values.openmetrics === 1);
      const printed = page.print(form, nodes);
      // Longer ones are held until they are sent, while the next scrape prints over these.
      const body = printed.length > heldBodySize ? Uint8Array.from(printed) : printed;
      exchange.reply(200, body, { 'Content-Type': contentTypes[form], Vary: 'Accept' });
    };
    let command: CommandEntry | undefined;
    /** A scrape counts as a call, and is held to what holds for one. */
    const refusalOf = (exchange: Exchange): MiError | undefined =>
      mi.guard?.excess(exchange) ?? (command && mi.denial(command, exchange));
    httpd.registerRoot({
      module: 'prometheus',
      root: values.root,
      contentType: contentTypes.plain,
      about: 'metrics for Prometheus',
      methods: ['GET'],
      headers: ['accept', ...browserHeaders, 'user-agent'],
      onInit: () => {
        command = mi.commands.entries.find(({ fullName }) => fullName === scraping);
      },
      onRequest: (exchange) => {
        const host = isBrowser(exchange) ? httpd.allowedHosts.refusal(exchange) : undefined;
        if (host !== undefined) return exchange.refuse(403, host);
        const refusal = refusalOf(exchange);
        if (refusal instanceof RefusedCall) {
          mi.rateLimited.add(1);
          return exchange.refuse(refusal.status, explained(refusal), retryHeaders(refusal));
        }
        if (refusal !== undefined) {
          mi.denied.add(1);
          return exchange.refuse(403, explained(refusal));
        }
        const nodes = mi.foreignStatistics?.nodes() ?? [];
        if (nodes instanceof Promise) return nodes.then((all) => answer(exchange, all));
        answer(exchange, nodes);
      },
    });
    return {
      check: () => {
        const unknown =
          items === undefined || mi.foreignStatistics !== undefined ? [] : unknownItems(mi.statistics, items);
        if (unknown.length === 0) return [];
        const text =
          `statistics of module prometheus names what is not here: ${unknown.join(', ')}; those of OpenSIPS are ` +
          'here with module opensips, which asks it for them';
        return [{ code: 'prometheus-statistics-unknown', text }];
      },
      start: () => process.start(),
      stop: () => process.stop(),
    };
  },
});
