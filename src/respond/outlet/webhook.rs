//! `[webhook.NAME]`: an HTTP request for each finding and order, to a chat, a paging service or whatever takes one.
//!
//! The operator's template is the whole of the body's structure; what happened only fills in texts of it. The host is
//! constant. What answers mean:
//!
//! | what came                       | what is done                                                            |
//! | ------------------------------- | ----------------------------------------------------------------------- |
//! | 2xx, and 409 to a second try    | the next message                                                        |
//! | 400, 413, 415, 422              | it never will take this message: said, and the next one                 |
//! | anything else, or nothing       | the same message again, after a pause that grows, and after `Retry-After` |
use super::notice::{Escape, Notice};
use crate::model::{Severity, json_shown};
use crate::respond::action::{SignSpec, header_name, told, url};
use crate::respond::net::agent::{Answer, Exchange, Request, exchange};
use crate::respond::net::signature::Keys;
use crate::respond::net::trust::Trust;
use crate::respond::secret::{Secret, Source};
use crate::respond::template::{JsonTemplate, Template};
use crate::respond::wire::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest that a receiver can ask us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// `[webhook.NAME]`: an HTTP request for each finding and order, to a chat or a paging service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTarget {
    /// Where to: `https://host/path?query`; `{secret}` may stand behind the host.
    pub url: String,
    /// What is below it is not sent: findings, and orders (`high` where a person is needed or the session may live on, `medium` when
    /// one is done, less otherwise).
    #[serde(default = "high")]
    pub severity: Severity,
    /// The body; its texts may name the fields of templates. Without it: the OCSF object.
    pub json: Option<serde_json::Map<String, serde_json::Value>>,
    /// What the receiver reads as markup, and is taken from what fills in the body.
    #[serde(default)]
    pub escape: Escape,
    /// More headers; their values may name `{secret}`, and nothing else.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What `{secret}` stands for: the name of a systemd credential of the runner.
    pub credential: Option<String>,
    /// The same, as a file that only its owner can read.
    pub secret_file: Option<PathBuf>,
    /// The key (`whsec_…`) for Standard Webhooks signatures: `{ credential = "NAME" }` or `{ secret_file = "/path" }`. Without it: not
    /// signed.
    pub sign: Option<SignSpec>,
    /// Plain HTTP although it leaves this machine. Without it: refused.
    #[serde(default)]
    pub insecure_http: bool,
    /// Certificates to believe. Without it: the system's.
    pub ca_file: Option<PathBuf>,
}

const fn high() -> Severity {
    Severity::High
}

impl WebhookTarget {
    /// What is wrong with it, as far as can be told without looking at the disk.
    pub fn fault(&self) -> Option<String> {
        self.compile().err()
    }

    /// Makes it ready for use. Looks at no disk.
    ///
    /// # Errors
    /// What is wrong with what was written.
    pub fn compile(&self) -> Result<Webhook, String> {
        let (base, path, query) = url(&self.url, self.insecure_http)?;
        let json = self.json.clone().map(|json| JsonTemplate::parse("json", &json.into())).transpose()?;
        let headers = self.headers.iter().map(|(name, value)| {
            // Ours to write here: there is no `auth`.
            if !name.eq_ignore_ascii_case("authorization") {
                header_name("headers", name)?;
            }
            let value = Template::parse(value).map_err(|why| format!("`headers.{name}`, {why}"))?;
            Ok((name.clone(), value))
        });
        let headers = headers.collect::<Result<Vec<_>, String>>()?;
        if [&path, &query].into_iter().chain(headers.iter().map(|(_, value)| value)).any(|t| !t.names_only("secret")) {
            return Err("`url` and `headers` can name `{secret}` only: what happened belongs into the body".into());
        }
        let secret = match (&self.credential, &self.secret_file) {
            (None, None) => None,
            (credential, file) => Some(Source::of(credential.as_deref(), file.as_deref())?),
        };
        let sign = self.sign.as_ref().map(SignSpec::source).transpose()?;
        Ok(Webhook {
            base,
            path,
            query,
            headers,
            json,
            escape: self.escape,
            secret,
            sign,
            trust: Trust::new(self.ca_file.as_deref())?,
        })
    }
}

