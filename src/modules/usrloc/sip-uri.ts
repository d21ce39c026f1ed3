/** Longest text member of a contact, in bytes of UTF-8. */
export const longestText = 4096;

/** Blanks and control characters, which no URI has; line ends would begin a header field of a SIP message. */
const blankOrControl = /[\s\p{Cc}]/u;

/** An IPv6 address in brackets, or a name or IPv4 address in characters that mean nothing else in a URI. */
const host = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[^@<>"'\\,;?:/[\](){}|^`%]+)(?::([0-9]{1,5}))?$/;

const telephone = /^\+?[0-9A-Fa-f*#().-]+$/;

/**
 * The fault of a text as the URI of a contact; undefined if there is none. As in OpenSIPS it is `sip:`, `sips:`, `tel:`
 * or `tels:` without angle brackets around it; user parts, parameters and headers may have any visible characters.
 */
export function uriProblem(text: string): string | undefined {
  if (text === '') return 'it is empty';
  if (Buffer.byteLength(text) > longestText) return `it is longer than ${longestText} bytes`;
  if (blankOrControl.test(text)) return 'it has blanks or control characters';
  if (text.startsWith('<')) return 'the URI goes without its angle brackets';
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  switch (colon < 0 ? '' : text.slice(0, colon).toLowerCase()) {
    case 'sip':
    case 'sips':
      return addressProblem(rest);
    case 'tel':
    case 'tels':
      return telephone.test(withoutParameters(rest)) ? undefined : 'it has no telephone number';
    default:
      return 'it begins with none of sip:, sips:, tel: and tels:';
  }
}

/** The part behind the scheme. User parts may have `;` and `?` (RFC 3261 §25.1), and parameters of some clients `@`. */
function addressProblem(address: string): string | undefined {
  const at = address.indexOf('@');
  if (at < 0) return hostProblem(address);
  if (at === 0 || address.startsWith(':')) return 'its user part is empty';
  const problem = hostProblem(address.slice(at + 1));
  return problem !== undefined && hostProblem(address) === undefined ? undefined : problem;
}

function hostProblem(text: string): string | undefined {
  const found = host.exec(withoutParameters(text));
  if (found === null) return 'it has no host, or a wrong one';
  return Number(found[1] ?? 0) > 65535 ? 'its port is larger than 65535' : undefined;
}

function withoutParameters(text: string): string {
  const end = text.search(/[;?]/);
  return end < 0 ? text : text.slice(0, end);
}
