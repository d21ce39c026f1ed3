import { PatternError, type PatternNode, parsePattern } from './pattern-parser.js';

export { PatternError } from './pattern-parser.js';

/** Steps a compiled pattern may have; nested intervals multiply. */
const MOST_STEPS = 20_000;
/** Module names are short; a longer one matches nothing. */
const LONGEST_NAME = 255;

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

  /** Whether the expression matches the whole of `name`. */
  matches(name: string): boolean {
    if (name.length > LONGEST_NAME) return false;
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
    if (++this.#compiled > MOST_STEPS) throw tooManySteps();
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
    if (this.#steps.length >= MOST_STEPS) throw tooManySteps();
    this.#steps.push(step);
  }
}

function tooManySteps(): PatternError {
  return new PatternError('it is too large: use smaller intervals');
}
