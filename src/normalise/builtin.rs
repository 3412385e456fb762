//! The shipped profiles. To add one: a file in `policies/profiles/`, and a line here.

macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../policies/profiles/", $name, ".toml"))),)*]
    };
}

/// File name and text of each.
pub static PROFILES: &[(&str, &str)] = shipped![
    "tripline-portal",
    "download-log",
    "access",
    "proxy",
    "okta",
    "entra-signin",
    "entra-audit",
    "entra-risk",
    "azure-activity",
    "keycloak",
    "keycloak-events",
    "auth0",
    "duo",
    "duo-admin",
    "duo-telephony",
    "github",
    "google-workspace",
    "aws-cloudtrail",
    "microsoft-365",
    "twilio",
    "vonage",
    "ringcentral",
    "kazoo",
    "okta-csv",
    "entra-signin-csv",
    "entra-audit-csv",
    "microsoft-365-csv",
    "google-workspace-csv",
    "duo-csv",
    "duo-admin-csv",
    "github-csv",
    "twilio-csv",
];
