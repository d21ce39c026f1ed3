import { readFileSync } from 'node:fs';
import type { JsonKind, Recording, Repeated } from './recording.js';

/** Everything that test/conformance/differences.json says. */
export interface DifferenceTable {
  /** The parts that are not compared, of every exchange. */
  readonly normalisations: readonly { readonly what: string; readonly why: string }[];
  readonly sections: readonly { readonly id: string; readonly title: string; readonly text: readonly string[] }[];
  readonly differences: readonly Difference[];
  /** Commands of the recorded servers that are not here, by their module: nearly all, as only a SIP server can have them. */
  readonly sipCommands: Readonly<Record<string, readonly string[]>>;
  /** Commands of ours, by full name, that the recorded servers have not. */
  readonly ownCommands: readonly string[];
  /** By command, the accepted parameters that -32602 tells a caller; of another command it tells that there are some. */
  readonly accepted: Readonly<Record<string, string>>;
}

/** One deliberate difference: a row of docs/compatibility.md, and the reply that is expected instead of the recorded one. */
export interface Difference {
  readonly id: string;
  /** Id of the section of the page. */
  readonly section: string;
  readonly what: string;
  readonly original: string;
  readonly ours: string;
  readonly why: string;
  /** `not applicable`: the request asks for a part that mi-httpd lacks; the answer is checked all the same. */
  readonly kind?: 'different' | 'not applicable';
  /** Versions that it concerns where it is not all of them: `2.4`, `3.x up to 3.5`. */
  readonly from?: string;
  /** Recorded exchanges that it concerns, any of these; left out: beyond the recordings. */
  readonly match?: readonly Match[];
  readonly expect?: Expectation;
  /** The expectation for some of them, on top of `expect`: every one whose `match` holds, in this order. */
  readonly kinds?: readonly { readonly match: readonly Match[]; readonly expect: Expectation }[];
  /** On top of `expect` for those that `cases` does not name: the expectation of the kind. */
  readonly unseen?: Expectation;
  /**
   * By name of the exchange (`cmd.ps`), or version and name (`3.4 cmd.ps`), on top of `expect`: more than is known of the
   * kind, such as the place of an error in the text.
   */
  readonly cases?: Readonly<Record<string, Expectation>>;
  /** On top of all these where the HTTP server of Node.js serves: every one whose `match` holds, or that has none. */
  readonly node?: readonly { readonly match?: readonly Match[]; readonly expect: Expectation }[];
}

/** The kind of an exchange, which its name tells nothing of: all that is given must hold. */
export interface Match {
  readonly versions?: readonly Recording['version'][];
  readonly interfaces?: readonly Recording['interface'][];
  readonly configs?: readonly string[];
  /** HTTP methods. */
  readonly http?: readonly string[];
  /** JSON-RPC methods; `*` stands for anything, `sip` alone for every command of `sipCommands`. */
  readonly rpc?: readonly string[];
  /** Regular expression that the head and the first bytes of the body fit. */
  readonly request?: string;
  /** Regular expressions that the head, the target and the media type fit; names of headers are in lower case. */
  readonly head?: string;
  readonly target?: string;
  readonly type?: string;
  /** Regular expression that the id fits, as it is written. */
  readonly id?: string;
  /** Whether the head ends, and the body has the length that is announced. */
  readonly headWhole?: boolean;
  readonly bodyWhole?: boolean;
  /** The bytes behind the first request. */
  readonly followedBy?: 'nothing' | 'request' | 'text';
  /** Whether all requests were answered, less of them, or all and then nothing came for long. */
  readonly answered?: 'all' | 'less' | 'then nothing';
  /** Whether the body is said to be JSON, or JSON is asked for. */
  readonly wantsJson?: boolean;
  /** The kind of the body to a strict reader. */
  readonly json?: readonly JsonKind[];
  /** More levels of arrays and objects than these. */
  readonly deeper?: number;
  /** More bytes of body than these, or at most so many. */
  readonly longer?: number;
  readonly notLonger?: number;
  /** None of these may hold. */
  readonly not?: readonly Match[];
  readonly status?: readonly number[];
  readonly none?: readonly string[];
  /** Regular expression that the body of the first reply fits. */
  readonly body?: string;
  readonly bodyUnfinished?: boolean;
  readonly leftOut?: readonly string[];
  /** `Connection: close` in the recorded reply. */
  readonly closes?: boolean;
}

