//! Server-Sent Events (WHATWG HTML, section 9.2), as far as an order's stream uses them.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last id that was sent with it or before it.
    pub id: String,
    /// The lines of its data.
    pub data: String,
}

/// Puts events together from pieces that end anywhere.
#[derive(Debug, Default)]
pub struct Parser {
    /// What is not a whole line yet.
    rest: Vec<u8>,
    data: Option<String>,
    id: String,
}

impl Parser {
    /// The events that end in this piece.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\n', '\r'])));
        }
        events
    }

    /// The id to go on behind.
    pub fn last_id(&self) -> &str {
        &self.id
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let data = self.data.take()?;
            return Some(Event { id: self.id.clone(), data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.id),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // The kind of event says nothing here; an empty field is a comment.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "id: 1\nevent: status\ndata: {\"status\":\"PENDING\"}\n\n: still here\n\n\
        id: 2\r\ndata: {\"status\":\r\ndata:\"ÖK\"}\r\n\r\nid: 3\ndata: unfinished";

    fn events(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<Event> {
        let mut parser = Parser::default();
        pieces.flat_map(|piece| parser.push(&piece)).collect()
    }

    #[test]
    fn events_are_read_whatever_the_pieces() {
        let expected = [
            Event { id: "1".to_owned(), data: "{\"status\":\"PENDING\"}".to_owned() },
            Event { id: "2".to_owned(), data: "{\"status\":\n\"ÖK\"}".to_owned() },
        ];
        for size in [1, 2, 3, 7, STREAM.len()] {
            let pieces = STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec);
            assert_eq!(expected, *events(pieces), "in pieces of {size}");
        }
    }

    #[test]
    fn a_comment_is_no_event() {
        assert!(events(std::iter::once(b": still here\n\n".to_vec())).is_empty());
    }

    #[test]
    fn a_broken_stream_is_resumed_behind_its_last_id() {
        let mut parser = Parser::default();
        parser.push(b"id: 4\ndata: x\n\nid: 5\n");
        assert_eq!("5", parser.last_id());
    }
}
