import { documentEnd, documentStart, serverLine } from '../http/pages/document.js';
import { html, type Insertion, type Markup } from '../http/pages/markup.js';

/** The common data of all pages of one server. */
export interface Site {
  /** Path of the root: `/mi`. */
  readonly base: string;
  /** Path of the folder with style sheet and scripts. */
  readonly assets: string;
  /** Name and version of the server. */
  readonly server: string;
  /** Milliseconds since 1970. */
  readonly startedAt: () => number;
  /** Names of all modules with commands, in the order in which they were registered. */
  readonly modules: readonly string[];
}

/** A page without its end, for results that are streamed into it, and what ends it. */
export interface PageParts {
  readonly head: Markup;
  readonly tail: Markup;
}

/** A whole page. */
export function page(site: Site, title: string, module: string | undefined, main: Insertion): string {
  const { head, tail } = pageParts(site, title, module);
  return html`${head}${main}${tail}`.text;
}

/** @param module whose commands are shown, if it is one's */
export function pageParts(site: Site, title: string, module: string | undefined): PageParts {
  const { base, assets, server, startedAt, modules } = site;
  const links = modules.map((name) => {
    const current = name === module ? html` aria-current="page"` : undefined;
    return html`<li><a href="${base}/${name}"${current}>${name}</a></li>\n`;
  });
  const start = documentStart({
    title: `${title} - OpenSIPS Management Interface`,
    style: `${assets}/style.css`,
    script: `${assets}/page.js`,
  });
  const head = html`${start}<a class="skip" href="#main">Skip to the content</a>
<header>
<h1><a href="${base}">Management Interface</a></h1>
${serverLine(server, startedAt())}</header>
<nav aria-label="Modules">
<ul>
${links}</ul>
</nav>
<main id="main" tabindex="-1">
`;
  return { head, tail: html`</main>\n${documentEnd}` };
}
