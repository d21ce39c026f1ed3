//! Statistics: names encoded once, values printed from a slice that JavaScript adds to.

use crate::json::text::put;
use crate::json::text::{NumberPrinter, write_string};

/// The names of a table, as `"group:name":`, one after the other.
#[derive(Default)]
pub struct StatisticNames {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl StatisticNames {
    /// Registers a name and returns its slot.
    pub fn add(&mut self, name: &str) -> usize {
        write_string(&mut self.text, name);
        self.text.push(b':');
        self.ends.push(self.text.len());
        self.ends.len() - 1
    }

    fn get(&self, slot: usize) -> Option<&[u8]> {
        let start = match slot.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..*self.ends.get(slot)?)
    }

    /// Writes the object of the selected statistics at a position of the window, slots without a name left out.
    /// Returns the position behind it; `None` when it does not fit.
    pub fn print(&self, values: &[f64], selection: &[u32], window: &mut [u8], at: usize) -> Option<usize> {
        let mut number = NumberPrinter::default();
        let mut separator: &[u8] = b"{";
        let mut end = at;
        for &slot in selection {
            let Some(name) = self.get(slot as usize) else { continue };
            let value = values.get(slot as usize).copied().unwrap_or(0.0);
            end = put(window, end, separator)?;
            end = put(window, end, name)?;
            end = put(window, end, number.print(value))?;
            separator = b",";
        }
        put(window, end, if end == at { b"{}" } else { b"}" })
    }

    /// As [`StatisticNames::print`], into memory of its own.
    pub fn print_all(&self, values: &[f64], selection: &[u32]) -> Vec<u8> {
        // Brackets, separators and the longest number, `-1.2345678901234567e-308`.
        let size = selection.iter().fold(2, |size, &slot| {
            size + 32 + self.get(slot as usize).map_or(0, <[u8]>::len)
        });
        let mut text = vec![0; size];
        let end = self.print(values, selection, &mut text, 0).unwrap_or(0);
        text.truncate(end);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> StatisticNames {
        let mut names = StatisticNames::default();
        for name in ["core:a", "httpd:\"b\"", "x:ü"] {
            names.add(name);
        }
        names
    }

    #[test]
    fn prints_the_selection_in_its_order() {
        let text = names().print_all(&[1.0, -2.5, f64::NAN], &[2, 0, 1]);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"x:ü":null,"core:a":1,"httpd:\"b\"":-2.5}"#
        );
    }

    #[test]
    fn slots_without_name_or_value() {
        assert_eq!(names().print_all(&[], &[]), b"{}");
        assert_eq!(names().print_all(&[], &[3, u32::MAX]), b"{}");
        assert_eq!(names().print_all(&[], &[7, 0]), br#"{"core:a":0}"#);
    }

    #[test]
    fn fits_exactly_or_not() {
        let whole = br#"{"core:a":18446744073709549568}"#;
        let values = [18_446_744_073_709_549_568.0];
        for size in 0..whole.len() {
            assert_eq!(names().print(&values, &[0], &mut vec![0; size], 0), None);
        }
        assert_eq!(
            names().print(&values, &[0], &mut vec![0; whole.len() + 3], 3),
            Some(whole.len() + 3)
        );
        assert_eq!(names().print(&values, &[0], &mut [], usize::MAX), None);
    }
}
