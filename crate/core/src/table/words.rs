//! Bytes in words that other threads may be writing. What is read while they do is any mixture of old and new, of which
//! the reader is told afterwards: so nothing here relies on what it reads.

use crate::table::sync::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

const WORD: usize = size_of::<u64>();
/// Words that are copied in one turn.
const TURN: usize = 8;

/// The eight bytes from `from` on, the first one lowest. `None` beyond the end.
pub fn eight_at(words: &[AtomicU64], from: usize) -> Option<u64> {
    let shift = from % WORD * 8;
    let low = words.get(from / WORD)?.load(Relaxed).to_le();
    if shift == 0 {
        return Some(low);
    }
    let high = words.get(from / WORD + 1)?.load(Relaxed).to_le();
    Some(low >> shift | high << (64 - shift))
}

fn byte_at(words: &[AtomicU64], at: usize) -> Option<u8> {
    let word = words.get(at / WORD)?.load(Relaxed).to_le();
    Some((word >> (at % WORD * 8)) as u8)
}

/// Fills `out` with the bytes from `from` on. `None` if there are not as many.
pub fn copy_out(words: &[AtomicU64], from: usize, out: &mut [u8]) -> Option<()> {
    let length = out.len();
    let shift = from % WORD;
    let end = from.checked_add(length)?.div_ceil(WORD);
    let words = words.get(from / WORD..end)?;
    if length < 2 * WORD {
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = byte_at(words, shift + at)?;
        }
        return Some(());
    }
    // The first and the last eight bytes, which need not begin with a word, and all words between them.
    *out.first_chunk_mut()? = eight_at(words, shift)?.to_le_bytes();
    *out.last_chunk_mut()? = eight_at(words, shift + length - WORD)?.to_le_bytes();
    let between = words.get(1..)?;
    let out = out.get_mut(WORD - shift..)?;
    let whole = out.len() / WORD;
    let (to, from) = (out.get_mut(..whole * WORD)?, between.get(..whole)?);
    let (mut to_turns, from_turns) = (to.chunks_exact_mut(TURN * WORD), from.chunks_exact(TURN));
    let rest = from_turns.remainder();
    for (to, from) in to_turns.by_ref().zip(from_turns) {
        for (to, from) in to.chunks_exact_mut(WORD).zip(from) {
            to.copy_from_slice(&from.load(Relaxed).to_ne_bytes());
        }
    }
    for (to, from) in to_turns.into_remainder().chunks_exact_mut(WORD).zip(rest) {
        to.copy_from_slice(&from.load(Relaxed).to_ne_bytes());
    }
    Some(())
}

/// Tells whether these bytes stand from `from` on.
pub fn has_at(words: &[AtomicU64], from: usize, bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<WORD>();
    let mut at = from;
    for chunk in chunks {
        if eight_at(words, at) != Some(u64::from_le_bytes(*chunk)) {
            return false;
        }
        at += WORD;
    }
    if rest.is_empty() {
        return true;
    }
    match bytes.last_chunk::<WORD>() {
        Some(last) => eight_at(words, from + bytes.len() - WORD) == Some(u64::from_le_bytes(*last)),
        None => rest
            .iter()
            .enumerate()
            .all(|(index, byte)| byte_at(words, at + index) == Some(*byte)),
    }
}

/// Writes whole words.
pub fn put(words: &[AtomicU64], content: &[u64]) {
    for (to, from) in words.iter().zip(content) {
        to.store(*from, Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_from_anywhere() {
        let bytes: Vec<u8> = (0..200).map(|number| number ^ 0x5a).collect();
        let (chunks, _) = bytes.as_chunks::<8>();
        let words: Vec<AtomicU64> = chunks
            .iter()
            .map(|chunk| AtomicU64::new(u64::from_ne_bytes(*chunk)))
            .collect();
        for from in 0..=200 {
            for to in from..=200 {
                let mut out = vec![0; to - from];
                assert!(copy_out(&words, from, &mut out).is_some());
                assert_eq!(out, bytes[from..to]);
                assert!(has_at(&words, from, &out));
                if let Some(byte) = out.last_mut() {
                    *byte ^= 1;
                    assert!(!has_at(&words, from, &out));
                }
            }
            assert!(copy_out(&words, from, &mut vec![0; 201 - from]).is_none());
            assert!(!has_at(&words, from, &vec![0; 201 - from]));
        }
        assert!(copy_out(&words, usize::MAX, &mut [0; 20]).is_none());
    }
}
