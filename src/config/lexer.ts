/** What a token is; `end` is the end of the text, `symbol` any single character that is nothing else. */
export type TokenKind = 'word' | 'number' | 'string' | 'symbol' | 'end';

/** A piece of the text from `start` to before `end`, in bytes. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

/** The text is wrong at `offset` in a way after which nothing more can be read. */
export class SyntaxFault extends Error {
  readonly offset: number;

  constructor(offset: number, text: string) {
    super(text);
    this.offset = offset;
  }
}

const BACKSLASH = 92;
const NEWLINE = 10;
const COMMENT_EDGE = /\/\*|\*\//g;

/** Cuts a configuration into tokens, each byte being one character. Blanks and comments fall away. */
export class Lexer {
  readonly text: string;
  #at = 0;
  #ahead: Token | undefined;
  #noVariableBefore = 0;
  #unclosed: Token | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** The next token, which stays the next one. */
  peek(): Token {
    this.#ahead ??= this.#read();
    return this.#ahead;
  }

  /** The next token; at the end of the text it is `end` again and again. */
  next(): Token {
    const token = this.peek();
    this.#ahead = undefined;
    return token;
  }

  /**
   * The first string that ends right before a letter or digit: where a quote is missing, the quote that opens the next
   * string is taken for it. Only to be asked for after an error.
   */
  get unclosed(): Token | undefined {
    return this.#unclosed;
  }

  /** The text of a token, as written. */
  textOf(token: Token): string {
    return this.text.slice(token.start, token.end);
  }

  /** Whether a token is the symbol `symbol`. */
  isSymbol(token: Token, symbol: string): boolean {
    return token.kind === 'symbol' && this.text[token.start] === symbol;
  }

  #read(): Token {
    this.#skipBlanks();
    const start = this.#at;
    const first = this.text[start];
    if (first === undefined) return { kind: 'end', start, end: start };
    if (first === '"' || first === "'") return this.#string(first);
    if (!isWordCode(first.charCodeAt(0))) {
      return this.#take('symbol', first === '$' ? this.#endOfVariable() : start + 1);
    }
    // a number takes letters too, so that 08 or 12ab is one wrong number and not two tokens
    return this.#take(isDigit(first) ? 'number' : 'word', this.#endOfWord(start));
  }

  #string(quote: string): Token {
    const token = this.#take('string', this.#endOfString(quote));
    if (isWordCode(this.text.charCodeAt(token.end))) this.#unclosed ??= token;
    return token;
  }

  #take(kind: TokenKind, end: number): Token {
    const start = this.#at;
    this.#at = end;
    return { kind, start, end };
  }

  #endOfWord(start: number): number {
    let at = start;
    while (isWordCode(this.text.charCodeAt(at))) at++;
    return at;
  }

  #skipBlanks(): void {
    for (;;) {
      const blank = this.#blankLength();
      if (blank > 0) this.#at += blank;
      else if (this.text[this.#at] === '#') {
        const newline = this.text.indexOf('\n', this.#at);
        this.#at = newline === -1 ? this.text.length : newline + 1;
      } else if (this.text.startsWith('/*', this.#at)) this.#at = this.#endOfComment();
      else return;
    }
  }

  #blankLength(): number {
    const code = this.text.charCodeAt(this.#at);
    // space, TAB, LF, CR and BS; a backslash joins lines
    if (code === 32 || (code >= 8 && code <= 10) || code === 13) return 1;
    if (code !== BACKSLASH) return 0;
    if (this.text.charCodeAt(this.#at + 1) === NEWLINE) return 2;
    return this.text.startsWith('\r\n', this.#at + 1) ? 3 : 0;
  }

  #endOfComment(): number {
    let depth = 0;
    COMMENT_EDGE.lastIndex = this.#at;
    for (let edge = COMMENT_EDGE.exec(this.text); edge !== null; edge = COMMENT_EDGE.exec(this.text)) {
      depth += edge[0] === '/*' ? 1 : -1;
      if (depth === 0) return COMMENT_EDGE.lastIndex;
    }
    throw new SyntaxFault(this.#at, 'comment is not closed (comments nest): add the missing */');
  }

  #endOfString(quote: string): number {
    const close = quote.charCodeAt(0);
    for (let at = this.#at + 1; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at);
      if (code === close) return at + 1;
      // only a double-quoted string has escapes, and of those only \" and \\ matter for finding its end
      if (code === BACKSLASH && quote === '"') at++;
    }
    throw new SyntaxFault(this.#at, `string is not closed: add the missing ${quote}`);
  }

  /** `$(...)` and `$name(...)` may hold quotes, `#` and braces that are not those of the language. */
  #endOfVariable(): number {
    const alone = this.#at + 1;
    if (this.#at < this.#noVariableBefore) return alone;
    let at = alone;
    while (isWordCode(this.text.charCodeAt(at)) || this.text[at] === '.') at++;
    if (this.text[at] !== '(') return alone;
    let depth = 0;
    for (; at < this.text.length && this.text.charCodeAt(at) !== NEWLINE; at++) {
      if (this.text[at] === '(') depth++;
      else if (this.text[at] === ')' && --depth === 0) return at + 1;
    }
    // the rest of this line is not searched again, which keeps the time linear
    this.#noVariableBefore = at;
    return alone;
  }
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

/** A letter, a digit or `_`; NaN, the end of the text, is none. */
function isWordCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;
}
