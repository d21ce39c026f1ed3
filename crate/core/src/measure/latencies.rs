//! Latencies in buckets that grow with the time: four for each doubling, so that a quantile is off by a quarter at most.
//! JavaScript counts; this reads.

use crate::layout::{LATENCY_BUCKETS, LATENCY_CELLS, LatencyCell};
use std::collections::VecDeque;

/// Buckets for each doubling of the time.
const PARTS: usize = 4;
/// The first bucket ends within the octave of a quarter of a microsecond.
const FIRST_EXPONENT: i32 = -2;

/// Counts of each bucket.
pub type Buckets = [f64; LATENCY_BUCKETS];

/// Microseconds at which a bucket begins. The first one has all that is shorter, too, and the last one all that is longer.
pub fn begin(bucket: usize) -> f64 {
    let octave = f64::powi(2.0, FIRST_EXPONENT + (bucket / PARTS) as i32);
    octave * (1.0 + (bucket % PARTS) as f64 / PARTS as f64)
}

/// The bucket of a time in microseconds, as JavaScript finds it: by the bits of the number.
pub fn bucket_of(microseconds: f64) -> usize {
    let first = (1023 + i64::from(FIRST_EXPONENT)) * PARTS as i64;
    let place = (microseconds.to_bits() >> 50) as i64 - first;
    place.clamp(0, LATENCY_BUCKETS as i64 - 1) as usize
}

/// The cells of one command among those of all.
fn cells_of(cells: &[f64], slot: usize) -> Option<&[f64]> {
    let start = slot.checked_mul(LATENCY_CELLS)?;
    cells.get(start..start.checked_add(LATENCY_CELLS)?)
}

/// Quantiles of one command, in microseconds, each written behind the other; NaN without calls.
pub fn quantiles(cells: &[f64], slot: usize, wanted: &[f64], out: &mut [f64]) {
    let found = cells_of(cells, slot);
    for (place, quantile) in out.iter_mut().zip(wanted) {
        *place = found.map_or(f64::NAN, |cells| {
            let longest = cells
                .get(LatencyCell::Longest as usize)
                .copied()
                .unwrap_or(f64::INFINITY);
            quantile_of(cells.get(..LATENCY_BUCKETS).unwrap_or(&[]), *quantile, longest)
        });
    }
}

/// A quantile of buckets, as far into its bucket as calls are; at most the longest.
pub fn quantile_of(buckets: &[f64], quantile: f64, longest: f64) -> f64 {
    let total: f64 = buckets.iter().sum();
    if total <= 0.0 {
        return f64::NAN;
    }
    let rank = quantile.clamp(0.0, 1.0) * total;
    let mut before = 0.0;
    for (bucket, count) in buckets.iter().enumerate() {
        if *count > 0.0 && before + count >= rank {
            let start = if bucket == 0 { 0.0 } else { begin(bucket) };
            let share = ((rank - before) / count).clamp(0.0, 1.0);
            return (start + (begin(bucket + 1) - start) * share).min(longest);
        }
        before += count;
    }
    longest
}

/// Seconds of which the newest latencies are known.
const KEPT: usize = 10;

/// The latencies of all commands in the last seconds.
#[derive(Default)]
pub struct Recent {
    /// Counts since the start as they were each second, the oldest in front.
    seen: VecDeque<Box<Buckets>>,
}

impl Recent {
    /// Takes down what has been counted until now; to be called once a second.
    pub fn tick(&mut self, cells: &[f64]) {
        let mut all = if self.seen.len() > KEPT {
            self.seen.pop_front()
        } else {
            None
        }
        .unwrap_or_else(|| Box::new([0.0; LATENCY_BUCKETS]));
        all.fill(0.0);
        for one in cells.chunks_exact(LATENCY_CELLS) {
            for (sum, count) in all.iter_mut().zip(one) {
                *sum += count;
            }
        }
        self.seen.push_back(all);
    }

    /// A quantile of the calls of so many last seconds, in microseconds; NaN without any.
    pub fn quantile(&self, seconds: usize, quantile: f64) -> f64 {
        let Some(newest) = self.seen.back() else {
            return f64::NAN;
        };
        let at = (self.seen.len() - 1).saturating_sub(seconds.max(1));
        let Some(oldest) = self.seen.get(at) else {
            return f64::NAN;
        };
        let mut buckets = [0.0; LATENCY_BUCKETS];
        for (count, (new, old)) in buckets.iter_mut().zip(newest.iter().zip(oldest.iter())) {
            // Less than before: it was set back to 0 meanwhile.
            *count = if new >= old { new - old } else { *new };
        }
        quantile_of(&buckets, quantile, f64::INFINITY)
    }
}
