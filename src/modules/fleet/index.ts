import { createHash, randomBytes } from 'node:crypto';
import { coded } from '../../base/codes.js';
import { basicLogin } from '../../client/connection.js';
import type { Exchange } from '../../http/exchange.js';
import { Runner } from '../../mi/calls/run.js';
import { isLevel } from '../../mi/commands/command.js';
import { type BuiltInContext, defineBuiltIn } from '../../module.js';
import { Opensips } from '../opensips/opensips.js';
import { fleetCommands } from './commands.js';
import { pullByHttp, pullByPieces } from './dumps.js';
import { Fleet } from './fleet.js';
import { HttpTransport, peerSetting } from './http.js';
import { Links, LongResultChunks } from './links.js';
import { Member, moduleName } from './member.js';
import { longestQuestion, presenceBytes } from './messages.js';
import { type NatsLogin, NatsTransport, splitLogin } from './nats.js';
import { nameProblem, parameters, readFile, tagsOf } from './parameters.js';
import type { Surroundings, Transport } from './transport.js';

/** The path of links to long results. */
const dumpPath = 'fleet_dump';

/** Status of the broker: needed and away is what /readyz tells. */
const state = { up: 1, awayAllowed: 2, away: -1 } as const;

/** Longest time that a member gives a command, seconds: its asker says how long it waits. */
const longestCall = 86_400;

