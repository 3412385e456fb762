//! How a request says who sends it: a key as it is, a password, or a token that is fetched for the purpose and kept until it
//! runs out (OAuth 2.0: RFC 6749, 4.4, and RFC 7523).
use super::jws::{Algorithm, sign};
use super::retry::told;
use super::{Ended, http};
use crate::respond::needs::Needs;
use crate::respond::net::agent::{Exchange, Request, exchange};
use crate::respond::net::trust::Trust;
use crate::respond::secret::{Secret, Source};
use crate::respond::wire::Ending;
use crate::respond::{escape, secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token is fetched anew so long before it runs out.
const MARGIN: Duration = Duration::from_secs(30);
/// A token that does not say how long it lives is kept so long.
const UNSAID: Duration = Duration::from_secs(60);
/// No token is kept longer, whatever it says.
const LONGEST: Duration = Duration::from_secs(3600);

/// `auth`: who sends a request, as `auth = { type = "bearer", credential = "NAME" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSpec {
    /// How the request says who sends it.
    pub r#type: How,
    /// The token, password, client secret or RSA key: the name of a systemd credential.
    pub credential: Option<String>,
    /// The same, as a file that only root or the runner's user can read.
    pub secret_file: Option<PathBuf>,
    /// `basic`, `login`: the user.
    pub user: Option<String>,
    /// `header`, `login`: the header in which the secret or token is sent. Without it: `Authorization`.
    pub name: Option<String>,
    /// `header`, `login`: what stands before the secret or token in it, as `SSWS `. Without it: nothing.
    pub prefix: Option<String>,
    /// `oauth2`, `jwt_bearer`, `login`: where a token is got; it is kept until it runs out.
    pub token_url: Option<String>,
    /// `oauth2`, `jwt_bearer`: by whom it is got.
    pub client_id: Option<String>,
    /// `oauth2`, `jwt_bearer`: what for.
    pub scope: Option<String>,
    /// `oauth2`: the API that the token is for, where the server wants to know (Auth0).
    pub audience: Option<String>,
    /// `jwt_bearer`: whom we act for.
    pub subject: Option<String>,
    /// `login`: the method of the request for a token. Without it: `POST`.
    pub method: Option<String>,
    /// `login`: the body of that request; `{secret}` in a text of it stands for the secret.
    pub json: Option<serde_json::Map<String, serde_json::Value>>,
    /// `login`: where the token is in the answer, such as `data.token`.
    pub token_at: Option<String>,
}

/// How a request is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// `Authorization: Bearer SECRET`
    Bearer,
    /// `Authorization: Basic`, of `user` and the secret.
    Basic,
    /// The secret in a header of its own.
    Header,
    /// A token for the client id and the secret (client credentials, RFC 6749, 4.4).
    Oauth2,
    /// A token for an assertion that the secret, an RSA key, signs (RFC 7523, 2.1), as Google's service accounts do.
    JwtBearer,
    /// A token for a JSON document, or a password, by a product's own way; it is sent in a header.
    Login,
}

/// The keys that each way needs beside its secret, and those that it may have.
const fn keys(how: How) -> (&'static [&'static str], &'static [&'static str]) {
    match how {
        How::Bearer => (&[], &[]),
        How::Basic => (&["user"], &[]),
        How::Header => (&[], &["name", "prefix"]),
        How::Oauth2 => (&["token_url", "client_id"], &["scope", "audience"]),
        How::JwtBearer => (&["token_url", "client_id", "scope"], &["subject"]),
        How::Login => (&["token_url", "token_at"], &["user", "method", "json", "name", "prefix"]),
    }
}

impl AuthSpec {
    /// Adds what it needs of the machine.
    pub fn needs(&self, needs: Needs) -> Needs {
        let needs = needs.secret(self.credential.as_deref(), self.secret_file.as_deref());
        self.token_url.iter().fold(needs, |needs, url| needs.url(url))
    }
}

/// A compiled [`AuthSpec`], and the token that it got.
pub struct Auth {
    spec: AuthSpec,
    source: Source,
    token: Mutex<Option<(Secret, Instant)>>,
}