/**
 * The changes to the recorded reply. In texts, `{rpc}` stands for the JSON-RPC method of the request, `{module}` for
 * what is before its colon or for the module in the path of a page, `{param1}` and `{param2}` for its first parameters,
 * `{http}` for the HTTP method, `{path}` for the path without the query, `{type}` for the media type, `{length}` for the
 * bytes of the body, `{id}` for the id as it is written; in expressions `{accepted}` for what that command accepts,
 * `{aors}` for all addresses of record that the recorded body lists, in any order, and `{aorCount}` for their number;
 * `{cwd}`, `{argv}` and `{revision}` for those of this process.
 */
export interface Expectation {
  /** All replies anew, where their number changes. */
  readonly responses?: readonly ExpectedResponse[];
  readonly status?: number;
  /** Of the one reply that there is: the expectation where the command of the request is served as any other. */
  readonly served?: boolean;
  /** All is as it was recorded, whatever other rows say. */
  readonly recorded?: boolean;
  /** The reply comes only when blanks have been sent for the bytes of the body that are missing. */
  readonly completed?: boolean;
  /** Nothing comes behind the replies, and the connection is closed when it has been idle for long. */
  readonly idle?: boolean;
  /** The outcome of each request behind the first that was not answered. */
  readonly following?: Expectation;
  /** A page of the web interface whose title begins so, with the headers of such a page. */
  readonly page?: string;
  /** The `data` of a refusal in JSON-RPC, which has the id null. */
  readonly refusal?: string;
  /** By name; null takes one away. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: string;
  /** A regular expression for the whole body, where a part of it cannot be told in advance. */
  readonly bodyPattern?: string;
  /** The `error` of the JSON-RPC reply; the id stays as it is. */
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
  /** Replaces the `data` of the recorded error, or adds it. */
  readonly data?: string;
  /** As `data`, a regular expression. */
  readonly dataPattern?: string;
  /** As `dataPattern`, for the text behind the `data` of the recorded error. */
  readonly dataSuffixPattern?: string;
  /** The `result` of the JSON-RPC reply, as JSON text. */
  readonly result?: string;
  /** The id of the JSON-RPC reply, as JSON text. */
  readonly id?: string;
  /** Regular expressions and their replacements in the body. */
  readonly replace?: readonly (readonly [pattern: string, replacement: string])[];
  readonly connection?: 'open' | 'closed' | 'more bytes followed';
  /** The engine refuses before any of our code sees the request, by one of these statuses, and closes. */
  readonly engineRefusal?: readonly number[];
}

/** A reply as it has to be. */
export interface ExpectedReply {
  readonly status: number;
  /** Instead of `status`: any of these. */
  readonly statuses?: readonly number[];
  readonly statusLine?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly bodyPattern?: string;
  /** The original's body is not kept, and no difference tells ours. */
  readonly leftOut?: string;
  readonly interim?: readonly string[];
  readonly connection?: string;
  /** The end of the body does not come by itself. */
  readonly bodyUnfinished?: boolean;
  /** No reply comes before these bytes are sent too. */
  readonly after?: Repeated;
}

/**
 * No reply: the connection is `closed` at once, or when it has been `idle` for long; or nothing happens (`silent`), or
 * the server ends (`crashed`), which only the recorded ones do.
 */
export type ExpectedResponse = ExpectedReply | { readonly none: 'closed' | 'idle' | 'silent' | 'crashed' };

export function readDifferences(file = 'test/conformance/differences.json'): DifferenceTable {
  return JSON.parse(readFileSync(file, 'utf8')) as DifferenceTable;
}
