// The contract of the package, by npm run docs: a change of it shows in review. The types of Node.js are not imported.

type AboutValues = readonly (string | number)[] | (() => readonly (string | number)[]);

interface AnyCommands {
  readonly [command: string]: {
    readonly params?: readonly unknown[] | object;
    readonly result: JsonValue;
  };
}

interface AorRecord {
  readonly AOR: string;
  readonly Contacts: readonly ReadContact[];
}

type Around = (call: Call, next: () => Result | Promise<Result>) => Result | Promise<Result>;

interface ArrivedRequest extends RefusedRequest {
  readonly hasOrigin: boolean;
}

interface Cache {
  store(key: string, value: string, expire: number): void | Promise<void>;
  fetch(key: string): string | undefined | Promise<string | undefined>;
  remove(key: string): void | Promise<void>;
}

class CacheSystems {
  add(system: string, cache: Cache): void;
  find(system: string): Cache | undefined;
  get names(): readonly string[];
}

class Call extends LazyAbort {
  readonly command: string;
  static readonly none: Call;
  waitedSince: number | undefined;
  onAbort: (() => void) | undefined;
  onLeave: (() => void) | undefined;
  constructor(command: string, client?: CallSource, log?: CodedLog);
  get id(): string;
  get log(): Log;
  get trace(): TraceContext | undefined;
  get client(): Client | undefined;
  header(name: string): string | undefined;
  abort(reason: Error): void;
}

interface Caller {
  readonly name: string;
  readonly method: 'none' | 'basic' | 'bearer' | 'certificate' | 'session';
  readonly session?: string | undefined;
  readonly grant: string;
  readonly certificate?: string | undefined;
}

interface CallMessage {
  readonly call: Call;
  readonly module: string;
  error: unknown;
}

type CallParameters = undefined | readonly JsonValue[] | JsonObject;

type Checked<T> = [T] extends [Returnable<T>] ? unknown : {
  run(parameters: never, call: Call): Returnable<T> | Promise<Returnable<T>>;
};

type Chunk = Uint8Array | null;

interface ChunkSource {
  readonly length?: number | undefined;
  readonly isEndless?: boolean;
  next(): Chunk | Promise<Chunk>;
  release(): void;
}

interface Client {
  readonly remoteAddress: string;
  readonly origin: string;
  readonly caller: {
    readonly name: string;
    readonly grant: string;
    readonly certificate?: string | undefined;
  } | undefined;
  readonly listener: string;
}

type ClientTls = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername'>;

const codes: {
  readonly parseError: -32700;
  readonly invalidRequest: -32600;
  readonly methodNotFound: -32601;
  readonly invalidParams: -32602;
  readonly internalError: -32603;
  readonly serverError: -32000;
  readonly methodAmbiguous: -32001;
  readonly permissionDenied: -32003;
  readonly rateLimited: -32004;
};

class Command {
  readonly isForeign: boolean;
  readonly where: 'anywhere' | 'home';
  readonly name: string;
  readonly aliases: readonly string[];
  readonly help: string;
  readonly namedOnly: boolean;
  readonly readOnly: boolean;
  readonly level: Level;
  readonly reading: {
    readonly reader: Command;
    readonly listed: Command;
  } | undefined;
  readonly headers: readonly string[];
  readonly secrets: readonly string[];
  readonly destructive: boolean;
  readonly targets: readonly string[];
  readonly withoutCall: boolean;
  readonly withoutContext: boolean;
  readonly recipes: readonly CompiledRecipe[];
  readonly optional: ReadonlyMap<string, ParameterType>;
  readonly abouts: ReadonlyMap<string, ParameterAbout>;
  readonly params: StandardSchema | undefined;
  readonly paramsSchema: JsonObject | undefined;
  readonly resultSchema: JsonObject | undefined;
  readonly takesNone: boolean;
  readonly run: (parameters: Readonly<Record<string, JsonValue>>, call: Call) => Result | Promise<Result>;
  constructor(declaration: Omit<CommandDeclaration<readonly Recipe[], Result, Recipe>, 'run'> & {
    readonly params?: StandardSchema;
    readonly run: Run;
  }, isForeign?: boolean,

  where?: 'anywhere' | 'home');
  typeOf(name: string): ParameterType;
  about(name: string): ParameterAbout;
  secretsOf(_given: readonly JsonValue[] | JsonObject): readonly string[];
  hasParameter(name: string): boolean;
  get accepted(): string;
  get acceptedByName(): string;
}

function command<P extends StandardSchema, S extends StandardSchema>(declaration: Omit<SchemaCommandDeclaration<P, SchemaInput<S>>, 'result'> & {
  readonly result: S;
}): Command;

function command<P extends StandardSchema, T = Result>(declaration: SchemaCommandDeclaration<P, T> & {
  readonly result?: undefined;
} & Checked<T>): Command;

function command<const R extends readonly Recipe[] = readonly [Record<never, never>], T = Result, const O extends Recipe = Record<never, never>>(declaration: CommandDeclaration<R, T, O> & Checked<T>): Command;

interface CommandDeclaration<R extends readonly Recipe[], T = Result, O extends Recipe = Record<never, never>> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly help: string;
  readonly recipes?: R;
  readonly optional?: O;
  readonly parameters?: { readonly [Name in Exclude<NamesOf<R[number]> | keyof O, never>]?: ParameterAbout };
  readonly readOnly?: boolean;
  readonly level?: Level;
  readonly readingLevel?: Level;
  readonly result?: StandardSchema | JsonObject;
  readonly headers?: readonly string[];
  readonly secrets?: readonly string[];
  readonly destructive?: boolean;
  readonly targets?: readonly string[];
  readonly withoutCall?: boolean;
  readonly withoutContext?: boolean;
  readonly namedOnly?: boolean;
  run(parameters: ParametersOf<R> & OptionalOf<O>, call: Call): T | Promise<T>;
}

interface CompiledRecipe {
  readonly names: readonly string[];
  readonly types: readonly ParameterType[];
}

interface ConfiguredModule {
  readonly module: Module;
  readonly parameters: object;
}

