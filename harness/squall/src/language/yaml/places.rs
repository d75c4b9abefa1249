//! Where things stand: the parser counts characters, spans count bytes.

use crate::language::spanned::Span;

/// From the parser's places, in characters, to bytes of the text.
pub(super) struct Places {
    offset: usize,
    len: usize,
    /// Where each character begins; empty when each is a byte.
    starts: Vec<u32>,
}

impl Places {
    pub(super) fn new(offset: usize, body: &str) -> Self {
        let starts = if body.is_ascii() {
            Vec::new()
        } else {
            body.char_indices()
                .map(|(i, _)| u32::try_from(i).expect("a file of at most a mebibyte"))
                .collect()
        };
        Places { offset, len: body.len(), starts }
    }

    pub(super) fn byte(&self, character: usize) -> u32 {
        let at = if self.starts.is_empty() {
            character.min(self.len)
        } else {
            self.starts.get(character).map_or(self.len, |at| *at as usize)
        };
        u32::try_from(self.offset + at).expect("a file of at most a mebibyte")
    }

    pub(super) fn span(&self, span: &saphyr_parser::Span) -> Span {
        let start = self.byte(span.start.index());
        Span { file: 0, start, end: self.byte(span.end.index()).max(start) }
    }
}
