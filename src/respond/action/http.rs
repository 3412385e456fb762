//! `kind = "http"`: one request to end a session, with what the order says in its path, query, headers or body.
//!
//! The host is constant. A value in the path stays one segment of it, a body is JSON or a form by its structure, and both are
//! signed as Standard Webhooks are where the receiver wants that. What answers mean stands in `retry.rs`.
use super::auth::{Auth, AuthSpec};
use super::retry;
use super::{Ended, Limits, Means, Ready, Rehearsal};
use crate::model::Purpose;
use crate::respond::document::HookDocument;
use crate::respond::escape;
use crate::respond::needs::Needs;
use crate::respond::net::agent::{Answer, Request};
use crate::respond::net::signature::Keys;
use crate::respond::net::trust::Trust;
use crate::respond::secret::{Secret, Source};
use crate::respond::template::{Fields, JsonTemplate, Template};
use crate::respond::wire::Ending;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// The methods that can be written.
const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];
/// Headers that belong to the connection, to `auth`, or to the order.
const OURS: [&str; 12] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "expect",
    "te",
    "upgrade",
    "authorization",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];
/// The longest URL that is sent, in bytes: common servers take 8 KiB for the whole first line.
const URL_BYTES: usize = 4096;

/// The keys of `kind = "http"`: one request is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// `DELETE`, `GET`, `PATCH`, `POST` or `PUT`.
    #[serde(default = "post")]
    pub method: String,
    /// Where to: `https://host/path?query`; the host is constant, path and query may name members.
    pub url: String,
    /// Names and values of headers; values may name members.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as JSON; its texts may name members. One of `json`, `form` and `document`. Without it: no body.
    pub json: Option<serde_json::Map<String, serde_json::Value>>,
    /// The body as a form; its values may name members. Without it: no body.
    pub form: Option<BTreeMap<String, String>>,
    /// `true`: the hook document is the body.
    #[serde(default)]
    pub document: bool,
    /// Who sends it: a table, below. Without it: nobody.
    pub auth: Option<AuthSpec>,
    /// Signs the body as [Standard Webhooks](https://www.standardwebhooks.com/) do: a table, below. Without it: no signature.
    pub sign: Option<SignSpec>,
    /// Answers that mean "done" beside 2xx, such as 404 where that is "already gone".
    #[serde(default)]
    pub done_statuses: Vec<u16>,
    /// Where the action is a `check`: answers that mean that the target lives, such as 200 where the session is still shown. Without
    /// it: it cannot check.
    #[serde(default)]
    pub lives_statuses: Vec<u16>,
    /// `true`: plain HTTP to another machine. Without it: refused.
    #[serde(default)]
    pub insecure_http: bool,
    /// Certificates to believe instead of the system's. Without it: the system's.
    pub ca_file: Option<PathBuf>,
}

/// `sign`: the key that signs a body, as `sign = { credential = "NAME" }`. One of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignSpec {
    /// The key, as the name of a systemd credential: `whsec_…` (HMAC) or `whsk_…` (Ed25519), two while keys change.
    pub credential: Option<String>,
    /// The same, as a file that only root or the runner's user can read.
    pub secret_file: Option<PathBuf>,
}

impl SignSpec {
    /// Where the key is.
    ///
    /// # Errors
    /// None or both are written, or one cannot be meant.
    pub fn source(&self) -> Result<Source, String> {
        let source = Source::of(self.credential.as_deref(), self.secret_file.as_deref());
        source.map_err(|why| format!("`sign`: {why}"))
    }

    /// Adds what it needs of the machine.
    pub(in crate::respond) fn needs(&self, needs: Needs) -> Needs {
        needs.secret(self.credential.as_deref(), self.secret_file.as_deref())
    }
}

fn post() -> String {
    "POST".into()
}

enum Body {
    None,
    Json(JsonTemplate),
    Form(Vec<(String, Template)>),
    Document,
}

struct Http {
    method: &'static str,
    base: String,
    path: Template,
    query: Template,
    headers: Vec<(String, Template)>,
    body: Body,
    auth: Option<Auth>,
    sign: Option<Source>,
    done: Vec<u16>,
    lives: Vec<u16>,
    trust: Trust,
    limits: Limits,
}