class ConstantResult {
  readonly value: JsonValue;
  readonly text: string;
  reply: ConstantReply | undefined;
  constructor(value: JsonValue);
  toJSON(): JsonValue;
}

interface Contact extends ContactInput {
  readonly contactId: string;
  readonly expiresAt: number;
}

interface ContactInput {
  readonly contact: string;
  readonly expires: number | 'permanent';
  readonly q?: number | undefined;
  readonly callId?: string | undefined;
  readonly cseq?: number | undefined;
  readonly userAgent?: string | undefined;
  readonly received?: string | undefined;
  readonly path?: string | undefined;
  readonly flags?: number | undefined;
  readonly cflags?: readonly string[] | undefined;
  readonly socket?: string | undefined;
  readonly methods?: number | undefined;
  readonly attr?: string | undefined;
  readonly sipInstance?: string | undefined;
  readonly pingLatency?: number | undefined;
  readonly keyValues?: Readonly<Record<string, string | number>> | undefined;
}

function createServer(options: ServerOptions & Loading<'usrloc'> & Loading<'opensips'>): Server & {
  readonly usrloc: Usrloc;
  readonly opensips: Opensips;
};

function createServer(options: ServerOptions & Loading<'usrloc'>): Server & {
  readonly usrloc: Usrloc;
};

function createServer(options: ServerOptions & Loading<'opensips'>): Server & {
  readonly opensips: Opensips;
};

function createServer(options?: ServerOptions): Server;

type Credentials = {
  readonly name: string;
  readonly password: string;
  readonly token?: undefined;
} | {
  readonly token: string;
  readonly name?: undefined;
  readonly password?: undefined;
};

function currentCall(): Call | undefined;

interface Cursor {
  fill(buffer: Buffer): number | Promise<number>;
  readonly isSlow?: boolean;
  release(): void;
}

function defineModule<const D extends ParameterDeclarations = Record<never, never>>(declaration: ModuleDeclaration<D>): Module<D>;

class Domain {
  readonly name: string;
  constructor(name: string, parts: DomainParts);
  get users(): number;
  get usedBytes(): number;
  get contacts(): number;
  on(event: DomainEvent, listener: DomainListener): this;
  off(event: DomainEvent, listener: DomainListener): this;
  insert(aor: string, input: ContactInput): Contact;
  update(aor: string, contact: string, changes: Partial<Omit<ContactInput, 'contact'>>): Contact | undefined;
  save(aor: string, input: ContactInput): Contact;
  put(aor: string, input: Omit<ContactInput, 'expires'>, at: number, original?: OriginalMembers): StoredContact;
  remove(aor: string, contact?: string): number;
  lookup(aor: string): readonly Contact[];
  record(aor: string): AorRecord | undefined;
  has(aor: string): boolean;
  dump(brief: boolean): TableDump;
  find(text: string, options?: FindOptions): Promise<Found<AorRecord>>;
  named(text: string): string | undefined;
  due(now: number): Generator<readonly string[], void, undefined>;
  expire(key: string): number;
  key(aor: string): string;
}

type DomainEvent = 'insert' | 'update' | 'delete' | 'expire';

type DomainListener = (aor: string, contact: Contact) => void;

class DumpCursor implements Cursor {
  readonly length: number | undefined;
  constructor(table: NativeRecordTable, slot: number,

  length: number | undefined);
  fill(buffer: Uint8Array): number;
  release(): void;
}

interface DumpOptions {
  readonly as?: 'records' | 'keys';
  readonly member?: string;
}

type ErrorCode = 'ERR_ABORTED' | 'ERR_ACCOUNTS' | 'ERR_ADDRESS' | 'ERR_AOR' | 'ERR_ARGUMENT' | 'ERR_AUDIT_FILE' | 'ERR_CACHE' | 'ERR_CALL' | 'ERR_CERTIFICATE' | 'ERR_COMMAND' | 'ERR_CONFIG_FILE' | 'ERR_CONTACT' | 'ERR_CONTACT_LIMIT' | 'ERR_DUMP' | 'ERR_ENGINE' | 'ERR_EVENT' | 'ERR_EVENT_ROOM' | 'ERR_EVENT_SOCKET' | 'ERR_FILE' | 'ERR_FILES_EXHAUSTED' | 'ERR_GONE' | 'ERR_INSTALLATION' | 'ERR_LISTEN' | 'ERR_LISTENER' | 'ERR_LOAD' | 'ERR_MODULE' | 'ERR_NODE' | 'ERR_OPTION' | 'ERR_PARAMETER' | 'ERR_PASSWORD' | 'ERR_PATTERN' | 'ERR_RECORD' | 'ERR_PERSIST' | 'ERR_RECORD_LIMIT' | 'ERR_REPLY' | 'ERR_RESULT' | 'ERR_ROOT' | 'ERR_SERVICE_MANAGER' | 'ERR_STATE' | 'ERR_STATISTIC' | 'ERR_STATUS' | 'ERR_SYNTAX' | 'ERR_THREAD' | 'ERR_THROWN' | 'ERR_TIMEOUT';

interface EventDeliveryCounts {
  sent(): void;
  dropped(count: number): void;
}

type EventParameters = Readonly<Record<string, EventValue>> | readonly EventValue[];

interface EventRelay {
  wanted(event: MiEvent): Promise<void>;
}

class Events {
  readonly counts: EventDeliveryCounts;
  readonly recent: RecentEvents;
  constructor(log: CodedLog, statistics: Statistics);
  get [opaque](): string;
  get all(): readonly MiEvent[];
  declare(name: string): MiEvent;
  declareForeign(names: readonly string[]): void;
  relay(names: readonly string[], source: EventRelay): void;
  find(name: string): MiEvent | undefined;
  raise(name: string, parameters?: EventParameters): number;
  addTransport(transport: EventTransport): void;
  subscribe(event: MiEvent, socket: string, expire: number | undefined): void | Promise<void>;
  subscribeAtSources(event: MiEvent, socket: string): Promise<void>;
  unsubscribe(socket: string): boolean;
  named(names: readonly string[]): readonly MiEvent[] | string;
  subscription(event: MiEvent, socket: string): Subscription | undefined;
  subscriptionsOf(event: MiEvent): readonly Subscription[];
}

