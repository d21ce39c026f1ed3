/** Items that hold something from the moment they are made, as a database cursor does. */
export function held(closed: () => void): Iterable<number> & Iterator<number> {
  return {
    next: () => ({ done: false, value: 1 }),
    return: () => {
      closed();
      return { done: true, value: undefined };
    },
    [Symbol.iterator]() {
      return this;
    },
  };
}