impl super::Spec for Spec {
    fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String> {
        let method = method("method", &self.method)?;
        let (base, path, query) = url(&self.url, self.insecure_http)?;
        let headers = self.headers.iter().map(|(name, value)| {
            header_name("headers", name)?;
            let value = named("headers", name, value)?;
            Ok((name.clone(), value))
        });
        let auth = self.auth.as_ref().map(|spec| Auth::compile(spec, self.insecure_http)).transpose()?;
        let sign = self.sign.as_ref().map(SignSpec::source).transpose()?;
        if let Some(odd) = self.done_statuses.iter().find(|s| !(400..=599).contains(*s)) {
            return Err(format!(
                "`done_statuses` holds {odd}; 2xx are done anyway, and redirects never are: 400 to 599"
            ));
        }
        if let Some(odd) =
            self.lives_statuses.iter().find(|s| !(200..=599).contains(*s) || self.done_statuses.contains(s))
        {
            return Err(format!("`lives_statuses` holds {odd}, which is no answer, or means \"done\" already"));
        }
        Ok(Box::new(Http {
            method,
            base,
            path,
            query,
            headers: headers.collect::<Result<_, String>>()?,
            body: self.body()?,
            auth,
            sign,
            done: self.done_statuses.clone(),
            lives: self.lives_statuses.clone(),
            trust: Trust::new(self.ca_file.as_deref())?,
            limits,
        }))
    }

    fn needs(&self) -> Needs {
        let needs = Needs::default().url(&self.url).file(self.ca_file.as_deref());
        let needs = self.auth.iter().fold(needs, |needs, auth| auth.needs(needs));
        self.sign.iter().fold(needs, |needs, sign| sign.needs(needs))
    }
}

impl Spec {
    fn body(&self) -> Result<Body, String> {
        match (&self.json, &self.form, self.document) {
            (None, None, false) => Ok(Body::None),
            (None, None, true) => Ok(Body::Document),
            (Some(json), None, false) => JsonTemplate::parse("json", &json.clone().into()).map(Body::Json),
            (None, Some(form), false) => {
                let pairs = form.iter().map(|(name, value)| Ok((name.clone(), named("form", name, value)?)));
                pairs.collect::<Result<_, String>>().map(Body::Form)
            }
            _ => Err("`json`, `form` and `document` exclude each other: a request has one body".into()),
        }
    }
}

/// A template, with the key that it stands under in what is wrong with it.
fn named(table: &str, key: &str, text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|why| format!("`{table}.{key}`, {why}"))
}

/// # Errors
/// `text`, which stands under `key`, is no method that can be written.
pub fn method(key: &str, text: &str) -> Result<&'static str, String> {
    let found = METHODS.iter().copied().find(|known| *known == text);
    found.ok_or_else(|| format!("`{key}` is {text:?}; known are {}", METHODS.join(" ")))
}

/// # Errors
/// It is no header's name, or one that is not to be set here.
pub fn header_name(key: &str, name: &str) -> Result<(), String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match name {
        "" => Err(format!("`{key}`: a header without a name")),
        _ if !name.chars().all(token) => Err(format!("`{key}`: {name:?} is no header's name")),
        _ if key == "headers" && OURS.contains(&name.to_ascii_lowercase().as_str()) => {
            Err(format!("`headers`: {name} is set by tripline; for Authorization there is `auth`"))
        }
        _ => Ok(()),
    }
}

/// Splits a URL into what is constant (scheme, host, port), its path and its query.
///
/// # Errors
/// No request may go there, or a field stands where none can.
pub fn url<D: Fields>(text: &str, insecure_http: bool) -> Result<(String, Template<D>, Template<D>), String> {
    let begins = text.find("://").map(|at| at + 3).ok_or("`url` is not absolute: https://host/path")?;
    let ends = text[begins..].find(['/', '?', '#']).map_or(text.len(), |at| begins + at);
    let (base, rest) = text.split_at(ends);
    if base.contains(['{', '}']) {
        return Err("`url`: a field stands in the host; where a request goes is constant".into());
    }
    constant_url("url", base, insecure_http)?;
    if rest.contains('#') || rest.chars().any(|c| c.is_control() || c == ' ') {
        return Err("`url`: the path holds `#`, a space or a control character".into());
    }
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let whole = Template::parse(&rest)
        .map_err(|why| format!("`url`, counted from {:?}: {why}", rest.chars().take(12).collect::<String>()))?;
    let (path, query) = whole.split(|text| text.find('?'));
    Ok((base.to_owned(), path, query))
}