interface EventSink {
  send(event: string, parameters: EventParameters, raised: RaisedEvent): void;
  close(): void;
}

class EventSocketError extends Error {
  readonly name = "EventSocketError";
  readonly code: ErrorCode;
}

interface EventTransport {
  readonly protocol: string;
  readonly maxSubscribers: number;
  readonly isConnected?: boolean;
  readonly isAddressed?: boolean;
  canonical(socket: string): string;
  open(socket: string): EventSink | Promise<EventSink>;
}

type EventValue = string | number | null;

interface Exchange {
  readonly method: Method;
  readonly path: string;
  readonly query: string;
  readonly mediaType: string;
  readonly wantsJson: boolean;
  readonly wantsLines: boolean;
  readonly body: Uint8Array;
  readonly lentBody: Uint8Array | ArrayBuffer;
  readonly fields: readonly Field[];
  readonly hasOrigin: boolean;
  readonly remoteAddress: string;
  readonly origin: string;
  readonly isUnix: boolean;
  readonly isSecure: boolean;
  readonly listener: string;
  readonly caller: Caller | undefined;
  readonly finished: boolean;
  readonly signal: AbortSignal;
  onGone: (() => void) | undefined;
  about?: string | undefined;
  argument(name: string): string | undefined;
  arguments(name: string): string[];
  header(name: string): string | undefined;
  reply(status: number, body?: string | Uint8Array, headers?: ReplyHeaders): boolean;
  flush(status: number, headers?: ReplyHeaders): void;
  stream(status: number, source: ChunkSource, headers?: ReplyHeaders): void;
  letReuse(): void;
  refuse(status: number, reason: string, headers?: ReplyHeaders): void;
}

interface Field {
  readonly name: string;
  readonly value: string;
}

interface FindOptions {
  readonly by?: string | undefined;
  readonly limit?: number;
  readonly after?: string | undefined;
  readonly except?: string | undefined;
  readonly count?: boolean;
  readonly signal?: AbortSignal | undefined;
}

interface Found<T> {
  readonly records: readonly (readonly [key: string, record: T])[];
  readonly cursor: string | undefined;
  readonly matched: number;
  readonly scanned: number;
}

interface InjectedRequest {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
  readonly remoteAddress?: string;
  readonly signal?: AbortSignal;
}

interface DeclarationBase {
  readonly help: string;
  readonly aliases?: readonly string[];
  readonly excludes?: {
    readonly names: readonly string[];
    readonly remedy: string;
  };
  readonly isShared?: true;
}

interface IntParameter extends DeclarationBase {
  readonly type: 'int';
  readonly default: number;
  readonly min?: number;
  readonly max?: number;
  readonly unit?: string;
  readonly check?: (value: number) => string | undefined;
}

interface JsonObject {
  readonly [member: string]: JsonValue | undefined;
}

class JsonText {
  readonly text: string;
  constructor(text: string);
  toJSON(): JsonValue;
}

type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;

interface KeptTableOptions extends RecordLimits {
  readonly persist: PersistOptions;
}

class LazyAbort {
  get signal(): AbortSignal;
  abort(reason: Error): void;
}

type Level = (typeof levels)[number];

interface DeclarationBase {
  readonly help: string;
  readonly aliases?: readonly string[];
  readonly excludes?: {
    readonly names: readonly string[];
    readonly remedy: string;
  };
  readonly isShared?: true;
}

interface ListParameter extends DeclarationBase {
  readonly type: 'list';
  readonly secret?: boolean;
  readonly check?: (value: string) => string | undefined;
}

interface LocalCallOptions {
  readonly level?: Level;
  readonly signal?: AbortSignal;
}

interface Log {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
  level?: string;
  readonly dropped?: number;
}

interface LoginRequest {
  readonly origin: string;
  readonly path: string;
}

type Method = 'GET' | 'HEAD' | 'POST';

type MiArguments<Command extends MiCommand> = 'params' extends keyof Command ? undefined extends Command['params'] ? readonly [params?: Command['params']] : readonly [params: Command['params']] : readonly [params?: undefined];

type MiBatchCall<Commands extends MiCommands<Commands>> = { readonly [Name in keyof Commands & string]: readonly [command: Name, ...params: MiArguments<Commands[Name]>] }[keyof Commands & string];

interface MiCallOptions {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
  readonly repeat?: boolean;
}

class MiClient<Commands extends MiCommands<Commands> = AnyCommands> {
  constructor(url: string, options?: MiClientOptions);
  call<Name extends keyof Commands & string>(command: Name, ...given: [...MiArguments<Commands[Name]>, options?: MiCallOptions]): Promise<Commands[Name]['result']>;
  batch<const Calls extends readonly MiBatchCall<Commands>[]>(calls: Calls, options?: MiCallOptions): Promise<MiOutcomes<Commands, Calls>>;
  notify<Name extends keyof Commands & string>(command: Name, ...given: [...MiArguments<Commands[Name]>, options?: MiCallOptions]): Promise<void>;
  stream<Item = JsonValue, Name extends keyof Commands & string = keyof Commands & string>(command: Name, ...given: [...MiArguments<Commands[Name]>, options?: MiCallOptions]): AsyncGenerator<Item, void, undefined>;
  close(): void;
  [Symbol.dispose](): void;
}

interface MiClientOptions {
  readonly login?: {
    readonly name: string;
    readonly password: string;
  } | {
    readonly token: string;
  };
  readonly tls?: ClientTls;
  readonly timeout?: number;
  readonly maxReply?: number;
  readonly connections?: number;
}

interface MiCommand {
  readonly params?: readonly unknown[] | object;
  readonly result: unknown;
}

type MiCommands<Commands> = { readonly [Name in keyof Commands]: MiCommand };

class MiError extends Error {
  readonly code: number;
  readonly name = "MiError";
  readonly data: JsonValue | undefined;
  constructor(code: number, message?: string, data?: JsonValue | object);
  toJSON(): {
    code: number;
    message: string;
    data?: JsonValue;
  };
}

