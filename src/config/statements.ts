import { existsSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { ErrorCode } from '../base/codes.js';
import { readBounded, UnreadableError } from '../base/files.js';
import { slipOf } from '../base/nearest.js';
import { shorten } from '../base/text.js';
import { type ConfigFile, diagnosticAt, formatPosition, type GlobalAssignment, type Position } from './config-file.js';
import { booleanWord, Lexer, parseInteger, SyntaxFault, type Token, unquote } from './lexer.js';
import { flatten, maxSourceBytes, type Source } from './source.js';

export type { ConfigFile, LoadModule } from './config-file.js';

/** The top file cannot be read; the message is one line with the file and the reason. */
export class ConfigReadError extends Error {
  override readonly name = 'ConfigReadError';
  readonly code: ErrorCode = 'ERR_CONFIG_FILE';
}

/** Where a text given to parseConfig comes from. */
export interface ParseOptions {
  /** The name that diagnostics use; `<text>` when left out. */
  readonly file?: string;
  /** Where relative includes and `./` modules are looked for; the directory of `file`, else the working directory. */
  readonly directory?: string;
}

/**
 * Reads a configuration file with its includes; `-` is standard input. Of the file, the statements loadmodule, modparam
 * and mpath and some globals are read, and the rest is skipped. What is wrong in it is in `errors`: a missing include
 * before all else (nothing is read then), a syntax error last, because reading stops there.
 * Throws a ConfigReadError when the file itself cannot be read.
 */
export function readConfig(path: string): ConfigFile {
  const stdin = path === '-';
  const file = stdin ? '<stdin>' : path;
  let bytes: Buffer;
  try {
    bytes = readBounded(stdin ? undefined : path, maxSourceBytes);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    throw new ConfigReadError(`cannot read the configuration file ${file}: ${error.message}`);
  }
  return parse(bytes, file, stdin ? process.cwd() : dirname(resolve(path)));
}

/** Reads a configuration from a text, as readConfig does from a file. */
export function parseConfig(text: string | Uint8Array, options: ParseOptions = {}): ConfigFile {
  const { file = '<text>', directory = dirname(resolve(options.file ?? '_')) } = options;
  return parse(typeof text === 'string' ? Buffer.from(text) : text, file, resolve(directory));
}

function parse(bytes: Uint8Array, file: string, directory: string): ConfigFile {
  const { source, errors, notices, files } = flatten(bytes, file, directory);
  if (errors.length > 0) return { modules: [], parameters: [], globals: new Map(), errors, notices, files };
  return { ...new StatementReader(source).read(), notices, files };
}

/** Name of a global in the file -> its main name and type. */
const globalParameters: ReadonlyMap<string, { name: string; type: 'int' | 'string' | 'word' }> = new Map([
  ['log_level', { name: 'log_level', type: 'int' }],
  ['xlog_level', { name: 'xlog_level', type: 'int' }],
  ['stderror_enabled', { name: 'stderror_enabled', type: 'int' }],
  ['syslog_enabled', { name: 'syslog_enabled', type: 'int' }],
  // The names that OpenSIPS had before 3.4.
  ['log_stderror', { name: 'log_stderror', type: 'int' }],
  ['syslog_facility', { name: 'syslog_facility', type: 'word' }],
  ['log_facility', { name: 'syslog_facility', type: 'word' }],
  ['syslog_name', { name: 'syslog_name', type: 'string' }],
  ['log_name', { name: 'syslog_name', type: 'string' }],
  ['workdir', { name: 'workdir', type: 'string' }],
  ['wdir', { name: 'workdir', type: 'string' }],
  ['chroot', { name: 'chroot', type: 'string' }],
]);

const secretName = /passw|secret|token/;
const macroCall = /^(?:define|undefine|divert|changequote|changecom|ifdef|ifelse|s?include|e?syscmd|m4_[a-z_]+)$/;
const expandFirst = 'expand the macros first, with m4 or cpp, and read the result';
const expandTemplate = 'expand the text first, as with envsubst, and read the result';
const quotedStatements = ['loadmodule', 'include_file', 'import_file'];
const templateStarts: ReadonlySet<string> = new Set(['${', '{{', '{%', '<%']);
const longestShown = 40;

interface Value {
  /** Undefined when the value is wrong; the error is recorded then. */
  readonly value: string | number | undefined;
  readonly start: number;
}

/**
 * Walks the top level of a configuration: reads the statements of interest and skips the rest, blocks as a whole.
 * An error of syntax ends the walk; a wrong value drops its statement only.
 */
class StatementReader {
  readonly #source: Source;
  readonly #lexer: Lexer;
  readonly #loader: ModuleLoader;
  readonly #globals = new Map<string, GlobalAssignment>();
  readonly #config: Omit<ConfigFile, 'files' | 'notices'>;
  #order = 0;

  constructor(source: Source) {
    this.#source = source;
    this.#lexer = new Lexer(source.text);
    this.#config = { modules: [], parameters: [], globals: this.#globals, errors: [] };
    this.#loader = new ModuleLoader(this.#config);
  }

  read(): Omit<ConfigFile, 'files' | 'notices'> {
    try {
      let before: Token | undefined;
      for (let token = this.#lexer.next(); token.kind !== 'end'; token = this.#lexer.next()) {
        if (token.kind === 'word' && !this.#isPartOfAName(token, before)) this.#word(token);
        else if (token.kind === 'symbol') this.#symbol(token);
        before = token;
      }
    } catch (error) {
      if (!(error instanceof SyntaxFault)) throw error;
      const open = this.#lexer.unclosed;
      if (open === undefined) this.#error(error.offset, error.message);
      else this.#error(open.start, this.#neverClosed(open));
    }
    return this.#config;
  }

  /** Host names such as sip.loadmodule-x.example hold words that start no statement. */
  #isPartOfAName(token: Token, before: Token | undefined): boolean {
    if (/[-.:@]/.test(this.#lexer.text[token.end] ?? '')) return true;
    if (before?.kind !== 'symbol' || before.end !== token.start) return false;
    return /[-.:@/]/.test(this.#lexer.textOf(before));
  }

  #word(token: Token): void {
    const word = this.#lexer.textOf(token);
    if (word === 'loadmodule') this.#loadModule(token);
    else if (word === 'modparam') this.#modParam(token);
    else if (word === 'mpath') this.#modulePath();
    else if (globalParameters.has(word)) this.#global(token, word);
    else if (word === 'include_file' || word === 'import_file') {
      throw new SyntaxFault(token.start, `${word} must be the first on its line, with a quoted path after it`);
    } else {
      this.#refuseMacro(token, word);
      this.#refuseSlip(token, word);
    }
  }

  /** A statement whose word is misspelled would be passed over like those of a SIP server, and with it what it protects. */
  #refuseSlip(token: Token, word: string): void {
    const next = this.#lexer.peek();
    const isCall = this.#lexer.isSymbol(next, '(');
    if (!isCall && next.kind !== 'string') return;
    const meant = slipOf(word, isCall ? ['modparam'] : quotedStatements);
    if (meant === undefined) return;
    throw new SyntaxFault(token.start, `"${word}" is no statement: did you mean ${meant}?`);
  }

  #symbol(token: Token): void {
    const ahead = this.#lexer.text.slice(token.start, token.start + 2);
    if (templateStarts.has(ahead)) {
      const text = `${this.#shownLine(token)} looks like a template: nothing is expanded here, so ${expandTemplate}`;
      throw new SyntaxFault(token.start, text);
    }
    if (this.#lexer.isSymbol(token, '{')) this.#skipBlock(token);
    else if (this.#lexer.isSymbol(token, '}')) {
      throw new SyntaxFault(token.start, 'this } closes nothing: remove it, or add the missing {');
    } else this.#refuseMacro(token, '');
  }

  #skipBlock(open: Token): void {
    let depth = 1;
    while (depth > 0) {
      const token = this.#lexer.next();
      if (token.kind === 'end') throw new SyntaxFault(open.start, 'block is not closed: add the missing }');
      if (this.#lexer.isSymbol(token, '{')) depth++;
      else if (this.#lexer.isSymbol(token, '}')) depth--;
      else if (token.kind === 'symbol') this.#refuseMacro(token, '');
      else if (token.kind === 'word' && this.#lexer.textOf(token) === 'dnl') this.#refuseMacro(token, 'dnl');
    }
  }

  /** The quotes of m4 do not balance as strings do here, so that whole statements would be lost without a word. */
  #refuseMacro(token: Token, word: string): void {
    const isCall = macroCall.test(word) && this.#lexer.text[token.end] === '(';
    if (!isCall && word !== 'dnl' && !this.#lexer.isSymbol(token, '`')) return;
    throw new SyntaxFault(token.start, `${this.#shown(token)} belongs to the macro language m4: ${expandFirst}`);
  }

  #loadModule(keyword: Token): void {
    const name = this.#anyBytes('loadmodule needs the quoted name of a module');
    const at = this.#source.positionAt(keyword.start);
    const order = ++this.#order;
    if (name.value !== undefined) {
      const nameAt = this.#source.positionAt(name.start);
      this.#loader.load(name.value, { at, nameAt, order, directory: this.#source.directoryAt(keyword.start) });
    }
    this.#refuseSemicolon('loadmodule');
  }

  #modParam(keyword: Token): void {
    const needs = 'modparam needs ("module", "parameter", value)';
    this.#expect('(', needs);
    const module = this.#anyBytes(needs);
    this.#expect(',', needs);
    const name = this.#string(needs);
    this.#expect(',', needs);
    const before = this.#config.errors.length;
    const value = this.#parameterValue(name.value ?? '', needs);
    // They matter only if the parameter is one of ours.
    const problems = this.#config.errors.splice(before);
    const order = ++this.#order;
    if (module.value !== undefined && name.value !== undefined) {
      this.#config.parameters.push({
        modulePattern: module.value,
        name: name.value,
        value: value.value ?? '',
        problems,
        at: this.#source.positionAt(keyword.start),
        moduleAt: this.#source.positionAt(module.start),
        nameAt: this.#source.positionAt(name.start),
        valueAt: this.#source.positionAt(value.start),
        order,
      });
    }
    this.#refuseSemicolon('modparam');
  }

  /** The value of a secret is never shown, whatever is wrong with it. */
  #parameterValue(name: string, needs: string): Value {
    try {
      const value = this.#value(needs);
      this.#expect(')', needs);
      return value;
    } catch (error) {
      if (!(error instanceof SyntaxFault) || !secretName.test(name)) throw error;
      throw new SyntaxFault(
        error.offset,
        `${needs}: the value of ${name} is not one quoted string with a ")" behind it`,
      );
    }
  }

  #modulePath(): void {
    const needs = 'mpath needs = and a quoted directory';
    this.#expect('=', needs);
    const directories: string[] = [];
    for (;;) {
      const { value } = this.#anyBytes(needs);
      if (value !== undefined) directories.push(value);
      if (!this.#lexer.isSymbol(this.#lexer.peek(), ':')) break;
      this.#lexer.next();
    }
    this.#loader.directories = directories;
    this.#refuseSemicolon('mpath');
  }

  #global(token: Token, word: string): void {
    const global = globalParameters.get(word);
    if (global === undefined || !this.#lexer.isSymbol(this.#lexer.peek(), '=')) return;
    this.#lexer.next();
    const range = word.endsWith('log_level') ? ' from -3 (alert) to 4 (debug)' : '';
    const wanted = global.type === 'int' ? `an integer${range}` : global.type === 'word' ? 'a name' : 'a quoted string';
    const { value, start } =
      global.type === 'word'
        ? this.#nameOrString(`${word} needs ${wanted}`)
        : this.#value(`${word} needs ${wanted}`, true);
    if (value !== undefined && (typeof value === 'number') !== (global.type === 'int')) {
      this.#error(start, `${word} needs ${wanted}, not ${JSON.stringify(value)}`);
    } else if (value !== undefined) {
      const at = this.#source.positionAt(token.start);
      this.#globals.set(global.name, { name: global.name, value, at, valueAt: this.#source.positionAt(start) });
    }
    this.#refuseSemicolon(word);
  }

  /** A name that is written without quotes, as `LOG_LOCAL0`. */
  #nameOrString(needs: string): Value {
    const token = this.#lexer.peek();
    if (token.kind !== 'word') return this.#value(needs, true);
    this.#lexer.next();
    return { value: this.#lexer.textOf(token), start: token.start };
  }

  #value(needs: string, takesAnyBytes = false): Value {
    const first = this.#lexer.peek();
    if (first.kind === 'string') return this.#joinedStrings(needs, takesAnyBytes);
    const isNegative = this.#lexer.isSymbol(first, '-');
    const hasSign = isNegative || this.#lexer.isSymbol(first, '+');
    if (hasSign) this.#lexer.next();
    const token = this.#lexer.next();
    const text = this.#lexer.textOf(token);
    const word = hasSign || token.kind !== 'word' ? undefined : booleanWord(text);
    if (word !== undefined) return { value: word, start: token.start };
    if (token.kind !== 'number') throw this.#unexpected(token, needs, 'a quoted string or an integer');
    if (this.#lexer.text[token.end] === '.') {
      throw new SyntaxFault(
        first.start,
        `${needs}: numbers are whole, and ${text}.… is not; quote it if it is a string`,
      );
    }
    const value = parseInteger(text, isNegative);
    if (typeof value === 'number') return { value, start: first.start };
    this.#error(first.start, value);
    return { value: undefined, start: first.start };
  }

  #joinedStrings(needs: string, takesAnyBytes: boolean): Value {
    const first = this.#string(needs, takesAnyBytes);
    let value = first.value;
    while (this.#lexer.peek().kind === 'string') {
      const next = this.#string(needs, takesAnyBytes);
      value = value === undefined || next.value === undefined ? undefined : value + next.value;
    }
    return { value, start: first.start };
  }

  /** A string that matters to OpenSIPS alone, or names a module, and ours are ASCII: any bytes will do. */
  #anyBytes(needs: string): { value: string | undefined; start: number } {
    return this.#string(needs, true);
  }

  #string(needs: string, takesAnyBytes = false): { value: string | undefined; start: number } {
    const token = this.#lexer.next();
    if (token.kind !== 'string') throw this.#unexpected(token, needs, 'a quoted string');
    const value = unquote(this.#lexer.textOf(token));
    if (typeof value === 'string') return { value, start: token.start };
    if (takesAnyBytes && value.latin1 !== undefined) return { value: value.latin1, start: token.start };
    this.#error(token.start + value.offset, value.problem);
    return { value: undefined, start: token.start };
  }

  #expect(symbol: string, needs: string): void {
    const token = this.#lexer.next();
    if (!this.#lexer.isSymbol(token, symbol)) throw this.#unexpected(token, needs, `"${symbol}"`);
  }

  #unexpected(token: Token, needs: string, wanted: string): SyntaxFault {
    let hint = '';
    if (this.#lexer.textOf(token) === 'null') hint = '; null is not a value here';
    else if (token.kind === 'word') hint = `; if this is a macro, ${expandFirst}`;
    else if (this.#lexer.isSymbol(token, '`')) hint = `; this is a quote of m4, so ${expandFirst}`;
    else if (token.kind === 'symbol' && /^[$@%<{]/.test(this.#lexer.textOf(token))) {
      hint = `; if this is a template, nothing is expanded here: ${expandTemplate}`;
    }
    return new SyntaxFault(token.start, `${needs}: expected ${wanted}, found ${this.#shown(token)}${hint}`);
  }

  #refuseSemicolon(statement: string): void {
    const token = this.#lexer.peek();
    if (!this.#lexer.isSymbol(token, ';')) return;
    throw new SyntaxFault(token.start, `no semicolon may follow ${statement}: remove it`);
  }

  #shown(token: Token): string {
    if (token.kind === 'end') return 'the end of the file';
    const end = token.kind === 'symbol' ? Math.max(token.end, token.start + 4) : token.end;
    const text = Buffer.from(this.#lexer.text.slice(token.start, end), 'latin1').toString('utf8');
    const isOne = token.kind === 'symbol' && token.end === token.start + 1;
    const shown = isOne ? String.fromCodePoint(text.codePointAt(0) ?? 0xfffd) : text;
    return shorten(shown.replace(/\p{Cc}/gu, ' '), longestShown, '…');
  }

  /** A string that lacks its quote ends at that of the next one, and what is wrong shows only there. */
  #neverClosed(open: Token): string {
    const quote = this.#lexer.text[open.start] ?? '"';
    const { line } = this.#source.positionAt(open.end);
    return `string is not closed: add the missing ${quote} (as it is, it ends on line ${line})`;
  }

  /** A symbol and what follows it without a blank. */
  #shownLine(token: Token): string {
    const [found = ''] = /^[^\s"']{1,40}/.exec(this.#lexer.text.slice(token.start, token.start + 40)) ?? [];
    return Buffer.from(found, 'latin1')
      .toString('utf8')
      .replace(/\p{Cc}/gu, ' ');
  }

  #error(offset: number, text: string): void {
    this.#config.errors.push(diagnosticAt('ERR_SYNTAX', this.#source.positionAt(offset), text));
  }
}

