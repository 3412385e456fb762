//! `kind = "set"`: a signed Security Event Token (RFC 8417) that says that a session was revoked (OpenID CAEP 1.0), pushed to
//! a receiver (RFC 8935): 202 is done, and an error it names in JSON is for people.
//!
//! The token's id (`jti`) is the order's, so that a receiver that is told twice does it once.
use super::auth::{Auth, AuthSpec};
use super::jws::{self, Algorithm};
use super::{Ended, Limits, Means, Ready, Rehearsal, http, retry};
use crate::model::{Purpose, Shown, cut};
use crate::respond::document::HookDocument;
use crate::respond::needs::Needs;
use crate::respond::net::agent::{Answer, Request};
use crate::respond::net::trust::Trust;
use crate::respond::secret::{Secret, Source};
use crate::respond::template::JsonTemplate;
use crate::respond::wire::Ending;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// The event's type: OpenID CAEP 1.0, 3.1.
pub const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
/// The media type of a pushed token: RFC 8935, 2.1.
const MEDIA_TYPE: &str = "application/secevent+jwt";

/// The keys of `kind = "set"`: a CAEP `session-revoked` event is pushed as a signed Security Event Token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Where the receiver takes tokens.
    pub url: String,
    /// `iss`: who we are to the receiver.
    pub issuer: String,
    /// `aud`: who the receiver is.
    pub audience: String,
    /// How the token is signed.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// `kid`: which of our keys it is.
    pub key_id: Option<String>,
    /// The private key, PKCS #8 in PEM: the name of a systemd credential. Without it: required, or `secret_file`.
    pub credential: Option<String>,
    /// The same, as a file that only root or the runner's user can read.
    pub secret_file: Option<PathBuf>,
    /// The subject (RFC 9493); its texts may name members. Without it: the session and the user, as far as they are known.
    pub sub_id: Option<serde_json::Map<String, Value>>,
    /// How the push says who sends it: a table, below. Without it: nobody.
    pub auth: Option<AuthSpec>,
    /// `true`: plain HTTP to another machine. Without it: refused.
    #[serde(default)]
    pub insecure_http: bool,
    /// Certificates to believe instead of the system's. Without it: the system's.
    pub ca_file: Option<PathBuf>,
}

struct Set {
    spec: Spec,
    key: Source,
    subject: Option<JsonTemplate>,
    auth: Option<Auth>,
    trust: Trust,
    limits: Limits,
}

impl super::Spec for Spec {
    fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String> {
        http::constant_url("url", &self.url, self.insecure_http)?;
        for (key, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() {
                return Err(format!("`{key}` is empty"));
            }
        }
        let subject = self.sub_id.clone().map(|sub_id| JsonTemplate::parse("sub_id", &sub_id.into())).transpose()?;
        if self.sub_id.as_ref().is_some_and(|sub_id| !sub_id.get("format").is_some_and(Value::is_string)) {
            return Err("`sub_id` has no `format` (RFC 9493): opaque, iss_sub, email, complex and so on".into());
        }
        Ok(Box::new(Set {
            spec: self.clone(),
            key: Source::of(self.credential.as_deref(), self.secret_file.as_deref())?,
            subject,
            auth: self.auth.as_ref().map(|spec| Auth::compile(spec, self.insecure_http)).transpose()?,
            trust: Trust::new(self.ca_file.as_deref())?,
            limits,
        }))
    }

    fn needs(&self) -> Needs {
        let needs = Needs::default().url(&self.url).file(self.ca_file.as_deref());
        let needs = needs.secret(self.credential.as_deref(), self.secret_file.as_deref());
        self.auth.iter().fold(needs, |needs, auth| auth.needs(needs))
    }
}

impl Set {
    /// The claims of the token, made at `now` (seconds since 1970).
    fn claims(&self, document: &HookDocument, now: i64) -> Result<Value, String> {
        let subject = match &self.subject {
            Some(template) => template.render(document)?,
            None => self.usual_subject(document)?,
        };
        let event = json!({
            "initiating_entity": "policy",
            "reason_admin": { "en": format!("{} ({})", document.finding.title, document.finding.policy) },
            "event_timestamp": now,
        });
        let id = document.order.to_string();
        Ok(json!({
            "iss": self.spec.issuer, "jti": id, "iat": now, "aud": self.spec.audience,
            "txn": document.finding.id.to_string(), "sub_id": subject, "events": { SESSION_REVOKED: event },
        }))
    }