class MiEvent {
  readonly id: number;
  readonly name: string;
  readonly isForeign: boolean;
  readonly subscriptions: Map<string, Subscription>;
  readonly sources: Set<EventRelay>;
  constructor(id: number, name: string,

  isForeign: boolean, log: CodedLog, host: EventHost);
  get hasSubscribers(): boolean;
  get isWanted(): boolean;
  drop(socket: string): void;
  raise(parameters?: EventParameters): number;
}

type MiOutcome<Given = JsonValue> = {
  readonly result: Given;
  readonly error?: undefined;
} | {
  readonly error: MiError;
  readonly result?: undefined;
};

type MiOutcomes<Commands, Calls extends readonly unknown[]> = { -readonly [Place in keyof Calls]: Calls[Place] extends readonly [infer Name extends keyof Commands, ...unknown[]] ? Commands[Name] extends {
  readonly result: infer Given;
} ? MiOutcome<Given> : MiOutcome : MiOutcome };

class Module<D extends ParameterDeclarations = ParameterDeclarations, Name extends string = string> {
  readonly name: Name;
  readonly parameters: D;
  readonly commands: readonly Command[];
  readonly needs: readonly string[];
  readonly perThread: string | undefined;
  constructor(declaration: ModuleDeclaration<D, Name>);
  load(context: ModuleContext<ParameterValues<D>>): ModuleInstance | undefined;
  with(parameters: ParameterInput<D>): ConfiguredModule;
}

interface ModuleContext<Parameters> {
  readonly parameters: Parameters;
  readonly thread: number;
  readonly log: Log;
  readonly mi: {
    readonly statistics: Statistics;
  };
  readonly events: Events;
  readonly status: StatusReports;
  readonly caches: CacheSystems;
  readonly httpd: Roots;
}

interface ModuleDeclaration<D extends ParameterDeclarations, Name extends string = string> {
  readonly name: Name;
  readonly parameters?: D;
  readonly commands?: readonly Command[];
  readonly needs?: readonly string[];
  readonly perThread?: string | URL;
  load?(context: ModuleContext<ParameterValues<D>>): ModuleInstance | undefined;
}

interface ModuleInstance {
  readonly commands?: readonly Command[];
  readonly api?: object;
  check?(): readonly string[] | Promise<readonly string[]>;
  start?(): void | Promise<void>;
  reload?(): void | Promise<void>;
  stop?(): void | Promise<void>;
  finish?(): void | Promise<void>;
}

type ModuleOptions = AboutModules & { readonly [M in LoadableModule as M['name']]?: ParameterInput<M['parameters']> };

