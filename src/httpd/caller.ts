/** Who makes a request, as far as the listener knows. */
export interface Caller {
  /** Name of the user or token; `-` where nobody has to log in. */
  readonly name: string;
  readonly method: 'none' | 'basic' | 'bearer';
  /** What the caller may do: a word that only the handlers of roots understand. */
  readonly grant: string;
}
