import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Placed, Roster } from './roster.js';

test('a roster has what a set has, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
      const items: Placed[] = Array.from({ length: 10 }, () => ({ place: -1 }));
      const roster = new Roster<Placed>();
      const model = new Set<Placed>();
      for (const [isAdded, index] of steps) {
        const item = items[index] ?? { place: -1 };
        if (isAdded && !model.has(item)) {
          roster.add(item);
          model.add(item);
        } else if (!isAdded) expect(roster.delete(item)).toBe(model.delete(item));
        expect(roster.size).toBe(model.size);
        expect(new Set(roster.items)).toEqual(model);
        for (const one of items) expect(roster.has(one)).toBe(model.has(one));
      }
    }),
  );
});
