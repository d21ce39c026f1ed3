/** Names of members and tags: tokens of NATS subjects, parted by dots as names of hosts are. */
const name = /^(?=.{1,64}$)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

/** The name of a fleet is one token. */
const token = /^[A-Za-z0-9_-]{1,32}$/;

export function isMemberName(text: string): boolean {
  return name.test(text);
}

export function isFleetName(text: string): boolean {
  return token.test(text);
}
