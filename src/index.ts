/** Start a management server: the one function that most users need. */

export type {
  ParameterDeclaration,
  ParameterDeclarations,
  ParameterInput,
  ParameterValues,
} from './config/parameter.js';
export { ParameterError } from './config/parameter.js';
/** Serve root paths of your own. */
export type { Caller } from './httpd/caller.js';
export type { Chunk, ChunkSource, Exchange, Field, Method, ReplyHeaders } from './httpd/exchange.js';
export type { RootDeclaration } from './httpd/roots.js';
export type { Reload } from './httpd/tls/certificates.js';
/** What a server needs of a logger; pino fits. */
export type { Log } from './log.js';
export type { Cache, CacheSystems } from './mi/cache-systems.js';
export type { Call, Client } from './mi/call.js';
/** Declare MI commands: their names, recipes, help and handler. */
export { type Command, type CommandDeclaration, command, type Result } from './mi/command.js';
/** What can go wrong, with stable codes. */
export { codes, MiError } from './mi/errors.js';
/** Raise events, and tell what is ready: `server.events`, `server.status`. */
export type { MiEvent } from './mi/event.js';
export {
  type EventParameters,
  type EventSink,
  EventSocketError,
  type EventTransport,
  type EventValue,
} from './mi/event-transport.js';
export type { Events } from './mi/events.js';
export type { JsonObject, JsonValue } from './mi/json.js';
export type { Level } from './mi/level.js';
export type { ParametersOf, ParameterType, ParameterTypes, Recipe } from './mi/recipe.js';
/** Large results: tables of records that are dumped, and arrays and objects that are produced piece by piece. */
export {
  RecordLimitError,
  type RecordLimits,
  type RecordOptions,
  RecordTable,
  type Settable,
} from './mi/record-table.js';
export { type SecondsLeft, type SecondsLeftTexts, secondsLeft } from './mi/seconds-left.js';
export type { Statistic, StatisticKind, Statistics } from './mi/statistics.js';
export type { StatusIdentifier, StatusReport, StatusReports } from './mi/status-reports.js';
export { type Stream, stream, streamObject } from './mi/stream.js';
export type { DumpOptions, TableDump } from './mi/table-dump.js';

/** Declare modules: parameters, commands, root paths, start and stop. */
export {
  type ConfiguredModule,
  defineModule,
  type Module,
  type ModuleContext,
  type ModuleDeclaration,
  type ModuleInstance,
} from './module.js';
/** Keep contacts for a registrar in the same process: `server.usrloc`. */
export type { Contact, ContactInput } from './modules/usrloc/contact.js';
export type { Domain } from './modules/usrloc/domain.js';
export type { DomainEvent, DomainListener } from './modules/usrloc/events.js';
export type { Usrloc } from './modules/usrloc/usrloc.js';
export { createServer, type Server, type ServerOptions, type ServerSettings } from './server.js';
