import type { ParameterInput } from '../config/parameter.js';
import type { Module } from '../module.js';
import { cacheModule } from './cache/index.js';
import { cachedbLocalModule } from './cachedb_local/index.js';
import { coreModule } from './core/index.js';
import { eventDatagramModule } from './event_datagram/index.js';
import { eventJsonrpcModule } from './event_jsonrpc/index.js';
import { eventStreamModule } from './event_stream/index.js';
import { eviModule } from './evi/index.js';
import { httpdModule } from './httpd/index.js';
import { miHtmlModule } from './mi_html/index.js';
import { miHttpModule } from './mi_http/index.js';
import { miJsonModule } from './mi_json/index.js';
import { opensipsModule } from './opensips/index.js';
import { prometheusModule } from './prometheus/index.js';
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
] as const;

type LoadableModule = (typeof loadableModules)[number];

/** Parameters of the modules, by name. httpd and mi_http are always loaded, others when they are given: `usrloc: {}`. */
export type ModuleOptions = { readonly [M in LoadableModule as M['name']]?: ParameterInput<M['parameters']> };