impl Auth {
    /// # Errors
    /// A key is missing, or one stands there that this way does not have.
    pub fn compile(spec: &AuthSpec, insecure_http: bool) -> Result<Auth, String> {
        let source = Source::of(spec.credential.as_deref(), spec.secret_file.as_deref());
        let source = source.map_err(|why| format!("`auth`: {why}"))?;
        let (needed, allowed) = keys(spec.r#type);
        for (key, value) in [
            ("user", &spec.user),
            ("name", &spec.name),
            ("prefix", &spec.prefix),
            ("token_url", &spec.token_url),
            ("client_id", &spec.client_id),
            ("scope", &spec.scope),
            ("audience", &spec.audience),
            ("subject", &spec.subject),
            ("method", &spec.method),
            ("json", &spec.json.as_ref().map(|_| String::new())),
            ("token_at", &spec.token_at),
        ] {
            match (value, needed.contains(&key), allowed.contains(&key)) {
                (None, true, _) => return Err(format!("`auth` of this type needs `{key}`")),
                (Some(_), false, false) => return Err(format!("`auth` of this type has no `{key}`")),
                (Some(text), ..) if text.chars().any(char::is_control) => {
                    return Err(format!("`auth`: `{key}` holds a control character"));
                }
                _ => {}
            }
        }
        if let Some(url) = &spec.token_url {
            http::constant_url("auth.token_url", url, insecure_http)?;
        }
        if spec.user.as_deref().is_some_and(|user| user.contains(':')) {
            return Err("`auth`: `user` holds a colon, which ends a user's name".into());
        }
        if let Some(name) = &spec.name {
            http::header_name("auth.name", name)?;
        }
        http::method("auth.method", spec.method.as_deref().unwrap_or("POST"))?;
        Ok(Auth { spec: spec.clone(), source, token: Mutex::new(None) })
    }

    /// Where its secret comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether a 401 may mean that a token has run out.
    pub fn renewable(&self) -> bool {
        matches!(self.spec.r#type, How::Oauth2 | How::JwtBearer | How::Login)
    }

    /// Whether a token is fetched over TLS.
    pub fn needs_trust(&self) -> bool {
        self.spec.token_url.as_deref().is_some_and(|url| url.starts_with("https:"))
    }

    /// The header that it adds, without its secret.
    pub fn shown(&self) -> (String, String) {
        let masked = match self.spec.r#type {
            How::Oauth2 | How::JwtBearer | How::Login => {
                format!("[token of {} for {}]", self.spec.token_url.as_deref().unwrap_or_default(), self.source.shown())
            }
            _ => self.source.shown(),
        };
        let (name, value) = self.header(&Secret::new(masked.clone()));
        match self.spec.r#type {
            How::Basic => (name, format!("Basic {masked}")),
            _ => (name, value.expose().to_owned()),
        }
    }

    /// Forgets the token: the server did not take it.
    pub fn renew(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The header for one request. `key` is what [`Source::read`] gave; a token is fetched where there is none that lives.
    ///
    /// # Errors
    /// No token was given. Nothing was done to the target.
    pub fn sign(&self, key: &Secret, trust: &Trust, until: Instant) -> Result<(String, Secret), Ended> {
        match self.renewable() {
            true => Ok(self.header(&self.token(key, trust, until)?)),
            false => Ok(self.header(key)),
        }
    }

    fn header(&self, secret: &Secret) -> (String, Secret) {
        let value = match self.spec.r#type {
            How::Bearer | How::Oauth2 | How::JwtBearer => format!("Bearer {}", secret.expose()),
            How::Basic => {
                let user = self.spec.user.as_deref().unwrap_or_default();
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", secret.expose())))
            }
            How::Header | How::Login => {
                format!("{}{}", self.spec.prefix.as_deref().unwrap_or_default(), secret.expose())
            }
        };
        (self.spec.name.clone().unwrap_or_else(|| "Authorization".into()), Secret::new(value))
    }

