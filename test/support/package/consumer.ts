// A program of another project; compiled and run there against the packed package.
import {
  type Cache,
  type ChunkSource,
  codes,
  command,
  createServer,
  defineModule,
  EventSocketError,
  type EventTransport,
  type Exchange,
  type JsonObject,
  type JsonValue,
  type Log,
  MiError,
  type MiEvent,
  RecordTable,
  type RootDeclaration,
  type Server,
  type ServerOptions,
  type StatusIdentifier,
  secondsLeft,
  stream,
  streamObject,
} from 'mi-httpd';

const resize = command({
  name: 'resize',
  help: 'Sets how many calls a trunk carries.',
  recipes: [{ trunk: 'string' }, { trunk: 'string', capacity: 'int' }],
  run: async ({ trunk, capacity }, call) => {
    const name: string = trunk;
    const count: number | undefined = capacity;
    const signal: AbortSignal = call.signal;
    // @ts-expect-error a trunk is a string
    const wrong: number = trunk;
    // @ts-expect-error capacity may be absent
    const sure: number = capacity;
    if (signal.aborted || wrong === sure) throw new MiError(codes.invalidParams, 'Invalid params');
    return { trunk: name, capacity: count ?? 30 };
  },
});

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : [never]): void {}

export const everyType = command({
  name: 'every_type',
  help: 'Has a parameter of each type.',
  recipes: [
    { i: 'int', s: 'string', b: 'bool', is: 'int[]', ss: 'string[]', os: 'object[]', j: 'json' },
    { i: 'string' },
  ],
  run: ({ i, s, b, is, ss, os, j }) => {
    same<typeof i, number | string>();
    same<typeof s, string | undefined>();
    same<typeof b, boolean | undefined>();
    same<typeof is, readonly number[] | undefined>();
    same<typeof ss, readonly string[] | undefined>();
    same<typeof os, readonly JsonObject[] | undefined>();
    same<typeof j, JsonValue | undefined>();
    return { i, s, b, is, ss, os, j: j ?? null, big: 2n ** 64n };
  },
});

type Ringing = { caller: string; timeout: number };
interface Talking {
  caller: string;
}
const ringing = new RecordTable<Ringing>();
ringing.set('a1', { caller: 'alice', timeout: secondsLeft(1) });
// @ts-expect-error caller is missing
export const incomplete = () => ringing.set('a1', { timeout: 1 });
// @ts-expect-error a text is no number of seconds
export const noText = () => ringing.set('a1', { caller: secondsLeft(1), timeout: 1 });

const listed: Ringing[] = [];
const talking: Talking[] = [];
export const large = () => [
  command({ name: 'dump', help: 'Dumps.', run: () => ({ size: ringing.size, calls: ringing.dump() }) }),
  command({ name: 'list', help: 'Lists.', run: async () => ({ listed, streamed: stream(listed) }) }),
  command({ name: 'members', help: 'Lists.', run: () => streamObject(new Map([['a', 1]])) }),
  command({ name: 'interface', help: 'Lists.', run: () => ({ talking, streamed: stream(talking) }) }),
  // @ts-expect-error a map is an empty object in JSON
  command({ name: 'map', help: 'Lists.', run: () => ({ talking: new Map([['a', talking]]) }) }),
  // @ts-expect-error nothing is no result
  command({ name: 'nothing', help: 'Nothing.', run: () => {} }),
  // @ts-expect-error there is no type number
  command({ name: 'type', help: 'Wrong.', recipes: [{ size: 'number' }], run: () => 1 }),
];

const source: ChunkSource = { next: () => null, release: () => {} };
export const root: RootDeclaration = {
  module: 'pbx',
  root: 'pbx',
  contentType: 'text/plain',
  onInit: async () => {},
  onRequest: (exchange: Exchange) => (exchange.method === 'GET' ? exchange.flush(200) : exchange.stream(200, source)),
  onFlush: async (_exchange, position, max) => (position < max ? 'text' : null),
};

const pbx = defineModule({
  name: 'pbx',
  parameters: { trunks: { type: 'int', default: 2, min: 1, help: 'number of trunks' } },
  load: ({ parameters }) => {
    const trunks: number = parameters.trunks;
    return { commands: [resize, command({ name: 'trunks', help: 'Number of trunks.', run: () => trunks })] };
  },
});

const cache: Cache = { store: async () => {}, fetch: (key) => (key === 'a' ? 'b' : undefined), remove: () => {} };
const pager: EventTransport = {
  protocol: 'pager',
  maxSubscribers: 1,
  canonical: (socket) => {
    if (socket === 'pager:') throw new EventSocketError('give a number');
    return socket;
  },
  open: async () => ({ send: (event, params) => void [event.length, params], close: () => {} }),
};
export const told = defineModule({
  name: 'told',
  load: ({ events, status, caches }) => {
    const event: MiEvent = events.declare('E_TOLD');
    const part: StatusIdentifier = status.add('told', { status: -1 });
    events.addTransport(pager);
    caches.add('told', cache);
    // @ts-expect-error an object is no value of an event
    const wrong = (): number => event.raise({ a: {} });
    return { start: () => part.set(event.raise({ a: 1, b: 'x' }) + 1), stop: () => void wrong };
  },
});

const registrar = createServer({ usrloc: {}, httpd: { port: 0 } });
registrar.usrloc.domain('location');
// @ts-expect-error without its option module usrloc is not loaded
export const unloaded = () => createServer({ httpd: { port: 0 } }).usrloc.domain('location');
// @ts-expect-error httpd has no such parameter
export const slip = () => createServer({ usrloc: {}, httpd: { prot: 0 } });

// @ts-expect-error trunks is a number
pbx.with({ trunks: 'two' });
// @ts-expect-error httpd has no such parameter
const mistaken: ServerOptions = { httpd: { prot: 8888 } };

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const options: ServerOptions = {
  httpd: { ip: '127.0.0.1', port: 0 },
  mi_http: { root: 'mi' },
  modules: [pbx.with({ trunks: 4 })],
  log,
};
const server: Server = await createServer(options).start();
const [url = ''] = server.urls;
const response = await fetch(url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: '{"jsonrpc":"2.0","method":"pbx:resize","params":{"trunk":"carrier-a"},"id":1}',
});
const { result } = (await response.json()) as { result: unknown };
console.log(JSON.stringify(result));
await server.close({ deadline: 1 });

export { mistaken };
