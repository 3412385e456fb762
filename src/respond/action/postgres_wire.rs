//! What PostgreSQL speaks (its documentation, chapter "Frontend/Backend Protocol", version 3.0), as far as one statement with
//! parameters needs it. Parameters travel apart from the statement, as text whose type the server infers.
use super::scram::Scram;
use crate::respond::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use std::io::{BufReader, Error, ErrorKind, Read, Result, Write};

/// The longest message that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Why the server will not.
#[derive(Debug)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: String,
    /// In the server's words.
    pub message: String,
}

/// What a step came to.
pub type Step<T> = Result<std::result::Result<T, Refusal>>;

macro_rules! go_on {
    ($step:expr) => {
        match $step? {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}

/// A connection that somebody is logged in on.
pub struct Client<S: Read + Write> {
    stream: BufReader<S>,
}

/// A message of the server.
struct Message {
    kind: u8,
    body: Vec<u8>,
}

/// Asks for TLS, before anything else is said; false where the server has none.
pub fn asks_tls(stream: &mut (impl Read + Write)) -> Result<bool> {
    stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])?;
    stream.flush()?;
    // Read alone: whatever the server sends in the same breath is not part of the secured connection.
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    Ok(answer[0] == b'S')
}

impl<S: Read + Write> Client<S> {
    /// Logs in.
    pub fn enter(stream: S, user: &str, database: &str, password: Option<&Secret>) -> Step<Self> {
        let mut client = Client { stream: BufReader::new(stream) };
        let mut start = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, "application_name", "tripline"] {
            start.extend_from_slice(text.as_bytes());
            start.push(0);
        }
        start.push(0);
        client.send(None, &start)?;
        let mut scram = None;
        loop {
            let message = go_on!(client.next());
            match (message.kind, message.number()) {
                (b'R', 0) => {}
                (b'R', 3) => client.send(Some(b'p'), &text(need(password)?.expose()))?,
                (b'R', 10) => {
                    let begun = client.begin_scram(&message)?;
                    scram = Some(begun);
                }
                (b'R', 11) => {
                    let scram = scram.as_mut().ok_or_else(|| wrong("SCRAM goes on before it began"))?;
                    let last = scram.last(&message.rest()?, need(password)?).map_err(wrong)?;
                    client.send(Some(b'p'), last.as_bytes())?;
                }
                (b'R', 12) => {
                    let last = message.rest()?;
                    if scram.as_ref().is_some_and(|scram: &Scram| scram.is_genuine(&last)) {
                        continue;
                    }
                    return Err(wrong("the server does not know the password: it is not the one it should be"));
                }
                (b'R', 5) => {
                    return Err(wrong("the server asks for an MD5 password: set password_encryption to scram-sha-256"));
                }
                (b'R', _) => return Err(wrong("the server asks for a kind of login that is not known")),
                (b'Z', _) => return Ok(Ok(client)),
                // Parameters, the key for cancelling, notices.
                _ => {}
            }
        }
    }

    fn begin_scram(&mut self, message: &Message) -> Result<Scram> {
        if !message.body[4..].split(|b| *b == 0).any(|name| name == b"SCRAM-SHA-256") {
            return Err(wrong("the server knows no SCRAM-SHA-256"));
        }
        let mut nonce = [0; 18];
        SystemRandom::new().fill(&mut nonce).map_err(|_| wrong("no randomness"))?;
        let scram = Scram::new(STANDARD.encode(nonce));
        let first = scram.first();
        let mut body = text("SCRAM-SHA-256");
        body.extend_from_slice(&u32::try_from(first.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(first.as_bytes());
        self.send(Some(b'p'), &body)?;
        Ok(scram)
    }

    /// A statement of ours, without parameters and without rows.
    pub fn simple(&mut self, statement: &str) -> Step<()> {
        self.send(Some(b'Q'), &text(statement))?;
        self.until_ready().map(|ended| ended.map(drop))
    }

    /// Runs `statement` with `parameters`; the number of rows that it touched.
    pub fn run(&mut self, statement: &str, parameters: &[String]) -> Step<u64> {
        let mut parse = vec![0];
        parse.extend_from_slice(&text(statement));
        parse.extend_from_slice(&[0, 0]);
        // The unnamed portal of the unnamed statement, all parameters as text.
        let mut bind = vec![0, 0, 0, 0];
        bind.extend_from_slice(
            &u16::try_from(parameters.len()).map_err(|_| wrong("too many parameters"))?.to_be_bytes(),
        );
        for value in parameters {
            bind.extend_from_slice(&u32::try_from(value.len()).map_err(|_| wrong("too long"))?.to_be_bytes());
            bind.extend_from_slice(value.as_bytes());
        }
        bind.extend_from_slice(&[0, 0]);
        self.send(Some(b'P'), &parse)?;
        self.send(Some(b'B'), &bind)?;
        self.send(Some(b'E'), &[0, 0, 0, 0, 0])?;
        self.send(Some(b'S'), &[])?;
        let tag = go_on!(self.until_ready());
        // `DELETE 3`, `UPDATE 1`, `INSERT 0 1`, `SELECT 2`
        let rows = tag.rsplit(' ').next().and_then(|number| number.parse().ok());
        Ok(Ok(rows.unwrap_or(0)))
    }

    /// Reads up to the point at which the next statement may be sent; gives the tag of what was completed.
    fn until_ready(&mut self) -> Step<String> {
        let (mut tag, mut refused) = (String::new(), None);
        loop {
            match self.next()? {
                // The rest up to "ready" is read, so that a statement can follow.
                Err(refusal) => refused = Some(refusal),
                Ok(message) if message.kind == b'C' => {
                    tag = String::from_utf8_lossy(&message.body).trim_end_matches('\0').to_owned();
                }
                Ok(message) if message.kind == b'Z' => return Ok(refused.map_or(Ok(tag), Err)),
                Ok(_) => {}
            }
        }
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<()> {
        let mut frame: Vec<u8> = kind.into_iter().collect();
        frame.extend_from_slice(&u32::try_from(body.len() + 4).map_err(|_| wrong("too long"))?.to_be_bytes());
        frame.extend_from_slice(body);
        self.stream.get_mut().write_all(&frame)?;
        self.stream.get_mut().flush()
    }

    fn next(&mut self) -> Step<Message> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=LONGEST).contains(&length) {
            return Err(wrong("a message of that length"));
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        let message = Message { kind: head[0], body };
        Ok(if message.kind == b'E' { Err(message.refusal()) } else { Ok(message) })
    }
}

impl Message {
    /// The number that a message about logging in begins with.
    fn number(&self) -> u32 {
        self.body.first_chunk().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes))
    }

    fn rest(&self) -> Result<String> {
        let rest = self.body.get(4..).unwrap_or_default();
        String::from_utf8(rest.to_vec()).map_err(|_| wrong("a message that is not text"))
    }

    fn refusal(&self) -> Refusal {
        let fields: Vec<_> = self.body.split(|b| *b == 0).collect();
        let field = |kind: u8| {
            let found = fields.iter().find(|f| f.first() == Some(&kind)).map(|f| &f[1..]).unwrap_or_default();
            String::from_utf8_lossy(found).into_owned()
        };
        Refusal { code: field(b'C'), message: field(b'M') }
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn need(password: Option<&Secret>) -> Result<&Secret> {
    password.ok_or_else(|| wrong("the server asks for a password: name a `credential` or `secret_file`"))
}

fn wrong(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}
