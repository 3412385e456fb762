//! What words mean, in names of keys and in values: the guesses of a draft rest on nothing else and on shapes.
use crate::model::{Activity, Outcome};

/// The words of a name, in small letters: `clientIpAddress`, `client.ip_address` and `Client IP Address` have the same.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = name.chars().collect();
    for (n, c) in chars.iter().enumerate() {
        let before = n.checked_sub(1).map(|n| chars[n]);
        let after = chars.get(n + 1);
        // `userId`, and `IPAddress`
        let begins = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || (before.is_some_and(char::is_uppercase) && after.is_some_and(|a| a.is_lowercase())));
        if !c.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether one of `words` is one of `known`; one that ends with `*` stands for a beginning.
fn has(words: &[String], known: &[&str]) -> bool {
    let is = |word: &String, known: &&str| match known.strip_suffix('*') {
        Some(begin) => word.starts_with(begin),
        None => word == known,
    };
    words.iter().any(|word| known.iter().any(|known| is(word, known)))
}

const MAKES: &[&str] = &["create*", "add*", "generate*", "issue*", "new", "register*", "invite*", "mint*"];
const TAKES: &[&str] = &["delete*", "remove*", "revoke*", "destroy*", "disable*", "deactivate*", "suspend*"];
const CHANGES: &[&str] = &[
    "update*", "change*", "edit*", "modif*", "set", "reset*", "enable*", "assign*", "grant*", "rename*", "lock*",
    "unlock*",
];
const READS: &[&str] = &["view*", "read*", "list*", "get", "show*", "open*", "head", "visit*", "browse*", "display*"];

/// What is done where somebody calls it so, if the words say it.
pub(super) fn activity_of(value: &str) -> Option<Activity> {
    let words = words(value);
    let one = words.concat();
    let is = |known: &[&str]| has(&words, known);
    let together = |known: &[&str]| known.iter().any(|known| one.contains(known));
    let alters = is(MAKES) || is(TAKES) || is(CHANGES);
    let is_factor =
        is(&["mfa", "2fa", "otp", "totp", "factor", "authenticator"]) || together(&["twofactor", "multifactor"]);
    let is_secret = is(&["password*", "passwd", "pin", "passphrase", "recovery"]);
    let is_key = is(&["key", "keys", "apikey", "token", "tokens", "secret", "secrets", "credential", "credentials"]);
    let is_logs = is(&["log", "logs", "logging", "audit", "auditing"]);
    Some(if together(&["impersonat", "loginas", "actas", "sudo"]) {
        Activity::Impersonation
    } else if together(&["logout", "logoff", "signout", "signoff"]) || one == "sessionend" || one == "sessionended" {
        Activity::Logout
    } else if is(&["session", "sessions"]) && is(&["revoke*", "kill*", "terminate*", "clear*", "expire*", "end*"]) {
        Activity::SessionRevoked
    } else if (is_factor || is_secret) && (alters || is(&["enrol*"])) {
        Activity::CredentialReset
    } else if is_factor || is(&["challenge*", "push"]) {
        Activity::MfaChallenge
    } else if together(&["login", "logon", "signin", "signon"]) || is(&["authenticat*", "auth"]) {
        Activity::Login
    } else if is_key && is(MAKES) {
        Activity::KeyCreated
    } else if is_key && is(TAKES) {
        Activity::KeyDeleted
    } else if is(&["download*", "fetch*"]) {
        Activity::Download
    } else if is(&["export*", "report*", "extract*", "dump*"]) {
        Activity::ExportRequested
    } else if is_logs && alters {
        Activity::LoggingChanged
    } else if is(&["search*", "query*", "queried", "find*", "lookup*"]) {
        Activity::Query
    } else if is(&["user*", "member*", "role*", "account*", "group*", "permission*", "staff", "person*", "admin*"])
        && alters
    {
        Activity::UserChanged
    } else if alters {
        Activity::SettingsChanged
    } else if is(READS) {
        Activity::View
    } else if is(&["post", "put", "patch", "call*", "request*", "api"]) {
        Activity::ApiCall
    } else {
        return None;
    })
}

/// How it ended where somebody writes so, if the words say it. `reversed`: the key asks whether it failed.
pub(super) fn outcome_of(value: &str, reversed: bool) -> Outcome {
    let words = words(value);
    let is = |known: &[&str]| has(&words, known);
    let fails = [
        "fail*", "error*", "den*", "refus*", "reject*", "forbid*", "block*", "invalid*", "unauth*", "wrong", "lock*",
        "expir*",
    ];
    let said = if is(&fails) || is(&["timeout", "not", "no", "false", "unsuccessful*", "bad", "abort*"]) {
        Outcome::Failure
    } else if is(&[
        "succe*",
        "ok",
        "allow*",
        "grant*",
        "pass*",
        "accept*",
        "approv*",
        "complete*",
        "done",
        "true",
        "yes",
    ]) {
        Outcome::Success
    } else {
        Outcome::Unknown
    };
    match (said, reversed && is(&["true", "false", "yes", "no"])) {
        (Outcome::Success, true) => Outcome::Failure,
        (Outcome::Failure, true) => Outcome::Success,
        (said, _) => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parted_into_words() {
        for (name, is) in [
            ("clientIpAddress", "client ip address"),
            ("client.ip_address", "client ip address"),
            ("Client IP Address", "client ip address"),
            ("IPAddress", "ip address"),
            ("userID", "user id"),
            ("c2s-ID", "c2s id"),
            ("", ""),
        ] {
            assert_eq!(words(name).join(" "), is, "{name}");
        }
    }

    #[test]
    fn an_act_is_guessed_by_its_words() {
        for (value, is) in [
            ("user.login", "login"),
            ("UserLoggedOut_signOut", "logout"),
            ("SIGN_IN_FAILED", "login"),
            ("mfa.enrolled", "credential_reset"),
            ("mfa.challenge", "mfa_challenge"),
            ("password_changed", "credential_reset"),
            ("ApiKeyCreated", "key_created"),
            ("token.revoked", "key_deleted"),
            ("session.revoked", "session_revoked"),
            ("logs.export", "export_requested"),
            ("file_downloaded", "download"),
            ("message.search", "query"),
            ("Add member to role", "user_changed"),
            ("webhook.updated", "settings_changed"),
            ("audit_log.disabled", "logging_changed"),
            ("page.view", "view"),
            ("GET", "view"),
            ("POST", "api_call"),
            ("impersonate customer", "impersonation"),
        ] {
            assert_eq!(activity_of(value).map(Activity::name), Some(is), "{value}");
        }
        assert_eq!(activity_of("heartbeat"), None);
    }

    #[test]
    fn an_outcome_is_guessed_by_its_words() {
        use Outcome::{Failure, Success, Unknown};
        for (value, reversed, is) in [
            ("SUCCESS", false, Success),
            ("Succeeded", false, Success),
            ("denied", false, Failure),
            ("login_failed", true, Failure),
            ("true", false, Success),
            ("true", true, Failure),
            ("false", true, Success),
            ("pending", false, Unknown),
        ] {
            assert_eq!(outcome_of(value, reversed), is, "{value} {reversed}");
        }
    }
}
