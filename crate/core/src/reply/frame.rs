//! The frame of a JSON-RPC reply (JSON-RPC 2.0 §5) around a value that lies in the window already.

use crate::json::pretty::PrettyPrinter;
use crate::json::text::put;
use crate::layout::Reply;
use crate::request::ids::Ids;

const RESULT_HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"result\":";
const ERROR_HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"error\":";
const ID_NAME: &[u8] = b",\"id\":";

/// The text in front of the value of a reply.
pub fn head(kind: Reply) -> &'static [u8] {
    match kind {
        Reply::Result => RESULT_HEAD,
        Reply::Error => ERROR_HEAD,
    }
}

/// The text behind the value; frees the id's slot.
pub fn tail(ids: &mut Ids, slot: i32) -> Vec<u8> {
    let id = ids.get(slot);
    let mut tail = Vec::with_capacity(ID_NAME.len() + id.len() + 1);
    tail.extend_from_slice(ID_NAME);
    tail.extend_from_slice(id);
    tail.push(b'}');
    ids.release(slot);
    tail
}

/// Completes a reply that begins at `start` of the window and whose value, behind the head of its kind, ends at `end`.
/// Returns the position behind it and frees the id's slot, or `None`, with the slot still held, when it does not fit.
pub fn finish(ids: &mut Ids, window: &mut [u8], start: usize, kind: Reply, end: usize, slot: i32) -> Option<usize> {
    let length = frame(ids, window.get_mut(start..)?, kind, end.checked_sub(start)?, slot)?;
    ids.release(slot);
    Some(start + length)
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
    put(window, end, b"}")
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
        let length = finish(&mut ids, &mut window, 0, Reply::Error, end, slot).unwrap();
        assert_eq!(&window[..length], br#"{"jsonrpc":"2.0","error":{},"id":"a\u0041"}"#);
        assert_eq!(ids.held(), 0);
    }

    #[test]
    fn fits_exactly_or_keeps_the_id() {
        let whole = br#"{"jsonrpc":"2.0","result":"OK","id":17}"#;
        let mut ids = Ids::default();
        let slot = ids.hold(b"17").unwrap();
        let (mut window, end) = window_with(Reply::Result, b"\"OK\"", whole.len() - 1);
        assert_eq!(finish(&mut ids, &mut window, 0, Reply::Result, end, slot), None);
        assert_eq!(ids.held(), 1);
        let (mut window, end) = window_with(Reply::Result, b"\"OK\"", whole.len());
        assert_eq!(
            finish(&mut ids, &mut window, 0, Reply::Result, end, slot),
            Some(whole.len())
        );
        assert_eq!(window, whole);
        assert_eq!(ids.held(), 0);
    }

    #[test]
    fn begins_where_it_is_told() {
        let mut ids = Ids::default();
        let slot = ids.hold(b"1").unwrap();
        let value = 3 + head(Reply::Result).len();
        let mut window = vec![b'#'; 60];
        let end = put(&mut window, value, b"[]").unwrap();
        let behind = finish(&mut ids, &mut window, 3, Reply::Result, end, slot).unwrap();
        assert_eq!(&window[..behind], br#"###{"jsonrpc":"2.0","result":[],"id":1}"#);
        assert_eq!(finish(&mut ids, &mut window, 61, Reply::Result, 61, -1), None);
        assert_eq!(finish(&mut ids, &mut window, 3, Reply::Result, 2, -1), None);
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
    fn nonsense_positions_do_not_fit() {
        let mut ids = Ids::default();
        for end in [101, usize::MAX] {
            assert_eq!(finish(&mut ids, &mut [0; 100], 0, Reply::Result, end, -1), None);
        }
        assert_eq!(finish(&mut ids, &mut [0; 3], 0, Reply::Result, 0, -1), None);
        assert_eq!(tail(&mut ids, -1), b",\"id\":null}");
    }
}
