//! The codings of HTTP that replies are compressed by (RFC 8878, RFC 1952).

use crate::layout::Coding;
use flate2::{Compress, Compression, FlushCompress};
use std::io::{Error, Result};
use zstd::stream::raw::{CParameter, Encoder as Zstd, InBuffer, Operation, OutBuffer};

/// Bytes that zstd looks back, as a power of two: what level 1 has by itself. It bounds the memory of the other levels.
const WINDOW_LOG: u32 = 19;
/// The same of gzip, where it is the most there is.
const GZIP_WINDOW_BITS: u8 = 15;

/// Room that is made at once for what comes out.
const ROOM: usize = 16384;

/// Compresses one reply.
pub enum Encoder {
    Zstd(Box<Zstd<'static>>),
    Gzip(Box<Compress>),
}

impl Encoder {
    /// `level`: from 1, the fastest, to 6.
    pub fn new(coding: Coding, level: u32) -> Result<Self> {
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = Zstd::new(level as i32)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
                Self::Zstd(Box::new(encoder))
            }
            Coding::Gzip => Self::Gzip(Box::new(Compress::new_gzip(Compression::new(level), GZIP_WINDOW_BITS))),
        })
    }

    /// Compresses a piece to the end of `output`. A reader that has all of it has the whole piece.
    pub fn push(&mut self, input: &[u8], is_last: bool, output: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Zstd(encoder) => push_zstd(encoder, input, is_last, output),
            Self::Gzip(encoder) => push_gzip(encoder, input, is_last, output),
        }
    }
}

fn push_zstd(encoder: &mut Zstd<'_>, input: &[u8], is_last: bool, output: &mut Vec<u8>) -> Result<()> {
    let mut given = InBuffer::around(input);
    while given.pos() < input.len() {
        make_room(output)?;
        let end = output.len();
        encoder.run(&mut given, &mut OutBuffer::around_pos(output, end))?;
    }
    loop {
        make_room(output)?;
        let end = output.len();
        let mut room = OutBuffer::around_pos(output, end);
        let left = if is_last {
            encoder.finish(&mut room, true)?
        } else {
            encoder.flush(&mut room)?
        };
        if left == 0 {
            return Ok(());
        }
    }
}

fn push_gzip(encoder: &mut Compress, input: &[u8], is_last: bool, output: &mut Vec<u8>) -> Result<()> {
    let flush = if is_last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let begin = encoder.total_in();
    loop {
        make_room(output)?;
        let taken = (encoder.total_in() - begin) as usize;
        let rest = input.get(taken..).unwrap_or_default();
        let status = encoder.compress_vec(rest, output, flush).map_err(Error::other)?;
        let is_taken = encoder.total_in() - begin == input.len() as u64;
        // Room that is left over tells that nothing is held back.
        let is_out = if is_last {
            status == flate2::Status::StreamEnd
        } else {
            output.len() < output.capacity()
        };
        if is_taken && is_out {
            return Ok(());
        }
    }
}

fn make_room(output: &mut Vec<u8>) -> Result<()> {
    if output.capacity() - output.len() < ROOM / 4 {
        output.try_reserve(ROOM).map_err(Error::other)?;
    }
    Ok(())
}
