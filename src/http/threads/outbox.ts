/** The part of a port between two threads that sends. */
export interface Sender<Message> {
  postMessage(messages: readonly Message[], transferred?: readonly ArrayBuffer[]): void;
}

/** Sends the messages of one turn together: one wakes the other thread up once, and costs a tenth of one on its own. */
export class Outbox<Message> {
  readonly #port: Sender<Message>;
  readonly #later: (send: () => void) => void;
  readonly #first: () => readonly Message[];
  #messages: Message[] = [];
  #transferred: ArrayBuffer[] = [];
  #isDue = false;
  /** Counts the turns in which something was sent. */
  turn = 0;
  #isClosed = false;

  /**
   * @param later runs something at the end of the turn
   * @param first gives messages that go in front of those of a turn
   */
  constructor(port: Sender<Message>, later: (send: () => void) => void, first: () => readonly Message[] = () => []) {
    this.#port = port;
    this.#later = later;
    this.#first = first;
  }

  /** @param transferred memory in the message that is the other thread's from now on */
  tell(message: Message, transferred?: ArrayBuffer): void {
    this.#messages.push(message);
    if (transferred !== undefined) this.#transferred.push(transferred);
    this.wake();
  }

  /** Sends at the end of the turn, if there is anything. */
  wake(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#later(this.send);
  }

  /** Sends now. */
  readonly send = (): void => {
    this.#isDue = false;
    if (this.#isClosed) return;
    const first = this.#first();
    if (this.#messages.length === 0 && first.length === 0) return;
    this.turn += 1;
    const messages = first.length === 0 ? this.#messages : [...first, ...this.#messages];
    const transferred = this.#transferred;
    this.#messages = [];
    if (transferred.length > 0) this.#transferred = [];
    this.#port.postMessage(messages, transferred);
  };

  /** Nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    this.#messages = [];
    this.#transferred = [];
  }
}
