// Which licences the dependencies of the project may have: those that ask for no more than to be named.
// A licence that is not in the list is looked at by a person before it is added here.

const allowed = new Set([
  '0BSD',
  'Apache-2.0',
  'Apache-2.0 WITH LLVM-exception',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BSL-1.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'NCSA',
  'Unicode-3.0',
  'Unlicense',
  'Zlib',
]);

/**
 * Tells whether an SPDX licence expression can be met by licences of the list: one side of each OR, both of each AND. The
 * slash of older crates means OR.
 *
 * @param expression undefined, and whatever is no expression, is not allowed
 */
export function isAllowedLicence(expression) {
  if (typeof expression !== 'string') return false;
  const tokens = expression.match(/[()/]|[^\s()/]+/g) ?? [];
  let place = 0;

  const isNext = (...words) => words.includes(tokens[place]) && ++place > 0;
  const any = () => {
    let result = all();
    while (isNext('OR', '/')) result = all() || result;
    return result;
  };
  const all = () => {
    let result = one();
    while (isNext('AND')) result = one() && result;
    return result;
  };
  const one = () => {
    if (isNext('(')) {
      const result = any();
      if (!isNext(')')) place = Number.POSITIVE_INFINITY;
      return result;
    }
    const name = tokens[place++];
    return allowed.has(isNext('WITH') ? `${name} WITH ${tokens[place++]}` : name);
  };

  const result = any();
  return result && place === tokens.length;
}