/// # Errors
/// `text` is no URL that a request may go to: https, or http to this machine, or wherever `insecure_http` says so.
pub fn constant_url(key: &str, text: &str, insecure_http: bool) -> Result<(), String> {
    let uri: ureq::http::Uri = text.parse().map_err(|e| format!("`{key}` is {text:?}: {e}"))?;
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let local = bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        _ if host.is_empty() => Err(format!("`{key}` is {text:?}, which names no host")),
        _ if uri.authority().is_some_and(|a| a.as_str().contains('@')) => {
            Err(format!("`{key}` holds a user or password: use `auth`"))
        }
        Some("https") => Ok(()),
        Some("http") if local || insecure_http => Ok(()),
        Some("http") => Err(format!(
            "`{key}` is plain http: whoever is on the way reads the session and the key. Use https, or write `insecure_http = true`"
        )),
        _ => Err(format!("`{key}` is {text:?}; it begins with https://")),
    }
}

/// What a document makes of the request, secrets aside.
struct Filled {
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    order: String,
}

impl Http {
    fn fill(&self, document: &HookDocument) -> Result<Filled, String> {
        let path = self.path.render(document, escape::path)?;
        // A value that stands beside a dot may make a dot segment with it.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("the path would hold a dot segment".into());
        }
        let query = self.query.render(document, |value| Ok(escape::query(value)))?;
        let url = format!("{}{path}{query}", self.base);
        if url.len() > URL_BYTES {
            return Err(format!("the URL would be {} bytes long, more than {URL_BYTES}", url.len()));
        }
        let order = document.order.to_string();
        let mut headers = vec![("Idempotency-Key".to_owned(), order.clone())];
        for (name, value) in &self.headers {
            headers.push((name.clone(), value.render(document, escape::header)?));
        }
        let (kind, body) = self.fill_body(document)?;
        headers.extend(kind.map(|kind| ("Content-Type".to_owned(), kind.to_owned())));
        Ok(Filled { url, headers, body, order })
    }

    fn fill_body(&self, document: &HookDocument) -> Result<(Option<&'static str>, Option<Vec<u8>>), String> {
        let json = Some("application/json");
        Ok(match &self.body {
            // Servers want a length where they expect a body, and none where they do not.
            Body::None => (None, (!matches!(self.method, "GET" | "DELETE")).then(Vec::new)),
            Body::Document => (json, Some(serde_json::to_vec(document).map_err(|e| e.to_string())?)),
            Body::Json(template) => (json, Some(template.render(document)?.to_string().into_bytes())),
            Body::Form(pairs) => {
                let mut form = Vec::new();
                for (name, value) in pairs {
                    form.push(format!("{}={}", escape::query(name), escape::query(&value.plain(document)?)));
                }
                (Some("application/x-www-form-urlencoded"), Some(form.join("&").into_bytes()))
            }
        })
    }

    fn request(&self, filled: &Filled, auth: Option<(String, Secret)>, keys: Option<&Keys>) -> Request {
        let plain = filled.headers.iter().map(|(name, value)| (name.clone(), Secret::new(value.clone())));
        let mut headers: Vec<_> = plain.chain(auth).collect();
        if let Some(keys) = keys {
            let at = jiff::Timestamp::now().as_second();
            let signature = keys.sign(&filled.order, at, filled.body.as_deref().unwrap_or_default());
            headers.push(("webhook-id".into(), Secret::new(filled.order.clone())));
            headers.push(("webhook-timestamp".into(), Secret::new(at.to_string())));
            headers.push(("webhook-signature".into(), Secret::new(signature)));
        }
        Request { method: self.method, url: filled.url.clone(), headers, body: filled.body.clone() }
    }

    fn carry_out(&self, filled: &Filled, key: Option<&Secret>, keys: Option<&Keys>, sign: Option<&Secret>) -> Ended {
        let until = Instant::now() + self.limits.deadline;
        let renewable = self.auth.as_ref().is_some_and(Auth::renewable);
        let mut tokens: Vec<Secret> = key.into_iter().chain(sign).cloned().collect();
        let mut make = |_: u32, last: Option<u16>| {
            let auth = match (&self.auth, key) {
                (Some(auth), Some(key)) => {
                    if last == Some(401) {
                        auth.renew();
                    }
                    Some(auth.sign(key, &self.trust, until)?)
                }
                _ => None,
            };
            tokens.extend(auth.as_ref().map(|(_, secret)| Secret::new(bare(secret).to_owned())));
            Ok(self.request(filled, auth, keys))
        };
        let meaning = |answer: &Answer| {
            if self.lives.contains(&answer.status) {
                return Some(Ended::new(Ending::Failed, format!("HTTP {}, which means that it lives", answer.status)));
            }
            let done = self.done.contains(&answer.status);
            done.then(|| Ended::new(Ending::Done, format!("HTTP {}, which counts as done", answer.status)))
        };
        let ended = retry::send(&mut make, &meaning, (&self.trust, renewable), self.limits, until);
        let note = tokens.iter().fold(ended.note, |note, secret| secret.mask(&note));
        Ended { note, ..ended }
    }
}

