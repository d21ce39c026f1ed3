import { coded } from '../../base/codes.js';
import type { Notice } from '../../base/log.js';
import type { HttpServer } from '../../http/server.js';
import { commandPattern, tellUnknownCommands } from '../../mi/commands/command-table.js';
import { defineBuiltIn } from '../../module.js';
import { Usrloc } from '../usrloc/usrloc.js';
import { NodeEvents } from './events.js';
import { levelRules } from './levels.js';
import { ContactMirror } from './mirror.js';
import { type NodeSurroundings, OpensipsNode } from './node.js';
import { Nodes } from './nodes.js';
import { Opensips } from './opensips.js';
import { eventAddress, mirroredNodes, type NodeSetting, nodeSetting, parameters } from './parameters.js';
import { fifoPlaces, httpPlace } from './places.js';
import { NodeStatistics } from './statistics.js';
import { removeLeftovers } from './upstream/reply-names.js';
import { formatTransport, parseTransport } from './upstream/setting.js';
import type { WaitingBytes } from './upstream/transport.js';
import { openUpstream } from './upstream/upstream.js';
import { group, NodeWatch } from './watch.js';

/** Milliseconds that a start waits for nodes to tell their commands. One that is down is no reason not to serve. */
const patience = 1000;

/** Bytes of a reply that wait in memory, unless two windows are less. */
const mostInMemory = 1 << 20;

/**
 * What a long reply may take of memory: two windows of `buf_size` in all, and {@link mostInMemory} at least for what is on the way to
 * its file, since OpenSIPS does not wait.
 */
function waitingMemory(window: number): { memory: number; onTheWay: number } {
  const memory = Math.min(mostInMemory, window);
  return { memory, onTheWay: Math.max(mostInMemory, 2 * window - memory) };
}

