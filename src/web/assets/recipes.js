/** Of several recipes only the chosen one shows its inputs and sends them. */
export function chooseRecipes(form) {
  const radios = [...form.querySelectorAll('input[type=radio][name=recipe]')];
  const groups = radios.map((radio) => ({ radio, fieldset: radio.closest('fieldset') }));
  const parameters = (fieldset) => fieldset?.querySelectorAll('[name^="p."]') ?? [];
  if (groups.length > 0 && groups.every(({ fieldset }) => fieldset)) {
    form.classList.add('chooses');
    for (const { radio } of groups) radio.addEventListener('change', mark);
  }
  fill();
  addEventListener('hashchange', fill);
  form.addEventListener('submit', () => {
    // Recipes share names of parameters; only those of the chosen one are meant.
    for (const { radio, fieldset } of groups) for (const input of parameters(fieldset)) input.disabled = !radio.checked;
  });
  // A page that comes back from the browser's memory has to be usable again.
  addEventListener('pageshow', () => {
    for (const { fieldset } of groups) for (const input of parameters(fieldset)) input.disabled = false;
  });

  function fill() {
    fillFromFragment(form);
    mark();
  }

  function mark() {
    for (const { radio, fieldset } of groups) fieldset?.classList.toggle('chosen', radio.checked);
  }
}

/** Links of the history carry what was entered behind the #, so that opening one runs nothing. */
function fillFromFragment(form) {
  const fields = new URLSearchParams(location.hash.slice(1));
  const isCall = [...form.elements].some(({ name }) => fields.has(name));
  if (!isCall) return;
  // Values that an earlier link filled in are no part of this call.
  for (const input of form.elements) if (input.type === 'text' || input.localName === 'select') input.value = '';
  for (const [name, value] of fields) {
    for (const input of form.elements) {
      if (input.name !== name) continue;
      if (input.type === 'radio') input.checked = input.value === value;
      else if (input.type !== 'submit') input.value = value;
    }
  }
  // Nothing that is filled in is out of sight.
  const whole = form.querySelector('details.whole');
  if (whole) whole.open = fields.get('arg') !== null && fields.get('arg') !== '';
}
