import type { ErrorCode } from '../base/codes.js';

/** Steps a compiled pattern may have; nested intervals multiply. */
const mostSteps = 20_000;
/** Module names are short; a longer one matches nothing. */
const longestName = 255;

type Step =
  | { readonly kind: 'character'; readonly accepts: (character: string) => boolean }
  | { readonly kind: 'start' | 'end' | 'match' }
  | { readonly kind: 'fork'; targets: number[] };

/**
 * The module argument of modparam: a POSIX extended regular expression that ignores letter case and must match the
 * whole name (docs/compatibility.md). It runs as a set of states, so that no expression takes more than
 * steps times letters.
 */
export class ModulePattern {
  readonly #steps: Step[] = [];
  #compiled = 0;

  /** Throws a PatternError when the expression is not a valid one. */
  constructor(pattern: string) {
    this.#compile(parsePattern(pattern));
    this.#add({ kind: 'match' });
  }

  /** True if the expression matches all of `name`. */
  matches(name: string): boolean {
    if (name.length > longestName) return false;
    let states = this.#reach([0], 0, name.length);
    for (let at = 0; at < name.length && states.size > 0; at++) {
      const character = name.charAt(at);
      const next: number[] = [];
      for (const state of states) {
        const step = this.#steps[state];
        if (step?.kind === 'character' && step.accepts(character)) next.push(state + 1);
      }
      states = this.#reach(next, at + 1, name.length);
    }
    return states.has(this.#steps.length - 1);
  }

  /** All states that can be reached from `from` without a further letter. */
  #reach(from: readonly number[], at: number, length: number): Set<number> {
    const reached = new Set(from);
    // a set is iterated in the order of insertion and hands out what is added meanwhile
    for (const state of reached) {
      const step = this.#steps[state];
      if (step?.kind === 'fork') for (const target of step.targets) reached.add(target);
      else if ((step?.kind === 'start' && at === 0) || (step?.kind === 'end' && at === length)) reached.add(state + 1);
    }
    return reached;
  }

  #compile(node: PatternNode): void {
    // counted besides the steps, because an empty group makes none, however often it is repeated
    if (++this.#compiled > mostSteps) throw tooManySteps();
    if (node.kind === 'character') this.#add(node);
    else if (node.kind === 'start' || node.kind === 'end') this.#add({ kind: node.kind });
    else if (node.kind === 'sequence') for (const part of node.parts) this.#compile(part);
    else if (node.kind === 'choice') this.#compileChoice(node.parts);
    else if (node.kind === 'repeat') this.#compileRepeat(node.part, node.min, node.max);
  }

  #compileChoice(parts: readonly PatternNode[]): void {
    const entry = this.#fork();
    const exits: { targets: number[] }[] = [];
    for (const part of parts) {
      entry.targets.push(this.#steps.length);
      this.#compile(part);
      exits.push(this.#fork());
    }
    for (const exit of exits) exit.targets.push(this.#steps.length);
  }

  #compileRepeat(part: PatternNode, min: number, max: number): void {
    for (let i = 0; i < min; i++) this.#compile(part);
    const skips: { targets: number[] }[] = [];
    const optional = max === Infinity ? 1 : max - min;
    for (let i = 0; i < optional; i++) {
      const start = this.#steps.length;
      const fork = this.#fork();
      fork.targets.push(start + 1);
      skips.push(fork);
      this.#compile(part);
      if (max === Infinity) this.#fork().targets.push(start);
    }
    for (const skip of skips) skip.targets.push(this.#steps.length);
  }

  #fork(): { targets: number[] } {
    const fork = { kind: 'fork' as const, targets: [] as number[] };
    this.#add(fork);
    return fork;
  }

  #add(step: Step): void {
    if (this.#steps.length >= mostSteps) throw tooManySteps();
    this.#steps.push(step);
  }
}

function tooManySteps(): PatternError {
  return new PatternError('it is too large: use smaller intervals');
}

/** A POSIX extended regular expression as a tree. */
type PatternNode =
  | { readonly kind: 'character'; readonly accepts: (character: string) => boolean }
  | { readonly kind: 'start' | 'end' | 'empty' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly part: PatternNode; readonly min: number; readonly max: number };

/** The expression is not a valid one; the message says why. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
  readonly code: ErrorCode = 'ERR_PATTERN';
}

const longestPattern = 1024;
/** RE_DUP_MAX of POSIX. */
const mostRepeats = 255;
const intervalForm = /\{(?:(\d{1,4})(,(\d{1,4})?)?|,(\d{1,4}))\}/y;
const repeatSigns = '*+?{';

const characterClasses: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /\p{Cc}/u,
  digit: /[0-9]/,
  graph: /[!-~]/,
  // letter case does not count in module names
  lower: /[A-Za-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\v\f\r]/,
  upper: /[A-Za-z]/,
  xdigit: /[0-9A-Fa-f]/,
};

/**
 * Parses a POSIX extended regular expression (IEEE Std 1003.1, XBD 9.4) that ignores letter case. What POSIX leaves
 * undefined, such as `*?` or `\d`, is refused, for other languages give it other meanings.
 * Throws a PatternError.
 */
function parsePattern(pattern: string): PatternNode {
  if (pattern.length > longestPattern) throw new PatternError(`it is longer than ${longestPattern} characters`);
  return new PatternParser(pattern).parse();
}