/// A target that can be sent to.
pub struct Webhook {
    base: String,
    path: Template<Notice>,
    query: Template<Notice>,
    headers: Vec<(String, Template<Notice>)>,
    json: Option<JsonTemplate<Notice>>,
    escape: Escape,
    secret: Option<Source>,
    sign: Option<Source>,
    trust: Trust,
}

impl Webhook {
    /// Reads the certificates that it believes.
    ///
    /// # Errors
    /// There are none; in words.
    pub fn settle(&mut self) -> Result<(), String> {
        if self.base.starts_with("https:") { self.trust.settle() } else { Ok(()) }
    }

    /// Sends one notice, for the `tries`-th time, and says what became of it. Blocks, at most ten seconds.
    pub fn send(&self, message: &str, tries: u32) -> (Outcome, Option<Duration>) {
        let failed = |why: String| (Outcome::Failed(why), None);
        let Ok(notice) = serde_json::from_str::<Notice>(message) else {
            return (Outcome::Refused("the runner cannot read the daemon's message".into()), None);
        };
        let secret = match self.secret.as_ref().map(Source::read).transpose() {
            Ok(secret) => secret,
            Err(why) => return failed(why),
        };
        let notice = notice.escaped(self.escape).with_secret(secret.clone());
        let request = match self.request(&notice) {
            Ok(request) => request,
            Err(why) => return failed(why),
        };
        let came = exchange(&request, &self.trust, Instant::now() + DEADLINE);
        let (outcome, wait) = meant(came, tries);
        let mask = |why: String| secret.as_ref().map_or(why.clone(), |secret| secret.mask(&why));
        (outcome.map(mask), wait)
    }

    fn request(&self, notice: &Notice) -> Result<Request, String> {
        let plain = |value: &str| match value.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(value.to_owned()),
            false => Err("holds a space or what is no ASCII, which cannot stand there".to_owned()),
        };
        let url = format!("{}{}{}", self.base, self.path.render(notice, plain)?, self.query.render(notice, plain)?);
        let body = match &self.json {
            Some(json) => json.render(notice)?,
            None => notice.ocsf.clone(),
        };
        let body = json_shown(&body.to_string()).into_owned().into_bytes();
        let mut headers = vec![("Content-Type".to_owned(), Secret::new("application/json".into()))];
        for (name, value) in &self.headers {
            headers.push((name.clone(), Secret::new(value.plain(notice)?)));
        }
        let (id, at) = (notice.key(), jiff::Timestamp::now().as_second());
        if let Some(sign) = &self.sign {
            let signature = Keys::parse(&sign.read()?)?.sign(&id, at, &body);
            headers.push(("webhook-signature".into(), Secret::new(signature)));
        }
        headers.push(("webhook-id".into(), Secret::new(id)));
        headers.push(("webhook-timestamp".into(), Secret::new(at.to_string())));
        Ok(Request { method: "POST", url, headers, body: Some(body) })
    }
}

fn meant(came: Exchange, tries: u32) -> (Outcome, Option<Duration>) {
    let answer = match came {
        Exchange::Answer(answer) => answer,
        Exchange::NotConnected(why) => return (Outcome::Failed(format!("no connection: {why}")), None),
        Exchange::NotTrusted(why) => {
            return (Outcome::Failed(format!("the receiver is not to be trusted: {why}")), None);
        }
        Exchange::Lost(why) => return (Outcome::Failed(format!("no answer: {why}")), None),
    };
    match answer.status {
        200..=299 => (Outcome::Sent, None),
        409 if tries > 1 => (Outcome::Sent, None),
        400 | 413 | 415 | 422 => (Outcome::Refused(said(&answer)), None),
        _ => (Outcome::Failed(said(&answer)), answer.retry_after.map(|wait| wait.min(LONGEST_WAIT))),
    }
}

fn said(answer: &Answer) -> String {
    match &answer.location {
        Some(location) if (300..=399).contains(&answer.status) => {
            let to = crate::model::Shown(crate::model::cut(location, 200)).to_string();
            format!("HTTP {}, to {to}: redirects are not followed, write the final `url`", answer.status)
        }
        _ => format!("HTTP {}: {}", answer.status, told(&answer.body)),
    }
}
