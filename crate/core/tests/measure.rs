//! Rings and latencies against plain models: a map of steps, and a sorted list of times.

use mi_httpd_core::layout::{LATENCY_BUCKETS, LATENCY_CELLS, LatencyCell};
use mi_httpd_core::measure::latencies::{Recent, begin, bucket_of, quantile_of, quantiles};
use mi_httpd_core::measure::series::{SeriesTable, Shape};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a series has been given, of which the newest steps are known.
#[derive(Default)]
struct Model {
    given: BTreeMap<u64, Vec<f64>>,
}

impl Model {
    fn put(&mut self, step: u64, value: f64) {
        // Older ones stay as they are.
        if self.given.last_key_value().is_none_or(|(newest, _)| step >= *newest) {
            self.given.entry(step).or_default().push(value);
        }
    }

    fn fine(&self, step: u64, length: u64) -> f64 {
        let newest = self.given.keys().next_back().copied().unwrap_or(0);
        let value = self.given.get(&step).and_then(|values| values.last());
        value.copied().filter(|_| step + length > newest).unwrap_or(f64::NAN)
    }

    fn coarse(&self, step: u64, factor: u64, length: u64, is_mean: bool) -> f64 {
        let has_value = |values: &[f64]| values.iter().any(|value| !value.is_nan());
        let newest = self
            .given
            .iter()
            .filter(|(_, values)| has_value(values))
            .map(|(step, _)| step / factor)
            .max();
        let range = step * factor..(step + 1) * factor;
        let values: Vec<f64> = self
            .given
            .range(range)
            .flat_map(|(_, values)| values)
            .copied()
            .filter(|value| !value.is_nan())
            .collect();
        if values.is_empty() || newest.is_none_or(|newest| step + length <= newest) {
            f64::NAN
        } else if is_mean {
            values.iter().sum::<f64>() / values.len() as f64
        } else {
            values[values.len() - 1]
        }
    }
}

fn same(one: f64, other: f64) -> bool {
    (one.is_nan() && other.is_nan()) || (one - other).abs() <= 1e-9 * one.abs().max(1.0)
}

