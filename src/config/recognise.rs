//! Which product wrote a trail whose configuration does not say.
use super::written;
use crate::normalise::{Normaliser, Recognised, Wrapping};
use crate::rules::ConfigError;

/// The product that wrote the files of a trail, by their first lines; where nothing is known to be around them, behind headers of syslog as
/// well.
///
/// # Errors
/// There is no file yet, or none of the profiles fits.
pub fn recognise(
    normaliser: &Normaliser,
    paths: &[String],
    trail: &str,
    wrapping: Wrapping,
) -> Result<Recognised, ConfigError> {
    let fault = |what: &str| {
        let names: Vec<&str> = normaliser.profiles().map(|p| normaliser.name(p)).collect();
        ConfigError::one(format!("trail {trail}: {what}: set `profile` to one of {}", names.join(", ")))
    };
    let lines = crate::source::first_lines(paths).map_err(|e| ConfigError::one(format!("trail {trail}: {e}")))?;
    let Some(lines) = lines else { return Err(fault("there is no file to recognise its product by yet")) };
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let plain = if wrapping.syslog { None } else { normaliser.recognise(&lines) };
    let found = plain.or_else(|| normaliser.recognise_behind_syslog(&lines));
    found.ok_or_else(|| fault("no profile fits its first lines"))
}

/// The same for a trail that is configured.
///
/// # Errors
/// As those of [`recognise`]; or what is around its lines is not said: whose header is believed is for its operator to say.
pub(super) fn of_trail(normaliser: &Normaliser, trail: &written::Trail) -> Result<Recognised, ConfigError> {
    let found = recognise(normaliser, &trail.paths, &trail.name, trail.wrapping())?;
    if !found.syslog || trail.wrapping().syslog {
        return Ok(found);
    }
    let products: Vec<&str> = found.profiles().map(|profile| normaliser.name(profile)).collect();
    Err(ConfigError::one(format!(
        "trail {}: its first lines look like syslog with records of {} in it: set `envelope = \"syslog\"`",
        trail.name,
        products.join(" and ")
    )))
}
