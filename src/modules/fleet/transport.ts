import type { Level } from '../../mi/commands/command.js';

/** What a member is asked. */
export interface Incoming {
  readonly bytes: Uint8Array;
  /** The level that the way of the question grants, at most; undefined: it grants none, and asks for a piece or a presence. */
  readonly level: Level | undefined;
  /** Where it comes from, as audits tell it. */
  readonly origin: string;
  /** Who has logged in for it; undefined where the transport does not know. */
  readonly login: string | undefined;
  /** Bytes that the answer may have. */
  readonly room: number;
}

/** What comes of asking one member. One of the two is called, once. */
export interface Asked {
  answered(name: string, bytes: Uint8Array): void;
  /** @param wasSent false if the member is known not to have got the question */
  missing(name: string, reason: string, wasSent: boolean): void;
}

/** A question to several members. */
export interface Asking {
  /** `call` with a level, or `piece`. */
  readonly subject: { readonly kind: 'call'; readonly level: Level } | { readonly kind: 'piece' };
  /** The members, and what each is sent. */
  readonly questions: ReadonlyMap<string, Uint8Array>;
  /** Milliseconds. Who has not answered by then is missing. */
  readonly timeout: number;
  readonly asked: Asked;
}

/** What a member answers. `repeated`: it has got the question before, and answers it then; undefined: it is none of ours. */
export type Answering = (incoming: Incoming) => Promise<Uint8Array | 'repeated' | undefined>;

/** A way to the members of a fleet. All of it may fail at any time, and comes back by itself. */
export interface Transport {
  /** Tells others that this member is there, again and again. */
  announce(presence: () => Uint8Array): void;
  /** Answers what others ask this member. */
  serve(answer: Answering): void;
  /**
   * Asks members, each at most once.
   * @returns gives it up: nothing of it is told any more
   */
  gather(asking: Asking): () => void;
  /** Tells others that this member leaves, and ends. */
  close(): Promise<void>;
}

/** Told by a transport. */
export interface Surroundings {
  /**
   * A member tells of itself.
   * @param name by which the broker knows it, where there is one
   * @returns its name; undefined for what is no presence, or not its own
   */
  heard(bytes: Uint8Array, name?: string): string | undefined;
  /** Whether members can be asked now, and why not. */
  changed(problem: string | undefined): void;
}
