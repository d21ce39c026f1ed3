import { coded } from '../../base/codes.js';
import { commandPattern, tellUnknownCommands } from '../../mi/commands/command-table.js';
import { defineBuiltIn } from '../../module.js';
import { Usrloc } from '../usrloc/usrloc.js';
import { NodeEvents } from './events.js';
import { levelRules } from './levels.js';
import { ContactMirror } from './mirror.js';
import { type NodeSurroundings, OpensipsNode } from './node.js';
import { Nodes } from './nodes.js';
import { Opensips } from './opensips.js';
import { eventAddress, type NodeSetting, nodeSetting, parameters } from './parameters.js';
import { NodeStatistics } from './statistics.js';
import { parseTransport } from './upstream/setting.js';
import { openUpstream } from './upstream/upstream.js';
import { group, NodeWatch } from './watch.js';

/** Milliseconds that a start waits for nodes to tell their commands. One that is down is no reason not to serve. */
const patience = 1000;

/** A front for running OpenSIPS servers: their commands, with logins, levels and limits, for every client. */
export const opensipsModule = defineBuiltIn({
  name: 'opensips',
  parameters,
  load({ parameters: values, mi, log, status, events, apiOf }) {
    const settings = (values.nodes.length === 0 ? ['opensips'] : values.nodes).map(nodeSetting);
    const local = values.local.split(',').map((name) => commandPattern(name.trim()));
    const nodes = new Nodes((name) => local.some((pattern) => pattern.test(name)), values.mirror);
    const calls = mi.statistics.add(group, 'upstream_calls', 'counter', {
      help: 'Calls of clients that OpenSIPS was asked for.',
    });
    const errors = mi.statistics.add(group, 'upstream_errors', 'counter', {
      help: 'Calls of clients that gave an error at OpenSIPS.',
    });
    const time = mi.statistics.add(group, 'upstream_time_us', 'counter', {
      unit: 'microseconds',
      help: 'Time until the answers of OpenSIPS began.',
    });
    const rules = values.levels === undefined ? [] : levelRules(values.levels);
    for (const { pattern, fits } of rules) {
      if (!nodes.mayHave(fits)) tellUnknownCommands(log, 'levels', pattern);
    }
    const surroundings: NodeSurroundings = {
      log,
      rules,
      timeout: values.timeout * 1000,
      longTimeout: values.dump_timeout * 1000,
      nextNumber: () => nodes.nextNumber(),
      node: (name) => nodes.node(name),
      changed: () => nodes.changed(),
      called: (_node, milliseconds, failure) => {
        calls.add(1);
        time.add(Math.round(milliseconds * 1000));
        if (failure !== undefined) errors.add(1);
      },
    };
    const intervals = { watch: values.watch_interval * 1000, retry: values.retry_interval * 1000 };
    const watches: NodeWatch[] = [];
    for (const { name, transports } of settings) {
      const upstream = openUpstream({
        name,
        transports: transports.map(parseTransport),
        log,
        limits: {
          maxPending: values.max_pending,
          retryInterval: values.retry_interval * 1000,
          lines: values.max_lines,
        },
      });
      nodes.add(new OpensipsNode(upstream, surroundings));
    }
    const address = eventAddress(values.event_socket);
    const sources = nodes.all.map((node) => new NodeEvents(node, events, log, address));
    let mirror: ContactMirror | undefined;
    for (const [index, node] of nodes.all.entries()) {
      const started = async (): Promise<void> => {
        await sources[index]?.restarted();
        if (index === 0) mirror?.load();
      };
      watches.push(new NodeWatch(node, status, log, intervals, started));
    }
    const [first] = nodes.all;
    const [firstEvents] = sources;
    const mirrored =
      values.mirror === undefined || first === undefined
        ? undefined
        : status.add(group, { identifier: `${first.name}:mirror`, status: -1, details: 'no contact is loaded yet' });
    if (mirrored !== undefined) {
      mi.statistics.add(group, 'mirror_age', 'computed', () => mirror?.age ?? Number.NaN, {
        unit: 'seconds',
        help: 'Time since the mirror of contacts was last known to be in step; none before the first load.',
      });
    }
    const usrlocOf = (): Usrloc => {
      const usrloc = apiOf('usrloc');
      if (usrloc instanceof Usrloc) return usrloc;
      throw coded(
        'ERR_MODULE',
        new Error('parameter mirror of module opensips needs usrloc; add loadmodule "usrloc.so"'),
      );
    };
    mi.commands.offer(nodes);
    mi.foreignStatistics = new NodeStatistics(nodes, values.statistics_interval * 1000, mi.statistics, mi.history);
    return {
      api: new Opensips(nodes),
      check: () => {
        refuseNames(settings, new Set(mi.commands.entries.map(({ module }) => module)));
        if (mirrored !== undefined) usrlocOf();
        return [];
      },
      start: async () => {
        if (mirrored !== undefined && first !== undefined && firstEvents !== undefined) {
          mirror = new ContactMirror({
            node: first,
            events: firstEvents,
            usrloc: usrlocOf(),
            status: mirrored,
            log,
            interval: values.mirror_interval * 1000,
            timeout: values.dump_timeout * 1000,
          });
        }
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, patience);
        });
        await Promise.race([Promise.all(watches.map((watch) => watch.start())), late]);
        clearTimeout(timer);
      },
      stop: async () => {
        for (const watch of watches) watch.stop();
        mirror?.close();
        await Promise.all(sources.map((source) => source.close()));
        await Promise.all(nodes.all.map((node) => node.close()));
      },
    };
  },
});

/** @throws Error for a node that its pages could not tell from a module */
function refuseNames(settings: readonly NodeSetting[], modules: ReadonlySet<string>): void {
  for (const { name } of settings) {
    if (!modules.has(name)) continue;
    throw coded('ERR_PARAMETER', new Error(`node "${name}" has the name of a module; give it another`));
  }
}
