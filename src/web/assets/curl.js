/**
 * A call as a line for a shell. The scheme and the name are those by which this page was reached, whatever the server
 * knows of them.
 */
export function curlLine({ path, call }) {
  return `curl -H 'Content-Type: application/json' -d ${quoted(call)} ${quoted(location.origin + path)}`;
}

/** Within single quotes a shell takes everything as it is, save the quote itself. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