type NodeHandler = (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;

class Opensips {
  constructor(nodes: Nodes);
  get nodes(): readonly string[];
  call(node: string, command: string, params?: CallParameters): Promise<JsonValue>;
  stream(node: string, command: string, params?: CallParameters): AsyncIterableIterator<Uint8Array>;
  health(node: string): UpstreamHealth;
}

interface OriginalMembers {
  readonly contactId?: string | undefined;
  readonly state?: string | undefined;
  readonly keyValues?: string | undefined;
}

interface OwnCaller {
  readonly name: string;
  readonly level: Level;
}

type OwnLogin = (credentials: Credentials, request: LoginRequest) => OwnCaller | undefined | Promise<OwnCaller | undefined>;

interface ParameterAbout {
  readonly help?: string;
  readonly choices?: AboutValues;
  readonly suggest?: AboutValues;
  readonly default?: JsonValue;
  readonly min?: number;
  readonly max?: number;
}

type ParameterDeclaration = IntParameter | StringParameter | ListParameter | RefusedParameter;

type ParameterDeclarations = Readonly<Record<string, ParameterDeclaration>>;

class ParameterError extends Error {
  readonly name = "ParameterError";
  readonly code: ErrorCode;
  readonly module: string;
  readonly problems: readonly string[];
  constructor(module: string, problems: readonly string[]);
}

type ParameterInput<D extends ParameterDeclarations> = { readonly [K in keyof D as D[K] extends {
  refused: string;
} ? never : K]?: ValueOf<D[K]> | undefined };

type ParametersOf<R extends readonly Recipe[]> = { readonly [Name in keyof R[number]]: ValueOf<TypeIn<R[number], Name>> } & { readonly [Name in Exclude<NamesOf<R[number]>, keyof R[number]>]?: ValueOf<TypeIn<R[number], Name>> };

type ParameterType = keyof ParameterTypes;

interface ParameterTypes {
  int: number;
  string: string;
  bool: boolean;
  'string[]': readonly string[];
  'int[]': readonly number[];
  'object[]': readonly JsonObject[];
  json: JsonValue;
}

type ParameterValues<D extends ParameterDeclarations> = { readonly [K in keyof D as D[K] extends {
  refused: string;
} ? never : K]: ValueOf<D[K]> };

interface Persistence {
  readonly pending: number;
  readonly pendingBytes: number;
  readonly commits: number;
  readonly failures: number;
  readonly written: number;
  readonly fileBytes: number;
  readonly problem: string | undefined;
}

interface PersistOptions {
  readonly path: string;
  readonly interval?: number;
  readonly maxPending?: number;
  readonly onChange?: (persistence: Persistence) => void;
}

abstract class Piecewise<T = unknown> {
  abstract open(now: number): Cursor;
  abstract openLines(now: number): Cursor;
  discard(): void;
  toJSON(): T;
}

type Printable<T> = T extends Result | undefined ? T : T extends {
  toJSON(): infer Text;
} ? [Text] extends [never] ? never : [Text] extends [Printable<Text>] ? T : never : T extends Unprintable ? never : T extends object ? { readonly [Member in keyof T]: Printable<T[Member]> } : never;

class RaisedEvent {
  readonly id: string;
  readonly at: number;
  readonly name: string;
  readonly parameters: EventParameters;
  constructor(

  id: string,

  at: number, name: string, parameters: EventParameters);
  toJSON(): object;
  get text(): string;
}

type ReadContact = Omit<StoredContact, 'Expires'> & {
  readonly Expires: number | string;
};

class RecentEvents {
  get most(): number;
  set most(most: number);
  add(name: string, parameters: EventParameters): RaisedEvent;
  since(id: string): readonly RaisedEvent[];
  get all(): readonly RaisedEvent[];
}

type Recipe = Readonly<Record<string, ParameterType>>;

class RecordLimitError extends Error {
  readonly limit: keyof RecordLimits | 'memory';
  readonly name = "RecordLimitError";
  readonly code: ErrorCode;
  constructor(message: string,

  limit: keyof RecordLimits | 'memory');
}

interface RecordLimits {
  readonly maxRecords?: number;
  readonly maxBytes?: number;
  readonly maxRecordBytes?: number;
}

interface RecordOptions {
  readonly deadline?: number;
}

class RecordTable<T = unknown> {
  static open<T = unknown>(options: KeptTableOptions): Promise<RecordTable<T>>;
  constructor(limits?: RecordLimits);
  get limits(): RecordLimits;
  set limits(limits: RecordLimits);
  set(key: string, value: Settable<T>, options?: RecordOptions): this;
  setJson(key: string, json: Uint8Array, options?: RecordOptions): this;
  setMany(records: Iterable<readonly [key: string, value: Settable<T>]>): this;
  get(key: string): T | undefined;
  getJson(key: string): Uint8Array | undefined;
  has(key: string): boolean;
  delete(key: string): boolean;
  clear(): void;
  flush(): Promise<void>;
  close(): Promise<void>;
  get persistence(): Persistence | undefined;
  get size(): number;
  get bytes(): number;
  get usedBytes(): number;
  get heldBytes(): number;
  get fragmentation(): number;
  keys(): Generator<string, void, undefined>;
  due(now: number): Generator<readonly string[], void, undefined>;
  dump(options?: DumpOptions): TableDump;
  find(text: string, options?: FindOptions): Promise<Found<T>>;
  toJSON(): never;
}

interface Refusal {
  readonly body: string;
  readonly headers?: ReplyHeaders;
}

interface DeclarationBase {
  readonly help: string;
  readonly aliases?: readonly string[];
  readonly excludes?: {
    readonly names: readonly string[];
    readonly remedy: string;
  };
  readonly isShared?: true;
}

interface RefusedParameter extends DeclarationBase {
  readonly type: 'int' | 'string';
  readonly refused: string;
}

interface RefusedRequest {
  readonly method: string;
  readonly mediaType: string;
  readonly wantsJson: boolean;
}

interface Reload {
  readonly listener: string;
  readonly certificate: string;
  readonly outcome: 'reloaded' | 'unchanged' | 'kept';
  readonly problem: string | undefined;
  readonly expiresAt: number;
}

type ReplyHeaders = Readonly<Record<string, string>>;

type Result = JsonValue | StatisticsSelection | ConstantResult | JsonText | Piecewise | readonly Result[] | {
  readonly [member: string]: Result | undefined;
};

type Returnable<T> = [T & undefined] extends [never] ? Printable<T> : never;

interface RootDeclaration extends Service {
  readonly module: string;
  readonly root: string;
  readonly contentType: string;
  readonly about?: string;
  readonly methods?: readonly ('GET' | 'POST')[];
  readonly accepts?: (mediaType: string) => boolean;
  readonly body?: 'raw' | 'fields';
  readonly borrowBody?: boolean;
  readonly ignoresQuery?: boolean;
  readonly refusesGetBody?: boolean;
  readonly headers?: readonly string[];
  readonly choose?: (request: ArrivedRequest) => Service | undefined;
  readonly timeout?: number;
  readonly keepsTime?: boolean;
  onInit?(): void | Promise<void>;
  onFlush?(exchange: Exchange, position: number, max: number): Chunk | string | Promise<Chunk | string>;
  refuse?(status: number, reason: string, request: RefusedRequest): string | Refusal | undefined;
}

interface Roots {
  registerRoot(declaration: RootDeclaration): void;
}

interface SchemaCommandDeclaration<P extends StandardSchema, T = Result> extends Omit<CommandDeclaration<readonly Recipe[], T>, 'recipes' | 'optional' | 'parameters' | 'run' | 'result'> {
  readonly params: P;
  readonly result?: StandardSchema;
  run(parameters: SchemaOutput<P>, call: Call): T | Promise<T>;
}

type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | {
    readonly key: PropertyKey;
  })[] | undefined;
}

type SchemaOutcome<Output> = {
  readonly value: Output;
  readonly issues?: undefined;
} | {
  readonly issues: readonly SchemaIssue[];
};

type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

class SecondsLeft {
  constructor(at: number, style: Style);
  valueAt(now: number): number | string;
  toJSON(): number | string;
}

function secondsLeft(at: number, texts?: SecondsLeftTexts): SecondsLeft;

interface SecondsLeftTexts {
  readonly permanent?: string;
  readonly expired?: string;
}

class Server {
  readonly events: Events;
  readonly status: StatusReports;
  constructor(modules: readonly ConfiguredModule[], settings: ServerSettings, configFiles?: readonly string[], sockets?: readonly InheritedSocket[], system?: SystemLog);
  start(): Promise<this>;
  reload(): Promise<boolean>;
  get [opaque](): string;
  call(command: string, params?: readonly unknown[] | object, options?: LocalCallOptions): Promise<JsonValue>;
  inject(request: InjectedRequest | Request, {
    remoteAddress
  }?: {
    readonly remoteAddress?: string;
  }): Promise<Response>;
  nodeHandler(): NodeHandler;
  [Symbol.asyncDispose](): Promise<void>;
  get port(): number;
  get urls(): readonly string[];
  get usrloc(): Usrloc | undefined;
  get opensips(): Opensips | undefined;
  get threads(): readonly ServingThread[];
  get engine(): string;
  get isListening(): boolean;
  check(): Promise<readonly string[]>;
  reloadTls(): readonly Reload[];
  close(options?: {
    readonly deadline?: number;
  }): Promise<void>;
}

