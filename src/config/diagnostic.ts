/** A place in a configuration file. Lines and columns count from 1; a column is one character, not one byte. */
export interface Position {
  /** The file as it was named or found; standard input is `<stdin>`. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong in a configuration file, and where. */
export interface Diagnostic extends Position {
  readonly text: string;
}

/** Makes the diagnostic `text` for a place. */
export function diagnosticAt(at: Position, text: string): Diagnostic {
  return { file: at.file, line: at.line, column: at.column, text };
}

/** Writes a place as `FILE:LINE:COL`, the form editors and compilers share. */
export function formatPosition(at: Position): string {
  return `${at.file}:${at.line}:${at.column}`;
}

/** Writes a diagnostic as one line, `FILE:LINE:COL: text`. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  return `${formatPosition(diagnostic)}: ${diagnostic.text}`;
}