/// A header's secret without the word before it.
fn bare(secret: &Secret) -> &str {
    secret.expose().rsplit(' ').next().unwrap_or_default()
}

impl Means for Http {
    fn settle(&mut self) -> Result<(), String> {
        let needs_trust = self.base.starts_with("https:") || self.auth.as_ref().is_some_and(Auth::needs_trust);
        if needs_trust { self.trust.settle() } else { Ok(()) }
    }

    fn secrets(&self) -> Vec<&Source> {
        self.auth.as_ref().map(Auth::source).into_iter().chain(&self.sign).collect()
    }

    fn tells_of_tests(&self) -> bool {
        matches!(self.body, Body::Document)
    }

    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        if document.purpose == Purpose::Check && self.lives.is_empty() {
            return Err("it says of nothing that it lives, so that it cannot check: write `lives_statuses`".into());
        }
        let filled = self.fill(document)?;
        let key = self.auth.as_ref().map(|auth| auth.source().read()).transpose()?;
        let sign = self.sign.as_ref().map(Source::read).transpose()?;
        // A key that cannot sign is found before anything is sent.
        let keys = sign.as_ref().map(Keys::parse).transpose()?;
        Ok(Box::new(move || self.carry_out(&filled, key.as_ref(), keys.as_ref(), sign.as_ref())))
    }

    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String> {
        let filled = self.fill(document)?;
        let mut lines = Rehearsal::default().line("request", format!("{} {}", self.method, filled.url));
        let signed =
            self.sign.as_ref().map(|key| ("webhook-signature".to_owned(), format!("[signed with {}]", key.shown())));
        for (name, value) in filled.headers.into_iter().chain(self.auth.as_ref().map(Auth::shown)).chain(signed) {
            lines = lines.line("header", format!("{name}: {value}"));
        }
        Ok(match filled.body {
            Some(body) if !body.is_empty() => lines.line("body", String::from_utf8_lossy(&body)),
            _ => lines,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_request_goes_is_constant() {
        for (text, good) in [
            ("https://{target.session}.example.org/", false),
            ("https://h.example.org:{order}/", false),
            ("https://user:pass@h.example.org/", false),
            ("http://h.example.org/x", false),
            ("http://127.0.0.1:8080/x", true),
            ("http://[::1]:8080/x", true),
            ("http://127.0.0.1.example.org/x", false),
            ("ftp://h.example.org/x", false),
            ("/x", false),
            ("https://h.example.org/a b", false),
            ("https://h.example.org/a#b", false),
            ("https://h.example.org/{target.session}?x={order}", true),
            ("https://h.example.org?x={order}", true),
        ] {
            assert_eq!(url::<HookDocument>(text, false).is_ok(), good, "{text}");
        }
    }
}