    fn usual_subject(&self, document: &HookDocument) -> Result<Value, String> {
        let target = &document.target;
        let known = |value: &'_ Option<String>| value.clone().filter(|value| !value.is_empty());
        let session = known(&target.session).map(|id| json!({ "format": "opaque", "id": id }));
        let user = known(&target.actor_uid).or_else(|| known(&target.actor));
        let user = user.map(|id| json!({ "format": "iss_sub", "iss": self.spec.issuer, "sub": id }));
        match (session, user) {
            (None, None) => Err("no trail stated target.session or target.actor, of which it needs one".into()),
            (Some(session), None) => Ok(session),
            (None, Some(user)) => Ok(user),
            (Some(session), Some(user)) => Ok(json!({ "format": "complex", "session": session, "user": user })),
        }
    }

    fn push(&self, token: &str, signing: &Secret, key: Option<&Secret>) -> Ended {
        let until = Instant::now() + self.limits.deadline;
        let renewable = self.auth.as_ref().is_some_and(Auth::renewable);
        let mut secrets = vec![signing.clone(), Secret::new(token.to_owned())];
        let mut make = |_: u32, last: Option<u16>| {
            let plain = |text: &str| Secret::new(text.to_owned());
            let mut headers =
                vec![("Content-Type".to_owned(), plain(MEDIA_TYPE)), ("Accept".to_owned(), plain("application/json"))];
            if let (Some(auth), Some(key)) = (&self.auth, key) {
                if last == Some(401) {
                    auth.renew();
                }
                let header = auth.sign(key, &self.trust, until)?;
                secrets.push(header.1.clone());
                headers.push(header);
            }
            Ok(Request { method: "POST", url: self.spec.url.clone(), headers, body: Some(token.as_bytes().to_vec()) })
        };
        let ended = retry::send(&mut make, &meaning, (&self.trust, renewable), self.limits, until);
        let note = secrets.iter().fold(ended.note, |note, secret| secret.mask(&note));
        Ended { note, ..ended }
    }
}

/// RFC 8935, 2.2 to 2.4.
fn meaning(answer: &Answer) -> Option<Ended> {
    #[derive(Deserialize)]
    struct Refusal {
        err: String,
        description: Option<String>,
    }
    match answer.status {
        202 => Some(Ended::new(Ending::Done, "HTTP 202: the receiver took the event")),
        400 => {
            let Ok(Refusal { err, description }) = serde_json::from_slice(&answer.body) else { return None };
            let why = format!("{err}: {}", description.unwrap_or_default());
            let why = cut(&why, 512);
            Some(Ended::new(Ending::Permanent, format!("HTTP 400: the receiver refused the event: {}", Shown(why))))
        }
        // "Done" is what the receiver promises by 202, and by nothing else.
        200..=299 => {
            Some(Ended::new(Ending::Failed, format!("HTTP {} is not 202, which RFC 8935 asks for", answer.status)))
        }
        _ => None,
    }
}

impl Means for Set {
    fn settle(&mut self) -> Result<(), String> {
        let needs_trust = self.spec.url.starts_with("https:") || self.auth.as_ref().is_some_and(Auth::needs_trust);
        if needs_trust { self.trust.settle() } else { Ok(()) }
    }

