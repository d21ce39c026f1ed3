import type { ErrorCode } from '../base/codes.js';

/** One `loadmodule` statement. */
export interface LoadModule {
  /** The base name without `.so` (`httpd`); for a JavaScript module of the user's own, the text as written. */
  readonly name: string;
  /** The absolute path of a user's `.mjs`, `.js` or `.cjs` module; undefined for all others. */
  readonly path: string | undefined;
  readonly at: Position;
  /** Where the statement stands among all loadmodule and modparam statements, from 1. */
  readonly order: number;
}

/** One `modparam(module, name, value)` statement. */
export interface ModParam {
  /** The first argument: a POSIX extended regular expression over module names. */
  readonly modulePattern: string;
  readonly name: string;
  readonly value: string | number;
  /** A fault of the value itself, such as text that is not UTF-8; it counts only if the value is used. */
  readonly problems: readonly Diagnostic[];
  readonly at: Position;
  readonly moduleAt: Position;
  readonly nameAt: Position;
  readonly valueAt: Position;
  /** Where the statement stands among all loadmodule and modparam statements, from 1. */
  readonly order: number;
}

/** One `name = value` at the top level, of the globals that are read. */
export interface GlobalAssignment {
  /** The main name: `wdir` is read as `workdir`. */
  readonly name: string;
  readonly value: string | number;
  readonly at: Position;
  readonly valueAt: Position;
}

/** The statements of a configuration file. With errors, the other members hold the statements that could be read. */
export interface ConfigFile {
  modules: LoadModule[];
  parameters: ModParam[];
  /**
   * By main name, the last assignment of each: log_level, xlog_level, stderror_enabled, syslog_enabled, log_stderror,
   * syslog_facility, syslog_name, workdir, chroot.
   */
  globals: ReadonlyMap<string, GlobalAssignment>;
  errors: Diagnostic[];
  /** Possible slips that are passed over, such as an `import_file` that does not exist. */
  notices: Remark[];
  /** Every file that was read, each once, the top one first. */
  files: string[];
}

/** A place in a configuration file. Lines and columns count from 1; a column is one character, not one byte. */
export interface Position {
  /** The file as it was named or found; standard input is `<stdin>`. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing to tell of a configuration file, and where. */
export interface Remark extends Position {
  readonly text: string;
}

/** One thing that is wrong in a configuration file. */
export interface Diagnostic extends Remark {
  readonly code: ErrorCode;
}

/** Makes the diagnostic `text` for a place. */
export function diagnosticAt(code: ErrorCode, at: Position, text: string): Diagnostic {
  return { code, file: at.file, line: at.line, column: at.column, text };
}

/** Writes a place as `FILE:LINE:COL`, the form editors and compilers share. */
export function formatPosition(at: Position): string {
  return `${at.file}:${at.line}:${at.column}`;
}

/** Writes a diagnostic as one line, `FILE:LINE:COL: text`. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  return `${formatPosition(diagnostic)}: ${diagnostic.text}`;
}
