const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML shows it literally, in content and in quoted attributes alike. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** The text of an insertion, without its elements. */
export function plainText(value: Insertion): string {
  const characters = new Map(Object.entries(entities).map(([character, entity]) => [entity, character]));
  // Outside of elements nothing else than the entities begins with an ampersand, and no "<" is left.
  const text = insert(value).replace(/<[^<>]*>/g, '');
  return text.replace(/&[a-z0-9#]{1,5};/g, (entity) => characters.get(entity) ?? entity);
}

/** HTML that is safe as it is; only {@link html} makes it, so that no text can pass for it. */
export class Markup {
  private constructor(readonly text: string) {}

  /** For the constant parts of a template and what it escaped itself. */
  static of(strings: TemplateStringsArray, values: readonly Insertion[]): Markup {
    let text = strings[0] ?? '';
    for (const [index, value] of values.entries()) text += insert(value) + (strings[index + 1] ?? '');
    return new Markup(text);
  }

  toString(): string {
    return this.text;
  }
}

/** A value in a template; texts and numbers are escaped, `undefined` and false leave nothing. */
export type Insertion = string | number | Markup | undefined | false | readonly Insertion[];

/** A template that escapes all that is inserted, unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...values: readonly Insertion[]): Markup {
  return Markup.of(strings, values);
}

function insert(value: Insertion): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  return typeof value === 'object' ? value.map(insert).join('') : escapeHtml(String(value));
}
