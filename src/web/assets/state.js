// How a page is shown (filter, order, view) stands behind the # of its address: Back gives it again, and so does a link that is passed on.
// The server never hears of it, so that nothing is run anew.

/** What the address says. */
export function viewState() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

/** Keeps some of it; what is empty is left out. */
export function keepState(changes) {
  const fields = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(changes)) {
    if (value === '') fields.delete(name);
    else fields.set(name, value);
  }
  const { pathname, search } = location;
  try {
    history.replaceState(history.state, '', `${pathname}${search}${fields.size > 0 ? `#${fields}` : ''}`);
  } catch {
    // Browsers bound how often: the next change is kept again.
  }
}
