// The pages of the project as tests read them.
import { readdirSync, readFileSync } from 'node:fs';

/** Pages that say how to use mi-httpd, with programs and configurations in them. */
export const guides: readonly string[] = ['README.md', ...below('docs/guide')];

/** Every page. */
export const pages: readonly string[] = [
  ...new Set([...below('.'), ...below('docs'), ...guides, ...below('docs/reference')]),
];

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a language in some pages, in order. */
export function blocks(language: string, from: readonly string[] = guides): readonly Block[] {
  return from.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
      ([, text = '']) => ({ page, language, text }),
    ),
  );
}

/** The anchors of the headings of a page, as GitHub makes them: one that is there already gets a number. */
export function anchorsOf(page: string): readonly string[] {
  const text = readFileSync(page, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  const counts = new Map<string, number>();
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => {
    const anchor = title
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, '')
      .replaceAll(' ', '-');
    const before = counts.get(anchor) ?? 0;
    counts.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}

/** Links and pictures of a page: `[text](path#anchor)`. Those to other machines are left out. */
export function linksOf(page: string): readonly { readonly path: string; readonly anchor: string | undefined }[] {
  const text = readFileSync(page, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, path = '', anchor]) => ({
    path,
    anchor,
  }));
}

function below(folder: string): readonly string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.md'));
  return names.sort().map((name) => (folder === '.' ? name : `${folder}/${name}`));
}
