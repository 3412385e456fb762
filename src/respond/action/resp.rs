//! What Redis and its kin speak: RESP 2, as far as a client needs it. Arguments are counted, never quoted, so that no value
//! can become a second command.
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};

/// The longest single value that is read, in bytes: a session's data.
const LONGEST: usize = 1 << 20;
/// The most items of one answer.
const MOST: usize = 100_000;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// `+OK`
    Status(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Number(i64),
    /// Bytes; nothing where there is no such key.
    Bytes(Option<Vec<u8>>),
    /// A list.
    List(Vec<Value>),
}

/// A connection.
pub struct Client<S: Read + Write> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Client<S> {
    /// Over `stream`, which is connected.
    pub fn new(stream: S) -> Self {
        Client { stream: BufReader::new(stream) }
    }

    /// Sends a command and reads its answer.
    ///
    /// # Errors
    /// The connection broke, or what came is no RESP. An error that the server names is a [`Value::Error`].
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<Value> {
        let mut frame = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            frame.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            frame.extend_from_slice(word);
            frame.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&frame)?;
        self.stream.get_mut().flush()?;
        self.value(0)
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(wrong)?;
        let number = || rest.parse::<i64>().map_err(|_| wrong());
        match kind {
            "+" => Ok(Value::Status(rest.to_owned())),
            "-" => Ok(Value::Error(rest.to_owned())),
            ":" => number().map(Value::Number),
            "$" if number()? < 0 => Ok(Value::Bytes(None)),
            "$" => {
                let length = usize::try_from(number()?).map_err(|_| wrong())?;
                if length > LONGEST {
                    return Err(wrong());
                }
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(Value::Bytes(Some(bytes)))
            }
            "*" if number()? < 0 => Ok(Value::List(Vec::new())),
            "*" if depth < 4 && number()? <= MOST as i64 => {
                (0..number()?).map(|_| self.value(depth + 1)).collect::<Result<_>>().map(Value::List)
            }
            _ => Err(wrong()),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.by_ref().take(4096).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None if line.is_empty() => Err(ErrorKind::UnexpectedEof.into()),
            None => Err(wrong()),
        }
    }
}

fn wrong() -> Error {
    Error::new(ErrorKind::InvalidData, "the answer is not what Redis would say")
}
