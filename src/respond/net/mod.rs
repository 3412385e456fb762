//! What speaks to other machines, for the actions and the outlets: an HTTP client, connections with a deadline, whom is
//! believed over TLS, and the signatures of webhooks.
pub mod agent;
pub mod signature;
pub mod stream;
pub mod trust;
