/** The value of one parameter of an event. */
export type EventValue = string | number;

/** Parameters of an event: by name, or, as scripts of OpenSIPS raise them, by position. */
export type EventParameters = Readonly<Record<string, EventValue>> | readonly EventValue[];

/** Where the events of one subscriber go. It is shared by all of its subscriptions. */
export interface EventSink {
  /** Sends an event, or drops it and counts that; never waits and never throws. */
  send(event: string, parameters: EventParameters): void;
  /** Drops what waits and closes what is open. Called once. */
  close(): void;
}

/** How events are sent: what OpenSIPS' modules `event_*` are. */
export interface EventTransport {
  /** The scheme of its sockets, up to the first colon: `udp`. */
  readonly protocol: string;
  /** Subscribers (sockets, whatever they subscribe to) that there may be at once. */
  readonly maxSubscribers: number;
  /** True if each socket has a connection of its own. */
  readonly isConnected?: boolean;
  /**
   * The one way to write a socket, so that its subscriptions are found again.
   * @throws EventSocketError for one that cannot be
   */
  canonical(socket: string): string;
  /**
   * Makes the sink of a socket in canonical form; a name in it is resolved by then.
   * @throws EventSocketError for one that may not be sent to
   */
  open(socket: string): EventSink | Promise<EventSink>;
}

/** A subscriber more than the process can have, and why; 500 for the client. */
export class EventRoomError extends Error {
  override readonly name = 'EventRoomError';
}

/** A socket that cannot be subscribed, and why; 400 for the client. */
export class EventSocketError extends Error {
  override readonly name = 'EventSocketError';
}
