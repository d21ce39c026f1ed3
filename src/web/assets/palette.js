// What the search of the header leads to besides commands.

/** Pages, statistics and a way to contacts that fit a text; commands have the rest of the list. */
const mostPages = 3;
const mostStatistics = 4;
/** Letters from which on statistics are looked for: they are asked of the server. */
const fewestLetters = 2;

/** @param home path of the root, `/mi` */
export function placesOf(home) {
  const pages = pagesOf(home);
  const hasContacts = pages.some(({ href }) => href === `${home}/contacts`);
  let statistics;

  return {
    /** @param words in lower case @param text as it was entered */
    async find(words, text) {
      if (words.length === 0) return [];
      const fits = ({ name }) => words.every((word) => name.toLowerCase().includes(word));
      const found = pages.filter(fits).slice(0, mostPages);
      const wanted = contactOf(text);
      if (hasContacts && wanted !== '') {
        const href = `${home}/contacts?${new URLSearchParams({ q: wanted })}`;
        found.push({ name: `Find contact “${wanted}”`, kind: 'contacts', href });
      }
      if (words.join('').length < fewestLetters) return found;
      statistics ??= statisticsOf(home);
      return [...found, ...(await statistics).filter(fits).slice(0, mostStatistics)];
    },
  };
}

/** `find contact alice` and `alice` mean the same. */
function contactOf(text) {
  return text.trim().replace(/^find(?: contacts?)?(?: |$)/i, '');
}

function pagesOf(home) {
  const links = [...document.querySelectorAll('header .pages a, header .user a, nav[aria-label="Modules"] a')];
  const named = links.map((link) => ({
    name: link.closest('nav') ? `${link.textContent} commands` : link.title || link.textContent.trim(),
    kind: 'page',
    href: link.getAttribute('href'),
  }));
  return [{ name: 'Overview', kind: 'page', href: home }, ...named];
}

/** None where the caller may not read them, or the server does not answer: the page of statistics says why. */
async function statisticsOf(home) {
  try {
    const reply = await fetch(`${home}/statistics/statistics:list?arg=&raw=1`, {
      headers: { Accept: 'application/json' },
    });
    if (!reply.ok) return [];
    return Object.keys(await reply.json()).map((name) => ({
      name,
      kind: 'statistic',
      href: `${home}/statistics?${new URLSearchParams({ filter: name })}`,
    }));
  } catch {
    return [];
  }
}
