import { type JsonValue, printJson } from '../../base/json.js';
import type { ConstantReply } from '../../native/native.js';

/**
 * A result that is the same at every call, printed once: printing even a short one costs V8 more than the rest of a
 * call costs this process (docs/performance.md).
 */
export class ConstantResult {
  /** The value as compact JSON. */
  readonly text: string;
  /** What it was encoded to, kept here by who sends it. */
  reply: ConstantReply | undefined = undefined;

  constructor(readonly value: JsonValue) {
    this.text = printJson(value) ?? 'null';
  }

  /** Within another value it is printed with it. */
  toJSON(): JsonValue {
    return this.value;
  }
}
