import { command, defineModule, type Module } from '#src/index.js';

/** Display names that a SIP user may choose, each of which a careless page takes for something else. */
export const hostile = {
  markup: '<script>alert(document.domain)</script><img src=x onerror=alert(1)>',
  closing: '</pre></section></main><h1>owned</h1>',
  quotes: `"double" 'single' \`back\` &amp; &#60;`,
  emoji: 'caller 📞👩‍👩‍👧 \u{1F600}',
  rightToLeft: 'مرحبا \u202Eexe.gpj\u202C שלום',
  control: 'tab\there, line\nbreak',
  template: '{{constructor}} %3Cscript%3E',
} as const;

/** Commands with results of every shape that the pages show. */
export function sampleModule(): Module {
  return defineModule({
    name: 'sample',
    commands: [
      command({ name: 'hostile', help: 'Texts that <b>SIP users</b> choose.', readOnly: true, run: () => hostile }),
      command({
        name: 'echo',
        help: 'Gives its parameters back.',
        readOnly: true,
        recipes: [{ text: 'string' }, { text: 'string', also: 'string' }],
        run: ({ text, also }) => ({ text, ...(also === undefined ? {} : { also }) }),
      }),
      command({
        name: 'calls',
        help: 'A list of records.',
        readOnly: true,
        run: () => ({
          Calls: [
            { Id: 2, Caller: 'sip:bob@example.com', Seconds: 70 },
            { Id: 10, Caller: 'sip:alice@example.com', Seconds: 9 },
            { Id: 1, Caller: 'sip:carol@example.com', Seconds: 300 },
          ],
        }),
      }),
      command({
        name: 'nested',
        help: 'Domains with records in records.',
        readOnly: true,
        run: () => ({
          Domains: [
            {
              name: 'location',
              AORs: [
                { AOR: 'alice', Contacts: [{ Contact: 'sip:a1' }, { Contact: 'sip:a2' }] },
                { AOR: 'bob', Contacts: [{ Contact: 'sip:b1' }] },
              ],
            },
          ],
        }),
      }),
      command({ name: 'exact', help: 'A large integer.', readOnly: true, run: () => ({ id: 12345678901234567891n }) }),
      command({ name: 'change', help: 'Changes something.', run: () => 'OK' }),
    ],
  });
}
