//! From CSV as RFC 4180 has it to CSV as other programs on this machine expect it.

/// Turns the line ends of records from CR LF into LF, and leaves those within quotes alone.
#[derive(Debug, Default)]
pub(crate) struct LineEnds {
    is_quoted: bool,
    /// A CR was the last byte, and may be half of a line end.
    held: bool,
}

impl LineEnds {
    /// The next part of the text, wherever it was cut. (A text ends with a line end, so nothing is
    /// held back at its end.)
    pub(crate) fn convert(&mut self, part: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(part.len() + 1);
        for &byte in part {
            if std::mem::take(&mut self.held) && byte != b'\n' {
                text.push(b'\r');
            }
            if byte == b'\r' && !self.is_quoted {
                self.held = true;
                continue;
            }
            self.is_quoted ^= byte == b'"';
            text.push(byte);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_of_records_change_and_those_of_values_do_not() {
        let text = b"a,b\r\n\"x\r\ny\",\"say \"\"hi\"\"\r\n\"\r\n\"\",1\r\n";
        let expected = b"a,b\n\"x\r\ny\",\"say \"\"hi\"\"\r\n\"\n\"\",1\n";
        for cut in 0..text.len() {
            let mut line_ends = LineEnds::default();
            let converted = [line_ends.convert(&text[..cut]), line_ends.convert(&text[cut..])];
            assert_eq!(converted.concat(), expected, "cut at {cut}");
        }
    }
}
