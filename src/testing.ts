import { coded } from './base/codes.js';
import { codes, createServer, MiError, type Server, type ServerOptions } from './index.js';

/** A fixture of vitest: starts a server for a test, or for a file, and closes it afterwards. */
export type ServerFixture = (context: object, use: (server: Server) => Promise<void>) => Promise<void>;

/**
 * A fixture that starts a server of its own for each test that takes it, and closes it when the test ends, with or without success.
 * Without `listen: true` it opens no socket: the test has `server.call` and `server.inject`. With it the server listens on a
 * free port of 127.0.0.1, unless `httpd` says otherwise.
 *
 * ```ts
 * const pbx = defineModule({ name: 'pbx', commands: [command({ name: 'calls', help: 'Counts calls.', run: () => 3 })] });
 * const testPbx = test.extend({ server: serverFixture({ modules: [pbx] }) });
 * testPbx('counts calls', async ({ server }) => {
 *   await expect(server.call('pbx:calls')).toGiveResult(3);
 * });
 * ```
 *
 * @param options as those of `createServer`, or a function that makes them for each server
 */
export function serverFixture(
  options: ServerOptions | (() => ServerOptions | Promise<ServerOptions>) = {},
): ServerFixture {
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the text of the function for the fixtures that it needs.
  return async ({}, use) => {
    const given = typeof options === 'function' ? await options() : options;
    const { listen = false, httpd = {} } = given;
    const isPlaced = httpd.ip !== undefined || httpd.port !== undefined || httpd.listen !== undefined;
    const place = listen && !isPlaced ? { ip: '127.0.0.1', port: 0 } : {};
    const server = createServer({ ...given, listen, httpd: { ...httpd, ...place } });
    try {
      await use(await server.start());
    } finally {
      await server.close({ deadline: 0 });
    }
  };
}

/**
 * Matchers of MI calls, for `expect` of vitest. They take a call of `server.call` or `MiClient`, a function that makes one, an outcome
 * of a batch, a JSON-RPC reply as text or object, and a `Response` of `server.inject` or `fetch`. All are to be awaited.
 */
export interface MiMatchers {
  /** The call gives a result: any, or one that equals `expected`, which may have asymmetric matchers within. */
  toGiveResult(expected?: unknown): Promise<void>;
  /** The call is answered with an error: any, or one with this code, and data that equals `data`. */
  toGiveError(code?: number, data?: unknown): Promise<void>;
}

/** The part of the state of a matcher that these need. */
export interface MatcherState {
  readonly equals: (one: unknown, other: unknown) => boolean;
  readonly utils: {
    readonly stringify: (value: unknown, depth: number, options: { readonly min: boolean }) => string;
  };
}

/** The judgement of a matcher, as vitest takes it. */
export interface Judgement {
  readonly pass: boolean;
  readonly message: () => string;
  readonly actual?: unknown;
  readonly expected?: unknown;
}

/**
 * For `expect.extend`, in a file of tests or in one of `setupFiles`: {@link MiMatchers}.
 *
 * ```ts
 * expect.extend(miMatchers);
 * await expect(server.call('core:version')).toGiveResult({ Server: expect.stringMatching(/mi-httpd/) });
 * await expect(server.call('gone')).toGiveError(codes.methodNotFound);
 * ```
 */
export const miMatchers = {
  async toGiveResult(this: MatcherState, received: unknown, ...wanted: readonly unknown[]): Promise<Judgement> {
    const outcome = await outcomeOf(received);
    const text = (value: unknown): string => this.utils.stringify(value, 10, { min: true });
    if ('error' in outcome)
      return {
        pass: false,
        message: () => `expected a result, but the call gives the error ${told(outcome, text)}`,
      };
    const [expected] = wanted;
    const actual = outcome.result;
    const pass = wanted.length === 0 || this.equals(actual, expected);
    const which = wanted.length === 0 ? 'no result' : `${pass ? 'no' : 'the'} result ${text(expected)}`;
    return { pass, message: () => `expected ${which}, but the call gives ${text(actual)}`, actual, expected };
  },

  async toGiveError(this: MatcherState, received: unknown, ...wanted: readonly unknown[]): Promise<Judgement> {
    const outcome = await outcomeOf(received);
    const text = (value: unknown): string => this.utils.stringify(value, 10, { min: true });
    const [code, data] = wanted;
    const expected = { ...(code === undefined ? {} : { code }), ...(wanted.length < 2 ? {} : { data }) };
    const which = Object.keys(expected).length === 0 ? '' : ` ${text(expected)}`;
    if (!('error' in outcome))
      return {
        pass: false,
        message: () => `expected the error${which}, but the call gives the result ${text(outcome.result)}`,
      };
    const actual = outcome.error.toJSON();
    const isCode = code === undefined || actual.code === code;
    const pass = isCode && (wanted.length < 2 || this.equals(actual.data, data));
    const said = pass ? 'no' : 'the';
    return {
      pass,
      message: () => `expected ${said} error${which}, but the call gives the error ${told(outcome, text)}`,
      actual,
      expected,
    };
  },
};

type Outcome = { readonly result: unknown } | { readonly error: MiError };

/** @throws what a call fails with that is no answer, such as an error of the code ERR_CALL; TypeError for what is no call */
async function outcomeOf(received: unknown): Promise<Outcome> {
  const given: unknown = typeof received === 'function' ? received() : received;
  if (given instanceof Promise) {
    try {
      const value: unknown = await given;
      return value instanceof Response ? await outcomeOf(value) : { result: value };
    } catch (error) {
      if (error instanceof MiError) return { error };
      throw error;
    }
  }
  if (given instanceof MiError) return { error: given };
  if (given instanceof Response) return replyOf(await given.clone().text());
  return replyOf(given);
}

function replyOf(given: unknown): Outcome {
  const reply: unknown = typeof given === 'string' ? JSON.parse(given) : given;
  if (typeof reply !== 'object' || reply === null || !('result' in reply || 'error' in reply))
    throw coded(
      'ERR_ARGUMENT',
      new TypeError('expect is given no MI call: give a promise, an outcome, a JSON-RPC reply or a Response'),
    );
  const { error, result } = reply as { readonly error?: unknown; readonly result?: unknown };
  if (error === undefined) return { result };
  if (error instanceof MiError) return { error };
  const { code, message, data } = error as { code?: unknown; message?: string; data?: never };
  return { error: new MiError(typeof code === 'number' ? code : codes.internalError, message, data) };
}

/** `486 Busy, { trunk: 'a' }` */
function told({ error }: { readonly error: MiError }, text: (value: unknown) => string): string {
  const { code, message, data } = error;
  return `${code} ${message}${data === undefined ? '' : `, ${text(data)}`}`;
}