interface ServerOptions extends ServerSettings, ModuleOptions {
  readonly modules?: readonly (Module | ConfiguredModule)[];
}

interface ServerSettings {
  readonly log?: Log;
  readonly logLevel?: number;
  readonly privateMemory?: number;
  readonly sharedMemory?: number;
  readonly kill?: () => void;
  readonly tellProcess?: Level;
  readonly engine?: object | 'auto' | 'uws' | 'node';
  readonly threads?: number | 'auto';
  readonly authenticate?: OwnLogin;
  readonly around?: Around;
  readonly headers?: readonly string[];
  readonly callContext?: boolean;
  readonly listen?: boolean;
  readonly app?: object;
}

interface Service {
  readonly keepsHeaders?: boolean;
  onRequest(exchange: Exchange): void | Promise<void>;
}

interface ServingThread {
  readonly id: number;
  readonly isServing: boolean;
  readonly connections: number;
  readonly exchanges: number;
}

type Settable<T> = T | (number extends T ? SecondsLeft : never) | (T extends object ? { readonly [Member in keyof T]: Settable<T[Member]> } : never);

interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown, options?: never) => SchemaOutcome<Output> | Promise<SchemaOutcome<Output>>;
    readonly types?: {
      readonly input: Input;
      readonly output: Output;
    } | undefined;
    readonly jsonSchema?: {
      readonly input: (options: {
        readonly target: 'draft-2020-12';
      }) => Record<string, unknown>;
      readonly output: (options: {
        readonly target: 'draft-2020-12';
      }) => Record<string, unknown>;
    };
  };
}

class Statistic {
  readonly group: string;
  readonly name: string;
  readonly kind: StatisticKind;
  readonly slot: number;
  readonly compute?: (() => number) | undefined;
  readonly failed?: ((statistic: Statistic, error: unknown) => void) | undefined;
  readonly about: StatisticAbout;
  readonly values: Float64Array;
  constructor(group: string, name: string, kind: StatisticKind, slot: number, rows: Rows, compute?: (() => number) | undefined,

  failed?: ((statistic: Statistic, error: unknown) => void) | undefined, about?: StatisticAbout);
  get fullName(): string;
  get own(): number;
  get value(): number;
  set value(value: number);
  add(amount: number): void;
}

interface StatisticAbout {
  readonly unit?: string;
  readonly help?: string;
  readonly isTotal?: boolean;
}

type StatisticKind = 'counter' | 'gauge' | 'computed';

class Statistics {
  constructor(log?: CodedLog, threads?: number);
  constructor(log: CodedLog | undefined, shared: SharedStatistics, thread: number);
  get shared(): SharedStatistics;
  learn(all: readonly SharedStatistic[], first?: number): void;
  lost(thread: number): void;
  get values(): Float64Array;
  get sums(): Float64Array;
  add(group: string, name: string, kind: 'counter' | 'gauge', about?: StatisticAbout): Statistic;
  add(group: string, name: string, kind: 'computed', compute: () => number, about?: StatisticAbout): Statistic;
  get all(): readonly Statistic[];
  find(items: readonly string[], options: {
    readonly all: boolean;
  }): readonly Statistic[];
  slips(items: readonly string[]): ReadonlyMap<string, string>;
  selectAll(): StatisticsSelection;
  select(statistics: readonly Statistic[]): StatisticsSelection;
}

class StatisticsSelection extends Piecewise<Record<string, number>> {
  readonly statistics: readonly Statistic[];
  readonly table: StatisticsTable;
  readonly slots: Uint32Array;
  constructor(statistics: readonly Statistic[], table: StatisticsTable, slots: Uint32Array);
  get isHere(): boolean;
  refresh(): void;
  print(): Uint8Array;
  open(): Cursor;
  openLines(): Cursor;
}

class StatusIdentifier {
  readonly group: string;
  readonly name: string;
  constructor(group: string, name: string, status: number, details: string | undefined, changed: (before: number, identifier: StatusIdentifier) => void);
  get status(): number;
  get isReady(): boolean;
  get since(): number;
  get details(): string | undefined;
  get reports(): readonly StatusReport[];
  set(status: number, details?: string): void;
  report(text: string): void;
}

interface StatusReport {
  readonly timestamp: number;
  readonly text: string;
}

class StatusReports {
  constructor(changed: MiEvent);
  get [opaque](): string;
  get groups(): ReadonlyMap<string, ReadonlyMap<string, StatusIdentifier>>;
  get unready(): readonly StatusIdentifier[];
  add(group: string, options?: {
    readonly identifier?: string;
    readonly status?: number;
    readonly details?: string;
  }): StatusIdentifier;
}

interface StoredContact {
  readonly Contact: string;
  readonly ContactID: string;
  readonly Expires: number;
  readonly Q: string;
  readonly Callid: string;
  readonly Cseq: number;
  readonly 'User-agent'?: string | undefined;
  readonly Received?: string | undefined;
  readonly Path?: string | undefined;
  readonly State: string;
  readonly Flags: number;
  readonly Cflags: string;
  readonly Socket?: string | undefined;
  readonly Methods: number;
  readonly Attr?: string | undefined;
  readonly SIP_instance?: string | undefined;
  readonly 'Ping-Latency'?: number | undefined;
  readonly 'KV-Store'?: string | undefined;
}

class Stream extends Piecewise {
  constructor(items: Iterable<unknown> | AsyncIterable<unknown>, shape: Shape);
  open(): Cursor;
  openLines(): Cursor;
  discard(): void;
}

function stream<T>(items: Iterable<T & Item<T>> | AsyncIterable<T & Item<T>>): Stream;

function streamObject<M extends readonly [name: string, value: unknown]>(members: Iterable<M & readonly [name: string, value: Item<M[1]>]> | AsyncIterable<M & readonly [name: string, value: Item<M[1]>]>): Stream;

interface DeclarationBase {
  readonly help: string;
  readonly aliases?: readonly string[];
  readonly excludes?: {
    readonly names: readonly string[];
    readonly remedy: string;
  };
  readonly isShared?: true;
}

