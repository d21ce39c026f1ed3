//! The frame of a JSON-RPC reply (JSON-RPC 2.0 §5) around its value.

use crate::json::pretty::PrettyPrinter;
use crate::json::text::put;
use crate::layout::{Reply, ReplyField};
use crate::request::ids::Ids;

const RESULT_HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"result\":";
const ERROR_HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"error\":";
const ID_NAME: &[u8] = b",\"id\":";
const TAIL_END: &[u8] = b"}";

/// The text in front of the value of a reply.
pub fn head(kind: Reply) -> &'static [u8] {
    match kind {
        Reply::Result => RESULT_HEAD,
        Reply::Error => ERROR_HEAD,
    }
}

/// The text behind the value, with an id.
pub fn tail(id: &[u8]) -> Vec<u8> {
    [ID_NAME, id, TAIL_END].concat()
}

/// As [`tail`], with the id of a slot, which is freed.
pub fn take_tail(ids: &mut Ids, slot: i32) -> Vec<u8> {
    let tail = tail(ids.get(slot));
    ids.release(slot);
    tail
}

/// Completes a reply whose value, behind room for the head of its kind, ends at `end` of the window. Returns its length and
/// frees the id's slot, or `None`, with the slot still held, when it does not fit.
pub fn finish(ids: &mut Ids, window: &mut [u8], kind: Reply, end: usize, slot: i32) -> Option<usize> {
    let length = frame(ids, window, kind, end, slot)?;
    ids.release(slot);
    Some(length)
}

/// As [`finish`], and indents the reply from `window` into `indented`; the length is that of the indented reply.
pub fn finish_pretty(
    ids: &mut Ids,
    window: &mut [u8],
    indented: &mut [u8],
    kind: Reply,
    end: usize,
    slot: i32,
) -> Option<usize> {
    let length = frame(ids, window, kind, end, slot)?;
    let reply = window.get(..length)?;
    let progress = PrettyPrinter::default().push(reply, indented);
    if progress.consumed < length {
        return None;
    }
    ids.release(slot);
    Some(progress.produced)
}

fn frame(ids: &Ids, window: &mut [u8], kind: Reply, end: usize, slot: i32) -> Option<usize> {
    let head = head(kind);
    window.get_mut(..head.len())?.copy_from_slice(head);
    let end = put(window, end, ID_NAME)?;
    let end = put(window, end, ids.get(slot))?;
    put(window, end, TAIL_END)
}

/// Replies to elements of a batch.
pub struct Replies<'a> {
    /// For each reply the numbers of a [`ReplyField`].
    pub fields: &'a [i32],
    /// Their values, one behind the other, in UTF-8.
    pub texts: &'a [u8],
    /// The memory that ids are ranges of.
    pub body: &'a [u8],
}

