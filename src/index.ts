/** Start a management server: the one function that most users need. */

export type { ErrorCode } from './base/codes.js';
export type { JsonObject, JsonValue } from './base/json.js';
export type { LazyAbort } from './base/lazy-abort.js';
/** The methods that a server calls on a logger; pino fits. */
export type { Log } from './base/log.js';
/** Types that the exports above refer to. */
export type { ClientTls } from './client/connection.js';
export {
  type AnyCommands,
  type MiArguments,
  type MiBatchCall,
  type MiCallOptions,
  MiClient,
  type MiClientOptions,
  type MiCommand,
  type MiCommands,
  type MiOutcome,
  type MiOutcomes,
} from './client/mi-client.js';
export {
  type IntParameter,
  type ListParameter,
  type ParameterDeclaration,
  type ParameterDeclarations,
  ParameterError,
  type ParameterInput,
  type ParameterValues,
  type RefusedParameter,
  type StringParameter,
} from './config/parameter.js';
/** A login of one's own: option `authenticate`. */
export type { OwnCaller, OwnLogin } from './gateway/own-login.js';
/** Requests without a socket: `server.inject`. */
export type { NodeHandler } from './http/engine/engine.js';
export type { InjectedRequest } from './http/engine/injected.js';
/** Serve root paths of your own. */
export type { Caller, Chunk, ChunkSource, Exchange, Field, Method, ReplyHeaders } from './http/exchange.js';
export type { Credentials, LoginRequest } from './http/login/accounts.js';
export type { ArrivedRequest, Refusal, RefusedRequest, RootDeclaration, Service } from './http/roots.js';
export type { ServingThread } from './http/threads/faces.js';
export type { Reload } from './http/tls/certified-listener.js';
export type { Cache, CacheSystems } from './mi/cache-systems.js';
export { type Around, currentCall } from './mi/calls/around.js';
export type { Call, Client } from './mi/calls/call.js';
export type { CallMessage } from './mi/calls/channels.js';
export type { LocalCallOptions } from './mi/calls/local.js';
export type { TraceContext } from './mi/calls/trace-context.js';
export {
  type AboutValues,
  type Checked,
  type Command,
  type CommandDeclaration,
  type CompiledRecipe,
  command,
  type Level,
  type ParameterAbout,
  type ParametersOf,
  type ParameterType,
  type ParameterTypes,
  type Recipe,
  type Result,
  type Returnable,
  type SchemaCommandDeclaration,
} from './mi/commands/command.js';
export type { CallParameters } from './mi/commands/parameters.js';
/** Schemas of other libraries for parameters and results. */
export type {
  SchemaInput,
  SchemaIssue,
  SchemaOutcome,
  SchemaOutput,
  StandardSchema,
} from './mi/commands/schema.js';
/** Declare MI commands: their names, recipes, help and handler. */
/** Errors with stable codes. */
export { codes, MiError } from './mi/errors.js';
/** Raise events, and tell what is ready: `server.events`, `server.status`. */
export {
  type EventDeliveryCounts,
  type EventParameters,
  type EventRelay,
  type EventSink,
  EventSocketError,
  type Events,
  type EventTransport,
  type EventValue,
  type MiEvent,
  type Subscription,
} from './mi/events/events.js';
export type { RaisedEvent, RecentEvents } from './mi/events/raised.js';
export type { Cursor, Piecewise } from './mi/results/cursor.js';
export type { Persistence, PersistOptions } from './mi/results/record-database.js';
export {
  type DumpCursor,
  type DumpOptions,
  type FindOptions,
  type Found,
  type KeptTableOptions,
  RecordLimitError,
  type RecordLimits,
  type RecordOptions,
  RecordTable,
  type Settable,
  type TableDump,
} from './mi/results/record-table.js';
/** Large results: tables of records that are dumped, and arrays and objects that are produced piece by piece. */
export type { ConstantResult, JsonText, Printable } from './mi/results/result.js';
export { type SecondsLeft, type SecondsLeftTexts, secondsLeft } from './mi/results/seconds-left.js';
export { type Stream, stream, streamObject } from './mi/results/stream.js';
export type { Statistic, StatisticAbout, StatisticKind, Statistics, StatisticsSelection } from './mi/statistics.js';
export type { StatusIdentifier, StatusReport, StatusReports } from './mi/status-reports.js';
export {
  type ConfiguredModule,
  defineModule,
  type Module,
  type ModuleContext,
  type ModuleDeclaration,
  type ModuleInstance,
  type Roots,
} from './module.js';
/** Declare modules: parameters, commands, root paths, start and stop. */
export type { ModuleOptions } from './modules/index.js';
/** The OpenSIPS servers that this one is a front for: `server.opensips`. */
export type { Opensips } from './modules/opensips/opensips.js';
export type { TransportHealth, TransportKind, UpstreamHealth } from './modules/opensips/upstream/transport.js';
/** Keep contacts for a registrar in the same process: `server.usrloc`. */
export type { Contact, ContactInput, OriginalMembers, ReadContact, StoredContact } from './modules/usrloc/contact.js';
export type { AorRecord, Domain } from './modules/usrloc/domain.js';
export type { DomainEvent, DomainListener } from './modules/usrloc/events.js';
export type { Usrloc } from './modules/usrloc/usrloc.js';
export { createServer, type Server, type ServerOptions, type ServerSettings } from './server.js';