interface StringParameter extends DeclarationBase {
  readonly type: 'string';
  readonly default: string | undefined;
  readonly secret?: boolean;
  readonly takesNumber?: boolean;
  readonly check?: (value: string) => string | undefined;
}

class Subscription {
  readonly socket: string;
  readonly sink: EventSink;
  expire: number | undefined;
  constructor(socket: string, sink: EventSink, expire: number | undefined);
  renew(expire: number | undefined): void;
  ttl(now: number): number | undefined;
  isOver(now: number): boolean;
}

class TableDump extends Piecewise {
  constructor(table: NativeRecordTable, options: DumpOptions);
  open(now?: number): DumpCursor;
  openLines(now?: number): DumpCursor;
}

interface TraceContext {
  readonly traceId: string;
  readonly parentId: string;
  readonly flags: number;
  readonly isSampled: boolean;
  readonly state: string;
}

interface TransportHealth {
  readonly kind: TransportKind;
  readonly name: string;
  readonly state: 'unknown' | 'up' | 'down';
  readonly reason: string;
  readonly needsRestart: boolean;
  readonly since: number;
  readonly waiting: number;
  readonly underWay: number;
  readonly sent: number;
  readonly failed: number;
}

type TransportKind = 'fifo' | 'udp' | 'unix' | 'http';

interface UpstreamHealth {
  readonly name: string;
  readonly isUp: boolean;
  readonly transports: readonly TransportHealth[];
}

class Usrloc {
  constructor(statistics: Statistics, log: CodedLog, options: DomainOptions & RoomLimits, publisher?: DomainPublisher);
  get domains(): readonly Domain[];
  domain(name: string): Domain;
  flush(): Promise<void>;
  find(name: string): Domain | undefined;
}

// The options of createServer for each module.

interface options_of_httpd {
  readonly ip?: string | undefined;
  readonly port?: number | undefined;
  readonly listen?: readonly string[] | undefined;
  readonly buf_size?: number | undefined;
  readonly post_buf_size?: number | undefined;
  readonly receive_buf_size?: number | undefined;
  readonly conn_timeout?: number | undefined;
  readonly reply_timeout?: number | undefined;
  readonly max_reply_size?: number | undefined;
  readonly compression?: number | undefined;
  readonly compression_level?: number | undefined;
  readonly engine?: string | undefined;
  readonly threads?: number | undefined;
  readonly server_name?: string | undefined;
  readonly server_color?: string | undefined;
  readonly allowed_hosts?: string | undefined;
  readonly landing?: number | undefined;
  readonly health?: number | undefined;
  readonly history?: string | undefined;
  readonly max_connections?: number | undefined;
  readonly max_connections_address?: number | undefined;
  readonly tls_cert_file?: string | undefined;
  readonly tls_key_file?: string | undefined;
  readonly tls_key_passphrase_file?: string | undefined;
  readonly tls_ciphers?: string | undefined;
  readonly client_ca?: string | undefined;
  readonly client_cert?: string | undefined;
  readonly client_crl?: string | undefined;
  readonly tls_hsts?: number | undefined;
  readonly auth_realm?: string | undefined;
  readonly auth_username?: string | undefined;
  readonly auth_password?: string | undefined;
  readonly auth_password_file?: string | undefined;
  readonly auth_file?: string | undefined;
  readonly auth_tokens?: string | undefined;
  readonly client_users?: string | undefined;
  readonly sessions?: number | undefined;
  readonly session_idle?: number | undefined;
  readonly session_lifetime?: number | undefined;
  readonly allow_from?: string | undefined;
  readonly allow_unauthenticated?: number | undefined;
  readonly allow_commands?: string | undefined;
  readonly deny_commands?: string | undefined;
  readonly audit_file?: string | undefined;
  readonly rate_limit_address?: number | undefined;
  readonly rate_limit_user?: number | undefined;
}

interface options_of_mi_http {
  readonly root?: string | undefined;
  readonly pretty_printing?: number | undefined;
  readonly mi_http_method?: number | undefined;
  readonly html?: number | undefined;
  readonly max_batch?: number | undefined;
  readonly max_values?: number | undefined;
  readonly max_streams?: number | undefined;
  readonly count_time?: number | undefined;
  readonly mi_timeout?: number | undefined;
  readonly max_pending?: number | undefined;
  readonly trace_destination?: string | undefined;
  readonly trace_bwlist?: string | undefined;
}

interface options_of_mi_html {
  readonly root?: string | undefined;
  readonly http_method?: number | undefined;
  readonly max_values?: number | undefined;
  readonly max_streams?: number | undefined;
  readonly count_time?: number | undefined;
  readonly mi_timeout?: number | undefined;
  readonly max_pending?: number | undefined;
  readonly trace_destination?: string | undefined;
  readonly trace_bwlist?: string | undefined;
}

interface options_of_mi_json {
  readonly root?: string | undefined;
  readonly mi_timeout?: number | undefined;
  readonly max_pending?: number | undefined;
  readonly trace_destination?: string | undefined;
  readonly trace_bwlist?: string | undefined;
}

