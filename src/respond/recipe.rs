//! The shipped actions: how a product's sessions end, as data. One file each in `policies/recipes/`.
//!
//! `recipe = "NAME"` in `[actions.X]` puts the file's `[action]` in the place of the keys that are not written there; what is
//! written wins. `{with.NAME}` in a text of it stands for a value of `with = { NAME = … }`, put in once, when the
//! configuration is read: it comes from the operator, never from a trail. A text that is nothing but `{with.NAME}` may be
//! left out by leaving out an optional value.
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../policies/recipes/", $name, ".toml"))),)*]
    };
}

/// Name and text of each. To add one: a file in `policies/recipes/`, and a line here.
pub static RECIPES: &[(&str, &str)] = shipped![
    "auth0-block-user",
    "auth0-check-session",
    "auth0-end-session",
    "auth0-end-user-sessions",
    "auth0-revoke-refresh-tokens",
    "auth0-unblock-user",
    "authentik-activate-user",
    "authentik-deactivate-user",
    "authentik-end-session",
    "authentik-end-user-sessions",
    "caep-session-revoked",
    "django-postgres-session",
    "django-redis-session",
    "entra-disable-account",
    "entra-enable-account",
    "entra-revoke-sessions",
    "export-job-cancel",
    "fusionpbx-end-session",
    "fusionpbx-forget-browsers",
    "google-restore-user",
    "google-sign-out",
    "google-suspend-user",
    "haproxy-admit-address",
    "haproxy-cut-address",
    "jambonz-end-session",
    "kazoo-disable-user",
    "kazoo-enable-user",
    "keycloak-disable-user",
    "keycloak-enable-user",
    "keycloak-logout-session",
    "keycloak-logout-user",
    "nginx-deny-address",
    "nginx-deny-nobody",
    "okta-check-session",
    "okta-clear-user-sessions",
    "okta-end-session",
    "okta-suspend-user",
    "okta-unsuspend-user",
    "php-session",
    "signed-link-revoke",
    "ss-cut-address",
    "teleport-lock-user",
    "twilio-cancel-export",
    "twilio-delete-key",
    "wazo-end-session",
];

/// A recipe as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What it ends, in a sentence.
    pub about: String,
    /// What it was proven against: a product and version that a test runs, or `from documentation only`.
    pub proof: String,
    /// Where the call is documented.
    pub source: String,
    /// What is ended, as the `target` of a policy's response has it: `session`, `user`, `token`, `key`, `account`.
    pub grade: String,
    /// The file under `systemd/` that lets the runner do it.
    pub drop_in: String,
    /// The recipe that takes it back.
    pub undo: Option<String>,
    /// The recipe that asks whether it held; its own name where it does so itself.
    pub check: Option<String>,
    /// The values that `with` gives.
    #[serde(default)]
    pub with: BTreeMap<String, Parameter>,
    /// The keys of the action.
    pub action: Table,
}

/// A value that `with` gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it is.
    pub about: String,
    /// What stands there if it is not given.
    pub default: Option<String>,
    /// What it looks like.
    pub example: Option<String>,
    /// It may be left out, with the key that it stands for.
    #[serde(default)]
    pub optional: bool,
}

/// The recipe of that name.
///
/// # Errors
/// There is none; the names there are.
pub fn named(name: &str) -> Result<Recipe, String> {
    let found = RECIPES.iter().find(|(known, _)| *known == name);
    let (_, text) = found.ok_or_else(|| {
        let known = RECIPES.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(" ");
        format!("there is no recipe {name:?}; there are: {known}")
    })?;
    toml::from_str(text).map_err(|e| format!("the recipe {name}: {e}"))
}

