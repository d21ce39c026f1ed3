import { button, element } from './element.js';

/** Milliseconds that a command may take before the page tells how long it has been running. */
const soon = 500;

/** Tells how long a command has been running and when it is given up, and lets its caller give it up. @param form that runs it */
export function tellPending(form) {
  let timer;
  let told;
  form.addEventListener('submit', ({ submitter }) => {
    done();
    const began = performance.now();
    const limit = Number(form.dataset.timeout);
    const time = element('span', { 'aria-hidden': 'true' });
    const until = limit > 0 ? `, given up after ${limit} s (mi_timeout)` : '';
    told = element('p', { className: 'pending', role: 'status', hidden: true }, `Running${until} `, time, ' ');
    told.append(button('Cancel', cancel));
    document.querySelector('main h2')?.after(told);
    const tell = () => {
      const passed = performance.now() - began;
      told.hidden = passed < soon;
      time.textContent = `${(passed / 1000).toFixed(1)} s`;
    };
    timer = setInterval(tell, 100);

    /** The server hears that nobody waits for the result any more. */
    function cancel() {
      window.stop();
      done();
      for (const input of form.elements) input.disabled = false;
      submitter?.focus();
    }
  });
  addEventListener('pageshow', done);

  function done() {
    clearInterval(timer);
    told?.remove();
  }
}