/** One command on many servers, with the answer of each: by a NATS broker, or by HTTP from a list. */
export const fleetModule = defineBuiltIn({
  name: moduleName,
  parameters,
  needs: ['httpd'],
  load(context) {
    const { httpd, parameters: values, mi, log, status } = context;
    const { fleet: fleetName, server: servers } = values;
    const name = values.name ?? httpd.name;
    const tags = tagsOf(values.tags);
    const byBroker = servers.length > 0;
    const isMember = values.role !== 'gather';
    const isGatherer = values.role !== 'member';
    const count = (one: string, help: string) => mi.statistics.add(moduleName, one, 'counter', { help });
    const counts = {
      calls: count('fleet_calls', 'Calls of the fleet that this server has made.'),
      missing: count('fleet_missing', 'Members that did not answer such calls.'),
      answered: count('fleet_answered', 'Questions of the fleet that this member has answered.'),
      malformed: count('fleet_malformed', 'Messages that were none of the fleet, or not of who they say.'),
    };
    const links = new Links(values.link_lifetime * 1000);
    const runner = new Runner(mi, { maxPending: values.max_pending, timeout: longestCall });
    let transport: Transport | undefined;
    let byHttp: HttpTransport | undefined;
    const ca = values.tls_ca;
    const tlsOfHttp = () => (ca === undefined ? {} : { ca: readFile('tls_ca', ca) });
    const fleet = new Fleet({
      fleet: fleetName,
      name,
      mi,
      log,
      timeout: values.timeout * 1000,
      rollingTime: values.rolling_time * 1000,
      alive: values.presence_interval * 3000,
      remembered: values.remember * 1000 + values.presence_interval * 3000,
      mostMembers: values.max_members,
      mostCalls: values.max_calls,
      mostBytes: values.max_answers,
      longestDump: values.max_dump,
      silent: () => byHttp?.silent ?? [],
      counts,
      pull: (presence, member, token) => {
        const way = transport;
        if (way === undefined) throw coded('ERR_STATE', new Error('the server stops'));
        const pieces = pullByPieces(way, fleetName, member, token);
        const base = presence?.url ?? byHttp?.baseOf(member);
        return base === undefined ? pieces : pullByHttp(`${base}/${dumpPath}?token=${token}`, tlsOfHttp, pieces);
      },
    });
    const gauge = (one: string, read: () => number, help: string, unit?: string) =>
      mi.statistics.add(moduleName, one, 'computed', read, unit === undefined ? { help } : { help, unit });
    gauge('fleet_members', () => fleet.size, 'Members that are known.');
    gauge('fleet_dumps', () => links.size, 'Long results that wait to be fetched, or are being fetched by the broker.');
    gauge('fleet_held', () => fleet.held, 'Bytes of answers that calls under way hold.', 'bytes');
    const told = byBroker
      ? status.add(moduleName, {
          identifier: 'broker',
          status: awayStatus(values.fleet_required),
          details: 'not connected yet',
        })
      : undefined;
    // That it is not connected yet is no news.
    let lastProblem = byBroker ? `the broker ${servers.join(', ')} is not connected yet` : undefined;
    fleet.problem = lastProblem;
    const changed = (problem: string | undefined): void => {
      fleet.problem = problem;
      if (told === undefined || problem === lastProblem) return;
      lastProblem = problem;
      told.set(problem === undefined ? state.up : awayStatus(values.fleet_required), problem ?? 'connected');
      told.report(problem ?? 'connected');
      if (problem === undefined)
        log.info({ code: 'fleet-broker-back' }, `fleet ${fleetName}: the broker ${servers.join(', ')} is connected`);
      else log.warn({ code: 'fleet-broker-away' }, `fleet ${fleetName}: ${problem}`);
    };
    const around: Surroundings = { heard: (bytes, of) => fleet.heard(bytes, of), changed };
    const presence = presenceOf(context, {
      name,
      tags,
      url: values.own_url === undefined ? undefined : new URL(values.own_url).origin,
    });
    const member = new Member({
      fleet: fleetName,
      name,
      level: isLevel(values.level) ? values.level : 'read',
      longestResult: values.max_result,
      mi,
      runner,
      links,
      presence: () => presence(false),
      counts,
    });
    if (isMember) {
      httpd.registerPath(
        {
          module: moduleName,
          root: dumpPath,
          contentType: 'application/json',
          onRequest: (exchange) => serveDump(exchange, links),
        },
        'everywhere',
      );
    }
    if (isMember && !byBroker) {
      httpd.registerRoot({
        module: moduleName,
        root: values.root,
        contentType: 'application/json',
        about: 'questions of the fleet that this server is a member of',
        methods: ['POST'],
        body: 'raw',
        timeout: 0,
        onRequest: (exchange) => {
          if (byHttp === undefined) exchange.refuse(503, 'the fleet has not begun');
          else byHttp.handle(exchange);
        },
      });
    }
    const login = loginOf(values);
    let isLeaving = false;
    return {
      commands: isGatherer ? fleetCommands(fleet, { fleet: fleetName, transport: byBroker ? 'nats' : 'http' }) : [],
      check: () => {
        const problem = nameProblem(name);
        if (problem !== undefined)
          throw coded(
            'ERR_PARAMETER',
            new Error(`the name of this member of the fleet, ${problem}; set parameter name of module fleet`),
          );
        if ((values.tls_cert === undefined) !== (values.tls_key === undefined))
          throw coded(
            'ERR_PARAMETER',
            new Error('parameters tls_cert and tls_key of module fleet go together; set both, or none'),
          );
        for (const read of [login.nkey, login.creds, login.password, tlsOfHttp]) read?.();
        return [];
      },
      start: () => {
        if (byBroker) {
          transport = new NatsTransport(
            {
              servers,
              fleet: fleetName,
              name,
              tags,
              isMember,
              isGatherer,
              login,
              tls: tlsOfNats(values),
              inboxPrefix: values.inbox_prefix ?? `mi.v1.${fleetName}.inbox.${name}`,
              presenceInterval: values.presence_interval * 1000,
              retryInterval: values.retry_interval * 1000,
              log,
            },
            around,
          );
        } else {
          byHttp = new HttpTransport(
            {
              httpd,
              root: values.root,
              fleet: fleetName,
              peers: isGatherer ? values.peer.map(peerSetting) : [],
              authorization: login.password && (() => authorizationOf(login.password?.() ?? '')),
              ca: ca === undefined ? undefined : () => readFile('tls_ca', ca),
              presenceInterval: values.presence_interval * 1000,
              longestAnswer: Math.max(longestQuestion, values.max_result) + 65536,
            },
            around,
          );
          transport = byHttp;
        }
        if (isGatherer) fleet.use(transport);
        if (!isMember) return;
        transport.announce(() => presence(isLeaving));
        transport.serve((incoming) => member.answer(incoming));
      },
      stop: async () => {
        isLeaving = true;
        fleet.problem = 'the server stops';
        runner.stop();
        links.close();
        // Answers to calls that are given up leave before.
        await new Promise(setImmediate);
        await transport?.close();
      },
    };
  },
});

