//! Metrics: a text with gaps, which numbers are written into.

use crate::json::text::{NumberPrinter, put};

/// A text that is the same at each scrape, and the numbers that stand in it.
pub struct MetricsText {
    text: Vec<u8>,
    /// Where the pieces of the text end; a number follows each, and what is left of the text the last one.
    ends: Vec<u32>,
    /// Of each number, the slot where it lies.
    slots: Vec<u32>,
}

impl MetricsText {
    pub fn new(text: Vec<u8>, ends: Vec<u32>, slots: Vec<u32>) -> Self {
        Self { text, ends, slots }
    }

    /// Writes the whole text to the start of the window. A slot beyond `values` is one of `more`, which go on where those
    /// end; without a value it is 0. Returns the length; `None` when it does not fit.
    pub fn print(&self, values: &[f64], more: &[f64], window: &mut [u8]) -> Option<usize> {
        let mut printer = NumberPrinter::default();
        let mut start = 0;
        let mut length = 0;
        for (&end, &slot) in self.ends.iter().zip(&self.slots) {
            let end = end as usize;
            length = put(window, length, self.text.get(start..end).unwrap_or_default())?;
            start = end;
            let slot = slot as usize;
            let value = match slot.checked_sub(values.len()) {
                Some(beyond) => more.get(beyond),
                None => values.get(slot),
            };
            length = put(window, length, print_value(&mut printer, value.copied().unwrap_or(0.0)))?;
        }
        put(window, length, self.text.get(start..).unwrap_or_default())
    }
}

/// A number of the text format of Prometheus, which has words for what JSON has not.
fn print_value(printer: &mut NumberPrinter, value: f64) -> &[u8] {
    if value.is_finite() {
        printer.print(value)
    } else if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"+Inf"
    } else {
        b"-Inf"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &MetricsText, values: &[f64], more: &[f64]) -> String {
        let mut window = vec![0; 100];
        let length = text.print(values, more, &mut window).unwrap();
        String::from_utf8(window[..length].to_vec()).unwrap()
    }

    #[test]
    fn numbers_stand_behind_their_pieces() {
        let text = MetricsText::new(b"a b \nc\n".to_vec(), vec![2, 4, 6], vec![1, 2, 0]);
        assert_eq!(print(&text, &[0.5, 7.0], &[-3.0]), "a 7b -3\nc0.5\n");
        for size in 0..13 {
            assert_eq!(text.print(&[0.5, 7.0], &[-3.0], &mut vec![0; size]), None);
        }
        assert_eq!(text.print(&[0.5, 7.0], &[-3.0], &mut [0; 13]), Some(13));
    }

    #[test]
    fn numbers_that_json_has_not() {
        let text = MetricsText::new(vec![], vec![0, 0, 0, 0], vec![0, 1, 2, 3]);
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
        assert_eq!(print(&text, &values, &[]), "NaN+Inf-Inf0");
    }

    #[test]
    fn what_is_not_there() {
        assert_eq!(print(&MetricsText::new(vec![], vec![], vec![]), &[], &[]), "");
        let text = MetricsText::new(b"ab".to_vec(), vec![9, 1, u32::MAX], vec![u32::MAX, 0]);
        assert_eq!(print(&text, &[], &[]), "00b");
    }
}