/** A front for running OpenSIPS servers: their commands, with logins, levels and limits, for every client. */
export const opensipsModule = defineBuiltIn({
  name: 'opensips',
  parameters,
  needs: ['httpd'],
  load({ httpd, parameters: values, mi, log, status, events, apiOf }) {
    const settings = (values.nodes.length === 0 ? ['opensips'] : values.nodes).map(nodeSetting);
    const local = values.local.split(',').map((name) => commandPattern(name.trim()));
    const nodes = new Nodes(
      (name) => local.some((pattern) => pattern.test(name)),
      values.mirror === undefined ? undefined : 'usrloc',
      (name) => mi.commands.entries.some(({ fullName, command }) => fullName === name && command.readOnly),
    );
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
    const waiting = (where: keyof WaitingBytes): number =>
      nodes.all.reduce((sum, { upstream }) => sum + upstream.waiting[where], 0);
    mi.statistics.add(group, 'replies_in_memory', 'computed', () => waiting('inMemory'), {
      unit: 'bytes',
      help: 'Bytes of long replies of OpenSIPS that wait in memory for clients, or to be written to a file.',
    });
    mi.statistics.add(group, 'replies_in_files', 'computed', () => waiting('inFiles'), {
      unit: 'bytes',
      help: 'Bytes of long replies of OpenSIPS that wait for clients in files without names.',
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
      originOf: (table) => {
        const node = origins.slice(1).find(({ name }) => table.startsWith(mirrorPrefix(name)));
        return node && { node, table: table.slice(mirrorPrefix(node.name).length) };
      },
      changed: () => nodes.changed(),
      called: (_node, milliseconds, failure) => {
        calls.add(1);
        time.add(Math.round(milliseconds * 1000));
        if (failure !== undefined) errors.add(1);
      },
    };
    const intervals = { watch: values.watch_interval * 1000, retry: values.retry_interval * 1000 };
    const watches: NodeWatch[] = [];
    const replyFolders = new Set<string>();
    for (const { name, transports: written } of settings) {
      const transports = written.map(parseTransport);
      for (const transport of transports) {
        if ('replyFolder' in transport && transport.replyFolder !== '') replyFolders.add(transport.replyFolder);
      }
      const upstream = openUpstream({
        name,
        transports,
        log,
        limits: {
          maxPending: values.max_pending,
          retryInterval: values.retry_interval * 1000,
          lines: values.max_lines,
          ...waitingMemory(httpd.windowSize),
        },
      });
      nodes.add(new OpensipsNode(upstream, surroundings));
    }
    const address = eventAddress(values.event_socket);
    const sources = nodes.all.map((node) => new NodeEvents(node, events, log, address));
    const mirrors = new Map<OpensipsNode, ContactMirror>();
    for (const [index, node] of nodes.all.entries()) {
      const started = async (): Promise<void> => {
        try {
          await sources[index]?.restarted();
        } finally {
          // It asks again by itself until all is loaded.
          void mirrors.get(node)?.load();
        }
      };
      watches.push(new NodeWatch(node, status, log, intervals, started));
    }
    const origins = values.mirror === undefined ? [] : originsOf(nodes.all, mirroredNodes(values.mirror));
    const mirrored = origins.map((node) => ({
      node,
      told: status.add(group, { identifier: `${node.name}:mirror`, status: -1, details: 'no contact is loaded yet' }),
    }));
    nodes.origin = origins[0]?.name;
    if (mirrored.length > 0) {
      const age = (): number =>
        mirrors.size === 0 ? Number.NaN : Math.max(...[...mirrors.values()].map((one) => one.age));
      mi.statistics.add(group, 'mirror_age', 'computed', age, {
        unit: 'seconds',
        help: 'Time since the mirror of contacts was last known to be in step, of several the oldest; none before the first load.',
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
    mi.foreignStatistics = new NodeStatistics(nodes, values.statistics_interval * 1000, mi.statistics, mi.history, log);
    return {
      api: new Opensips(nodes),
      check: () => {
        refuseItself(settings, httpd);
        refuseNames(settings, new Set(mi.commands.entries.map(({ module }) => module)));
        if (mirrored.length > 0) usrlocOf();
        return settings.flatMap(({ name, passedOver, isAssumed }) => [
          ...passedOver.map(
            ({ place, reason }): Notice => ({
              code: 'opensips-place-passed-over',
              text: `node ${name} does not use ${place}, where OpenSIPS may have its FIFO: ${reason}; to use it all the same, name it: fifo:${place}`,
            }),
          ),
          ...(isAssumed ? [assumedNotice(name)] : []),
        ]);
      },
      start: async () => {
        for (const [index, { node, told }] of mirrored.entries()) {
          const events = sources[nodes.all.indexOf(node)];
          if (events === undefined) continue;
          const mirror = new ContactMirror({
            node,
            events,
            usrloc: usrlocOf(),
            prefix: index === 0 ? '' : mirrorPrefix(node.name),
            status: told,
            log,
            interval: values.mirror_interval * 1000,
            timeout: values.dump_timeout * 1000,
          });
          mirrors.set(node, mirror);
        }
        for (const folder of replyFolders) {
          const removed = removeLeftovers(folder);
          if (removed === 0) continue;
          log.info(
            { code: 'opensips-replies-removed', folder, removed },
            `${removed} reply FIFOs or sockets in ${folder} of processes that were killed are removed`,
          );
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
        for (const mirror of mirrors.values()) mirror.close();
        await Promise.all(sources.map((source) => source.close()));
        await Promise.all(nodes.all.map((node) => node.close()));
      },
    };
  },
});

/** What listens at a port has no owner that could be checked, as a FIFO has. */
function assumedNotice(name: string): Notice {
  return {
    code: 'opensips-place-assumed',
    text:
      `node ${name} names no transport, and there is no FIFO that it may use at ${fifoPlaces.join(', ')}: ${httpPlace} is asked, where ` +
      'any user of this machine may listen before OpenSIPS does; to be sure, name a transport, such as fifo:/PATH',
  };
}

/** @throws Error for a node that would be this server itself, as the default place of HTTP is at its default port */
function refuseItself(settings: readonly NodeSetting[], httpd: HttpServer): void {
  for (const { name, transports } of settings) {
    for (const transport of transports.map(parseTransport)) {
      if (transport.kind !== 'http' || !httpd.listensAt(transport.host, transport.port)) continue;
      throw coded(
        'ERR_PARAMETER',
        new Error(
          `node ${name} is asked by ${formatTransport(transport)}, where this server listens itself; let it listen at another ` +
            'port, as by -p 8889, or name another transport, such as fifo:/PATH',
        ),
      );
    }
  }
}

/** @throws Error for a node that its pages could not tell from a module */
function refuseNames(settings: readonly NodeSetting[], modules: ReadonlySet<string>): void {
  for (const { name } of settings) {
    if (!modules.has(name)) continue;
    throw coded('ERR_PARAMETER', new Error(`node "${name}" has the name of a module; give it another`));
  }
}

/** In front of the names of the tables that mirror a node, unless it is the first one. */
function mirrorPrefix(node: string): string {
  return `${node}.`;
}

/** The nodes of these names; without names the first one. @throws Error for a name that no node has */
function originsOf(nodes: readonly OpensipsNode[], names: readonly string[]): readonly OpensipsNode[] {
  if (names.length === 0) return nodes.slice(0, 1);
  return names.map((name) => {
    const found = nodes.find((node) => node.name === name);
    if (found !== undefined) return found;
    throw coded(
      'ERR_PARAMETER',
      new Error(`parameter mirror of module opensips names "${name}", and there is no such node`),
    );
  });
}
