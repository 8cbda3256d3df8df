//! Answers that come compressed, as zstd: what is slow between two machines is the network.
//!
//! Rows are handed on as they come, and memory holds one piece of them, whatever a frame claims to
//! hold. A frame that is not ended is an answer that broke off.

use std::io;

use bytes::{Buf as _, Bytes};
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use http::{Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use zstd::{
    stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer},
    zstd_safe::DParameter,
};

use crate::{BoxError, transport::ClientBody};

/// What is asked for, and understood.
pub(crate) const CODING: &str = "zstd";

/// What is handed on at once, at most.
const PIECE_BYTES: usize = 128 << 10;

/// Frames that look back further than 8 MiB are no answers over HTTP (RFC 9659).
const WINDOW_LOG: u32 = 23;

/// The response as it was before it was compressed; any other is left as it is.
pub(crate) fn decoded(response: Response<ClientBody>) -> io::Result<Response<ClientBody>> {
    let (mut parts, body) = response.into_parts();
    if parts.headers.get(header::CONTENT_ENCODING).is_none_or(|coding| coding != CODING) {
        return Ok(Response::from_parts(parts, body));
    }
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    let pieces = stream::try_unfold(Decoding::of(body)?, Decoding::next);
    let body = StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync();
    Ok(Response::from_parts(parts, body))
}

/// A frame under way.
struct Decoding {
    parts: BoxStream<'static, Result<Bytes, BoxError>>,
    /// Of the part that came last, what is not decoded yet.
    part: Bytes,
    decoder: Decoder<'static>,
    /// Whether the decoder holds bytes back for which there was no room.
    is_full: bool,
    /// Whether a frame has ended here.
    is_whole: bool,
}

impl Decoding {
    fn of(body: ClientBody) -> io::Result<Self> {
        let parts = BodyStream::new(body);
        let parts = parts.try_filter_map(|frame| async move { Ok(frame.into_data().ok()) }).boxed();
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { parts, part: Bytes::new(), decoder, is_full: false, is_whole: false })
    }

    async fn next(mut self) -> Result<Option<(Bytes, Self)>, BoxError> {
        loop {
            if self.part.is_empty() && !self.is_full {
                match self.parts.try_next().await? {
                    Some(part) => self.part = part,
                    None if self.is_whole => return Ok(None),
                    None => return Err("the compressed answer has no end".into()),
                }
                continue;
            }
            let piece = self.piece()?;
            if !piece.is_empty() {
                return Ok(Some((piece, self)));
            }
        }
    }

    fn piece(&mut self) -> io::Result<Bytes> {
        let mut bytes = vec![0; PIECE_BYTES];
        let mut input = InBuffer::around(&self.part);
        let mut output = OutBuffer::around(&mut bytes);
        self.is_whole = self.decoder.run(&mut input, &mut output)? == 0;
        let (read, written) = (input.pos(), output.pos());
        // Asked once more after its end, a decoder waits for another frame.
        self.is_full = written == PIECE_BYTES && !self.is_whole;
        self.part.advance(read);
        bytes.truncate(written);
        Ok(bytes.into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use super::*;

    /// The bytes that a body of these parts decodes to, as far as they come; and how it ends.
    async fn decode(parts: Vec<Bytes>) -> (Vec<u8>, Option<String>) {
        let frames = parts.into_iter().map(|part| Ok::<_, BoxError>(Frame::data(part)));
        let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
        let response = Response::builder().header("content-encoding", "zstd").body(body).unwrap();
        let response = decoded(response).unwrap();
        assert!(response.headers().is_empty());
        let mut pieces = BodyStream::new(response.into_body());
        let mut bytes = Vec::new();
        loop {
            match pieces.try_next().await {
                Ok(Some(frame)) => {
                    let piece = frame.into_data().unwrap();
                    assert!(piece.len() <= PIECE_BYTES);
                    bytes.extend_from_slice(&piece);
                }
                Ok(None) => return (bytes, None),
                Err(error) => return (bytes, Some(error.to_string())),
            }
        }
    }

    fn in_parts(bytes: &[u8], size: usize) -> Vec<Bytes> {
        bytes.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    #[tokio::test]
    async fn however_it_is_cut_it_reads_the_same() {
        let rows: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let frame = zstd::encode_all(rows.as_slice(), 1).unwrap();
        for size in [1, 7, 1000, frame.len()] {
            assert!(decode(in_parts(&frame, size)).await == (rows.clone(), None), "{size}");
        }
        let twice = [frame.clone(), frame].concat();
        assert!(decode(in_parts(&twice, 1000)).await == ([rows.clone(), rows].concat(), None));
    }

    /// A frame without its end is a part of an answer, even if the connection ended in order.
    #[tokio::test]
    async fn a_frame_without_its_end_is_no_answer() {
        let frame = zstd::encode_all([7; 10_000].as_slice(), 1).unwrap();
        for length in 0..frame.len() {
            let (bytes, error) = decode(in_parts(&frame[..length], 1000)).await;
            assert!(error.is_some(), "{} bytes of {length}", bytes.len());
        }
        let mut damaged = frame;
        damaged[0] ^= 1;
        assert!(decode(in_parts(&damaged, 1000)).await.1.is_some());
    }

    /// Zeros by the megabyte in a few KiB are handed on piece by piece; the last piece is a full one.
    #[tokio::test]
    async fn a_frame_that_is_mostly_air_takes_little_memory() {
        let frame = zstd::encode_all(io::Read::take(io::repeat(0), 64 << 20), 1).unwrap();
        assert!(frame.len() < 16 << 10);
        let (bytes, error) = decode(vec![frame.into()]).await;
        assert_eq!((bytes.len(), error), (64 << 20, None));
    }
}