class PatternParser {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  parse(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#pattern.length) throw new PatternError('")" has no "(": write \\) for the character');
    return node;
  }

  #choice(): PatternNode {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return parts.length === 1 ? (parts[0] ?? { kind: 'empty' }) : { kind: 'choice', parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#at < this.#pattern.length && !'|)'.includes(this.#peek())) parts.push(this.#repeated());
    return { kind: 'sequence', parts };
  }

  #repeated(): PatternNode {
    const repeat = this.#peek();
    if (repeatSigns.includes(repeat)) throw new PatternError(`"${repeat}" has nothing before it to repeat`);
    const part = this.#single();
    const repeated = this.#repeatOf(part);
    if (repeated !== part && repeatSigns.includes(this.#peek() || ' ')) {
      throw new PatternError(`"${this.#peek()}" after another repetition has no meaning in POSIX`);
    }
    return repeated;
  }

  #repeatOf(part: PatternNode): PatternNode {
    if (this.#take('*')) return { kind: 'repeat', part, min: 0, max: Infinity };
    if (this.#take('+')) return { kind: 'repeat', part, min: 1, max: Infinity };
    if (this.#take('?')) return { kind: 'repeat', part, min: 0, max: 1 };
    if (this.#peek() !== '{') return part;
    intervalForm.lastIndex = this.#at;
    const interval = intervalForm.exec(this.#pattern);
    if (interval === null) throw new PatternError('"{" starts no interval such as {2,3}: write \\{ for the character');
    this.#at = intervalForm.lastIndex;
    const [, low, comma, high, highAlone] = interval;
    const min = Number(low ?? 0);
    const highest = Number(high ?? highAlone ?? (comma === undefined ? min : Infinity));
    if (min > highest) throw new PatternError(`${interval[0]} has its numbers in the wrong order`);
    if (min > mostRepeats || (highest > mostRepeats && highest !== Infinity)) {
      throw new PatternError(`${interval[0]} repeats more than ${mostRepeats} times`);
    }
    return { kind: 'repeat', part, min, max: highest };
  }

  #single(): PatternNode {
    const character = this.#next();
    if (character === '(') {
      const inner = this.#choice();
      if (!this.#take(')')) throw new PatternError('"(" has no ")": write \\( for the character');
      return inner;
    }
    if (character === '[') return { kind: 'character', accepts: this.#bracket() };
    if (character === '.') return { kind: 'character', accepts: () => true };
    if (character === '^') return { kind: 'start' };
    if (character === '$') return { kind: 'end' };
    if (character === '\\') return literal(this.#escaped());
    return literal(character);
  }

  #escaped(): string {
    const character = this.#next();
    if (character === '') throw new PatternError('"\\" at the end has nothing to quote');
    if (/[A-Za-z0-9]/.test(character)) {
      throw new PatternError(`"\\${character}" has no meaning in POSIX: use classes such as [[:digit:]]`);
    }
    return character;
  }

  #bracket(): (character: string) => boolean {
    const negated = this.#take('^');
    const members: ((character: string) => boolean)[] = [];
    for (let isFirst = true; isFirst || this.#peek() !== ']'; isFirst = false) {
      if (this.#at >= this.#pattern.length) throw new PatternError('"[" has no "]": write \\[ for the character');
      members.push(this.#member());
    }
    this.#at++;
    const isMember = (character: string) => members.some((member) => member(character));
    const answers = new Map<string, boolean>();
    return (character) => {
      const known = answers.get(character);
      if (known !== undefined) return known;
      const answer = (isMember(character.toLowerCase()) || isMember(character.toUpperCase())) !== negated;
      answers.set(character, answer);
      return answer;
    };
  }

  #member(): (character: string) => boolean {
    if (this.#pattern.startsWith('[:', this.#at)) {
      const name = this.#named(':');
      const members = Object.hasOwn(characterClasses, name) ? characterClasses[name] : undefined;
      if (members === undefined) throw new PatternError(`[:${name}:] is no character class of POSIX`);
      return (character) => members.test(character);
    }
    const first = this.#boundary();
    const isRange = this.#peek() === '-' && !['', ']'].includes(this.#pattern[this.#at + 1] ?? '');
    if (!isRange) return (character) => character === first;
    this.#at++;
    const last = this.#boundary();
    if (last < first) throw new PatternError(`the range ${first}-${last} is in the wrong order`);
    return (character) => character >= first && character <= last;
  }

  #boundary(): string {
    for (const mark of ['.', '=']) {
      if (!this.#pattern.startsWith(`[${mark}`, this.#at)) continue;
      const name = this.#named(mark);
      if (name.length !== 1) throw new PatternError(`[${mark}${name}${mark}] is not one character`);
      return name;
    }
    return this.#next();
  }

  #named(mark: string): string {
    const end = this.#pattern.indexOf(`${mark}]`, this.#at + 2);
    if (end === -1) throw new PatternError(`"[${mark}" has no "${mark}]"`);
    const name = this.#pattern.slice(this.#at + 2, end);
    this.#at = end + 2;
    return name;
  }

  #peek(): string {
    return this.#pattern[this.#at] ?? '';
  }

  #next(): string {
    const character = this.#peek();
    this.#at += character.length;
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }
}

function literal(expected: string): PatternNode {
  const lower = expected.toLowerCase();
  return { kind: 'character', accepts: (character) => character.toLowerCase() === lower };
}