interface options_of_usrloc {
  readonly use_domain?: number | undefined;
  readonly domains?: string | undefined;
  readonly desc_time_order?: number | undefined;
  readonly timer_interval?: number | undefined;
  readonly max_contact_delete?: number | undefined;
  readonly max_contacts?: number | undefined;
  readonly max_bytes?: number | undefined;
  readonly persist?: string | undefined;
  readonly persist_interval?: number | undefined;
  readonly persist_pending?: number | undefined;
  readonly hash_size?: number | undefined;
  readonly mi_dump_kv_store?: number | undefined;
  readonly nat_bflag?: string | undefined;
  readonly matching_mode?: number | undefined;
  readonly cseq_delay?: number | undefined;
  readonly latency_event_min_us?: number | undefined;
  readonly latency_event_min_us_delta?: number | undefined;
  readonly contact_refresh_timer?: number | undefined;
  readonly skip_replicated_db_ops?: number | undefined;
  readonly regen_broken_contactid?: number | undefined;
  readonly shared_pinging?: number | undefined;
  readonly location_cluster?: number | undefined;
  readonly ha_cluster?: number | undefined;
  readonly db_mode?: number | undefined;
  readonly db_url?: string | undefined;
  readonly cachedb_url?: string | undefined;
  readonly working_mode_preset?: string | undefined;
  readonly cluster_mode?: string | undefined;
  readonly restart_persistency?: string | undefined;
  readonly sql_write_mode?: string | undefined;
  readonly pinging_mode?: string | undefined;
  readonly ha_shtag?: string | undefined;
  readonly contact_id_column?: string | undefined;
  readonly user_column?: string | undefined;
  readonly domain_column?: string | undefined;
  readonly contact_column?: string | undefined;
  readonly expires_column?: string | undefined;
  readonly q_column?: string | undefined;
  readonly callid_column?: string | undefined;
  readonly cseq_column?: string | undefined;
  readonly flags_column?: string | undefined;
  readonly cflags_column?: string | undefined;
  readonly user_agent_column?: string | undefined;
  readonly received_column?: string | undefined;
  readonly path_column?: string | undefined;
  readonly socket_column?: string | undefined;
  readonly methods_column?: string | undefined;
  readonly sip_instance_column?: string | undefined;
  readonly kv_store_column?: string | undefined;
  readonly attr_column?: string | undefined;
}

interface options_of_cachedb_local {
  readonly cachedb_url?: readonly string[] | undefined;
  readonly cache_collections?: string | undefined;
  readonly cache_table_size?: number | undefined;
  readonly cache_clean_period?: number | undefined;
  readonly max_entries?: number | undefined;
  readonly max_bytes?: number | undefined;
  readonly enable_restart_persistency?: number | undefined;
}

interface options_of_event_datagram {
  readonly destinations?: string | undefined;
  readonly max_subscribers?: number | undefined;
  readonly folders?: string | undefined;
  readonly queue_size?: number | undefined;
}

interface options_of_event_stream {
  readonly timeout?: number | undefined;
  readonly event_param?: string | undefined;
  readonly destinations?: string | undefined;
  readonly max_subscribers?: number | undefined;
  readonly queue_size?: number | undefined;
  readonly reliable_mode?: number | undefined;
}

interface options_of_event_jsonrpc {
  readonly timeout?: number | undefined;
  readonly event_param?: string | undefined;
  readonly destinations?: string | undefined;
  readonly max_subscribers?: number | undefined;
  readonly queue_size?: number | undefined;
  readonly sync_mode?: number | undefined;
}

interface options_of_opensips {
  readonly nodes?: readonly string[] | undefined;
  readonly local?: string | undefined;
  readonly levels?: string | undefined;
  readonly timeout?: number | undefined;
  readonly dump_timeout?: number | undefined;
  readonly max_pending?: number | undefined;
  readonly max_lines?: number | undefined;
  readonly statistics_interval?: number | undefined;
  readonly event_socket?: string | undefined;
  readonly mirror?: string | undefined;
  readonly mirror_interval?: number | undefined;
  readonly watch_interval?: number | undefined;
  readonly retry_interval?: number | undefined;
}

interface options_of_prometheus {
  readonly root?: string | undefined;
  readonly prefix?: string | undefined;
  readonly delimiter?: string | undefined;
  readonly group_prefix?: string | undefined;
  readonly group_label?: string | undefined;
  readonly group_mode?: number | undefined;
  readonly statistics?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly openmetrics?: number | undefined;
}

interface options_of_proto_hep {
  readonly hep_id?: readonly string[] | undefined;
  readonly hep_capture_id?: number | undefined;
  readonly homer5_on?: number | undefined;
  readonly homer5_delim?: string | undefined;
  readonly compressed_payload?: number | undefined;
  readonly tls_ca_file?: string | undefined;
  readonly queue_size?: number | undefined;
}

interface options_of_fleet {
  readonly server?: readonly string[] | undefined;
  readonly peer?: readonly string[] | undefined;
  readonly fleet?: string | undefined;
  readonly name?: string | undefined;
  readonly tags?: string | undefined;
  readonly role?: string | undefined;
  readonly level?: string | undefined;
  readonly nkey_file?: string | undefined;
  readonly creds_file?: string | undefined;
  readonly login_file?: string | undefined;
  readonly tls_ca?: string | undefined;
  readonly tls_cert?: string | undefined;
  readonly tls_key?: string | undefined;
  readonly inbox_prefix?: string | undefined;
  readonly own_url?: string | undefined;
  readonly root?: string | undefined;
  readonly fleet_required?: number | undefined;
  readonly timeout?: number | undefined;
  readonly rolling_time?: number | undefined;
  readonly presence_interval?: number | undefined;
  readonly retry_interval?: number | undefined;
  readonly remember?: number | undefined;
  readonly link_lifetime?: number | undefined;
  readonly max_result?: number | undefined;
  readonly max_dump?: number | undefined;
  readonly max_answers?: number | undefined;
  readonly max_members?: number | undefined;
  readonly max_calls?: number | undefined;
  readonly max_pending?: number | undefined;
}

// mi-httpd/testing

export type ServerFixture = (context: object, use: (server: Server) => Promise<void>) => Promise<void>;
export declare function serverFixture(options?: ServerOptions | (() => ServerOptions | Promise<ServerOptions>)): ServerFixture;
export interface MiMatchers {
    toGiveResult(expected?: unknown): Promise<void>;
    toGiveError(code?: number, data?: unknown): Promise<void>;
}
export interface MatcherState {
    readonly equals: (one: unknown, other: unknown) => boolean;
    readonly utils: {
        readonly stringify: (value: unknown, depth: number, options: {
            readonly min: boolean;
        }) => string;
    };
}
export interface Judgement {
    readonly pass: boolean;
    readonly message: () => string;
    readonly actual?: unknown;
    readonly expected?: unknown;
}
export declare const miMatchers: {
    toGiveResult(this: MatcherState, received: unknown, ...wanted: readonly unknown[]): Promise<Judgement>;
    toGiveError(this: MatcherState, received: unknown, ...wanted: readonly unknown[]): Promise<Judgement>;
};