/** Where a loadmodule statement stands. */
interface LoadSite {
  readonly at: Position;
  readonly nameAt: Position;
  readonly order: number;
  /** The directory of the file that holds the statement. */
  readonly directory: string;
}

const javaScriptFile = /\.[cm]?js$/;

/** Works out which modules a configuration loads, and refuses to load one twice. */
class ModuleLoader {
  /** The directories of the last mpath statement; names of a user's own modules are looked up in them, in order. */
  directories: readonly string[] = [];
  readonly #config: Pick<ConfigFile, 'modules' | 'errors'>;
  readonly #loaded = new Map<string, Position>();

  constructor(config: Pick<ConfigFile, 'modules' | 'errors'>) {
    this.#config = config;
  }

  /** Adds the module `written` to the configuration, or what is wrong with it to the errors. */
  load(written: string, { at, nameAt, order, directory }: LoadSite): void {
    const isJavaScript = javaScriptFile.test(written);
    const path = isJavaScript ? this.#pathOf(written, directory) : undefined;
    if (isJavaScript && path === undefined) {
      const remedy = `write "./${written}" for the directory of this file, or set mpath`;
      const text = `cannot tell where "${written}" is: ${remedy}`;
      this.#config.errors.push(diagnosticAt('ERR_MODULE', nameAt, text));
      return;
    }
    const name = isJavaScript ? written : written.slice(written.lastIndexOf('/') + 1).replace(/\.so$/, '');
    if (name === '') {
      this.#config.errors.push(
        diagnosticAt('ERR_MODULE', nameAt, `"${written}" names no module: give a file name such as "httpd.so"`),
      );
      return;
    }
    const key = path ?? name;
    const earlier = this.#loaded.get(key);
    if (earlier !== undefined) {
      const text = `module "${name}" is loaded already, at ${formatPosition(earlier)}: remove one of the two`;
      this.#config.errors.push(diagnosticAt('ERR_MODULE', nameAt, text));
      return;
    }
    this.#loaded.set(key, at);
    this.#config.modules.push({ name, path, at, order });
  }

  #pathOf(written: string, directory: string): string | undefined {
    if (isAbsolute(written)) return resolve(written);
    if (/^\.\.?\//.test(written)) return resolve(directory, written);
    const candidates = this.directories.map((prefix) => resolve(`${withSlash(prefix)}${written}`));
    return candidates.find((candidate) => existsSync(candidate)) ?? candidates[0];
  }
}

function withSlash(directory: string): string {
  return directory === '' || directory.endsWith('/') ? directory : `${directory}/`;
}
