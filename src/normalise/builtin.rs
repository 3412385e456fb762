//! The shipped profiles. To add one: a file in `policies/profiles/`, and a line here.

/// File name and text of each.
pub static PROFILES: &[(&str, &str)] = &[
    (
        "tripline-portal.toml",
        include_str!("../../policies/profiles/tripline-portal.toml"),
    ),
    (
        "download-log.toml",
        include_str!("../../policies/profiles/download-log.toml"),
    ),
    (
        "access.toml",
        include_str!("../../policies/profiles/access.toml"),
    ),
];
