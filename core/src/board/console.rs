//! Bytes that a device sends to the host, kept until the owner of the board takes them.

/// How many bytes a console keeps until the owner of the board takes them.
pub const CONSOLE_LIMIT: usize = 4 << 20;

/// Console output that nobody has taken yet. What exceeds [`CONSOLE_LIMIT`] is dropped and
/// counted, so a guest can't make the host run out of memory.
#[derive(Clone, Debug, Default)]
pub struct ConsoleOutput {
    bytes: Vec<u8>,
    dropped: u64,
    total: u64,
}

impl ConsoleOutput {
    /// Appends a byte.
    pub fn push(&mut self, byte: u8) {
        self.total = self.total.saturating_add(1);
        if self.bytes.len() < CONSOLE_LIMIT {
            self.bytes.push(byte);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Takes what has come since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Number of bytes that were ever sent.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Number of bytes that were lost because nobody took them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_nobody_takes_is_bounded_and_the_loss_is_counted() {
        let mut output = ConsoleOutput::default();
        for _ in 0..CONSOLE_LIMIT + 3 {
            output.push(b'x');
        }
        assert_eq!(output.dropped(), 3);
        assert_eq!(output.take().len(), CONSOLE_LIMIT);
        output.push(b'y');
        assert_eq!(output.take(), b"y");
        assert_eq!(output.total(), CONSOLE_LIMIT as u64 + 4);
    }
}