impl Replies<'_> {
    /// Writes them to `at`, a comma in front of each. Returns the position behind them and frees the slots of their ids,
    /// or `None`, with the slots still held, when they do not fit.
    pub fn print(&self, ids: &mut Ids, window: &mut [u8], at: usize) -> Option<usize> {
        let (replies, _) = self.fields.as_chunks::<{ ReplyField::COUNT }>();
        let mut texts = self.texts;
        let mut end = at;
        for [kind, length, id, id_end] in replies {
            let (text, rest) = texts.split_at_checked(*length as usize)?;
            texts = rest;
            let id = match *id_end {
                0 => ids.get(*id),
                id_end => self.body.get(*id as usize..id_end as usize)?,
            };
            end = put(window, end, b",")?;
            end = put(window, end, head(Reply::of(*kind)?))?;
            end = put(window, end, text)?;
            end = put(window, end, ID_NAME)?;
            end = put(window, end, id)?;
            end = put(window, end, TAIL_END)?;
        }
        for [_, _, id, id_end] in replies {
            if *id_end == 0 {
                ids.release(*id);
            }
        }
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window_with(kind: Reply, value: &[u8], size: usize) -> (Vec<u8>, usize) {
        let mut window = vec![b'#'; size];
        let end = put(&mut window, head(kind).len(), value).unwrap();
        (window, end)
    }

    #[test]
    fn frames_and_frees() {
        let mut ids = Ids::default();
        let slot = ids.hold(b"\"a\\u0041\"").unwrap();
        let (mut window, end) = window_with(Reply::Error, b"{}", 100);
        let length = finish(&mut ids, &mut window, Reply::Error, end, slot).unwrap();
        assert_eq!(&window[..length], br#"{"jsonrpc":"2.0","error":{},"id":"a\u0041"}"#);
        assert_eq!(ids.held(), 0);
    }

    #[test]
    fn fits_exactly_or_keeps_the_id() {
        let whole = br#"{"jsonrpc":"2.0","result":"OK","id":17}"#;
        let mut ids = Ids::default();
        let slot = ids.hold(b"17").unwrap();
        let (mut window, end) = window_with(Reply::Result, b"\"OK\"", whole.len() - 1);
        assert_eq!(finish(&mut ids, &mut window, Reply::Result, end, slot), None);
        assert_eq!(ids.held(), 1);
        let (mut window, end) = window_with(Reply::Result, b"\"OK\"", whole.len());
        assert_eq!(
            finish(&mut ids, &mut window, Reply::Result, end, slot),
            Some(whole.len())
        );
        assert_eq!(window, whole);
        assert_eq!(ids.held(), 0);
    }

    #[test]
    fn pretty_fits_exactly_or_keeps_the_id() {
        let whole = b"{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"result\":\t[1, {\n\t\t}],\n\t\"id\":\tnull\n}";
        for (size, fits) in [(whole.len() - 1, false), (whole.len(), true)] {
            let mut ids = Ids::default();
            let (mut window, end) = window_with(Reply::Result, b"[1,{}]", whole.len());
            let mut indented = vec![0; size];
            let length = finish_pretty(&mut ids, &mut window, &mut indented, Reply::Result, end, -1);
            assert_eq!(length, fits.then_some(whole.len()));
            if fits {
                assert_eq!(String::from_utf8_lossy(&indented), String::from_utf8_lossy(whole));
            }
        }
    }

    #[test]
    fn replies_of_a_batch_have_ids_of_slots_and_of_the_body() {
        let body = br#"[{"id":"x"},{"id":2}]"#;
        let whole = r#"#,{"jsonrpc":"2.0","result":"é😀","id":"x"},{"jsonrpc":"2.0","error":{},"id":"held"},{"jsonrpc":"2.0","result":1,"id":null}"#;
        for size in [whole.len() - 1, whole.len()] {
            let mut ids = Ids::default();
            let slot = ids.hold(b"\"held\"").unwrap();
            let replies = Replies {
                fields: &[0, 8, 7, 10, 1, 2, slot, 0, 0, 1, -1, 0],
                texts: "\"é😀\"{}1".as_bytes(),
                body,
            };
            let mut window = vec![b'#'; size];
            let end = replies.print(&mut ids, &mut window, 1);
            let fits = size == whole.len();
            assert_eq!(end, fits.then_some(size));
            assert_eq!(ids.held(), usize::from(!fits));
            if fits {
                assert_eq!(String::from_utf8_lossy(&window), whole);
            }
        }
    }

    #[test]
    fn nonsense_about_replies_of_a_batch_does_not_fit() {
        for fields in [
            [2, 1, -1, 0],
            [0, 2, -1, 0],
            [0, -1, -1, 0],
            [0, 1, 3, 2],
            [0, 1, 0, 99],
            [0, 1, -9, 4],
        ] {
            let replies = Replies {
                fields: &fields,
                texts: b"1",
                body: b"[{}]",
            };
            assert_eq!(replies.print(&mut Ids::default(), &mut [0; 100], 0), None, "{fields:?}");
        }
    }

    #[test]
    fn nonsense_positions_do_not_fit() {
        let mut ids = Ids::default();
        for end in [101, usize::MAX] {
            assert_eq!(finish(&mut ids, &mut [0; 100], Reply::Result, end, -1), None);
        }
        assert_eq!(finish(&mut ids, &mut [0; 3], Reply::Result, 0, -1), None);
        assert_eq!(take_tail(&mut ids, -1), b",\"id\":null}");
    }
}