/// Puts the recipe that `written` names, if it does, in the place of what is not written.
///
/// # Errors
/// No such recipe, or `with` does not fit it.
pub fn put_in(mut written: Table) -> Result<Table, String> {
    let (name, with) = (written.remove("recipe"), written.remove("with"));
    let name = match (name, &with) {
        (None, None) => return Ok(written),
        (Some(Value::String(name)), _) => name,
        (Some(_), _) => return Err("`recipe` is a text".into()),
        (None, Some(_)) => return Err("`with` is for a `recipe`, and there is none".into()),
    };
    let with = match with {
        None => Table::new(),
        Some(Value::Table(with)) => with,
        Some(_) => return Err("`with` is a table: with = { NAME = \"value\" }".into()),
    };
    let recipe = named(&name)?;
    let values = recipe.values(&with).map_err(|why| format!("recipe {name}: {why}"))?;
    let mut whole = filled(&recipe.action, &values).map_err(|why| format!("recipe {name}: {why}"))?;
    if written.contains_key("kind") {
        return Err(format!("recipe {name} has a `kind` of its own"));
    }
    put_over(&mut whole, written);
    Ok(whole)
}

/// What is `written` wins. Of the two ways to name a secret, that one; and one key of `auth` does not take the others away.
fn put_over(whole: &mut Table, written: Table) {
    for (one, other) in [("secret_file", "credential"), ("credential", "secret_file")] {
        if written.contains_key(one) {
            whole.remove(other);
        }
    }
    for (key, value) in written {
        match (whole.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) if matches!(key.as_str(), "auth" | "sign") => {
                put_over(inner, value);
            }
            (_, value) => drop(whole.insert(key, value)),
        }
    }
}

impl Recipe {
    /// The value of each parameter; nothing for an optional one that is not given.
    fn values(&self, with: &Table) -> Result<BTreeMap<&str, Option<String>>, String> {
        if let Some(odd) = with.keys().find(|name| !self.with.contains_key(*name)) {
            let known = self.with.keys().cloned().collect::<Vec<_>>().join(" ");
            return Err(format!("`with` has no {odd:?}; it has: {known}"));
        }
        let value = |(name, parameter): (&'_ String, &Parameter)| match with.get(name) {
            // A brace would name a field, and the field's value would stand where the recipe did not mean it.
            Some(Value::String(text)) if text.contains(['{', '}']) => Err(format!("`with.{name}` holds a brace")),
            Some(Value::String(text)) if text.is_empty() || text.chars().any(char::is_control) => {
                Err(format!("`with.{name}` is empty, or holds a control character"))
            }
            Some(Value::String(text)) => Ok(Some(text.trim_end_matches('/').to_owned())),
            Some(Value::Integer(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("`with.{name}` is a text")),
            None if parameter.default.is_some() => Ok(parameter.default.clone()),
            None if parameter.optional => Ok(None),
            None => {
                let example = parameter.example.as_ref().map(|e| format!(", such as {e:?}")).unwrap_or_default();
                Err(format!("`with` needs {name}: {}{example}", parameter.about))
            }
        };
        self.with.iter().map(|entry| Ok((entry.0.as_str(), value(entry)?))).collect()
    }
}

type Values<'a> = BTreeMap<&'a str, Option<String>>;

fn filled(table: &Table, values: &Values) -> Result<Table, String> {
    let mut out = Table::new();
    for (key, value) in table {
        if let Some(value) = put(value, values)? {
            out.insert(key.clone(), value);
        }
    }
    Ok(out)
}

/// `value` with parameters put in; nothing where it is an optional one that is not given.
fn put(value: &Value, values: &Values) -> Result<Option<Value>, String> {
    Ok(match value {
        Value::String(text) => {
            let alone = text.strip_prefix("{with.").and_then(|rest| rest.strip_suffix('}'));
            if let Some(None) = alone.and_then(|name| values.get(name)) {
                return Ok(None);
            }
            let given = values.iter().filter_map(|(name, given)| Some((name, given.as_ref()?)));
            let text = given.fold(text.clone(), |text, (name, given)| text.replace(&format!("{{with.{name}}}"), given));
            match text.contains("{with.") {
                true => return Err(format!("{text:?} names a value that `with` does not have")),
                false => Some(Value::String(text)),
            }
        }
        Value::Array(list) => {
            let items = list.iter().filter_map(|item| put(item, values).transpose());
            Some(Value::Array(items.collect::<Result<_, _>>()?))
        }
        Value::Table(table) => Some(Value::Table(filled(table, values)?)),
        other => Some(other.clone()),
    })
}