function awayStatus(required: number): number {
  return required === 1 ? state.away : state.awayAllowed;
}

/** Sends a long result to whoever has its token, once. */
function serveDump(exchange: Exchange, links: Links): void {
  const token = exchange.method === 'HEAD' ? undefined : new URLSearchParams(exchange.query).get('token');
  const result = links.take(token ?? '');
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  if (result === undefined) exchange.refuse(404, 'there is no such result, or it was fetched already');
  else exchange.stream(200, new LongResultChunks(result), headers);
}

function loginOf({
  nkey_file: nkey,
  creds_file: creds,
  login_file: password,
}: {
  readonly nkey_file: string | undefined;
  readonly creds_file: string | undefined;
  readonly login_file: string | undefined;
}): NatsLogin {
  const bytes = (parameter: string, file: string) => () => new TextEncoder().encode(readFile(parameter, file));
  const line = (file: string) => () => readFile('login_file', file).split(/\r?\n/, 1)[0]?.trim() ?? '';
  return {
    nkey: nkey === undefined ? undefined : () => new TextEncoder().encode(readFile('nkey_file', nkey).trim()),
    creds: creds === undefined ? undefined : bytes('creds_file', creds),
    password: password === undefined ? undefined : line(password),
  };
}

function authorizationOf(login: string): string {
  const [name, password] = splitLogin(login);
  return password === undefined ? `Bearer ${name}` : basicLogin(login);
}

function tlsOfNats({
  server,
  tls_ca: caFile,
  tls_cert: certFile,
  tls_key: keyFile,
}: {
  readonly server: readonly string[];
  readonly tls_ca: string | undefined;
  readonly tls_cert: string | undefined;
  readonly tls_key: string | undefined;
}) {
  if (caFile === undefined && certFile === undefined && !server.some((one) => one.startsWith('tls:'))) return undefined;
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
}

/** What this server tells of itself. */
function presenceOf(
  { mi, status, facts, apiOf }: BuiltInContext<object>,
  { name, tags, url }: { readonly name: string; readonly tags: readonly string[]; readonly url: string | undefined },
): (leaving: boolean) => Uint8Array {
  const instance = randomBytes(12).toString('base64url');
  let number = 0;
  let digest = '';
  let version = -1;
  return (leaving) => {
    if (version !== mi.commands.version) {
      version = mi.commands.version;
      const hash = createHash('sha256');
      const lines = mi.commands.all.map(
        ({ fullName, command }) => `${fullName} ${command.level} ${command.readOnly}\n`,
      );
      for (const line of lines.sort()) hash.update(line);
      digest = hash.digest('hex').slice(0, 12);
    }
    const { unready } = status;
    const opensips = apiOf('opensips');
    const nodes = opensips instanceof Opensips ? (mi.foreignStatistics?.servers ?? []) : [];
    number += 1;
    return presenceBytes({
      name,
      instance,
      number,
      version: facts.version,
      tags,
      digest,
      url,
      ready: unready.length === 0,
      unready: unready.slice(0, 32).map((one) => `${one.group} ${one.name}`),
      opensips: nodes.slice(0, 32).map((node) => ({
        name: node.name,
        version: (node.version ?? '').slice(0, 128) || 'unknown',
        up: opensips instanceof Opensips && opensips.health(node.name).isUp,
      })),
      leaving,
    });
  };
}
