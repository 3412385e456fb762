//! One HTTP exchange: what came back, or how far it got. No redirect is followed, no proxy of the environment is used, no
//! connection is kept, and at most [`BODY_BYTES`] of an answer are read.
use super::trust::Trust;
use crate::respond::secret::Secret;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{Request as Built, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, Transport};

/// How much of an answer's body is read, in bytes: enough for a token and for what a person wants to know.
pub const BODY_BYTES: u64 = 64 << 10;

/// A request, finished but for what may be tried again.
#[derive(Clone)]
pub struct Request {
    /// An HTTP method.
    pub method: &'static str,
    /// Absolute.
    pub url: String,
    /// Names and values in their order; a value may be a secret.
    pub headers: Vec<(String, Secret)>,
    /// Nothing: no body at all, and no length.
    pub body: Option<Vec<u8>>,
}

/// What came of a request.
#[derive(Debug)]
pub enum Exchange {
    /// The server answered.
    Answer(Answer),
    /// No connection: nothing was sent.
    NotConnected(String),
    /// The server is not who it should be, or speaks no TLS: nothing was sent, and it will not get better.
    NotTrusted(String),
    /// The connection stood, and no answer came. What the server did is not known.
    Lost(String),
}

/// An answer, its body cut.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// When the server wants to be asked again (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// Where it would send us (`Location`).
    pub location: Option<String>,
    /// At most [`BODY_BYTES`].
    pub body: Vec<u8>,
}

/// Sends `request` and waits for the answer until `until`.
pub fn exchange(request: &Request, trust: &Trust, until: Instant) -> Exchange {
    let connected = Arc::new(AtomicBool::new(false));
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Exchange::NotConnected("the deadline had passed".into());
    }
    let connector = Marking { inner: DefaultConnector::new(), connected: connected.clone() };
    let agent = ureq::Agent::with_parts(config(trust, left), connector, DefaultResolver::default());
    let mut built = Built::builder().method(request.method).uri(&request.url);
    for (name, value) in &request.headers {
        built = built.header(name, value.expose());
    }
    let sent = match &request.body {
        Some(body) => built.body(&body[..]).map_err(ureq::Error::from).and_then(|built| agent.run(built)),
        None => built.body(()).map_err(ureq::Error::from).and_then(|built| agent.run(built)),
    };
    match sent {
        Ok(response) => Exchange::Answer(answer(response)),
        Err(e) if connected.load(Ordering::Relaxed) => Exchange::Lost(e.to_string()),
        Err(e) => unconnected(e),
    }
}

fn config(trust: &Trust, left: Duration) -> Config {
    let roots = trust.roots().iter().map(|der| Certificate::from_der(der).to_owned());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::from(roots))
        .build();
    Config::builder()
        .tls_config(tls)
        .timeout_global(Some(left))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .proxy(None)
        .user_agent(AutoHeaderValue::Provided(Arc::new(concat!("tripline/", env!("CARGO_PKG_VERSION")).into())))
        .accept_encoding(AutoHeaderValue::None)
        .build()
}

fn unconnected(e: ureq::Error) -> Exchange {
    let of_tls = match &e {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::TlsRequired => true,
        ureq::Error::Io(io) => io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()),
        _ => false,
    };
    match of_tls {
        true => Exchange::NotTrusted(e.to_string()),
        false => Exchange::NotConnected(e.to_string()),
    }
}

fn answer(mut response: Response<ureq::Body>) -> Answer {
    let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let (retry_after, location) = (text("retry-after").and_then(|v| pause(&v)), text("location"));
    let mut body = Vec::new();
    // The status is what counts: a body that breaks off, or takes too long, is what came of it.
    let _ =
        std::io::Read::read_to_end(&mut std::io::Read::take(response.body_mut().as_reader(), BODY_BYTES), &mut body);
    Answer { status: response.status().as_u16(), retry_after, location, body }
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn pause(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
    let left = at.as_second().saturating_sub(jiff::Timestamp::now().as_second());
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// Notes that a connection stands, TLS included: what fails before that sent nothing.
#[derive(Debug)]
struct Marking {
    inner: DefaultConnector,
    connected: Arc<AtomicBool>,
}

impl Connector<()> for Marking {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        let out = self.inner.connect(details, chained)?;
        self.connected.store(true, Ordering::Relaxed);
        Ok(out)
    }
}
