import { copyText } from './copy.js';
import { button, element } from './element.js';

// The page of contacts: copying needs a script.
const section = document.querySelector('#contacts');
if (section) copyContacts(section);

function copyContacts(section) {
  const told = element('p', { role: 'status', className: 'told' });
  const copy = async (text) => {
    told.textContent = (await copyText(text)) ? 'Copied' : 'The browser does not allow copying';
  };
  for (const row of section.querySelectorAll('tr[data-contact]')) {
    const { aor, contact } = row.dataset;
    const [aorCell, contactCell] = row.cells;
    aorCell?.append(
      ' ',
      button('Copy', () => copy(aor), { className: 'copy', 'aria-label': `Copy AOR ${aor}` }),
    );
    const all = contactCell?.querySelector('dl');
    all?.after(button('Copy contact', () => copy(contact), { 'aria-label': `Copy contact ${contact}` }));
  }
  section.querySelector('.frame')?.before(told);
}
