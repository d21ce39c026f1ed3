// Tables of records, each of which is a card on a phone. Roles are written, since browsers forget them where a cell is laid out as a block.
import { html, type Insertion, type Markup } from '../http/pages/html.js';

/** A table of records in a frame, which scrolls by itself where it is wide. @param heads the titles of its columns, or their elements */
export function recordTable(label: string, heads: readonly (string | Markup)[], rows: readonly Markup[]): Markup {
  const columns = heads.map((head) =>
    typeof head === 'string' ? html`<th scope="col" role="columnheader">${head}</th>` : head,
  );
  return html`<div class="frame" role="group" aria-label="${label}" tabindex="0"><table class="cards" role="table">
<thead role="rowgroup"><tr role="row">${columns}</tr></thead>
<tbody role="rowgroup">
${rows}</tbody>
</table></div>
`;
}

/** A row of such a table. @param attributes of the row */
export function recordRow(cells: readonly Insertion[], attributes?: Markup): Markup {
  return html`<tr role="row"${attributes}>${cells}</tr>\n`;
}

/** A cell, whose label stands before it on a phone. */
export function cell(label: string, value: Insertion, className?: string): Markup {
  return html`<td role="cell" data-label="${label}"${className !== undefined && html` class="${className}"`}>${value}</td>`;
}

/** The cell that names a record. */
export function headCell(label: string, value: Insertion): Markup {
  return html`<th scope="row" role="rowheader" data-label="${label}">${value}</th>`;
}
