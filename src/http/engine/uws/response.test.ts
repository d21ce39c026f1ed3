import { expect, test } from 'vitest';
import { writeSizesOf } from './response.js';

test('writes are long where the engine is known to lose none of them', () => {
  for (const version of ['20.51.4', '20.68.9', '19.99.0', 'of the embedder', '']) {
    expect(writeSizesOf(version), version).toStrictEqual({ part: 16_320, chunk: 65_280 });
  }
  for (const version of ['20.69.0', '20.70.1', '21.0.0']) {
    expect(writeSizesOf(version), version).toStrictEqual({ part: 130_560, chunk: 130_560 });
  }
});