proptest! {
    #[test]
    fn rings_hold_what_a_map_does(
        fine in 1_usize..20,
        factor in 1_u64..7,
        coarse in 1_usize..12,
        is_mean: bool,
        first in 0_u64..1000,
        puts in prop::collection::vec((-3_i64..40, prop_oneof![5 => -1e6..1e6_f64, 1 => Just(f64::NAN)]), 1..200),
    ) {
        let mut table = SeriesTable::new(Shape { fine, factor, coarse });
        let series = table.add(is_mean);
        let mut model = Model::default();
        let mut step = first as i64;
        for (change, value) in puts {
            // Mostly one on, at times a gap, again the same, or back.
            step = (step + if change > 9 { 1 } else { change }).max(0);
            table.put(series, step as u64, value);
            model.put(step as u64, value);
            let newest = *model.given.keys().next_back().unwrap();
            let from = newest.saturating_sub(fine as u64 + 3);
            let mut read = vec![0.0; fine + 6];
            table.read(series, false, from, &mut read);
            for (at, value) in (from..).zip(&read) {
                let wanted = model.fine(at, fine as u64);
                prop_assert!(same(*value, wanted), "step {at}: {value} is not {wanted}");
            }
            let from = (newest / factor).saturating_sub(coarse as u64 + 2);
            let mut read = vec![0.0; coarse + 4];
            table.read(series, true, from, &mut read);
            for (at, value) in (from..).zip(&read) {
                let wanted = model.coarse(at, factor, coarse as u64, is_mean);
                prop_assert!(same(*value, wanted), "coarse step {at}: {value} is not {wanted}");
            }
        }
    }

    #[test]
    fn far_steps_and_wrong_numbers_harm_nothing(
        steps in prop::collection::vec(any::<u64>(), 1..40),
        index in 0_usize..5,
    ) {
        let mut table = SeriesTable::new(Shape { fine: 0, factor: 0, coarse: 0 });
        table.add(false);
        table.add(true);
        let mut out = [0.0; 4];
        for step in steps {
            let step = step >> 11;
            table.put(index, step, 1.0);
            table.put_all(step, &[2.0, 3.0, 4.0]);
            table.read(index, step % 2 == 0, step, &mut out);
        }
    }

    #[test]
    fn a_quantile_is_off_by_a_bucket_at_most(
        times in prop::collection::vec(0.01_f64..1e8, 1..300),
        quantile in 0.0_f64..1.0,
    ) {
        let mut cells = vec![0.0; LATENCY_CELLS * 2];
        for time in &times {
            cells[LATENCY_CELLS + bucket_of(*time)] += 1.0;
            let longest = &mut cells[LATENCY_CELLS + LatencyCell::Longest as usize];
            *longest = f64::max(*longest, *time);
        }
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = ((quantile * times.len() as f64).ceil() as usize).clamp(1, times.len());
        let exact = sorted[rank - 1];
        let mut out = [0.0, 0.0];
        quantiles(&cells, 1, &[quantile, 1.0], &mut out);
        let bucket = bucket_of(exact);
        let start = if bucket == 0 { 0.0 } else { begin(bucket) };
        prop_assert!(out[0] >= start && out[0] <= begin(bucket + 1), "{} for {exact}", out[0]);
        prop_assert!(out[1] <= sorted[sorted.len() - 1]);
        quantiles(&cells, 0, &[quantile, 1.0], &mut out);
        prop_assert!(out[0].is_nan());
    }

    #[test]
    fn the_bits_of_a_time_find_the_bucket_that_it_lies_in(time in 0.0_f64..1e12) {
        let bucket = bucket_of(time);
        prop_assert!(bucket == 0 || begin(bucket) <= time);
        prop_assert!(bucket == LATENCY_BUCKETS - 1 || time < begin(bucket + 1));
    }

    #[test]
    fn recent_latencies_are_those_since_a_second(
        seconds in prop::collection::vec(prop::collection::vec(1.0_f64..1e6, 0..20), 1..30),
        window in 1_usize..12,
    ) {
        let mut cells = vec![0.0; LATENCY_CELLS];
        let mut recent = Recent::default();
        recent.tick(&cells);
        for times in &seconds {
            for time in times {
                cells[bucket_of(*time)] += 1.0;
            }
            recent.tick(&cells);
        }
        let mut buckets = vec![0.0; LATENCY_BUCKETS];
        for time in seconds.iter().rev().take(window.min(10)).flatten() {
            buckets[bucket_of(*time)] += 1.0;
        }
        let wanted = quantile_of(&buckets, 0.9, f64::INFINITY);
        prop_assert!(same(recent.quantile(window, 0.9), wanted));
    }
}

#[test]
fn a_million_samples_take_no_more_memory_than_the_first_ones() {
    let shape = Shape {
        fine: 600,
        factor: 30,
        coarse: 2880,
    };
    let mut table = SeriesTable::new(shape);
    for index in 0..4 {
        table.add(index % 2 == 0);
    }
    assert!(table.series_bytes() < 28_100);
    for step in 0..1_000_000 {
        table.put_all(step, &[step as f64, step as f64, 1.0, f64::NAN]);
    }
    let mut out = vec![0.0; 600];
    table.read(1, false, 999_400, &mut out);
    assert_eq!(out[0], 999_400.0);
    assert_eq!(out[599], 999_999.0);
    let mut out = vec![0.0; 2880];
    let newest = 999_999 / 30;
    table.read(1, true, newest - 2879, &mut out);
    assert_eq!(out[2878], (newest * 30 - 1) as f64);
    assert_eq!(out[2879], 999_999.0);
    table.read(0, true, newest - 2879, &mut out);
    assert_eq!(out[0], ((newest - 2879) * 30) as f64 + 14.5);
    table.read(3, true, newest - 2879, &mut out);
    assert!(out.iter().all(|value| value.is_nan()));
}

#[test]
fn latencies_that_are_set_back_are_counted_anew() {
    let mut cells = vec![0.0; LATENCY_CELLS];
    let mut recent = Recent::default();
    cells[bucket_of(100.0)] = 1000.0;
    recent.tick(&cells);
    cells.fill(0.0);
    cells[bucket_of(5.0)] = 3.0;
    recent.tick(&cells);
    let median = recent.quantile(10, 0.5);
    assert!((5.0..6.5).contains(&median), "{median}");
    assert!(Recent::default().quantile(1, 0.5).is_nan());
}
