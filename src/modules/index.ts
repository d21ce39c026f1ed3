import type { ParameterInput } from '../config/parameter.js';
import type { Module } from '../module.js';
import { cacheModule } from './cache/index.js';
import { cachedbLocalModule } from './cachedb_local/index.js';
import { coreModule } from './core/index.js';
import { eventDatagramModule } from './event_datagram/index.js';
import { eventJsonrpcModule } from './event_jsonrpc/index.js';
import { eventStreamModule } from './event_stream/index.js';
import { eviModule } from './evi/index.js';
import { fleetModule } from './fleet/index.js';
import { httpdModule } from './httpd/index.js';
import { miHtmlModule } from './mi_html/index.js';
import { miHttpModule } from './mi_http/index.js';
import { miJsonModule } from './mi_json/index.js';
import { opensipsModule } from './opensips/index.js';
import { prometheusModule } from './prometheus/index.js';
import { protoHepModule } from './proto_hep/index.js';
import { statisticsModule } from './statistics/index.js';
import { statusReportModule } from './status_report/index.js';
import { usrlocModule } from './usrloc/index.js';

/** Modules that every server has; their commands come first, as in OpenSIPS. */
export const builtInModules: readonly Module[] = [
  statisticsModule,
  coreModule,
  cacheModule,
  statusReportModule,
  eviModule,
];

/** Modules that `loadmodule` and the options of `createServer` know by name, in the order in which programs load them. */
export const loadableModules = [
  httpdModule,
  miHttpModule,
  miHtmlModule,
  miJsonModule,
  usrlocModule,
  cachedbLocalModule,
  eventDatagramModule,
  eventStreamModule,
  eventJsonrpcModule,
  opensipsModule,
  prometheusModule,
  protoHepModule,
  fleetModule,
] as const;

type LoadableModule = (typeof loadableModules)[number];

/** The help that editors show for the option of each module, which the types of the table have no place for. */
interface AboutModules {
  /** The HTTP server: listeners, TLS, logins, limits. It is always loaded. */
  readonly httpd?: unknown;
  /** JSON-RPC, at `/mi`, with pages for browsers. It is always loaded. */
  readonly mi_http?: unknown;
  /** Pages for browsers at a path of their own, as the module of OpenSIPS has them. */
  readonly mi_html?: unknown;
  /** Calls by GET, as OpenSIPS 2.x had them. */
  readonly mi_json?: unknown;
  /** Contacts of a registrar in the same process, and the commands `ul_…`: `server.usrloc`. */
  readonly usrloc?: unknown;
  /** A cache in memory for the commands `cache_…`. */
  readonly cachedb_local?: unknown;
  /** Events by UDP and Unix datagrams. */
  readonly event_datagram?: unknown;
  /** Events by TCP, as JSON-RPC. */
  readonly event_stream?: unknown;
  /** The former name of event_stream. */
  readonly event_jsonrpc?: unknown;
  /** A front for running OpenSIPS servers: `server.opensips`. */
  readonly opensips?: unknown;
  /** Metrics at `/metrics`. */
  readonly prometheus?: unknown;
  /** Capture servers (HEP), which calls are copied to. */
  readonly proto_hep?: unknown;
  /** One command on many servers of this kind, with the answer of each. */
  readonly fleet?: unknown;
}

/** Parameters of the modules, by name. httpd and mi_http are always loaded, others when they are given: `usrloc: {}`. */
export type ModuleOptions = AboutModules & {
  readonly [M in LoadableModule as M['name']]?: ParameterInput<M['parameters']>;
};
