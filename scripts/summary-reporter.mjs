// A reporter for node --test: one line of what came of all tests. test.mjs prints it last.
const counts = { pass: 0, fail: 0, cancelled: 0, skipped: 0 };

export default async function* summary(source) {
  for await (const { type, data } of source) {
    const [, name, count] = (type === 'test:diagnostic' && /^(\w+) (\d+)$/.exec(data.message)) || [];
    if (name in counts) counts[name] = Number(count);
  }
  yield `${counts.pass} passed, ${counts.fail + counts.cancelled} failed, ${counts.skipped} skipped\n`;
}
