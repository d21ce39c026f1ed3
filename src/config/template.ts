/** What tools for templates leave behind when nobody ran them. A capture is a name, and the whole is shown. */
const forms: readonly RegExp[] = [
  /\$env\([^)]{0,64}\)?/i,
  /\$ENV\{[^}]{0,64}\}?/i,
  /\$\{[^}]{0,64}\}?/,
  /\$\([A-Za-z_][^)]{0,64}\)?/,
  /\{\{[^}]{0,64}(?:\}\})?/,
  /\{%[^%]{0,64}(?:%\})?/,
  /<%[^%]{0,64}(?:%>)?/,
  /%[A-Z_][A-Z0-9_]{1,63}%/,
  /@@?[A-Z_][A-Z0-9_]{1,63}@@?/,
  /^\$[A-Z_][A-Z0-9_]{1,63}$/,
];

/** What looks like a variable or a macro that was to be replaced: `${NAME}`, `$env(NAME)`, `{{ name }}`; else undefined. */
export function templateIn(text: string): string | undefined {
  for (const form of forms) {
    const [found] = form.exec(text) ?? [];
    if (found !== undefined) return found;
  }
  return undefined;
}