    fn secrets(&self) -> Vec<&Source> {
        std::iter::once(&self.key).chain(self.auth.as_ref().map(Auth::source)).collect()
    }

    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        if document.purpose != Purpose::End {
            return Err(
                "the event says that a session was revoked, which is neither checked nor taken back by it".into()
            );
        }
        let claims = self.claims(document, jiff::Timestamp::now().as_second())?;
        let signing = self.key.read()?;
        let token =
            jws::sign(self.spec.algorithm, signing.expose(), "secevent+jwt", self.spec.key_id.as_deref(), &claims)?;
        let key = self.auth.as_ref().map(|auth| auth.source().read()).transpose()?;
        Ok(Box::new(move || self.push(&token, &signing, key.as_ref())))
    }

    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String> {
        let claims = self.claims(document, jiff::Timestamp::now().as_second())?;
        let lines = Rehearsal::default()
            .line("request", format!("POST {}", self.spec.url))
            .line("header", format!("Content-Type: {MEDIA_TYPE}"));
        let lines = match self.auth.as_ref().map(Auth::shown) {
            Some((name, value)) => lines.line("header", format!("{name}: {value}")),
            None => lines,
        };
        let signed = format!("{} with {}", self.spec.algorithm.name(), self.key.shown());
        Ok(lines.line("claims", claims.to_string()).line("signed", signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FindingId, OrderId, Purpose, Severity, TargetKind};
    use crate::respond::document::{HookFinding, HookTarget, SCHEMA};
    use std::time::Duration;

    fn document() -> HookDocument {
        let id: OrderId = "24c63fb56e5a2d77a6b512616ca9fa24".parse().unwrap();
        HookDocument {
            schema: SCHEMA,
            order: id,
            idempotency_key: id,
            action: "tell".into(),
            purpose: Purpose::End,
            attempt: 1,
            test: false,
            target: HookTarget {
                kind: TargetKind::Session,
                session: Some("dMTlD|1600802906337.16|16008.16".into()),
                actor: Some("ana".into()),
                actor_uid: Some("99beb27c-c1c2-4955-882a-e0dc4996fcbc".into()),
                ip: None,
                export: None,
            },
            finding: HookFinding {
                id: FindingId([0x86; 16]),
                policy: "C076E82F".into(),
                title: "Landspeed Policy Violation".into(),
                severity: Severity::High,
                time: "2021-03-09T15:52:39Z".into(),
            },
        }
    }

    fn set(more: &str) -> Set {
        let toml = format!(
            "url = 'https://sp.example.com/'\nissuer = 'https://idp.example.com/123456789/'\naudience = 'https://sp.example.com/caep'\n\
             credential = 'k'\n{more}"
        );
        let spec: Spec = toml::from_str(&toml).unwrap();
        let limits = Limits { deadline: Duration::from_secs(1), grace: Duration::ZERO, idempotent: false };
        let subject = spec.sub_id.clone().map(|sub_id| JsonTemplate::parse("sub_id", &sub_id.into()).unwrap());
        let key = Source::of(spec.credential.as_deref(), None).unwrap();
        Set { spec, key, subject, auth: None, trust: Trust::default(), limits }
    }

    #[test]
    fn the_claims_are_those_of_the_specifications_example() {
        // OpenID CAEP 1.0, 3.1.2, the example with a complex subject.
        let mut example = json!({
            "iss": "https://idp.example.com/123456789/", "jti": "24c63fb56e5a2d77a6b512616ca9fa24", "iat": 1_615_305_159,
            "aud": "https://sp.example.com/caep", "txn": "8675309",
            "sub_id": {
                "format": "complex",
                "session": { "format": "opaque", "id": "dMTlD|1600802906337.16|16008.16" },
                "user": { "format": "iss_sub", "iss": "https://idp.example.com/123456789/", "sub": "99beb27c-c1c2-4955-882a-e0dc4996fcbc" },
                "tenant": { "format": "opaque", "id": "123456789" },
            },
            "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
                "initiating_entity": "policy", "reason_admin": { "en": "Landspeed Policy Violation: C076E82F" }, "event_timestamp": 1_615_304_991,
            } },
        });
        // What is ours to choose: the transaction is the finding, our words, and the session ends when we say so.
        example["txn"] = "86".repeat(16).into();
        let event = &mut example["events"][SESSION_REVOKED];
        event["reason_admin"]["en"] = "Landspeed Policy Violation (C076E82F)".into();
        event["event_timestamp"] = 1_615_305_159.into();
        let with_tenant =
            set("[sub_id]\nformat = 'complex'\nsession = { format = 'opaque', id = '{target.session}' }\n\
             user = { format = 'iss_sub', iss = 'https://idp.example.com/123456789/', sub = '{target.actor_uid}' }\n\
             tenant = { format = 'opaque', id = '123456789' }");
        assert_eq!(with_tenant.claims(&document(), 1_615_305_159).unwrap(), example);
        example["sub_id"].as_object_mut().unwrap().remove("tenant");
        assert_eq!(set("").claims(&document(), 1_615_305_159).unwrap(), example, "without a subject of the operator's");
    }
}