    fn token(&self, key: &Secret, trust: &Trust, until: Instant) -> Result<Secret, Ended> {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, ends)) = kept.as_ref()
            && *ends > Instant::now()
        {
            return Ok(token.clone());
        }
        let (token, lives) = self.fetch(key, trust, until)?;
        *kept = Some((token.clone(), Instant::now() + lives.min(LONGEST).saturating_sub(MARGIN)));
        Ok(token)
    }

    fn fetch(&self, key: &Secret, trust: &Trust, until: Instant) -> Result<(Secret, Duration), Ended> {
        let request = self.request(key).map_err(|why| Ended::new(Ending::Permanent, why))?;
        let (ending, why) = match exchange(&request, trust, until) {
            Exchange::Answer(answer) if matches!(answer.status, 200 | 201) => match self.token_in(&answer.body) {
                Some((token, lives)) => return Ok((token, lives)),
                // Not what it said: that may hold a token.
                None => (Ending::Permanent, "the token server's answer holds no token".to_owned()),
            },
            Exchange::Answer(answer) => {
                let ending = if matches!(answer.status, 429 | 500..) { Ending::Temporary } else { Ending::Permanent };
                let said = key.mask(&told(&answer.body));
                let sent = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default());
                let said = secret::mask(&said, &sent);
                (ending, format!("the token server answered HTTP {}; it said: {said}", answer.status))
            }
            Exchange::NotTrusted(why) => (Ending::Permanent, format!("the token server cannot be trusted: {why}")),
            Exchange::NotConnected(why) | Exchange::Lost(why) => {
                (Ending::Temporary, format!("no token was given: {why}"))
            }
        };
        Err(Ended::new(ending, format!("nothing was done: {why}")))
    }

    /// What asks for a token.
    fn request(&self, key: &Secret) -> Result<Request, String> {
        let plain = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
        let url = self.spec.token_url.clone().unwrap_or_default();
        let mut headers = vec![plain("Accept", "application/json")];
        if self.spec.r#type != How::Login {
            headers.push(plain("Content-Type", "application/x-www-form-urlencoded"));
            let body = Some(self.form(key)?.expose().as_bytes().to_vec());
            return Ok(Request { method: "POST", url, headers, body });
        }
        if let Some(user) = &self.spec.user {
            let basic = STANDARD.encode(format!("{user}:{}", key.expose()));
            headers.push(("Authorization".to_owned(), Secret::new(format!("Basic {basic}"))));
        }
        headers.push(plain("Content-Type", "application/json"));
        let mut json = serde_json::Value::Object(self.spec.json.clone().unwrap_or_default());
        put_secret(&mut json, key.expose());
        let method = http::method("auth.method", self.spec.method.as_deref().unwrap_or("POST"))?;
        Ok(Request { method, url, headers, body: Some(json.to_string().into_bytes()) })
    }

    /// The token in an answer, and how long it lives.
    fn token_in(&self, answer: &[u8]) -> Option<(Secret, Duration)> {
        let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
        let at = self.spec.token_at.as_deref().unwrap_or("access_token");
        let token = at.split('.').try_fold(&answer, |json, name| json.get(name))?.as_str()?;
        // It goes into a header.
        let plain = !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic());
        let lives = answer.get("expires_in").and_then(serde_json::Value::as_u64).map_or(UNSAID, Duration::from_secs);
        plain.then(|| (Secret::new(token.to_owned()), lives))
    }

    fn form(&self, key: &Secret) -> Result<Secret, String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut pairs = Vec::new();
        if self.spec.r#type == How::JwtBearer {
            let now = jiff::Timestamp::now().as_second();
            let mut claims = serde_json::json!({
                "iss": text(&self.spec.client_id), "scope": text(&self.spec.scope), "aud": text(&self.spec.token_url),
                "iat": now, "exp": now + 300,
            });
            if let Some(subject) = &self.spec.subject {
                claims["sub"] = subject.as_str().into();
            }
            pairs.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
            pairs.push(("assertion", sign(Algorithm::RS256, key.expose(), "JWT", None, &claims)?));
        } else {
            pairs.push(("grant_type", "client_credentials".to_owned()));
            pairs.push(("client_id", text(&self.spec.client_id)));
            pairs.push(("client_secret", key.expose().to_owned()));
            pairs.extend(self.spec.scope.clone().map(|scope| ("scope", scope)));
            pairs.extend(self.spec.audience.clone().map(|audience| ("audience", audience)));
        }
        let form: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", escape::query(value))).collect();
        Ok(Secret::new(form.join("&")))
    }
}

/// Puts the secret in the place of `{secret}`, in every text of `json`.
fn put_secret(json: &mut serde_json::Value, secret: &str) {
    match json {
        serde_json::Value::String(text) => *text = text.replace("{secret}", secret),
        serde_json::Value::Array(list) => list.iter_mut().for_each(|item| put_secret(item, secret)),
        serde_json::Value::Object(members) => members.values_mut().for_each(|item| put_secret(item, secret)),
        _ => {}
    }
}
