import { afterAll } from 'vitest';

/** The part of a test's context that helpers need: a place for undoing. */
export interface Lifetime {
  onTestFinished(undo: () => unknown): void;
}

/** The lifetime of a whole suite, for what its tests share; to be called in `describe`. */
export function suiteLifetime(): Lifetime {
  const undos: (() => unknown)[] = [];
  afterAll(async () => {
    for (const undo of undos.reverse()) await undo();
  });
  return { onTestFinished: (undo) => void undos.push(undo) };
}
