//! What a program prints, kept up to a bound.

use std::collections::VecDeque;

/// How much of the beginning is kept, and how much of the end.
const KEPT: usize = 512 << 10;

/// The beginning and the end of what was printed.
#[derive(Debug, Default)]
pub(crate) struct Log {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl Log {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.cut += over as u64;
    }

    /// All of it, with a line where something is left out.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.cut > 0 {
            let line = format!("\n[lakebed: {} bytes are left out here]\n", self.cut);
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_whole() {
        let mut log = Log::default();
        let all: Vec<u8> = (0..2 * KEPT).map(|i| u8::try_from(i % 251).expect("small")).collect();
        for part in all.chunks(1000) {
            log.add(part);
        }
        assert_eq!(log.into_bytes(), all);
    }

    #[test]
    fn of_what_does_not_fit_the_middle_is_left_out() {
        let mut log = Log::default();
        log.add(&vec![b'a'; KEPT]);
        log.add(b"middle");
        log.add(&vec![b'z'; KEPT]);
        let text = String::from_utf8(log.into_bytes()).expect("text");
        assert!(text.starts_with('a') && text.ends_with('z') && !text.contains("middle"));
        assert!(text.contains("\n[lakebed: 6 bytes are left out here]\n"));
    }
}
