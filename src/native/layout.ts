import { coded } from '../base/codes.js';

// The numbers that TypeScript and Rust share, as crate/core/src/layout.rs has them. They stand here too: V8 folds constants
// into the code that uses them, but not the values that an addon returns.

/** The outcome of a scan; see RequestScanner. */
export const Outcome = {
  call: 0,
  notification: 1,
  parseError: 2,
  invalidRequest: 3,
  batch: 4,
  /** A part of a batch is read. */
  batchGoesOn: 5,
} as const;

/** The kind of `params`. Empty arrays and objects are `none`, as if absent (docs/compatibility.md). */
export const ParamsKind = { none: 0, array: 1, object: 2 } as const;

/** Which member of a reply a value is (JSON-RPC 2.0 §5). */
export const Reply = { result: 0, error: 1 } as const;
export type ReplyKind = (typeof Reply)[keyof typeof Reply];

/** In place of the slot of an id, which is 0 or above. */
export const IdSlot = {
  /** There is no id: `null` is echoed. */
  none: -1,
  /** A notification, which gets no reply. */
  noReply: -2,
  /** The id is known until the next scan; see RequestScanner.hold. */
  short: -3,
} as const;

/** Indexes into the memory where a scan leaves its findings. */
export const Field = {
  command: 0,
  idSlot: 1,
  paramsKind: 2,
  paramsStart: 3,
  paramsEnd: 4,
  paramsCount: 5,
  methodStart: 6,
  methodEnd: 7,
  position: 8,
  shortIdLength: 9,
  shortId: 10,
} as const;

/** Indexes into the memory where the reading of a batch leaves its findings, and finds them when it goes on. */
export const BatchField = { elements: 0, replies: 1, start: 2, position: 3, values: 4 } as const;

/** Indexes into the findings about one element of a batch. */
export const ElementField = {
  start: 0,
  outcome: 1,
  command: 2,
  /** Of its id; without one both are 0. */
  idStart: 3,
  idEnd: 4,
  paramsStart: 5,
  paramsEnd: 6,
  paramsCount: 7,
  methodStart: 8,
  methodEnd: 9,
} as const;

/** Indexes into what is to be printed for one element of a batch. */
export const ReplyField = {
  /** A {@link Reply}. */
  kind: 0,
  /** Bytes of its text. */
  length: 1,
  /** Where its id begins, or the slot of its id. */
  id: 2,
  /** Where its id ends; 0 for one in a slot. */
  idEnd: 3,
} as const;

/** Indexes into the memory where a printer leaves how far it came. */
export const ProgressField = { consumed: 0, produced: 1 } as const;

/** Indexes into the memory of a walk over a record table, which is over when `next` is `end`. */
export const WalkField = { next: 0, end: 1, mark: 2 } as const;

/** Indexes into the memory where a search in a record table leaves how far it came. */
export const SearchField = {
  isOver: 0,
  matched: 1,
  scanned: 2,
  /** 1 if records were found that were not printed. */
  hasMore: 3,
  /** Bytes of a found record that the window has no room for. */
  room: 4,
  /** The walk behind the last record that was printed. */
  next: 5,
  end: 6,
  mark: 7,
} as const;

/** Where the database of some tables is. */
export const KeptPhase = {
  opening: 0,
  /** Tables are loaded; nothing is written yet. */
  loading: 1,
  open: 2,
  /** There is no database. */
  failed: 3,
  closed: 4,
} as const;

/** Indexes into the memory where a database leaves its figures. */
export const KeptField = {
  /** A {@link KeptPhase}. */
  phase: 0,
  /** The last flush whose changes are written. */
  done: 1,
  /** The last one whose changes could not be. */
  failed: 2,
  /** Changes that wait. */
  pending: 3,
  pendingBytes: 4,
  commits: 5,
  failures: 6,
  /** Records that were written or deleted. */
  written: 7,
  fileBytes: 8,
  /** 1 if the last attempt to write has failed. */
  isFailing: 9,
  /** 1 if changes were forgotten, and all tables have to be written anew. */
  isBehind: 10,
  /** 1 if the table that is loaded is complete and taken. */
  isLoaded: 11,
} as const;

/** Indexes into the memory where records that were loaded leave their numbers. */
export const LoadedField = { records: 0, marks: 1 } as const;

/** The outcome of a piece of a body. */
export const Pushed = {
  taken: 0,
  /** The body would pass the limit of one body. */
  bodyTooLarge: 1,
  /** All bodies together would pass the limit of the pool. */
  poolFull: 2,
} as const;
export type Pushed = (typeof Pushed)[keyof typeof Pushed];

/** The outcome of setting a record; below 0 without room for it. */
export const Stored = {
  added: 1,
  replaced: 0,
  tooManyRecords: -1,
  tooManyBytes: -2,
  recordTooLong: -3,
  noMemory: -4,
  changed: -5,
} as const;

/** The part of each record that a dump prints. */
export const DumpShape = { records: 0, keys: 1, members: 2 } as const;

/** Indexes into the latencies of a command, behind those of its buckets. */
export const LatencyCell = {
  /** Calls that failed. */
  failed: 128,
  /** Microseconds of all calls together. */
  sum: 129,
  /** Microseconds of the longest. */
  longest: 130,
} as const;

/** What a reply is compressed by. */
export const Coding = { zstd: 0, gzip: 1 } as const;

export const Size = {
  /** Bytes of the longest id that takes no slot. */
  shortId: 64,
  /** Ids, bodies or dumps of a table that can be open at once. */
  slots: 1048576,
  /** Bytes of the length in front of a key that a walk writes. */
  keyLength: 4,
  /** Replies that are compressed at once, in the whole process. */
  compressions: 16,
  /** Buckets of the latencies of a command. */
  latencyBuckets: 128,
  /** Numbers that are kept for the latencies of a command. */
  latencyCells: 131,
} as const;

type Layout = Readonly<Record<string, Readonly<Record<string, number>>>>;

const layout: Layout = {
  Outcome,
  ParamsKind,
  Reply,
  IdSlot,
  Field,
  BatchField,
  ElementField,
  ReplyField,
  ProgressField,
  WalkField,
  SearchField,
  KeptPhase,
  KeptField,
  LoadedField,
  Pushed,
  Stored,
  DumpShape,
  LatencyCell,
  Coding,
  Size,
};

/**
 * Compares the numbers of an addon with those here.
 *
 * @throws Error for the first that differs, or that one side alone has
 */
export function checkLayout(addons: Layout): void {
  for (const group of keysOf(layout, addons)) {
    for (const name of keysOf(layout[group], addons[group])) {
      const number = tellNumber(layout, group, name);
      const addonNumber = tellNumber(addons, group, name);
      if (number === addonNumber) continue;
      throw coded(
        'ERR_INSTALLATION',
        new Error(
          `the native addon of mi-httpd is of another version: ${group}.${name} is ${addonNumber} in the addon and ${number} ` +
            'in the package; where it is a dependency, install it again; in a clone, run npm run build',
        ),
      );
    }
  }
}

function keysOf(...objects: readonly (object | undefined)[]): Set<string> {
  return new Set(objects.flatMap((object) => Object.keys(object ?? {})));
}

function tellNumber(layout: Layout, group: string, name: string): string {
  return String(layout[group]?.[name] ?? 'missing');
}
