//! Escaping for HTML against a plain model, for any text and any sizes of pieces.

use mi_httpd_core::reply::html::{LONGEST_ENTITY, escape};
use proptest::prelude::*;

fn model(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        .replace('\0', "\u{fffd}")
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_what_the_model_does(
        text in "([<>&\"'\0]|\\PC|[a-z]{1,20}){0,60}",
        pieces in prop::collection::vec(1_usize..40, 1..20),
        rooms in prop::collection::vec(LONGEST_ENTITY..60, 1..20),
    ) {
        let bytes = text.as_bytes();
        let (mut from, mut whole) = (0, Vec::new());
        for (piece, room) in pieces.iter().cycle().zip(rooms.iter().cycle()) {
            if from == bytes.len() {
                break;
            }
            let input = &bytes[from..bytes.len().min(from + piece)];
            let mut output = vec![0; *room];
            let progress = escape(input, &mut output);
            prop_assert!(progress.consumed > 0 && progress.produced > 0);
            prop_assert!(progress.consumed == input.len() || progress.produced + LONGEST_ENTITY > *room);
            from += progress.consumed;
            whole.extend_from_slice(&output[..progress.produced]);
        }
        prop_assert_eq!(String::from_utf8(whole).unwrap(), model(&text));
    }
}
